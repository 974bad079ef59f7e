# fish completion of goproxyai: put it into ~/.config/fish/completions.
# tests/02-documents.bats holds it against the program.

complete -c goproxyai -f

complete -c goproxyai -n __fish_use_subcommand -a serve -d 'Run the proxy, in the foreground'
complete -c goproxyai -n __fish_use_subcommand -a health -d 'Ask the running proxy how it is'
complete -c goproxyai -n __fish_use_subcommand -a stats -d 'Show traffic and cache'
complete -c goproxyai -n __fish_use_subcommand -a cache -d 'Look at stored answers, and remove them'
complete -c goproxyai -n __fish_use_subcommand -a version -d 'Print the version, and those of the libraries'
complete -c goproxyai -n __fish_use_subcommand -a help -d 'Print the commands, or what one of them takes'
complete -c goproxyai -n __fish_use_subcommand -s V -l version -d 'Print the version'
complete -c goproxyai -s h -l help -d 'Print what there is to choose from'
complete -c goproxyai -n '__fish_seen_subcommand_from help' -a 'serve health stats cache version help'

# serve, health, stats and cache
set -l ask '__fish_seen_subcommand_from serve health stats cache; and not __fish_seen_subcommand_from help'
complete -c goproxyai -n $ask -x -l listen -a 'localhost 127.0.0.1 ::1' -d 'Addresses to listen on'
complete -c goproxyai -n $ask -x -l port -a '8080 0' -d 'Port to listen on; 0 picks a free one'

# health, stats and cache
set -l one '__fish_seen_subcommand_from health stats cache; and not __fish_seen_subcommand_from help'
complete -c goproxyai -n $one -x -l url -a http://localhost:8080 -d 'The proxy to ask'

# health
set -l health '__fish_seen_subcommand_from health; and not __fish_seen_subcommand_from help'
complete -c goproxyai -n $health -l json -d 'Print the answer as it came'

# stats
set -l stats '__fish_seen_subcommand_from stats; and not __fish_seen_subcommand_from help'
complete -c goproxyai -n $stats -l json -d 'Print the figures as JSON'

# cache
set -l cache '__fish_seen_subcommand_from cache; and not __fish_seen_subcommand_from help'
set -l word '__fish_seen_subcommand_from clear list show remove verify path'
complete -c goproxyai -n "$cache; and not $word" -a 'clear list show remove verify path'
complete -c goproxyai -n $cache -x -l older-than -a '1h 1d 7d 30d' -d 'clear: what was stored longer ago'
complete -c goproxyai -n $cache -x -l model -d 'clear: what was asked of such models'
complete -c goproxyai -n $cache -l headers -d 'show: status and headers too'
complete -c goproxyai -n $cache -l json -d 'list: print JSON'

# serve, stats and cache
set -l kept '__fish_seen_subcommand_from serve stats cache; and not __fish_seen_subcommand_from help'
complete -c goproxyai -n $kept -x -l cache-dir -a '(__fish_complete_directories)' -d 'Where answers are kept'

# serve
set -l serve '__fish_seen_subcommand_from serve; and not __fish_seen_subcommand_from help'
set -l times '10s 30s 60s 5m 10m off'
set -l sizes '32M 64M 100M 512M 2G 0'
complete -c goproxyai -n $serve -l allow-remote -d 'Permit addresses that are not loopback'
complete -c goproxyai -n $serve -x -l allow-host -d 'Further names by which clients may call this proxy'
complete -c goproxyai -n $serve -x -l allow-origin -a http://localhost:3000 -d 'Sites whose pages may use this proxy'
complete -c goproxyai -n $serve -x -l allow-users -a 'self all' -d 'Users of this machine who may call'
complete -c goproxyai -n $serve -x -l upstream -a https://api.openai.com -d 'Base URL of the API'
complete -c goproxyai -n $serve -x -l proxy -a 'none http:// https:// socks5h://' -d 'Upstream proxy'
complete -c goproxyai -n $serve -r -F -l ca-file -d 'CA certificates to trust besides the system\'s'
complete -c goproxyai -n $serve -l http2 -d 'Speak HTTP/2 where an https upstream offers it'
complete -c goproxyai -n $serve -l forwarded -d 'Tell the upstream the client\'s address'
complete -c goproxyai -n $serve -x -l request-timeout -a $times -d 'Longest silence of the upstream'
complete -c goproxyai -n $serve -x -l connect-timeout -a $times -d 'Longest wait for a connection'
complete -c goproxyai -n $serve -x -l total-timeout -a $times -d 'Longest time for a whole answer'
complete -c goproxyai -n $serve -x -l client-timeout -a $times -d 'Time for a client\'s headers, and for its body'
complete -c goproxyai -n $serve -x -l drain-timeout -a $times -d 'How long SIGTERM lets requests go on'
complete -c goproxyai -n $serve -x -l cache-ttl -a '5m 1h 1d 7d forever 0' -d 'How long an answer is good for'
complete -c goproxyai -n $serve -x -l max-cache-size -a $sizes -d 'Room for answers on disk'
complete -c goproxyai -n $serve -x -l memory-cache -a $sizes -d 'Room for answers in memory'
complete -c goproxyai -n $serve -x -l memory -a 'auto 64M 256M 1G' -d 'Bodies and growing answers together'
complete -c goproxyai -n $serve -x -l max-body -a $sizes -d 'The largest request body that is looked up'
complete -c goproxyai -n $serve -l share-cache -d 'One answer for all API keys'
complete -c goproxyai -n $serve -x -l key-ignore -a 'user metadata' -d 'Members of request bodies that make no difference'
complete -c goproxyai -n $serve -x -l key-ignore-header -d 'Further request headers that make no difference'
complete -c goproxyai -n $serve -x -l on-disconnect -a 'cancel finish' -d 'The upstream call when nobody waits for it'
complete -c goproxyai -n $serve -x -l workers -a 'auto 1 2 4' -d 'Event-loop threads'
complete -c goproxyai -n $serve -x -l log-level -a 'error warn info debug trace' -d 'What is logged'

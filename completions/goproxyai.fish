# fish completion of goproxyai: put it into ~/.config/fish/completions.
# tests/02-documents.bats holds it against the program.

complete -c goproxyai -f

complete -c goproxyai -n __fish_use_subcommand -a serve -d 'Run the proxy, in the foreground'
complete -c goproxyai -n __fish_use_subcommand -a health -d 'Ask the running proxy how it is'
complete -c goproxyai -n __fish_use_subcommand -a version -d 'Print the version, and those of the libraries'
complete -c goproxyai -n __fish_use_subcommand -a help -d 'Print the commands, or what one of them takes'
complete -c goproxyai -n __fish_use_subcommand -s V -l version -d 'Print the version'
complete -c goproxyai -s h -l help -d 'Print what there is to choose from'
complete -c goproxyai -n '__fish_seen_subcommand_from help' -a 'serve health version help'

# serve and health
set -l ask '__fish_seen_subcommand_from serve health; and not __fish_seen_subcommand_from help'
complete -c goproxyai -n $ask -x -l listen -a 'localhost 127.0.0.1 ::1' -d 'Addresses to listen on'
complete -c goproxyai -n $ask -x -l port -a '8080 0' -d 'Port to listen on; 0 picks a free one'

# health
set -l health '__fish_seen_subcommand_from health; and not __fish_seen_subcommand_from help'
complete -c goproxyai -n $health -l json -d 'Print the answer as it came'

# serve
set -l serve '__fish_seen_subcommand_from serve; and not __fish_seen_subcommand_from help'
set -l times '10s 30s 60s 5m 10m off'
complete -c goproxyai -n $serve -l allow-remote -d 'Permit addresses that are not loopback'
complete -c goproxyai -n $serve -x -l allow-host -d 'Further names by which clients may call this proxy'
complete -c goproxyai -n $serve -x -l upstream -a https://api.openai.com -d 'Base URL of the API'
complete -c goproxyai -n $serve -x -l proxy -a 'none http:// https:// socks5h://' -d 'Upstream proxy'
complete -c goproxyai -n $serve -r -F -l ca-file -d 'CA certificates to trust besides the system\'s'
complete -c goproxyai -n $serve -l forwarded -d 'Tell the upstream the client\'s address'
complete -c goproxyai -n $serve -x -l request-timeout -a $times -d 'Longest silence of the upstream'
complete -c goproxyai -n $serve -x -l connect-timeout -a $times -d 'Longest wait for a connection'
complete -c goproxyai -n $serve -x -l total-timeout -a $times -d 'Longest time for a whole answer'
complete -c goproxyai -n $serve -x -l client-timeout -a $times -d 'Time for a client\'s headers, and for its body'
complete -c goproxyai -n $serve -x -l drain-timeout -a $times -d 'How long SIGTERM lets requests go on'
complete -c goproxyai -n $serve -x -l workers -a 'auto 1 2 4' -d 'Event-loop threads'

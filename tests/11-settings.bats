#!/usr/bin/env bats
# Settings: a flag beats GOPROXYAI_NAME, which beats the plain variable, which beats the config file, which beats the
# default; what is wrong is an error that names its place.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    own_config
}

# config TEXT: the config file
config() {
    printf '%s' "$1" >"$config_file"
}

# gives STATUS [NAME=VALUE…] ARGS…: as in 10-command.bats, with variables before
gives() {
    local expected=$1 code=0
    shift
    local -a variables=()
    while [[ ${1:-} == *=* && $1 != -* ]]; do
        variables+=("$1")
        shift
    done
    (
        ((${#variables[@]} == 0)) || export "${variables[@]}"
        goproxyai "$@"
    ) >out 2>err || code=$?
    [[ $code -eq $expected ]] || {
        echo "${variables[*]} goproxyai $*: status $code, expected $expected"
        cat out err
        return 1
    }
}

# refused WHAT [NAME=VALUE…] ARGS…: status 2 and one line that holds WHAT (a regular expression)
refused() {
    local what=$1
    shift
    gives 2 "$@"
    [[ ! -s out && $(wc -l <err) -eq 1 ]] && grep -Eq '^goproxyai: .+: .+' err && grep -Eq -- "$what" err || {
        echo "expected one line with: $what"
        cat out err
        return 1
    }
}

# listening [NAME=VALUE…] SERVE-ARGS…: starts serve with nothing added, waits for its log to say where it listens
listening() {
    local -a variables=()
    while [[ ${1:-} == *=* && $1 != -* ]]; do
        variables+=("$1")
        shift
    done
    serves=$((${serves:-0} + 1))
    spawn "serve.$serves.out" "serve.$serves.log" env -u GOPROXYAI_SANITIZED -u GOPROXYAI_TEST_BIN HOME="$PROXY_HOME" \
        XDG_CONFIG_HOME="$PROXY_HOME/config" XDG_CACHE_HOME="$PROXY_HOME/cache" XDG_STATE_HOME="$PROXY_HOME/state" \
        "${variables[@]}" "$goproxyai_bin" serve "$@"
    PROXY_LOG=serve.$serves.log
    PROXY_PID=$spawned
    tracked_logs+=("$PWD/$PROXY_LOG")
    tracked_proxies+=("$spawned:$PWD/$PROXY_LOG")
    eventually says_where
    PROXY_PORT=$(sed -n 's#.*OPENAI_BASE_URL=http://.*:\([0-9]*\)/v1.*#\1#p' "$PROXY_LOG")
    PROXY=http://127.0.0.1:$PROXY_PORT
}

says_where() {
    grep -q OPENAI_BASE_URL "$PROXY_LOG" && return 0
    cat "$PROXY_LOG"
    alive "$PROXY_PID" || return 99
    return 1
}

# ---- which place wins ----

@test "an address that is listened on already is not a second one; one that stands for all comes first" {
    server
    local list
    for list in localhost,127.0.0.1 127.0.0.1,127.0.0.1 ::1,localhost '[::1],::1' 127.0.0.2,localhost,127.0.0.2 0.0.0.0,127.0.0.1; do
        listening --port 0 --upstream "$UPSTREAM" --listen "$list" --allow-remote
    done
    refused 'listen: 0.0.0.0 stands for all addresses' serve --port 0 --allow-remote --listen 127.0.0.1,0.0.0.0
}

@test "the port: flag, own variable, plain variable, config file, default, in this order" {
    # ports that only root could open, so nobody answers on them
    config $'port = 11\n'
    gives 1 GOPROXYAI_PORT=13 PORT=12 health --port 14
    grep -q 'port 14' err
    gives 1 GOPROXYAI_PORT=13 PORT=12 health
    grep -q 'port 13' err
    gives 1 PORT=12 health
    grep -q 'port 12' err
    gives 1 health
    grep -q 'port 11' err
    gives 1 GOPROXYAI_PORT= PORT= health
    grep -q 'port 11' err
    config ''
    port_answers 8080 || {
        gives 1 health
        grep -q 'port 8080' err
    }
}

@test "the upstream: flag, own variable, plain variable, config file, in this order" {
    server
    local own=GOPROXYAI_UPSTREAM=$UPSTREAM/own plain=OPENAI_API_URL=$UPSTREAM/plain
    config "upstream = $UPSTREAM/file"$'\n'
    listening "$own" "$plain" --port 0 --upstream "$UPSTREAM/flag"
    client -o /dev/null "$PROXY/v1/models"
    [[ $(upstream_get last/line) == 'GET /flag/v1/models HTTP/1.1' ]]
    listening "$own" "$plain" --port=0
    client -o /dev/null "$PROXY/v1/models"
    [[ $(upstream_get last/line) == 'GET /own/v1/models HTTP/1.1' ]]
    listening "$plain" --port 0
    client -o /dev/null "$PROXY/v1/models"
    [[ $(upstream_get last/line) == 'GET /plain/v1/models HTTP/1.1' ]]
    listening --port 0
    client -o /dev/null "$PROXY/v1/models"
    [[ $(upstream_get last/line) == 'GET /file/v1/models HTTP/1.1' ]]
    config ''
    listening --port 0
    grep -q 'https://api.openai.com' "$PROXY_LOG"
}

@test "the request timeout: flag, own variable, plain variable, config file, in this order" {
    server
    local own=GOPROXYAI_REQUEST_TIMEOUT=120ms plain=REQUEST_TIMEOUT=130ms
    config $'request-timeout = 140ms\n'
    listening "$own" "$plain" --port 0 --upstream "$UPSTREAM" --request-timeout 110ms
    client -H 'X-Script: stall' "$PROXY/v1/models" | grep -q '0\.11 s'
    listening "$own" "$plain" --port 0 --upstream "$UPSTREAM"
    client -H 'X-Script: stall' "$PROXY/v1/models" | grep -q '0\.12 s'
    listening "$plain" --port 0 --upstream "$UPSTREAM"
    client -H 'X-Script: stall' "$PROXY/v1/models" | grep -q '0\.13 s'
    listening --port 0 --upstream "$UPSTREAM"
    client -H 'X-Script: stall' "$PROXY/v1/models" | grep -q '0\.14 s'
}

@test "a setting without a plain variable: flag, own variable, config file, in this order" {
    server
    config $'allow-host = file.test\n'
    listening GOPROXYAI_ALLOW_HOST=own.test --port 0 --upstream "$UPSTREAM" --allow-host flag.test
    [[ $(client -o /dev/null -w '%{http_code}' -H "Host: flag.test:$PROXY_PORT" "$PROXY/v1/models") == 200 ]]
    [[ $(client -o /dev/null -w '%{http_code}' -H "Host: own.test:$PROXY_PORT" "$PROXY/v1/models") == 403 ]]
    [[ $(client -o /dev/null -w '%{http_code}' -H "Host: file.test:$PROXY_PORT" "$PROXY/v1/models") == 403 ]]
    listening GOPROXYAI_ALLOW_HOST=own.test --port 0 --upstream "$UPSTREAM"
    [[ $(client -o /dev/null -w '%{http_code}' -H "Host: own.test:$PROXY_PORT" "$PROXY/v1/models") == 200 ]]
    [[ $(client -o /dev/null -w '%{http_code}' -H "Host: file.test:$PROXY_PORT" "$PROXY/v1/models") == 403 ]]
    listening --port 0 --upstream "$UPSTREAM"
    [[ $(client -o /dev/null -w '%{http_code}' -H "Host: file.test:$PROXY_PORT" "$PROXY/v1/models") == 200 ]]
}

@test "a switch can be set in every place and taken back with off" {
    server
    config $'forwarded = on\n'
    listening --port 0 --upstream "$UPSTREAM"
    client -o /dev/null "$PROXY/v1/models?$(fresh)"
    [[ $(upstream_get last/header/x-forwarded-for) == 127.0.0.1 ]]
    listening GOPROXYAI_FORWARDED=off --port 0 --upstream "$UPSTREAM"
    client -o /dev/null "$PROXY/v1/models?$(fresh)"
    not grep -qi x-forwarded-for <(upstream_get last/headers)
    listening GOPROXYAI_FORWARDED=off --port 0 --upstream "$UPSTREAM" --forwarded
    client -o /dev/null "$PROXY/v1/models?$(fresh)"
    [[ $(upstream_get last/header/x-forwarded-for) == 127.0.0.1 ]]
    listening --port 0 --upstream "$UPSTREAM" --forwarded=off
    client -o /dev/null "$PROXY/v1/models?$(fresh)"
    not grep -qi x-forwarded-for <(upstream_get last/headers)
}

@test "request headers that make no difference: flag, own variable, config file, in this order, none by default" {
    server
    local own=GOPROXYAI_KEY_IGNORE_HEADER=X-Own,X-All
    config $'key-ignore-header = X-File, x-all\n'
    listening "$own" --port 0 --upstream "$UPSTREAM" --key-ignore-header X-Flag --key-ignore-header X-All
    ignores X-All X-Flag -- X-Own X-File X-Other
    listening "$own" --port 0 --upstream "$UPSTREAM"
    ignores X-All X-Own -- X-Flag X-File X-Other
    listening --port 0 --upstream "$UPSTREAM"
    ignores X-All X-File -- X-Flag X-Own X-Other
    config ''
    listening --port 0 --upstream "$UPSTREAM"
    ignores -- X-All X-File X-Flag X-Own X-Other
}

# ignores NAME… -- NAME…: these fields make no difference to the cache, and those do
ignores() {
    local word=HIT name url
    url="/v1/models?$(fresh)"
    ask got "$url"
    for name; do
        if [[ $name == -- ]]; then
            word=MISS
        else
            gets "$word" got -H "$name: $(fresh)" "$url"
        fi
    done
}

@test "credentials, and what is no header name, are refused as headers that make no difference" {
    local name
    for name in Authorization api-key X-API-Key COOKIE; do
        refused "^goproxyai: --key-ignore-header: $name .*--share-cache" serve --port 0 --key-ignore-header "X-Run,$name"
        refused "^goproxyai: GOPROXYAI_KEY_IGNORE_HEADER: $name .*--share-cache" "GOPROXYAI_KEY_IGNORE_HEADER=$name" serve --port 0
    done
    refused '^goproxyai: --key-ignore-header: .X-A:b. ' serve --port 0 --key-ignore-header X-A:b
    config $'port = 0\nkey-ignore-header = cookie\n'
    refused "$config_file:2: .*cookie .*--share-cache" serve
    # where nothing is kept as well
    refused "$config_file:2: .*cookie" serve --cache-ttl 0
}

# ---- the config file ----

@test "the config file takes comments, blank lines, blanks, CRLF and a last line without its end" {
    config $'# a comment\n\n   # another\r\nlisten=127.0.0.1\r\n\t port \t=\t 11  '
    gives 1 health
    grep -q '127.0.0.1 port 11' err
}

@test "without XDG_CONFIG_HOME the config file is below ~/.config" {
    mkdir -p "$PROXY_HOME/.config/goproxyai"
    echo 'port = 15' >"$PROXY_HOME/.config/goproxyai/config"
    local code=0
    # and not the proxy of whoever runs the tests
    mkdir -m 700 "$PROXY_HOME/notes"
    export XDG_RUNTIME_DIR=$PROXY_HOME/notes
    env -u XDG_CONFIG_HOME -u GOPROXYAI_SANITIZED -u GOPROXYAI_TEST_BIN HOME="$PROXY_HOME" "$goproxyai_bin" health 2>err || code=$?
    [[ $code -eq 1 ]]
    grep -q 'port 15' err
    # a relative path is invalid by the XDG specification
    env -u GOPROXYAI_SANITIZED -u GOPROXYAI_TEST_BIN XDG_CONFIG_HOME=home/config HOME="$PROXY_HOME" "$goproxyai_bin" health 2>err || true
    grep -q 'port 15' err
}

@test "an unknown name in the config file is refused with file and line" {
    config $'# one\nport = 0\nnonsense = 1\n'
    refused "$config_file:3: .*nonsense" serve
    refused "$config_file:3: .*nonsense" health
    config $'PORT = 0\n'
    refused "$config_file:1: .*PORT" serve
}

@test "a name that stands twice in the config file is refused with both lines" {
    config $'port = 0\n# two\nport = 0\n'
    refused "$config_file:3: port stands in line 1 already: " serve
    refused "$config_file:3: port stands in line 1 already: " health
    config $'allow-host = a.test\nallow-host = b.test\n'
    refused "$config_file:2: allow-host stands in line 1 already: " serve
    config $'allow-host = a.test,b.test\nport = 11\n'
    gives 1 health
}

@test "a bad value in the config file is refused with file and line" {
    config $'\n\nport = none\n'
    refused "$config_file:3: .*port.*none" serve
    config $'request-timeout = soon'
    refused "$config_file:1: .*request-timeout.*soon" serve
    config $'port = 0\nupstream\n'
    refused "$config_file:2: " serve
    config $'= 3\n'
    refused "$config_file:1: " serve
}

@test "an item of a list that is none is refused with the place where the list stands" {
    local row name value variable
    for row in listen=foo listen=localhost,192.0.2.300 allow-host=http://x allow-host=* allow-host=a,b:x \
        allow-host='[::1' allow-users=nosuchuser allow-users=all,nosuchuser allow-origin=foo allow-origin=null \
        key-ignore-header=a:b key-ignore-header=authorization; do
        name=${row%%=*} value=${row#*=}
        variable=GOPROXYAI_${name//-/_}
        config ''
        refused "^goproxyai: --$name: " serve --port 0 "--$name" "$value"
        refused "^goproxyai: ${variable^^}: " "${variable^^}=$value" serve --port 0
        config "port = 0"$'\n'"$name = $value"$'\n'
        refused "^goproxyai: $config_file:2: $name: " serve
    done
    config $'listen = 0.0.0.0\n'
    refused "^goproxyai: $config_file:1: listen: 0.0.0.0 is not loopback" serve
}

@test "what is no config file is refused and named, not read as one" {
    printf 'port = 0\n\0\n' >"$config_file"
    refused "$config_file" serve
    head -c 100000 /dev/zero | tr '\0' '#' >"$config_file"
    refused "$config_file" serve
    rm "$config_file"
    mkdir "$config_file"
    local code=0
    goproxyai serve >out 2>err || code=$?
    [[ ($code -eq 1 || $code -eq 2) && $(wc -l <err) -eq 1 ]]
    grep -q "^goproxyai: .*$config_file" err
}

# ---- what is wrong is refused, and its place is named ----

# warns TEXT [NAME=VALUE…] ARGS…: status 1 as nobody answers, and one line before the error's: TEXT
warns() {
    local text=$1
    shift
    gives 1 "$@"
    [[ $(head -n 1 err) == "goproxyai: warning: $text" && $(wc -l <err) -eq 2 && $(tail -n 1 err) == *'port 11'* ]] || {
        cat err
        return 1
    }
}

@test "an unknown GOPROXYAI_ variable is a warning that names the nearest one" {
    config $'port = 11\n'
    warns 'GOPROXYAI_CACHE_TLT is no setting: did you mean GOPROXYAI_CACHE_TTL?' GOPROXYAI_CACHE_TLT=1 health
    warns 'GOPROXYAI_port is no setting: did you mean GOPROXYAI_PORT?' GOPROXYAI_port=1 health
    warns 'GOPROXYAI_NONSENSE is no setting: see goproxyai help serve, or unset it' GOPROXYAI_NONSENSE=1 health
    warns 'GOPROXYAI_ is no setting: see goproxyai help serve, or unset it' GOPROXYAI_=1 health
    # its value may be a secret
    warns 'GOPROXYAI_JWT is no setting: see goproxyai help serve, or unset it' GOPROXYAI_JWT=sesame7 health
    gives 1 GOPROXYAI_NONSENSE= health
    [[ $(wc -l <err) -eq 1 ]]
    server
    listening GOPROXYAI_CACHE_TLT=7d --port 0 --upstream "$UPSTREAM"
    [[ $(head -n 1 "$PROXY_LOG") == 'goproxyai: warning: GOPROXYAI_CACHE_TLT is no setting: did you mean GOPROXYAI_CACHE_TTL?' ]]
}

@test "more memory than the machine has is refused before anything is served" {
    refused '^goproxyai: --memory-cache is .900T.: it must be at most the memory of this machine, which is [0-9]+M$' \
        serve --port 0 --memory-cache 900T
    config $'memory-cache = 900T\n'
    refused "config:1: memory-cache is .900T.: " serve --port 0
}

@test "a bad value in a variable is refused with the variable's name" {
    refused '^goproxyai: GOPROXYAI_PORT.*70000' GOPROXYAI_PORT=70000 serve
    refused '^goproxyai: PORT.*tcp' PORT=tcp://172.17.0.1:80 serve
    refused '^goproxyai: REQUEST_TIMEOUT.*30 s' 'REQUEST_TIMEOUT=30 s' serve
    refused '^goproxyai: OPENAI_API_URL' OPENAI_API_URL=api.openai.com serve
    refused '^goproxyai: PROXY_URL' PROXY_URL=ftp://proxy:1 serve
    refused '^goproxyai: GOPROXYAI_FORWARDED.*maybe' GOPROXYAI_FORWARDED=maybe serve
}

@test "a bad value in a flag is refused with the flag's name" {
    local value
    for value in -1 65536 abc 1.5 '' ' 80' 0x50 99999999999999999999; do
        refused '^goproxyai: --port' serve --port "$value"
    done
    for value in 30 5m 1h30m 500ms off 0 1.5s; do
        gives 2 serve --port x --request-timeout "$value"
        grep -q -- --port err
    done
    for value in abc -5s 5x '' 's' '5 s' 1e400s 0x10s inf; do
        refused '^goproxyai: --request-timeout' serve --request-timeout "$value"
    done
    for value in 0 -1 65 many ''; do
        refused '^goproxyai: --workers' serve --workers "$value"
    done
    for value in '' localhost:80 ftp://a http:// 'http://a b' 'http://a?b' 'http://a#b' http://a:0 http://a:99999 http://a:x \
        'http://[::1' $'http://a\nb'; do
        gives 2 serve --upstream "$value"
        grep -q '^goproxyai: --upstream' err
    done
    for value in localhost:80 ftp://a http:// http://a:x socks9://a; do
        refused '^goproxyai: --proxy' serve --proxy "$value"
    done
    refused '^goproxyai: --forwarded' serve --forwarded=2
}

@test "a port in use is told in one line, with the port, and is status 1" {
    server
    gives 1 serve --port "$UPSTREAM_PORT"
    [[ ! -s out && $(wc -l <err) -eq 1 ]]
    grep -Eq "^goproxyai: port $UPSTREAM_PORT .*in use: .*--port" err
}

@test "an unreadable or empty CA file is told in one line, with its path" {
    local file code
    echo nonsense >nonsense.pem
    : >empty.pem
    for file in "$PWD/missing.pem" "$PWD" "$PWD/nonsense.pem" "$PWD/empty.pem"; do
        code=0
        goproxyai serve --port 0 --ca-file "$file" >out 2>err || code=$?
        [[ $code -eq 1 || $code -eq 2 ]]
        [[ ! -s out && $(wc -l <err) -eq 1 ]]
        grep -Eq "^goproxyai: .*$file.*" err
    done
    code=0
    SSL_CERT_FILE=$PWD/missing.pem goproxyai serve --port 0 >out 2>err || code=$?
    [[ $code -eq 1 || $code -eq 2 ]]
    grep -q SSL_CERT_FILE err
}

@test "a CA file may be a pipe, as a shell's process substitution gives one" {
    need openssl
    make_ca
    listening --port 0 --ca-file <(cat "$CA_FILE")
    gives 2 serve --port 0 --ca-file <(echo nothing)
    grep -q 'holds no certificate' err
}

# ---- where it listens ----

@test "it listens on 127.0.0.1 and, where there is IPv6, on ::1, on one port" {
    server
    listening --port 0 --upstream "$UPSTREAM"
    client -o /dev/null --fail "http://127.0.0.1:$PROXY_PORT/v1/models"
    client -o /dev/null --fail "http://localhost:$PROXY_PORT/v1/models"
    if [[ -e /proc/net/if_inet6 ]] && grep -q ' lo$' /proc/net/if_inet6; then
        client -o /dev/null --fail "http://[::1]:$PROXY_PORT/v1/models"
    fi
}

@test "addresses that are not loopback are refused without --allow-remote" {
    local address
    for address in 0.0.0.0 :: '[::]' 10.1.2.3 127.0.0.1,0.0.0.0; do
        refused 'allow-remote' serve --port 0 --listen "$address"
    done
    refused 'listen' serve --port 0 --listen example.test
    refused 'listen' serve --port 0 --listen ''
    server
    listening --port 0 --upstream "$UPSTREAM" --listen 0.0.0.0 --allow-remote
    client -o /dev/null --fail "$PROXY/v1/models"
}

@test "several addresses are listened on, and nothing else" {
    server
    listening --port 0 --upstream "$UPSTREAM" --listen 127.0.0.2,127.0.0.3 --listen 127.0.0.4
    local last
    for last in 2 3 4; do
        client -o /dev/null --fail "http://127.0.0.$last:$PROXY_PORT/v1/models"
    done
    not client -o /dev/null "http://127.0.0.1:$PROXY_PORT/v1/models" 2>err
}

@test "the address that serve says is one that is listened on, the first of several" {
    server
    local listen said
    while read -r listen said; do
        listening --port 0 --upstream "$UPSTREAM" --allow-remote --listen "$listen"
        grep -q "listens on http://$said:$PROXY_PORT and" "$PROXY_LOG"
        grep -q "export OPENAI_BASE_URL=http://$said:$PROXY_PORT/v1" "$PROXY_LOG"
        client -o /dev/null --fail "http://$said:$PROXY_PORT/v1/models"
    done <<'END'
localhost localhost
127.0.0.1 127.0.0.1
127.0.0.2,localhost 127.0.0.2
0.0.0.0 localhost
END
}

# ---- the proxy's password ----

# nowhere SECRET: neither in ps, nor in what was logged, nor in an answer
nowhere() {
    not grep -a -q "$1" "/proc/$PROXY_PID/cmdline"
    not grep -a -q "$1" "$PROXY_LOG"
    not grep -a -q "$1" answer
}

@test "the upstream proxy's password is never in ps, in the log, or in an error" {
    local nobody how
    nobody=$(free_port)
    for how in --proxy "--proxy=" GOPROXYAI_PROXY= PROXY_URL=; do
        case $how in
        --proxy) listening --port 0 --upstream http://api.test --proxy "http://user:sesame7@127.0.0.1:$nobody" ;;
        --proxy=) listening --port 0 --upstream http://api.test "--proxy=http://user:sesame7@127.0.0.1:$nobody" ;;
        *) listening "${how}http://user:sesame7@127.0.0.1:$nobody" --port 0 --upstream http://api.test ;;
        esac
        [[ $(client -o answer -w '%{http_code}' "$PROXY/v1/models") == 502 ]]
        jq -e '.error.message | contains("127.0.0.1")' answer
        eventually grep -q 'GET /v1/models 502' "$PROXY_LOG"
        nowhere sesame7
    done
    config "proxy = http://user:sesame7@127.0.0.1:$nobody"$'\n'
    listening --port 0 --upstream http://api.test
    [[ $(client -o answer -w '%{http_code}' "$PROXY/v1/models") == 502 ]]
    eventually grep -q 'GET /v1/models 502' "$PROXY_LOG"
    nowhere sesame7
}

@test "a URL with a password that cannot be used is refused without repeating the password" {
    local url
    for url in user:sesame7@host:3128 ftp://user:sesame7@host http://user:sesame7@host:x 'http://user:sesame7@ho st'; do
        refused '^goproxyai: --proxy' serve --proxy "$url"
        not grep -q sesame7 err
        refused '^goproxyai: PROXY_URL' "PROXY_URL=$url" serve
        not grep -q sesame7 err
        config "proxy = $url"$'\n'
        refused "$config_file:1: " serve
        not grep -q sesame7 err
        config ''
    done
    refused '^goproxyai: --upstream' serve --upstream https://user:sesame7@host/v1
    not grep -q sesame7 err
    refused '^goproxyai: OPENAI_API_URL' OPENAI_API_URL=https://user:sesame7@host/v1 serve
    not grep -q sesame7 err
    # nor where the flag or the sign before it was forgotten
    refused 'takes no argument such as .http://[*]*@host' serve http://user:sesame7@host:3128
    not grep -q sesame7 err
    refused 'no command .http://[*]*@host' http://sesame7@host:3128
    not grep -q sesame7 err
    config $'proxy http://user:sesame7@host=1\n'
    refused "$config_file:1: there is no setting .proxy http://[*]*@host" serve
    not grep -q sesame7 err
}

@test "a client's key is in no log and no error" {
    server
    listening --port 0 --upstream "$UPSTREAM"
    client -o answer -H 'Authorization: Bearer sk-sesame7' -H 'api-key: sesame7' "$PROXY/v1/models?key=sesame7"
    client -o answer -H 'Authorization: Bearer sk-sesame7' "$PROXY/nowhere?key=sesame7"
    nowhere sesame7
    client -o answer -H 'Authorization: Bearer sk-sesame7' -H 'X-Script: garbage' "$PROXY/v1/models?key=sesame7"
    eventually grep -q '/v1/models 502' "$PROXY_LOG"
    nowhere sesame7
}

#!/usr/bin/env bats
# bats file_tags=threads
# SIGHUP: the configuration is read anew; what has begun keeps its settings; what cannot work changes nothing.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    own_config
    server
}

# config LINE…: the config file
config() {
    printf '%s\n' "$@" >"$config_file"
}

# started [SERVE-ARGS…]: a proxy that is configured by the file alone, but for these
started() {
    : >>"$config_file"
    proxy --home "$PROXY_HOME" "$@"
}

# reloaded PATTERN: sends SIGHUP; one line of the log says so and fits the pattern (a regular expression)
reloaded() {
    told=$(grep -c SIGHUP "$PROXY_LOG" || true)
    kill -HUP "$PROXY_PID"
    eventually more_said
    tail -n +1 "$PROXY_LOG" | grep SIGHUP | tail -n +$((told + 1)) | grep -Eq -- "$1" || {
        echo "no line fits: $1"
        cat "$PROXY_LOG"
        return 1
    }
}

more_said() {
    [[ $(grep -c SIGHUP "$PROXY_LOG") -gt $told ]]
}

@test "SIGHUP has the file read anew, and names what changed" {
    started
    gets MISS got /v1/models
    gets HIT got /v1/models
    reloaded 'changed: none$'
    gets HIT got /v1/models
    config 'allow-host = proxy.test' 'forwarded = on'
    [[ $(client -o got -w '%{http_code}' -H 'Host: proxy.test' "$PROXY/v1/models") == 403 ]]
    reloaded 'changed: --allow-host, --forwarded$'
    [[ $(client -o got -w '%{http_code}' -H 'Host: proxy.test' "$PROXY/v1/models?$(fresh)") == 200 ]]
    [[ $(upstream_get last/header/x-forwarded-for) == 127.0.0.1 ]]
    config ''
    reloaded 'changed: --allow-host, --forwarded$'
    [[ $(client -o got -w '%{http_code}' -H 'Host: proxy.test' "$PROXY/v1/models") == 403 ]]
    not grep -qi warning "$PROXY_LOG"
}

@test "another upstream takes the requests that come, and the one before ends those that it has" {
    local first=$UPSTREAM first_port=$UPSTREAM_PORT
    config "upstream = $UPSTREAM"
    UPSTREAM='' started # which names none on the command line
    spawn live err curl -q -sSN --noproxy '*' --max-time 60 -H 'X-Script: data:1;barrier:live;data:[DONE]' "$PROXY/v1/x"
    local live=$spawned
    barrier wait live
    gets MISS got /v1/models
    server
    config "upstream = $UPSTREAM" 'request-timeout = 50s'
    reloaded 'changed: --upstream, --request-timeout$'
    gets MISS got /v1/models # the upstream is part of the key
    expect_stat requests = 1
    gets HIT got /v1/models
    client "$PROXY/stats" | jq -e --arg url "$UPSTREAM" '.openai_url == $url'
    UPSTREAM=$first UPSTREAM_PORT=$first_port barrier release live
    pid_ends "$live" 30
    [[ ${ended[$live]} -eq 0 ]]
    grep -q DONE live
    expect_stat requests = 1
}

@test "what is kept, for how long and by what key changes for the requests that come" {
    config 'cache-ttl = 1h' "upstream = $UPSTREAM"
    started
    ask got -d '{"messages":[],"user":"a"}' -H "X-Script: body:$(said x)" /v1/chat/completions
    gets MISS got -d '{"messages":[],"user":"b"}' -H "X-Script: body:$(said x)" /v1/chat/completions
    gets HIT got -d '{"messages":[],"user":"b"}' /v1/chat/completions
    gets HIT got -d '{"messages":[],"user":"b"}' /v1/chat/completions # and the memory of seen bodies knows it
    config 'cache-ttl = 1h' 'key-ignore = user'
    reloaded 'changed: --key-ignore$'
    gets MISS got -d '{"messages":[],"user":"b"}' -H "X-Script: body:$(said x)" /v1/chat/completions
    gets HIT got -d '{"messages":[],"user":"c"}' /v1/chat/completions
    gets HIT got -d '{"messages":[],"user":"b"}' /v1/chat/completions
    # what was kept without a look at a member is not the answer of a request that has none
    config 'cache-ttl = 1h'
    reloaded 'changed: --key-ignore$'
    gets MISS got -d '{"messages":[]}' -H "X-Script: body:$(said x)" /v1/chat/completions
    sleep 1.1
    config 'cache-ttl = 1s'
    reloaded 'changed: --cache-ttl$'
    gets MISS got -d '{"messages":[],"user":"b"}' -H "X-Script: body:$(said x)" /v1/chat/completions
    tells got 'fwd=stale; stored'
    config 'cache-ttl = 0'
    reloaded 'changed: --cache-ttl$'
    gets BYPASS got -d '{"messages":[],"user":"b"}' -H "X-Script: body:$(said x)" /v1/chat/completions
    config 'cache-ttl = forever'
    reloaded 'changed: --cache-ttl$'
    gets HIT got -d '{"messages":[],"user":"b"}' /v1/chat/completions
}

@test "a request that waits at the reload ends by the settings that it began with" {
    config 'key-ignore = user'
    started
    spawn late.out err curl -q -sS --noproxy '*' --max-time 60 -D late.head -H "X-Script: barrier:late;body:$(said x)" -d '{"messages":[],"user":"b"}' \
        "$PROXY/v1/chat/completions"
    local late=$spawned
    barrier wait late
    config ''
    reloaded 'changed: --key-ignore$'
    barrier release late
    pid_ends "$late" 30
    [[ ${ended[$late]} -eq 0 ]]
    grep -qi '^cache-status: .*stored' late.head
    gets MISS got -d '{"messages":[],"user":"c"}' -H "X-Script: body:$(said x)" /v1/chat/completions
    config 'key-ignore = user'
    reloaded 'changed: --key-ignore$'
    costs 0 gets HIT got -d '{"messages":[],"user":"d"}' /v1/chat/completions
}

@test "a flag and a variable stand above the file, as at the start" {
    config 'cache-ttl = 1h' 'max-body = 8'
    GOPROXYAI_MAX_BODY=16 started --cache-ttl 2h
    config 'cache-ttl = 3h' 'max-body = 9'
    reloaded 'changed: none$'
    client "$PROXY/stats" | jq -e '.cache.ttl == "2h0m0s"'
}

@test "what takes a restart stays as it is, and is named" {
    config 'workers = 1'
    started
    config 'workers = 2' 'max-cache-size = 200' "cache-dir = $PWD/other" 'listen = 127.0.0.9' 'drain-timeout = 9s'
    reloaded 'warning: .*--listen, --max-cache-size, --cache-dir, --workers: only a restart changes that'
    grep SIGHUP "$PROXY_LOG" | grep -q 'changed: --drain-timeout$'
    client "$PROXY/stats" | jq -e '.cache.max_bytes == 104857600'
    [[ ! -e other ]]
    [[ $(client -o got -w '%{http_code}' -H 'Host: 127.0.0.9' "$PROXY/v1/models") == 200 ]] # a name of loopback, in any case
    proxy_stop
    [[ $status -eq 0 ]]
    grep -q 'at most 9 s' "$PROXY_LOG"
}

@test "a cache that was off at the start takes a restart" {
    config 'cache-ttl = 0'
    started
    config 'cache-ttl = 5m'
    reloaded 'warning: .*--cache-ttl: only a restart'
    gets BYPASS got /v1/models
}

@test "what cannot work changes nothing, and the log says why" {
    config 'allow-host = proxy.test'
    started
    local row
    while IFS='|' read -r row why; do
        config 'forwarded = on' "$row"
        reloaded "warning: .*$why.*all settings stay as they are"
        [[ $(client -o got -w '%{http_code}' -H 'Host: proxy.test' "$PROXY/v1/models?$(fresh)") == 200 ]]
        not grep -qi x-forwarded-for <(upstream_get last/headers)
    done <<TABLE
no-such = 1|config:2: there is no setting
cache-ttl = soon|config:2: cache-ttl
allow-users = no-such-user|config:2: allow-users
allow-origin = null|config:2: allow-origin
ca-file = /no/such/file|config:2: ca-file
proxy = http://localhost:$PROXY_PORT|is this proxy itself
forwarded = off|stands in line 1 already
TABLE
    rm "$config_file"
    mkdir "$config_file"
    reloaded 'warning: .*config.*all settings stay as they are'
}

@test "a pipe that nobody writes to, in the place of the configuration or of a CA file, is given up, and the proxy still ends" {
    started
    mkfifo pipe
    config "ca-file = $PWD/pipe"
    reloaded 'warning: .*pipe is a pipe that did not end within 2 s.*all settings stay as they are'
    mv pipe "$config_file"
    reloaded 'warning: .*config is a pipe that did not end within 2 s.*all settings stay as they are'
    proxy_stop
}

@test "--allow-users counts for connections that are open" {
    need_root
    need setpriv
    started
    chmod 755 "$BATS_TEST_TMPDIR"
    config 'allow-users = nobody'
    reloaded 'changed: --allow-users$'
    printf 'send GET /v1/models HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n\nexpect 200 OK\npause 3000\nsend GET /v1/models HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n\nexpect 403\n' >script
    spawn told err sh -c 'exec setpriv --reuid=nobody --clear-groups "$1" --timeout 20 --script "$2" <script' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
    eventually grep -q 'GET /v1/models 200' "$PROXY_LOG"
    config ''
    reloaded 'changed: --allow-users$'
    eventually grep -q 'GET /v1/models 403' "$PROXY_LOG"
}

# nginx_tls PROTOCOL: an upstream that speaks it
nginx_tls() {
    start_nginx "ssl_protocols $1; ssl_session_tickets on; server { listen 127.0.0.1:@PORT@ ssl; ssl_certificate @CERT@; ssl_certificate_key @KEY@; location / { proxy_pass http://@UPSTREAM@; } }"
}

@test "a new CA file counts at once, and one that is taken away no more: no connection and no TLS session of before serves" {
    need nginx openssl
    make_ca
    local good=$CA_FILE cert=$CERT_FILE key=$KEY_FILE protocol
    for protocol in TLSv1.2 TLSv1.3; do
        CERT_FILE=$cert KEY_FILE=$key nginx_tls "$protocol"
        make_ca "other.$protocol"
        cp "$CA_FILE" ca.pem
        config "ca-file = $PWD/ca.pem"
        started --workers 1 --upstream "https://localhost:$NGINX_PORT"
        ours 502 upstream_tls_failed ca-file
        cp "$good" ca.pem
        reloaded 'changed: none$'
        for i in 1 2 3; do # of a connection that a reload ends nothing is left for the next
            [[ $(client -o got -w '%{http_code}' "$PROXY/v1/models?$protocol$i") == 200 ]]
            reloaded 'changed: none$'
        done
        cp "$CA_FILE" ca.pem
        reloaded 'changed: none$'
        ours 502 upstream_tls_failed certificate
        # nor for a request that was on its way at the reload, or its handle
        cp "$good" ca.pem
        reloaded 'changed: none$'
        spawn late.out err curl -q -sS --noproxy '*' --max-time 60 -o late -H "X-Script: barrier:$protocol;body:{}" "$PROXY/v1/late?$protocol"
        local late=$spawned
        barrier wait "$protocol"
        cp "$CA_FILE" ca.pem
        reloaded 'changed: none$'
        barrier release "$protocol"
        pid_ends "$late" 30
        [[ ${ended[$late]} -eq 0 && $(<late) == '{}' ]]
        ours 502 upstream_tls_failed certificate
        proxy_stop
    done
}

@test "reloads beside requests of all kinds: every one is answered" {
    started --workers 2
    local i
    for i in 1 2 3 4; do
        for k in {1..40}; do
            printf 'url = "%s/v1/models?%d"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\nnext\n' "$PROXY" $((k % 7))
            printf 'url = "%s/v1/chat/completions"\ndata = "{\\"n\\":%d}"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\nnext\n' "$PROXY" $((k % 5))
        done | sed '$d' >"conf.$i"
        spawn "codes.$i" "err.$i" curl -q -sS --noproxy '*' --max-time 60 -K "conf.$i"
        pids[i]=$spawned
    done
    for i in {1..25}; do
        config "cache-ttl = ${i}s" "key-ignore = a$i" "max-body = $i"
        kill -HUP "$PROXY_PID"
        sleep 0.03
    done
    for i in 1 2 3 4; do
        pid_ends "${pids[i]}" 60
        [[ ${ended[${pids[i]}]} -eq 0 && $(grep -c '^200$' "codes.$i") -eq 80 ]]
    done
    proxy_stop
    [[ $status -eq 0 ]]
}

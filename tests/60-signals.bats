#!/usr/bin/env bats
# bats file_tags=threads
# Signals: SIGTERM and SIGINT let requests in flight finish, a second one ends at once, nothing else ends it.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# stream: a live stream in the file got, until the barrier `live` is released; its pid in $streamer
stream() {
    spawn got err curl -q -sSN --max-time 60 -H 'X-Script: data:1;barrier:live;data:[DONE]' "$PROXY/v1/x" "$@"
    streamer=$spawned
    barrier wait live
    eventually grep -q 1 got
}

refuses() {
    not port_answers "$PROXY_PORT"
}

# ends_within MS: the proxy, from now on; its status in $status. The time is counted in naps, which last longer on a busy
# machine, as the end does.
ends_within() {
    local naps=0
    while alive "$PROXY_PID"; do
        [[ $((++naps * 20)) -lt $1 ]] || {
            echo "it did not end within $naps naps of 20 ms"
            return 1
        }
        sleep 0.02
    done
    pid_ends "$PROXY_PID" 20
    status=${ended[$PROXY_PID]}
}

@test "at SIGTERM and SIGINT a live stream finishes, new connections are refused, and the status is 0" {
    local sig
    for sig in TERM INT; do
        proxy
        stream
        kill -s "$sig" "$PROXY_PID"
        eventually refuses
        alive "$PROXY_PID"
        not grep -q DONE got
        barrier release live
        pid_ends "$streamer" 30
        [[ ${ended[$streamer]} -eq 0 ]]
        grep -q DONE got
        ends_within 3000
        [[ $status -eq 0 ]]
        grep -Eq 'stopping: 1 in flight' "$PROXY_LOG"
        grep -Eq 'stopped.* 1 finished, 0 cut' "$PROXY_LOG"
        expect_stat aborted = 0
        upstream_reset
    done
}

@test "with nothing in flight it ends at once" {
    proxy
    client -o /dev/null "$PROXY/v1/models"
    eventually grep -q 'GET /v1/models 200' "$PROXY_LOG" # the client has its answer a little earlier
    kill "$PROXY_PID"
    ends_within 3000
    [[ $status -eq 0 ]]
    grep -q '0 finished, 0 cut' "$PROXY_LOG"
}

@test "idle connections, silent ones and half a request do not hold up the end" {
    proxy
    spawn one one.err sh -c 'printf "send GET /v1/models HTTP/1.1\\\\r\\\\nHost: localhost:%s\\\\r\\\\n\\\\r\\\\n\nexpect 200\nexpect never\n" "$3" | "$1" --script --timeout 30 "$2"' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "$PROXY_PORT"
    spawn two two.err sh -c 'printf "expect never\n" | "$1" --script --timeout 30 "$2"' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
    spawn three three.err sh -c 'printf "send GET /v1/models HTTP/1.1\\\\r\\\\nHost: loc\nexpect never\n" | "$1" --script --timeout 30 "$2"' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
    spawn four four.err sh -c 'printf "send GET /v1/models?four HTTP/1.1\\\\r\\\\nHost: localhost:%s\\\\r\\\\n\\\\r\\\\n\nexpect 200\nsend GET /v1/models HTTP/1.1\\\\r\\\\nHost: loc\nexpect never\n" "$3" | "$1" --script --timeout 30 "$2"' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "$PROXY_PORT"
    expect_stat requests = 2
    eventually connections_are 5
    kill "$PROXY_PID"
    ends_within 3000
    [[ $status -eq 0 ]]
    grep -q ' 0 cut' "$PROXY_LOG"
}

# connections_are N: with the one that asks
connections_are() {
    client "$PROXY/health" | jq -e ".connections >= $1"
}

@test "a stream that the stop cuts off never looks whole: not to HTTP/1.1, and not to HTTP/1.0, which is reset" {
    local http
    for http in 1.1 1.0; do
        proxy --drain-timeout 300ms
        spawn "got.$http" err sh -c 'printf "POST /v1/x HTTP/$4\r\nHost: localhost:%s\r\nContent-Length: 2\r\nX-Script: data:1;stall\r\n\r\n{}" "$3" | "$1" --report --timeout 20 "$2"' \
            sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "$PROXY_PORT" "$http"
        local client=$spawned
        eventually grep -q 'data: 1' "got.$http"
        kill "$PROXY_PID"
        ends_within 5000
        pid_ends "$client" 50
        if [[ $http == 1.0 ]]; then grep -q 'end=reset' err; else not grep -q $'^0\r$' "got.$http"; fi
        eventually grep -q 'POST /v1/x .*(the proxy stopped)' "$PROXY_LOG"
        proxy_stop || true
    done
}

@test "an upload in flight finishes, and its connection is closed after the answer" {
    proxy
    mkfifo pipe
    spawn out err sh -c 'curl -q -sS -i --max-time 60 -H "X-Script: echo" -H "Transfer-Encoding: chunked" -H Expect: -T - "$1" <pipe' sh "$PROXY/v1/x"
    exec 9>pipe
    head -c 100000 /dev/zero >&9
    expect_stat in_flight = 1
    kill "$PROXY_PID"
    eventually refuses
    head -c 100000 /dev/zero >&9
    exec 9>&-
    eventually grep -q '"body_bytes":200000' out
    ends_within 3000
    [[ $status -eq 0 ]]
    grep -qi '^connection: close' out
}

@test "a request that comes on a kept-alive connection during the drain does not keep it going for ever" {
    proxy
    stream
    spawn busy busy.err sh -c 'for i in 1 2 3 4 5 6 7 8 9; do printf "send GET /v1/models HTTP/1.1\\\\r\\\\nHost: localhost:%s\\\\r\\\\n\\\\r\\\\n\npause 200\n" "$3"; done | "$1" --script --timeout 30 "$2"' \
        sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "$PROXY_PORT"
    expect_stat requests = 2
    kill "$PROXY_PID"
    eventually refuses
    barrier release live
    ends_within 3000
    [[ $status -eq 0 ]]
}

@test "--drain-timeout cuts what is left, as a broken answer, and says how many" {
    proxy --drain-timeout 400ms
    stream
    kill "$PROXY_PID"
    ends_within 4000
    [[ $status -eq 0 ]]
    pid_ends "$streamer" 30
    [[ ${ended[$streamer]} -eq 18 || ${ended[$streamer]} -eq 56 ]]
    grep -q ' 0 finished, 1 cut' "$PROXY_LOG"
    expect_stat aborted = 1
}

@test "a second signal ends at once" {
    local sig
    for sig in TERM INT; do
        proxy
        stream
        kill -s "$sig" "$PROXY_PID"
        eventually refuses
        kill -s "$sig" "$PROXY_PID"
        ends_within 3000
        pid_ends "$streamer" 30
        [[ ${ended[$streamer]} -eq 18 || ${ended[$streamer]} -eq 56 ]]
        expect_stat in_flight = 0
        upstream_reset
    done
}

@test "a hundred requests of every state at the end: none crashes it" {
    local script
    proxy --drain-timeout 300ms
    for script in barrier:never 'data:1;barrier:never' stall 'size:4000000000' 'noread;barrier:never' 'early:103;barrier:never'; do
        printf 'POST /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 100000\r\nX-Script: %s\r\n\r\n%050000d' "$PROXY_PORT" "$script" 0 >"request.${script//[^a-z]/}"
        printf 'POST /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 2\r\nX-Script: %s\r\n\r\n{}' "$PROXY_PORT" "$script" >"small.${script//[^a-z]/}"
        spawn out err sh -c 'exec "$1" --count 8 --timeout 20 "$2" <"$3"' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "request.${script//[^a-z]/}"
        spawn out err sh -c 'exec "$1" --count 8 --timeout 20 "$2" <"$3"' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "small.${script//[^a-z]/}"
    done
    expect_stat in_flight '>=' 90
    kill "$PROXY_PID"
    ends_within 6000
    [[ $status -eq 0 ]]
    expect_stat in_flight = 0
}

@test "SIGHUP, where standard input is no terminal, and SIGPIPE end nothing" {
    proxy
    stream
    local i
    for i in 1 2 3; do
        kill -HUP "$PROXY_PID"
        kill -PIPE "$PROXY_PID"
    done
    client --fail -o /dev/null "$PROXY/v1/models"
    barrier release live
    pid_ends "$streamer" 30
    [[ ${ended[$streamer]} -eq 0 ]]
    proxy_stop
    [[ $status -eq 0 ]]
}

# in_terminal: serve with a terminal as its standard input, output and error; the terminal is script's, $spawned
in_terminal() {
    PROXY_PORT=$(free_port)
    PROXY=http://127.0.0.1:$PROXY_PORT
    mkdir -p home
    cat >serve.sh <<END
echo \$\$ >pid
test -t 0 || exit 9
exec env -u GOPROXYAI_SANITIZED -u GOPROXYAI_TEST_BIN HOME="$PWD/home" "$goproxyai_bin" serve --port $PROXY_PORT --upstream $UPSTREAM
END
    tracked_logs+=("$PWD/terminal")
    mkfifo keys # nobody types, and it has no end
    exec 7<>keys
    spawn terminal terminal sh -c 'exec script -qefc "sh serve.sh" /dev/null <keys'
    eventually port_answers "$PROXY_PORT"
    PROXY_PID=$(<pid)
    tracked_pids+=("$PROXY_PID")
}

has_ended() {
    not alive "$PROXY_PID"
}

# It is not waited for by script, which is stopped.
is_no_more() {
    local state
    ! state_of "/proc/$PROXY_PID/stat" || [[ $state == Z ]]
}

@test "a terminal that nobody reads does not keep a proxy from ending" {
    need script
    in_terminal
    kill -STOP "$spawned"
    local i
    for i in {1..1500}; do
        printf 'url = "%s/no-such"\noutput = /dev/null\nnext\n' "$PROXY"
    done | sed '$d' >many.conf
    client -K many.conf
    eventually at_rest "$PROXY_PID"
    kill -TERM "$PROXY_PID"
    eventually 10 is_no_more
    kill -CONT "$spawned"
    exec 7>&-
}

@test "SIGHUP ends a proxy whose standard input is a terminal, as SIGTERM does" {
    need script
    in_terminal
    stream
    kill -HUP "$PROXY_PID"
    eventually refuses
    alive "$PROXY_PID"
    barrier release live
    pid_ends "$streamer" 30
    [[ ${ended[$streamer]} -eq 0 ]]
    eventually has_ended
    pid_ends "$spawned" 10
    [[ ${ended[$spawned]} -eq 0 ]] # script gives the status of what it ran
    grep -q ' 1 finished, 0 cut' terminal
    exec 7>&-
}

@test "a proxy ends when its terminal is closed, and cuts nothing" {
    need script
    in_terminal
    local terminal=$spawned
    stream
    kill -KILL "$terminal"
    eventually refuses
    barrier release live
    pid_ends "$streamer" 30
    [[ ${ended[$streamer]} -eq 0 ]]
    eventually has_ended
    expect_stat aborted = 0
    exec 7>&-
}

@test "a signal right after the start ends it with 0" {
    local i
    for i in 1 2 3 4 5; do
        proxy
        proxy_stop
        [[ $status -eq 0 ]]
    done
}

# closed HOW: serve with descriptors closed or broken as HOW says, on a port that is known
closed() {
    PROXY_PORT=$(free_port)
    PROXY=http://127.0.0.1:$PROXY_PORT
    mkdir -p home
    spawn closed.out closed.log env -u GOPROXYAI_SANITIZED -u GOPROXYAI_TEST_BIN HOME="$PWD/home" sh -c "exec \"\$0\" serve --port $PROXY_PORT --upstream $UPSTREAM $1" "$goproxyai_bin"
    PROXY_PID=$spawned
    tracked_proxies+=("$PROXY_PID:$PWD/closed.log")
    eventually port_answers "$PROXY_PORT"
}

# a sanitizer would have nowhere to write to
# bats test_tags=unsanitized
@test "closed standard descriptors harm nobody: no log line lands in a client's answer" {
    local how i
    for how in '>&-' '2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
        closed "$how"
        for i in {1..20}; do
            client "$PROXY/v1/models" >got
            jq -e '.object == "list"' got >/dev/null
            client -H 'X-Script: sse:3,0' "$PROXY/v1/x" >got
            not grep -vE '^(data: .*)?$' got
        done
        kill "$PROXY_PID"
        ends_within 3000
        [[ $status -eq 0 ]]
    done
    upstream_get requests | jq -e 'all(.[]; .finished == "complete")'
}

@test "a log that nobody reads, or a full disk, stops no request" {
    closed '2>/dev/full'
    client --fail -o /dev/null "$PROXY/v1/models"
    kill "$PROXY_PID"
    ends_within 3000
    [[ $status -eq 0 ]]
    # a pipe whose reader is gone
    mkfifo gone
    spawn reader.out reader.err head -c 1 gone
    closed '2>gone'
    local i
    for i in {1..5}; do
        client --fail -o /dev/null "$PROXY/v1/models"
    done
    kill "$PROXY_PID"
    ends_within 3000
    [[ $status -eq 0 ]]
    mkfifo stuck
    exec 9<>stuck
    closed '2>stuck 9>&-'
    for i in {1..60}; do
        echo "url = \"$PROXY/nowhere/$(printf '%0190d' "$i")?[1-20]\""
        echo 'output = /dev/null'
    done >many.conf
    curl -q -sS --max-time 60 -K many.conf
    client --fail -o /dev/null "$PROXY/v1/models"
    kill "$PROXY_PID"
    ends_within 5000
    exec 9>&-
}

#!/usr/bin/env bats
# Capacity: thousands of streams, and what happens when descriptors run out.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# limited N: the proxies of this test may have N files open
limited() {
    printf '#!/bin/sh\nulimit -n %d && exec "%s" "$@"\n' "$1" "${real_bin:=$goproxyai_bin}" >limited.sh
    chmod +x limited.sh
    goproxyai_bin=$PWD/limited.sh
}

# A sanitizer's build on a busy machine takes longer than --request-timeout for a crowd, whose upstream is silent until
# the last has come: the proxy waits as long as the crowd itself.
proxy_for_a_crowd() {
    proxy --workers 2 --request-timeout 200s
}

# crowd N SCRIPT: N clients at once that get this, each with a call of its own upstream; their report in the file crowd.out
crowd() {
    printf 'GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nCache-Control: no-store\r\nX-Script: %s\r\n\r\n' "$PROXY_PORT" "$2" >request
    spawn crowd.out crowd.err sh -c 'exec "$1" --count "$3" --timeout 200 "$2" <request' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "$1"
}

rss_kb() {
    sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$PROXY_PID/status"
}

# bats test_tags=threads
@test "1,500 streams are open at once through two workers, and all get their end" {
    [[ $(ulimit -Hn) -ge 5000 ]] || skip "too few file descriptors allowed"
    server
    proxy_for_a_crowd
    client -o /dev/null "$PROXY/v1/models"
    local before
    before=$(rss_kb)
    crowd 1500 'data:1;barrier:crowd;data:[DONE]'
    eventually 100 grep -q 'all answered' crowd.out
    barrier wait crowd 1500
    client "$PROXY/health" | jq -e '.in_flight >= 1500'
    # others are served beside them
    local i
    for i in {1..20}; do
        client --fail -o /dev/null "$PROXY/v1/models"
    done
    sanitized || [[ $((($(rss_kb) - before) / 1500)) -lt 80 ]]
    barrier release crowd
    eventually 100 grep -q 'connected=1500 answered=1500 closed=1500 reset=0' crowd.out
    expect_stat aborted = 0
    expect_stat in_flight = 0
    # and twice the same: nothing was lost on the way
    crowd 1500 'data:1;data:[DONE]'
    eventually 100 grep -q 'connected=1500 answered=1500 closed=1500 reset=0' crowd.out
    eventually nearly_idle
}

nearly_idle() {
    client "$PROXY/health" | jq -e '.in_flight == 1 and .connections == 1'
}

@test "beyond the limit of open files new connections wait and are served later; a warning is logged" {
    server
    limited 200
    proxy_for_a_crowd
    crowd 150 'data:1;barrier:crowd;data:[DONE]'
    # as many as there is room for
    expect_stat in_flight '>=' 40
    barrier wait crowd 40
    alive "$PROXY_PID"
    eventually grep -Eiq 'warning.*(descriptor|open files|connection)' "$PROXY_LOG"
    [[ $(ls "/proc/$PROXY_PID/fd" | wc -l) -le 200 ]]
    barrier release crowd
    eventually grep -q 'connected=150 answered=150 closed=150 reset=0' crowd.out
    # it says so now and then, not for every connection
    [[ $(grep -Eic 'warning' "$PROXY_LOG") -lt 50 ]]
    client --fail -o /dev/null "$PROXY/v1/models"
    # the room is there again
    upstream_reset
    crowd 40 'data:1;barrier:again;data:[DONE]'
    barrier wait again 40
    barrier release again
    eventually grep -q 'closed=40 reset=0' crowd.out
}

# costs_no_time TICKS: what the proxy does now takes fewer than so many (of 200) of a processor's
costs_no_time() {
    local before after
    before=$(awk '{ print $14 + $15 }' "/proc/$PROXY_PID/stat")
    eventually 2 false >/dev/null || true # the clock is what is tested here
    after=$(awk '{ print $14 + $15 }' "/proc/$PROXY_PID/stat")
    [[ $((after - before)) -lt $1 ]] || {
        echo "$((after - before)) ticks"
        return 1
    }
}

@test "an answer that is long in coming, or pauses, costs no processor time" {
    server
    proxy --workers 1 --connect-timeout 500ms # which must be over when it is there
    local script pid
    for script in barrier:head 'data:1;barrier:body'; do
        spawn out err curl -q -sSN --max-time 60 -H "X-Script: $script" "$PROXY/v1/x?$(fresh)"
        pid=$spawned
        barrier wait "${script##*:}"
        eventually 1 false >/dev/null || true # that timeout
        costs_no_time 20
        kill -KILL "$pid"
    done
}

@test "waiting for room costs no processor time" {
    server
    limited 200
    proxy_for_a_crowd
    crowd 150 'data:1;barrier:crowd;data:[DONE]'
    barrier wait crowd 40
    eventually at_rest "$PROXY_PID" # those that there is room for are served
    costs_no_time 60
    barrier release crowd
    eventually grep -q 'closed=150 reset=0' crowd.out
}

@test "with hardly any files it crashes not, and answers what it can" {
    server
    limited 64
    proxy_for_a_crowd
    crowd 80 'data:1;barrier:crowd;data:[DONE]'
    expect_stat in_flight '>=' 5
    alive "$PROXY_PID"
    barrier release crowd
    eventually grep -q 'connected=80' crowd.out
    eventually client --fail -o /dev/null "$PROXY/v1/models"
}

# parallel N URL-PATH CURL-ARGS…: N requests at once, of N connections; their statuses in the file codes, one a line
parallel() {
    local n=$1 path=$2 i
    for ((i = 0; i < n; i++)); do
        printf 'url = "%s%s?%s"\noutput = /dev/null\n' "$PROXY" "$path" "$i"
    done >parallel.conf
    curl -q -s --no-progress-meter --show-error --noproxy '*' --max-time 60 -Z --parallel-max "$n" --parallel-immediate -w '%{http_code}\n' -K parallel.conf \
        "${@:3}" >codes 2>errors || true
}

# all_served N
all_served() {
    [[ $(grep -c '^200$' codes) -eq $1 && $(wc -l <codes) -eq $1 ]] || {
        sort codes | uniq -c
        head -n 5 errors
        return 1
    }
}

# warned_once BEGAN: of descriptors or connections the log speaks at most once a minute since then ($SECONDS)
warned_once() {
    [[ $(grep -Eic 'warning.*(descriptor|open files|connection)' "$PROXY_LOG") -le $((1 + (SECONDS - $1) / 60)) ]] || {
        echo "too often:"
        grep -i warning "$PROXY_LOG"
        return 1
    }
}

# bats test_tags=threads
@test "with 64, 128 or 256 files a hundred requests at once all get their 200" {
    server
    local files began
    for files in 64 128 256; do
        limited "$files"
        began=$SECONDS
        proxy
        parallel 100 /v1/x -H 'X-Script: delay:50;body:x' -H 'Cache-Control: no-store'
        all_served 100
        # and from the cache, with answers that are held by several at once
        parallel 100 /v1/models -H 'X-Script: delay:20'
        all_served 100
        parallel 100 /v1/models
        all_served 100
        warned_once "$began"
        [[ $(ls "/proc/$PROXY_PID/fd" | wc -l) -le $files ]]
        proxy_stop
        not grep -E ' /v1/[a-z]+ 50[0-9] ' "$PROXY_LOG" # a duration may be 506 ms
    done
}

@test "with 64 or 128 files a hundred uploads at once, each on a connection of its own to the upstream, all get their 200" {
    server
    truncate -s 200000 big
    local files began
    for files in 64 128; do
        limited "$files"
        began=$SECONDS
        proxy
        parallel 100 /v1/files -H 'X-Script: slowread:65536,5;echo' -H 'Expect:' --data-binary @big
        all_served 100
        warned_once "$began"
        proxy_stop
    done
    expect_stat requests = 200
    upstream_get requests | jq -e 'all(.[]; .body_bytes == 200000)'
}

@test "clients that hold kept-alive connections do not keep others out" {
    server
    limited 64
    proxy --workers 1
    printf 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n' >held
    spawn held.out held.err sh -c 'exec "$1" --count 10 --timeout 60 "$2" <held' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
    local holder=$spawned
    eventually grep -q 'all answered' held.out
    eventually connections_are 11
    # streams, for which there is no room beside them
    crowd 8 'data:1;barrier:stream;data:[DONE]'
    eventually grep -q 'all answered' crowd.out
    parallel 40 /v1/x -H 'X-Script: delay:50;body:x' -H 'Cache-Control: no-store'
    all_served 40
    barrier release stream
    eventually grep -q 'connected=8 answered=8 closed=8 reset=0' crowd.out
    kill "$holder"
}

@test "a new connection whose client is slow to send is not ended for those that wait" {
    server
    limited 64
    proxy
    printf 'pause 1000\nsend GET /v1/models HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n\nexpect 200 OK\n' >script
    spawn slow.out slow.err sh -c 'exec "$1" --script --timeout 20 "$2" <script' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
    local slow=$spawned
    eventually connections_are 2
    crowd 60 'barrier:crowd;body:x'
    eventually grep -Eiq 'warning.*connections are open' "$PROXY_LOG"
    eventually grep -q '200 OK' slow.out
    pid_ends "$slow" 20 # as others wait, its connection is ended with the answer
    [[ ${ended[$slow]} -eq 0 ]]
    barrier release crowd
    eventually grep -q 'connected=60 answered=60 closed=60 reset=0' crowd.out
}

# connections_are N: with the one that asks
connections_are() {
    client "$PROXY/health" | jq -e ".connections >= $1"
}

@test "a proxy that may open hardly any file says so and exits 1" {
    server
    limited 24
    gives 1 serve --port 0 --upstream "$UPSTREAM"
    grep -q 'ulimit -n' err
}

# bats test_tags=threads
@test "many short requests from many clients all succeed" {
    server
    proxy_for_a_crowd
    local round
    for round in 1 2 3 4 5; do
        crowd 300 'body:x'
        eventually grep -q 'connected=300 answered=300 closed=300 reset=0' crowd.out
    done
    expect_stat requests = 1500
    expect_stat aborted = 0
    [[ $(upstream_get counters/connections) -lt 1500 ]]
}

#!/usr/bin/env bats
# bats file_tags=threads
# A store that answers late, in another order, or never (cache/store_ops.h): requests wait for it as they wait for a
# flight. The program is goproxyai with the store of tests/scripted_store.c.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
    export STORE_SCRIPT=$PWD/script
    mkdir script
    goproxyai_bin=$test_bin/scripted-store
}

# scripted ARGS…: a proxy with one worker and no memory tier
scripted() {
    proxy --workers 1 --memory-cache 0 "$@"
}

# kept N…: the answers of /v1/noise/N are on disk
kept() {
    local n
    for n; do
        gets MISS "kept.$n" -H "X-Script: body:{\"n\":$n}" "/v1/noise/$n"
    done
    eventually on_disk $#
}

on_disk() {
    client "$PROXY/stats" | jq -e ".cache.item_count == $1"
}

# asks NAME PATH [CURL-ARGS…]: in the background, its output in NAME and its pid in $pid_NAME
asks() {
    spawn "$1" "$1.err" curl -q -sS --noproxy '*' --max-time 60 -w '\n%{http_code} %header{x-cache}' "${@:3}" "$PROXY$2"
    printf -v "pid_$1" %s "$spawned"
}

# looks N: that many were held
looks() {
    [[ -f script/looks && $(wc -c <script/looks) -eq $1 ]]
}

# ended_with NAME LAST-LINE
ended_with() {
    local pid=pid_$1
    pid_ends "${!pid}" 60
    [[ $(tail -n 1 "$1") == "$2" ]] || {
        echo "$1 is:"
        cat "$1" "$1.err" "$PROXY_LOG"
        return 1
    }
}

@test "a late answer is waited for, and nobody else is held up" {
    scripted
    kept 1
    touch script/hold
    asks one /v1/noise/1
    eventually looks 1
    for _ in 1 2 3; do
        [[ $(client "$PROXY/health" | jq .in_flight) -ge 1 ]]
        [[ $(client -X DELETE -o /dev/null -w '%{http_code}' "$PROXY/v1/files/x") == 200 ]]
    done
    alive "$pid_one"
    touch script/fifo
    ended_with one '200 HIT'
    [[ $(head -n 1 one) == '{"n":1}' ]]
    expect_stat in_flight = 0
}

@test "answers in another order than the questions each reach the one who asked" {
    scripted
    kept 1 2 3
    touch script/hold
    local n
    for n in 1 2 3 4; do # of the last there is none
        asks "a$n" "/v1/noise/$n"
        eventually looks "$n"
    done
    touch script/lifo
    for n in 1 2 3; do
        ended_with "a$n" '200 HIT'
        [[ $(head -n 1 "a$n") == "{\"n\":$n}" ]]
    done
    ended_with a4 '404 MISS' # the upstream's
}

joined() {
    client "$PROXY/health" | jq -e '.in_flight >= 3' # this request is one
}

@test "equal requests whose looks find nothing share one fetch" {
    scripted
    touch script/hold
    local script='X-Script: barrier:b;body:{}'
    asks a1 /v1/x -H "$script"
    eventually looks 1
    asks a2 /v1/x -H "$script"
    eventually looks 2
    touch script/fifo
    barrier wait b
    eventually joined
    barrier release b
    ended_with a1 '200 MISS'
    ended_with a2 '200 HIT'
    [[ $(upstream_get requests | jq length) -eq 1 ]]
}

@test "a store that never answers is passed by after 5 s, with a line in the log, and its answer is wanted no more when it comes" {
    scripted
    kept 1
    touch script/hold
    asks a1 /v1/noise/1
    asks a2 /v1/noise/2
    [[ $(client -o got -w '%{http_code}' -H 'Cache-Control: only-if-cached' "$PROXY/v1/noise/3") == 504 ]]
    ended_with a1 '404 MISS'
    ended_with a2 '404 MISS'
    [[ $(grep -c 'warning: the cache on disk does not answer within 5 s' "$PROXY_LOG") -eq 1 ]]
    touch script/fifo
    rm script/hold
    gets HIT got /v1/noise/1
}

@test "clients that leave, and a stop, while the store is asked" {
    scripted --drain-timeout 300ms
    kept 1
    touch script/hold
    asks a1 /v1/noise/1
    asks a2 /v1/noise/1
    eventually looks 2
    kill -KILL "$pid_a1"
    eventually grep -q 'GET /v1/noise/1 - MISS .*(the client left)' "$PROXY_LOG"
    proxy_stop # with one that waits and one that has left
    [[ $status -eq 0 ]]
    pid_ends "$pid_a2" 30
    not grep -q '^200' a2
}

@test "what a purge removed while the store was asked is not kept" {
    scripted
    kept 1
    touch script/hold
    asks a1 /v1/noise/1
    eventually looks 1
    client -o /dev/null -X DELETE "$PROXY/cache"
    touch script/fifo
    ended_with a1 '404 MISS'
}

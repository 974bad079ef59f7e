#!/usr/bin/env bats
# Upstream connections that died without a word: the network went away, or the machine was asleep.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# ---- two hosts ----

# hosts: two network namespaces with a link between them: the proxy and its clients in $near, the upstream in $far
hosts() {
    need_root
    need ip
    near=gpa-near-$$-$RANDOM far=gpa-far-$$-$RANDOM
    ip netns add "$near" 2>ip.err && ip netns add "$far" 2>>ip.err &&
        ip link add near0 netns "$near" type veth peer name far0 netns "$far" 2>>ip.err ||
        skip "no network namespaces can be made here: $(<ip.err)"
    ip -n "$near" addr add 10.213.7.1/30 dev near0
    ip -n "$far" addr add 10.213.7.2/30 dev far0
    ip -n "$near" link set lo up
    ip -n "$far" link set lo up
    ip -n "$near" link set near0 up
    ip -n "$far" link set far0 up
}

teardown() {
    local bad=0 ns
    vocabulary_teardown || bad=1
    for ns in "${near:-}" "${far:-}"; do
        [[ -z $ns || ! -e /run/netns/$ns ]] || ip netns del "$ns"
    done
    return "$bad"
}

# A process in a namespace keeps its pid: ip executes it.
near() {
    ip netns exec "$near" "$@"
}

far() {
    ip netns exec "$far" "$@"
}

# told NAME: of the upstream's counters
told() {
    far curl -q -sS --fail --max-time 10 --noproxy '*' "http://10.213.7.2:$UPSTREAM_PORT/_/counters/$1"
}

told_is() {
    [[ $(told "$1") -eq $2 ]]
}

post() {
    near curl -q -sS --noproxy '*' --max-time 100 -o "$1" -w '%{http_code} %{time_total}\n' -d '{}' "${@:2}" "$PROXY/v1/moderations"
}

@test "a connection whose other end has silently gone is noticed within 22 s, in use or kept, whatever --request-timeout says" {
    hosts
    spawn upstream.out upstream.log ip netns exec "$far" "$test_bin/upstream" --bind 10.213.7.2
    eventually grep -q '^port ' upstream.out
    UPSTREAM_PORT=$(sed -n 's/^port //p' upstream.out)
    through ip netns exec "$near"
    proxy --workers 1 --request-timeout 120s --upstream "http://10.213.7.2:$UPSTREAM_PORT"
    # one in use, whose upstream thinks; and one that waits for its next request
    spawn stream err ip netns exec "$near" curl -q -sSN --noproxy '*' --max-time 100 -H 'X-Script: data:1;barrier:x' -d '{"stream":true}' \
        -w '\n%{exitcode} %{time_total}\n' "$PROXY/v1/chat/completions"
    local stream=$spawned
    eventually grep -q 'data: 1' stream
    [[ $(post first) == 200* ]]
    [[ $(post second) == 200* ]]
    told_is connections 2
    ip -n "$far" addr flush dev far0 # what comes is thrown away
    local began status took
    began=$(now_ms)
    read -r status took < <(post dead)
    echo "$status after $took s"
    [[ $status -eq 502 ]]
    awk -v took="$took" 'BEGIN { exit !(took > 5 && took < 22) }'
    jq -e '.error.code == "upstream_connection_broken" and .error.type == "upstream_error"' dead
    # the stream that was under way, broken for its client as well
    pid_ends "$stream" $((23 - ($(now_ms) - began) / 1000))
    [[ $(tail -n 1 stream) == 18* || $(tail -n 1 stream) == 56* ]]
    # when the other end is there again all is well
    ip -n "$far" addr add 10.213.7.2/30 dev far0
    eventually post_works
}

post_works() {
    [[ $(post again) == 200* ]]
}

# ---- a machine that slept ----

# bats test_tags=unsanitized
@test "connections from before the machine slept are not used any more, others are" {
    server
    echo 0 >slept
    export SLEPT=$PWD/slept
    preload clock <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    FILE *file = clock == CLOCK_BOOTTIME ? fopen(getenv("SLEPT"), "r") : NULL;
    long seconds = 0;

    if (file && fscanf(file, "%ld", &seconds) == 1)
        t->tv_sec += seconds;
    if (file)
        fclose(file);
    return result;
}
C
    proxy --workers 1
    local i
    for i in 1 2 3; do
        client --fail -o got "$PROXY/v1/models?$i"
    done
    expect_stat connections = 1
    # a clock that is being disciplined
    echo 1 >slept
    client --fail -o got "$PROXY/v1/models?4"
    expect_stat connections = 1
    echo 3600 >slept
    # also what may not be sent twice
    client --fail -o got -d '{}' "$PROXY/v1/moderations"
    expect_stat connections = 2
    for i in 5 6 7; do
        client --fail -o got "$PROXY/v1/models?$i"
    done
    expect_stat connections = 2
    # one that is in use goes on
    spawn stream err curl -q -sSN --noproxy '*' --max-time 60 -H 'X-Script: data:1;barrier:x;sse:1,0' -d '{"stream":true}' "$PROXY/v1/chat/completions"
    eventually grep -q 'data: 1' stream
    echo 7200 >slept
    client --fail -o got "$PROXY/v1/models?8"
    barrier release x
    pid_ends "$spawned" 30
    [[ ${ended[$spawned]} -eq 0 ]]
    grep -q DONE stream
    expect_stat requests = 10
}

# ---- what comes on an idle connection ----

# late TEXT: a script whose answer is {}, behind which TEXT comes on the connection a while later
late() {
    printf 'length:2;body:{};delay:300;body64:%s' "$(printf '%b' "$1" | base64 -w 0)"
}

# What HAProxy says when it ends an idle connection, and an answer that nobody asked for.
@test "bytes on an idle connection are no answer to the next request" {
    server
    proxy --workers 1
    local text i
    for text in 'HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' \
        'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"bad":1}'; do
        client --fail -o got -H "X-Script: $(late "$text")" "$PROXY/v1/models?first"
        [[ $(<got) == '{}' ]]
        sleep 0.6
        for i in 1 2 3; do
            client --fail -o got -d '{}' "$PROXY/v1/moderations"
            not grep -q bad got
        done
        client --fail -o got "$PROXY/v1/models?second"
        grep -q gpt-4o got
        client --fail -X DELETE -o got "$PROXY/cache"
    done
    expect_stat requests = 10
}

# A transfer that waits for its client's reading is not idle, though libcurl does not want its socket watched.
@test "an answer whose client reads slowly is not taken for an idle connection" {
    server
    proxy --workers 1
    local i
    printf 'GET /v1/files/file-size-30000000/content HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >asks
    { echo "send $(sed -z 's/\r/\\r/g; s/\n/\\n/g' asks)"; printf '%s\n' deaf 'pause 300' hear; } >script
    # on a new connection; and on one that is there, where libcurl may read until it has to wait before it asks for events
    for i in {1..12}; do
        raw "127.0.0.1:$PROXY_PORT" --script <script >slow
        [[ $(stat -c %s slow) -gt 30000000 ]]
    done
    expect_stat connections = 1
}

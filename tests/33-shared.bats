#!/usr/bin/env bats
# bats file_tags=threads
# An answer and those who read it: what a slow reader costs the others, and what becomes of the fetch, and of what is
# stored, when a client leaves before its answer is there.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# reader NAME SCRIPT [CURL-ARGS…] PATH: a client in the background: body in got.NAME, its pid in ${reader[NAME]}
reader() {
    spawn "got.$1" "got.$1.err" curl -q -sSN --noproxy '*' --max-time 100 -D "got.$1.head" -H "X-Script: $2" "${@:3:$#-3}" "$PROXY${!#}"
    reader[$1]=$spawned
}

declare -gA reader

# joined: the first client has its first bytes, and another one reads the same answer
joined() {
    eventually test -s got.first
    reader second none "$@"
    eventually test -s got.second
    [[ $(field got.second x-cache) == HIT ]]
}

# ends_with STATUS NAME: that client ends with this status of curl
ends_with() {
    pid_ends "${reader[$2]}" 60
    [[ ${ended[${reader[$2]}]} -eq $1 ]] || {
        echo "$2 ended with ${ended[${reader[$2]}]}, not $1:"
        cat "got.$2.err"
        return 1
    }
}

# ---- slow readers of a shared answer ----

# bats test_tags=unsanitized
@test "a reader that has stopped holds up an answer that outgrows 32 MiB for 5 s: then it is reset, and the log says why" {
    proxy --workers 2
    local deaf fast http
    for deaf in first second; do
        # HTTP/1.0 knows no chunks: only a reset tells such a client that its answer is cut
        for http in --http1.1 --http1.0; do
            [[ $deaf == first ]] && fast=second || fast=first
            upstream_reset
            rm -f got.*
            reader first 'chunked;body:start;flush;barrier:x;size:60000000' "$http" "/v1/files/$deaf$http/content"
            barrier wait x
            joined "$http" "/v1/files/$deaf$http/content"
            kill -STOP "${reader[$deaf]}"
            barrier release x
            ends_with 0 "$fast"
            { printf start && "$test_bin/upstream" --expect-size 60000000; } | cmp - "got.$fast"
            kill -CONT "${reader[$deaf]}"
            ends_with 56 "$deaf"
            grep -q -i 'reset' "got.$deaf.err"
            # what it has is the beginning of the answer
            [[ $(stat -c %s "got.$deaf") -lt 60000005 ]]
            cmp -n "$(stat -c %s "got.$deaf")" "got.$deaf" "got.$fast"
            expect_stat requests = 1
            costs 1 gets MISS later -H 'X-Script: body:{}' "$http" "/v1/files/$deaf$http/content"
        done
    done
    eventually lines 4 'GET /v1/files/.*it read too slowly, and fell behind others that share the answer'
    peak_below 90000
}

# bats test_tags=unsanitized
@test "a reader that is slow, 8 MB/s, gets all of an answer that outgrows 32 MiB, and so does a fast one" {
    proxy --workers 2
    reader first 'chunked;body:start;flush;barrier:x;size:80000000' /v1/files/slow/content
    barrier wait x
    reader second none --limit-rate 8M /v1/files/slow/content
    eventually test -s got.second
    barrier release x
    ends_with 0 first
    ends_with 0 second
    [[ $(stat -c %s got.first) -eq 80000005 ]]
    expect_same got.first got.second
    expect_stat requests = 1
    not grep -q 'too slowly' "$PROXY_LOG"
    peak_below 90000
}

lines() {
    [[ $(grep -c "$2" "$PROXY_LOG") -eq $1 ]]
}

@test "a reader that is slower, but by less than 32 MiB, gets all of an answer that is not kept" {
    proxy --workers 2
    local slow=second
    reader first 'chunked;body:start;flush;barrier:x;size:10000000;flush;barrier:y;size:30000000;flush;barrier:z;size:10000000' /v1/files/x/content
    barrier wait x
    joined /v1/files/x/content
    barrier release x
    barrier wait y
    eventually is_size 10000005 first second
    kill -STOP "${reader[$slow]}"
    barrier release y
    # 40 MB: from now on it is not kept
    barrier wait z
    eventually is_size 40000005 first
    [[ $(stat -c %s got.second) -lt 20000000 ]]
    kill -CONT "${reader[$slow]}"
    eventually is_size 40000005 second
    barrier release z
    ends_with 0 first
    ends_with 0 second
    [[ $(stat -c %s got.first) -eq 50000005 ]]
    expect_same got.first got.second
    expect_stat requests = 1
    not grep -q 'too slowly' "$PROXY_LOG"
}

is_size() {
    local name
    for name in "${@:2}"; do
        [[ $(stat -c %s "got.$name") -eq $1 ]] || {
            stat -c '%n %s' got.first got.second
            return 1
        }
    done
}

# ---- writes whose client has left ----

# stored_list PATH: a list is stored, and answered from the cache
stored_list() {
    gets MISS list -H 'X-Script: body:{"list":"old"}' "$1"
    gets HIT list "$1"
    grep -q old list
}

fetched_anew() {
    costs 1 gets MISS list -H 'X-Script: body:{"list":"new"}' "$1"
}

# and the request that asks
six_are_in() {
    client "$PROXY/health" | jq -e '.in_flight == 7'
}

@test "an answer that outgrows --memory reaches all who share it" {
    proxy --workers 2 --memory 4M
    local i
    for i in 1 2 3 4 5 6; do
        reader "$i" 'chunked;header:Content-Type=text/plain;body:start;barrier:x;size:12000000' /v1/files/memory/content
    done
    barrier wait x
    eventually six_are_in
    barrier release x
    for i in 1 2 3 4 5 6; do
        ends_with 0 "$i"
        { printf start && "$test_bin/upstream" --expect-size 12000000; } | cmp - "got.$i"
    done
    expect_stat requests = 1
}

@test "a write whose client leaves before the head drops what is stored of its collection" {
    proxy
    local how n=0
    local -a args
    truncate -s 300000 long # more than is held: it is passed on as it comes
    for how in '-X DELETE' "-d {}" '-X PATCH -d {}' '-T long -X PUT' '-F purpose=batch -F file=@long'; do
        upstream_reset
        stored_list "/v1/files?n=$((++n))"
        read -r -a args <<<"$how"
        reader write 'barrier:w' -H Expect: "${args[@]}" /v1/files/x
        barrier wait w
        # nothing is known of it yet: a list may be out of date, or not
        gets HIT list "/v1/files?n=$n"
        kill -KILL "${reader[write]}"
        expect_stat aborted = 1
        eventually fetched_anew "/v1/files?n=$n"
    done
}

@test "a write that is cut off in mid-body drops what is stored of its collection" {
    proxy
    local framing
    for framing in 'Content-Length: 300000' 'Transfer-Encoding: chunked'; do
        upstream_reset
        stored_list "/v1/files?${framing:0:4}"
        printf 'send PUT /v1/files/x HTTP/1.1\\r\\nHost: localhost:%s\\r\\n%s\\r\\n\\r\\n30D40\\r\\n\nbytes 100000\npause 60000\n' \
            "$PROXY_PORT" "$framing" >script
        spawn sent err sh -c 'exec "$1" --script --timeout 60 "$2" <script' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
        expect_stat in_flight = 1
        kill -KILL "$spawned"
        expect_stat aborted = 1
        eventually fetched_anew "/v1/files?${framing:0:4}"
    done
}

@test "--on-disconnect finish: a write that is finished drops it when its head comes, also what was stored in between" {
    proxy --on-disconnect finish
    stored_list /v1/responses/resp_1/input_items
    reader write "barrier:w;body:$(responded a)" -d '{"model":"m","input":"x"}' /v1/responses
    barrier wait w
    kill -KILL "${reader[write]}"
    # it is finished: nobody knows yet whether it changes anything
    within_a_second logged 'POST /v1/responses .*the client left'
    expect_stat in_flight = 1
    gets MISS list -H 'X-Script: body:{"list":"between"}' '/v1/responses/resp_1/input_items?after=1'
    barrier release w
    expect_stat in_flight = 0
    eventually fetched_anew '/v1/responses/resp_1/input_items?after=1'
    fetched_anew /v1/responses/resp_1/input_items
    expect_stat aborted = 0
    # and what it brought is kept
    costs 0 gets HIT later -d '{"model":"m","input":"x"}' /v1/responses
}

logged() {
    grep -q "$1" "$PROXY_LOG"
}

@test "--on-disconnect finish: a write that may not be kept ends with its client, and drops it" {
    proxy --on-disconnect finish
    stored_list /v1/files
    reader write 'barrier:w' -X DELETE /v1/files/x
    barrier wait w
    kill -KILL "${reader[write]}"
    expect_stat aborted = 1
    eventually fetched_anew /v1/files
}

# ---- what is finished, and what is not ----

@test "--on-disconnect finish does not finish what nobody may have: uncacheable requests and answers" {
    proxy --on-disconnect finish
    local how k=0
    local -a args
    # the last three become so by their head
    while read -r how; do
        upstream_reset
        read -r -a args <<<"$how"
        reader endless "${args[0]};data:1;barrier:x;data:2;stall" "${args[@]:1}"
        barrier wait x
        eventually test -s got.endless
        kill -KILL "${reader[endless]}"
        expect_stat aborted = 1
        expect_stat in_flight = 0
    done <<'TABLE'
delay:0 -d {"input":"x"} /v1/audio/speech
delay:0 -d {"stream":true} -H Cache-Control:no-store /v1/chat/completions
delay:0 -H Cache-Control:no-store /v1/files/x/content
delay:0 -d {"background":true,"stream":true} /v1/responses
header:Cache-Control=no-store -d {"stream":true} /v1/chat/completions
header:Set-Cookie=a=b /v1/files/x/content
status:404 /v1/files/x/content
TABLE
    # before the head
    upstream_reset
    reader waits 'barrier:x' -d '{"input":"x"}' /v1/audio/speech
    barrier wait x
    kill -KILL "${reader[waits]}"
    expect_stat aborted = 1
}

# bats test_tags=unsanitized
@test "--on-disconnect finish: what may be kept is finished, unless it outgrows 32 MiB with nobody reading" {
    proxy --on-disconnect finish
    reader first 'chunked;body:start;flush;barrier:x;size:1000000' /v1/files/x/content
    barrier wait x
    eventually test -s got.first
    kill -KILL "${reader[first]}"
    within_a_second logged 'the client left'
    barrier release x
    expect_stat in_flight = 0
    expect_stat aborted = 0
    costs 0 gets HIT later /v1/files/x/content
    [[ $(stat -c %s later) -eq 1000005 ]]
    upstream_reset
    reader large 'chunked;body:start;flush;barrier:x;size:40000000;barrier:y' /v1/files/y/content
    barrier wait x
    eventually test -s got.large
    kill -KILL "${reader[large]}"
    eventually has_two 'the client left'
    expect_stat aborted = 0
    barrier release x
    expect_stat aborted = 1
    costs 1 gets MISS later -H 'X-Script: body:{}' /v1/files/y/content
    # the client leaves when it is too large already
    upstream_reset
    reader large 'chunked;size:40000000;flush;barrier:x' /v1/files/z/content
    barrier wait x
    eventually has_bytes got.large 40000000
    kill -KILL "${reader[large]}"
    expect_stat aborted = 1
    peak_below 90000
}

has_two() {
    [[ $(grep -c "$1" "$PROXY_LOG") -eq 2 ]]
}

has_bytes() {
    [[ $(stat -c %s "$1") -eq $2 ]]
}

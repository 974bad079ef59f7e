#!/usr/bin/env bats
# --memory: what bodies and growing answers take together, however many they are.
# A sanitizer has memory of its own beside the one that is measured.
# bats file_tags=unsanitized

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

MIB=1048576

# upload NAME BYTES: a client in the background that sends the beginning of a question of so many bytes; the first half of
# it when the file half is there, the rest when the file go is. Its answer in the file answer.NAME, its pid in $spawned, and the
# checksum of what it sends in sum.NAME.
upload() {
    local begin="{\"model\":\"$1\",\"messages\":[],\"pad\":\"" half rest
    half=$(($2 / 2))
    rest=$(($2 - half - ${#begin} - 2))
    {
        printf 'send POST /v1/chat/completions HTTP/1.1\\r\\nHost: localhost:%s\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s\n' \
            "$PROXY_PORT" "$2" "$begin"
        printf 'await half\nbytes %d\nawait go\nbytes %d\nsend "}\n' "$half" "$rest"
    } >"script.$1"
    { printf '%s' "$begin" && head -c $((half + rest)) /dev/zero | tr '\0' x && printf '"}'; } | sha256sum | cut -d ' ' -f 1 >"sum.$1"
    spawn "answer.$1" "err.$1" sh -c 'exec "$1" --script --timeout 100 "$2" <"$3"' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "script.$1"
}

# received BYTES: the proxy has read so many of its clients' bytes, and done with them what there is to do
received() {
    local n
    n=$(ss -HtniO state established "sport = :$PROXY_PORT" | grep -o 'bytes_received:[0-9]*' | cut -d : -f 2 | awk '{ sum += $1 } END { print sum + 0 }')
    [[ $n -ge $1 ]] && at_rest "$PROXY_PID" || {
        echo "$n bytes of $1"
        return 1
    }
}

# begun N: so many clients have sent the beginning
begun() {
    [[ $(ss -HtniO state established "sport = :$PROXY_PORT" | grep -c 'bytes_received:[1-9]') -ge $1 ]] && at_rest "$PROXY_PID"
}

# word NAME: X-Cache of that upload
word() {
    sed -n 's/^X-Cache: \([A-Z]*\)\r$/\1/p' "answer.$1"
}

@test "a question whose key would take more than --memory is passed on without one" {
    proxy --memory 32M --workers 1
    {
        printf '{"messages":[]'
        awk 'BEGIN { for (i = 0; i < 1400000; i++) printf ",\"%x\":1", i }'
        printf '}'
    } >members
    gets BYPASS got -H 'Expect:' -H 'X-Script: body:{}' --data-binary @members /v1/chat/completions
    peak_below 70000
    expect_stat in_flight = 0
    proxy --memory 256M --workers 1
    gets MISS got -H 'Expect:' -H "X-Script: body:$(said x)" --data-binary @members /v1/chat/completions
    gets HIT got -H 'Expect:' --data-binary @members /v1/chat/completions
}

@test "forty uploads of 8 MiB that are held in their middle stay within --memory, and all arrive whole" {
    need ss
    proxy --memory 32M --workers 2 --request-timeout 100s
    local i bytes=$((8 * MIB)) kept=0
    for i in {1..40}; do
        upload "$i" "$bytes"
    done
    # all have begun while there was room for any of them
    eventually begun 40
    touch half
    eventually 60 received $((40 * bytes / 2))
    peak_below $(((32 + 60) * 1024))
    touch go
    eventually 90 all_answered 40
    peak_below $(((32 + 60) * 1024))
    for i in {1..40}; do
        head -n 1 "answer.$i" | grep -q '^HTTP/1.1 200'
        [[ $(word "$i") != MISS ]] || kept=$((kept + 1))
        [[ $(word "$i") == MISS || $(word "$i") == BYPASS ]]
    done
    # some fit, the others bypass the cache
    echo "$kept of 40 were held"
    [[ $kept -lt 40 ]]
    expect_stat requests = 40
    upstream_get requests | jq -r '.[].body_sha256' | sort >got
    cat sum.* | sort | cmp - got
    # the memory is given back, also of those that leave: the next one is held, and stored
    rm go
    local -a pids=()
    for i in {1..8}; do
        upload "$i" "$bytes"
        pids+=("$spawned")
    done
    eventually received $((8 * bytes / 2))
    kill -KILL "${pids[@]}"
    eventually not begun 1
    eventually at_rest
    upload again "$bytes"
    touch go
    pid_ends "$spawned" 30
    [[ $(word again) == MISS ]]
    for i in {1..6}; do
        upload again "$bytes"
        pid_ends "$spawned" 30
        [[ $(word again) == HIT ]]
    done
    upload last "$bytes"
    pid_ends "$spawned" 30
    [[ $(word last) == MISS ]]
}

all_answered() {
    [[ $(grep -l -a '"finish_reason"' answer.* | wc -l) -eq $1 ]]
}

@test "with enough memory uploads of 31 MiB are held, and are hits the second time" {
    need ss
    proxy --memory 512M --workers 2 --request-timeout 100s
    local i bytes=$((31 * MIB))
    touch half
    for i in {1..4}; do
        upload "$i" "$bytes"
    done
    eventually received $((4 * bytes / 2))
    expect_stat requests = 0
    touch go
    eventually 60 all_answered 4
    for i in {1..4}; do
        [[ $(word "$i") == MISS ]]
    done
    upload 3 "$bytes"
    pid_ends "$spawned" 30
    [[ $(word 3) == HIT ]]
    expect_stat requests = 4
}

@test "ten answers of 20 MiB that grow at once stay within --memory: all arrive complete, some are not stored" {
    proxy --memory 64M --memory-cache 16M --workers 2
    local i stored=0 bytes=$((20 * MIB))
    local -a pids=()
    for i in {1..10}; do
        spawn "got.$i" "err.$i" curl -q -sSN --noproxy '*' --max-time 60 -H "X-Script: chunked;body:start;flush;barrier:x;seed:$i;size:$bytes" \
            "$PROXY/v1/files/$i/content"
        pids+=("$spawned")
    done
    barrier wait x 10
    barrier release x
    for i in {1..10}; do
        pid_ends "${pids[i - 1]}" 60
        [[ ${ended[${pids[i - 1]}]} -eq 0 ]]
        { printf start && "$test_bin/upstream" --expect-size "$bytes" --seed "$i"; } | cmp - "got.$i"
    done
    # besides what grows: what waits to be written to disk, 64 MiB at most
    peak_below $(((64 + 64 + 60) * 1024))
    eventually at_rest
    for i in {1..10}; do
        ask later -H 'Cache-Control: only-if-cached' "/v1/files/$i/content"
        [[ $got -eq 200 ]] || continue
        expect_same "got.$i" later
        stored=$((stored + 1))
    done
    echo "$stored of 10 are stored"
    [[ $stored -lt 10 ]]
    # what grows alone is stored
    costs 1 gets MISS first -H "X-Script: chunked;size:$bytes" /v1/files/alone/content
    eventually at_rest
    costs 0 gets HIT later /v1/files/alone/content
    expect_same first later
}

#!/usr/bin/env bats
# Back-pressure: who is slow slows the other side down, and nothing piles up in between.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# received: bytes that came from the upstream over the proxy's open connections, as the kernel counts them
received() {
    ss -Htnip "dst 127.0.0.1:$UPSTREAM_PORT" 2>/dev/null | grep -o 'bytes_received:[0-9]*' | cut -d : -f 2 |
        awk '{ sum += $1 } END { print sum + 0 }'
}

# still CMD…: its output, once it has been the same for a while, in which nobody was about to change it: where the
# machine is busy, proxy and upstream may do nothing because they do not get a processor
still() {
    local last='' now same=0
    local deadline=$(($(now_ms) + 60000))
    while [[ $same -lt 6 ]]; do
        now=$("$@")
        if [[ $now == "$last" ]] && at_rest "$PROXY_PID" "$UPSTREAM_PID" >/dev/null; then same=$((same + 1)); else same=0; fi
        last=$now
        [[ $(now_ms) -lt $deadline ]] || {
            echo "never still: $last"
            return 1
        }
        sleep 0.05
    done
    echo "$last"
}

# download SCRIPT [CURL-ARGS…]: a client that gets this, in the background; body in the file body.$downloads
download() {
    ((++downloads))
    spawn out "err.$downloads" curl -q -sS --max-time 120 -H "X-Script: $1" -o "body.$downloads" "${@:2}" "$PROXY/v1/x?$downloads"
}

@test "a client that does not read stops the upstream, and memory stays bounded" {
    need ss
    proxy --request-timeout 1s
    local how n bytes silent_from limit=40000
    local -a asks=(-H 'Cache-Control: no-store')
    for how in length chunked kept; do
        # what may be kept is held until it proves to be too large, above 32 MiB
        [[ $how != kept ]] || asks=() limit=80000
        download "${how/kept/chunked};size:1000000000" "${asks[@]}"
        local pid=$spawned
        expect_stat in_flight = 1
        eventually test -s "body.$downloads"
        kill -STOP "$pid"
        bytes=$(still received)
        silent_from=$(now_ms)
        [[ $bytes -gt 0 && $bytes -lt 100000000 ]]
        # longer than --request-timeout: the silence is the client's
        eventually is_past $((silent_from + 2000))
        n=$(still received)
        [[ $n -eq $bytes ]]
        peak_below "$limit"
        expect_stat aborted = 0
        kill -CONT "$pid"
        eventually received_more "$bytes"
        kill -KILL "$pid"
        expect_stat in_flight = 0
        expect_stat aborted = 1
        upstream_reset
    done
}

is_past() {
    [[ $(now_ms) -ge $1 ]]
}

received_more() {
    [[ $(received) -gt $1 ]]
}

@test "a client that pauses gets every byte in the end" {
    need ss
    proxy
    local how pid
    for how in length chunked close; do
        download "$how;body:start;barrier:$how;size:30000000" -H 'Cache-Control: no-store'
        pid=$spawned
        barrier wait "$how"
        kill -STOP "$pid"
        barrier release "$how"
        eventually received_more 1000000
        still received >/dev/null
        kill -CONT "$pid"
        pid_ends "$pid" 100
        [[ ${ended[$pid]} -eq 0 ]]
        { printf start && "$test_bin/upstream" --expect-size 30000000; } | cmp - "body.$downloads"
    done
    peak_below 40000
}

@test "a client that does not read a stream does not hold up the others" {
    need ss
    proxy --workers 1
    download 'chunked;size:1000000000'
    local pid=$spawned i
    eventually test -s "body.$downloads"
    kill -STOP "$pid"
    still received >/dev/null
    for i in {1..20}; do
        client --fail -o /dev/null "$PROXY/v1/models?n=$i"
        client --fail -o /dev/null -H 'X-Script: size:1000000' "$PROXY/v1/x?n=$i"
    done
    kill -KILL "$pid"
    expect_stat aborted = 1
}

# sent: bytes that clients have sent to the proxy
sent() {
    ss -Htnip "dst 127.0.0.1:$PROXY_PORT or dst [::1]:$PROXY_PORT" 2>/dev/null | grep -o 'bytes_acked:[0-9]*' | cut -d : -f 2 |
        awk '{ sum += $1 } END { print sum + 0 }'
}

@test "an upstream that does not read stops the client's upload, and memory stays bounded" {
    need ss
    proxy --request-timeout 100s
    truncate -s 120000000 big
    local how pid bytes
    for how in '' chunked; do
        spawn out err curl -q -sS --max-time 200 -H 'Expect:' ${how:+-H "Transfer-Encoding: $how"} -H "X-Script: noread:read$how;echo" -T big "$PROXY/v1/x"
        pid=$spawned
        barrier wait "read$how"
        bytes=$(still sent)
        [[ $bytes -gt 100000 && $bytes -lt 50000000 ]]
        [[ $(upstream_get last/bytes) -eq 0 ]]
        peak_below 40000
        barrier release "read$how"
        pid_ends "$pid" 200 # a sanitizer on a busy machine may take long for so many bytes
        [[ ${ended[$pid]} -eq 0 ]]
        jq -e '.body_bytes == 120000000' out
        peak_below 40000
    done
}

@test "an upload to an upstream that reads slowly arrives whole" {
    proxy
    "$test_bin/upstream" --expect-size 1000000 >body
    client -o got -H 'Expect:' -H 'X-Script: slowread:65536,10;echo' --data-binary @body "$PROXY/v1/x"
    jq -e '.body_bytes == 1000000' got
    [[ $(upstream_get last/sha256) == "$(sha256sum body | cut -d ' ' -f 1)" ]]
}

@test "an answer before the body was read reaches the client, and ends its upload" {
    proxy
    truncate -s 200000000 big
    local framing
    # The upstream stays for a while. If it went at once, with so much unread, its RST could overtake its answer.
    for framing in '' 'Transfer-Encoding: chunked'; do
        client -D head -o got -w '%{http_code} %{size_upload}' -H 'Expect:' ${framing:+-H "$framing"} \
            -H 'X-Script: noread;status:413;length:9;body:too large;barrier:stay' -T big "$PROXY/v1/x" >told 2>err || true
        [[ $(cut -d ' ' -f 1 told) == 413 ]]
        [[ $(<got) == 'too large' ]]
    done
    # an upstream that reads on after its answer
    client -o got -w '%{http_code}' -H 'Expect:' -H 'X-Script: earlyanswer;status:422;body:early' -T big "$PROXY/v1/x" >told 2>err || true
    [[ $(<told) == 422 && $(<got) == early ]]
    peak_below 40000
}

@test "an early answer is not held back until the client has sent its body" {
    proxy
    # the body never ends: what comes back came before its end
    printf 'PUT /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nTransfer-Encoding: chunked\r\nX-Script: noread;status:413;length:2;body:no;barrier:stay\r\n\r\n5\r\nhello\r\n' \
        "$PROXY_PORT" | raw "127.0.0.1:$PROXY_PORT" --until 'X-Proxy' >got
    grep -a -q '^HTTP/1.1 413' got
    grep -a -qi '^connection: close' got
}

@test "after an early answer the connection is closed, or the rest of the body is not taken for a request" {
    proxy
    {
        printf 'POST /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nX-Script: noread;status:413;length:2;header:Connection=close;body:no;barrier:stay\r\nContent-Length: 300000\r\n\r\n' "$PROXY_PORT"
        for ((i = 0; i < 6000; i++)); do
            printf 'GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\nX: 0123456\r\n\r\n'
        done | head -c 300000
        printf 'GET /v1/next HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n' "$PROXY_PORT"
    } | raw "127.0.0.1:$PROXY_PORT" >got
    head -n 1 got | grep -q '^HTTP/1.1 413'
    not grep -q smuggled <(upstream_get requests)
}

@test "a hundred clients that do not read cost bounded memory" {
    need ss
    proxy
    printf 'GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-Script: size:1000000000\r\n\r\n' "$PROXY_PORT" >request
    spawn out err sh -c 'exec "$1" --count 100 --timeout 60 "$2" <request' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
    eventually grep -q 'all answered' out
    kill -STOP "$spawned"
    expect_stat in_flight = 100
    still received >/dev/null
    peak_below 120000
    kill -KILL "$spawned"
    expect_stat in_flight = 0
}

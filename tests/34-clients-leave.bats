#!/usr/bin/env bats
# Clients that leave, and clients that only have nothing more to send: a half-closed one still reads (RFC 9293 section 3.6)
# and gets its whole answer; one that is gone cancels the call upstream.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# half_closed [--drip N,MS] HEAD-AND-BODY: sends it (with printf's escapes) and closes its sending half; the answer is in
# the file got
half_closed() {
    local code=0
    # shellcheck disable=SC2059
    printf "${!#}" | raw "127.0.0.1:$PROXY_PORT" --half-close --report "${@:1:$#-1}" >got 2>report || code=$?
    [[ $code -eq 0 ]] || {
        echo "status $code"
        cat got report
        return 1
    }
}

# got_whole STATUS END: that answer; its last bytes
got_whole() {
    head -n 1 got | grep -a -q "^HTTP/1.1 $1 " && [[ $(tail -c ${#2} got) == "$2" ]] && grep -q 'end=fin' report || {
        cat got report
        return 1
    }
}

@test "a client that closes its sending half behind its request gets its answer: plain, cached, of the proxy itself" {
    proxy
    half_closed 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n'
    got_whole 200 '"has_more":false}'
    grep -qi '^x-cache: MISS' got
    grep -qi '^connection: close' got
    local i
    for i in 1 2; do
        half_closed 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n'
        got_whole 200 '"has_more":false}'
        grep -qi '^x-cache: HIT' got
    done
    half_closed 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'
    got_whole 200 '}'
    half_closed 'GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n'
    got_whole 404 '}'
    half_closed 'GET /v1/models?0 HTTP/1.0\r\nHost: localhost\r\n\r\n'
    grep -a -q '^HTTP/1.[01] 200' got
    expect_stat aborted = 0
}

@test "it gets it with a body of every kind, sent at once or bit by bit" {
    proxy
    local path
    for path in /v1/chat/completions /v1/files; do
        half_closed "POST $path?1 HTTP/1.1\r\nHost: localhost\r\nX-Script: body:yes\r\nContent-Length: 5\r\n\r\nhello"
        got_whole 200 yes
        half_closed "POST $path?2 HTTP/1.1\r\nHost: localhost\r\nX-Script: body:yes\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        got_whole 200 yes
        half_closed --drip 1,1 "POST $path?3 HTTP/1.1\r\nHost: localhost\r\nX-Script: body:yes\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        got_whole 200 yes
        half_closed "POST $path?4 HTTP/1.1\r\nHost: localhost\r\nX-Script: body:yes\r\nContent-Length: 200000\r\n\r\n$(printf '%0200000d' 0)"
        got_whole 200 yes
        [[ $(upstream_get last/bytes) -eq 200000 ]]
    done
    expect_stat aborted = 0
}

@test "a client that closes its sending half behind several requests gets all answers, whatever of them waits unread" {
    proxy
    local first='GET /v1/a HTTP/1.1\r\nHost: localhost\r\nX-Script: size:300000\r\n\r\n' small body
    small='POST /v1/x HTTP/1.1\r\nHost: localhost\r\nX-Script: body:small\r\nContent-Length: 5\r\n\r\nhello'
    printf -v body '%066000d' 0
    for i in 1 2 3; do
        half_closed "${first/a HTTP/a?$i HTTP}PUT /v1/b HTTP/1.1\r\nHost: localhost\r\nX-Script: body:last\r\nContent-Length: 66000\r\n\r\n$body"
        [[ $(grep -ao 'HTTP/1.1 200 ' got | wc -l) -eq 2 && $(tail -c 4 got) == last ]]
        grep -q 'end=fin' report
        half_closed "$small$small$small"
        [[ $(grep -ao 'HTTP/1.1 200 ' got | wc -l) -eq 3 && $(grep -aio 'connection: close' got | wc -l) -eq 1 ]]
    done
}

# late NAME REQUEST: half_closed in the folder NAME, in the background; its pid in $late
late() {
    mkdir "$1"
    (cd "$1" && half_closed "$2") 3>&- 4>&- &
    late=$!
}

# The proxy looks every half second whether it is still there.
@test "it gets it from an upstream that takes its time, before the head and within the body" {
    proxy
    local pid
    local -a pids=()
    late head 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-Script: delay:1800;body:late\r\n\r\n{}'
    pids+=("$late")
    late stream 'POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-Script: data:1;delay:900;data:2;delay:900;data:[DONE]\r\n\r\n{}'
    pids+=("$late")
    late large 'GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-Script: length:3000000;size:1500000;delay:1700;size:1500000\r\n\r\n'
    pids+=("$late")
    for pid in "${pids[@]}"; do wait "$pid"; done
    (cd head && got_whole 200 late)
    grep -q 'data: 1' stream/got
    grep -q 'data: 2' stream/got
    grep -q DONE stream/got
    [[ $(stat -c %s large/got) -gt 3000000 ]]
    expect_stat aborted = 0
}

# bats test_tags=threads
@test "half-closed clients that wait for one and the same answer all get it" {
    proxy
    printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-Script: barrier:b;sse:3,0\r\n\r\n{}' >request
    local i
    for i in 1 2 3; do
        spawn "got.$i" "err.$i" sh -c 'exec "$1" --half-close --timeout 20 "$2" <request' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
    done
    barrier wait b
    barrier release b
    for i in 1 2 3; do
        eventually grep -q DONE "got.$i"
    done
    expect_stat requests = 1
}

@test "on a kept-alive connection each answer before is ordinary, and the last one says Connection: close" {
    proxy
    raw "127.0.0.1:$PROXY_PORT" --script --report >got 2>report <<END
send GET /v1/models?1 HTTP/1.1\r\nHost: localhost\r\n\r\n
expect "has_more":false}
send GET /v1/models?2 HTTP/1.1\r\nHost: localhost\r\n\r\n
expect "has_more":false}
send GET /v1/models?3 HTTP/1.1\r\nHost: localhost\r\nX-Script: delay:100\r\n\r\n
halfclose
expect "has_more":false}
END
    grep -q 'end=fin' report
    [[ $(grep -a -o 'HTTP/1\.1 200' got | wc -l) -eq 3 ]]
    [[ $(grep -a -c -i '^connection: close' got) -eq 1 ]]
}

@test "a client that sends several requests at once and half-closes gets the answers to all of them" {
    proxy
    half_closed "$(printf 'GET /v1/models?%s HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' 1 2 3)"
    got_whole 200 '"has_more":false}'
    [[ $(grep -a -o 'HTTP/1\.1 200' got | wc -l) -eq 3 ]]
    [[ $(grep -a -c -i '^connection: close' got) -eq 1 ]]
}

# bats test_tags=threads
@test "a client that closes entirely while it waits cancels the call at once" {
    proxy
    local how
    for how in 'barrier:b' 'data:1;barrier:b' 'length:100;body:abc;barrier:b'; do
        upstream_reset
        spawn out err curl -q -sSN -H "X-Script: $how" -d '{}' "$PROXY/v1/x?$(fresh)"
        barrier wait b
        kill -KILL "$spawned"
        within_a_second stat_is aborted = 1
    done
}

@test "a client that half-closes first and leaves later is noticed within two seconds" {
    proxy
    local how
    for how in 'barrier:b' 'data:1;barrier:b'; do
        upstream_reset
        printf 'POST /v1/x?%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-Script: %s\r\n\r\n{}' "$(fresh)" "$how" >request
        spawn out err sh -c 'exec "$1" --half-close --timeout 60 "$2" <request' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
        barrier wait b
        # it is still there, and stays beyond a look
        not eventually 1 stat_is aborted = 1
        kill -KILL "$spawned"
        eventually 2 stat_is aborted = 1
    done
}

@test "a half-closed client whose request is not whole is ended soon" {
    proxy
    local bytes
    for bytes in 'POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello' \
        'POST /v1/files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n' 'GET /v1/models HTTP/1.1\r\nHost: loc'; do
        # shellcheck disable=SC2059
        printf "$bytes" | raw "127.0.0.1:$PROXY_PORT" --half-close --timeout 5 >got || [[ $? -eq 4 ]]
        not grep -q 'HTTP/1.1 200' got
    done
    expect_stat in_flight = 0
    upstream_get requests | jq -e 'all(.[]; .finished == "aborted")'
}

@test "a half-closed client that does not read is no reason to wait for ever" {
    proxy
    raw "127.0.0.1:$PROXY_PORT" --script --timeout 20 >got <<END
send GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-Script: size:50000000\r\n\r\n
halfclose
deaf
pause 700
close
END
    eventually stat_is in_flight = 0
    eventually idle
}

idle() {
    client "$PROXY/health" | jq -e '.in_flight == 1'
}

# ---- what they leave behind ----

# connections N: so many are open, with the one that asks. /health says what was the case within the last second.
connections() {
    client "$PROXY/health" | jq -e ".connections == $1" >/dev/null || {
        client "$PROXY/health" | jq .connections
        return 1
    }
}

@test "a stream whose client leaves frees its connection, though older ones stay open" {
    proxy --workers 1
    printf 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n' >ask
    spawn older older.err bash -c "exec '$test_bin/rawclient' --timeout 100 127.0.0.1:$PROXY_PORT <ask"
    eventually test -s older
    local i
    local -a clients=()
    for i in 1 2 3 4 5 6; do
        spawn "got.$i" err curl -q -sSN --max-time 100 -H 'Cache-Control: no-store' -H 'X-Script: sse:3,10;stall' -d '{"stream":true}' "$PROXY/v1/chat/completions"
        clients+=("$spawned")
        eventually grep -q w2 "got.$i"
    done
    eventually connections 8
    kill -KILL "${clients[@]}"
    eventually connections 2
    expect_stat in_flight = 0
}

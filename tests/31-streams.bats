#!/usr/bin/env bats
# Streams: every byte arrives when it is sent, none is lost, and many streams do not stand in each other's way.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# stream OUT SCRIPT [CURL-ARGS…]: a stream into the file OUT, in the background; each OUT is another request
stream() {
    local out=$1 script=$2
    shift 2
    spawn "$out" "$out.err" curl -q -sSN --max-time 60 -H "X-Script: $script" -d "{\"model\":\"m\",\"stream\":true,\"user\":\"$out\"}" "$@" \
        "$PROXY/v1/chat/completions"
}

# the same but for the number of the request and the time
without_ids() {
    sed -E 's/_up[0-9]+|-up[0-9]+|req_up_[0-9]+/N/g; s/"created(_at)?":[0-9]+//g'
}

# has FILE TEXT: the file's content is exactly that
has() {
    [[ $(<"$1") == "$2" ]] || {
        echo "$1 is:"
        cat "$1"
        return 1
    }
}

@test "the client has each event before the next one is sent" {
    proxy
    local k script=
    for k in {1..10}; do
        script+="data:{\"k\":$k};barrier:b$k;"
    done
    stream got "${script}data:[DONE]"
    for k in {1..10}; do
        barrier wait "b$k"
        eventually grep -q "\"k\":$k}" got
        not grep -q "\"k\":$((k + 1))}" got
        barrier release "b$k"
    done
    eventually grep -q DONE got
    pid_ends "$spawned" 30
    [[ ${ended[$spawned]} -eq 0 ]]
}

@test "the head arrives before the first byte of the body" {
    proxy
    local how
    for how in chunked length:3 close; do
        printf 'GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-Script: %s;flush;barrier:%s;body:abc\r\n\r\n' \
            "$PROXY_PORT" "$how" "$how" | raw "127.0.0.1:$PROXY_PORT" --until $'\r\n\r\n' --report >got 2>report
        grep -q 'end=until' report
        head -n 1 got | grep -q '^HTTP/1.1 200'
    done
}

@test "bytes of every kind of answer are passed on as they come, not only events" {
    proxy
    local how
    for how in chunked length:8 close gzip; do
        stream "got.$how" "$how;body:half;barrier:$how;body:half" -H 'Accept-Encoding: gzip'
        barrier wait "$how"
        if [[ $how == gzip ]]; then
            eventually test -s "got.$how"
        else
            eventually has "got.$how" half
        fi
        barrier release "$how"
        pid_ends "$spawned" 30
        [[ ${ended[$spawned]} -eq 0 ]]
    done
    [[ $(gzip -dc got.gzip) == halfhalf ]]
    # for one who takes no gzip it is unpacked as it comes
    stream got.plain 'gzip;body:half;barrier:plain;body:half'
    barrier wait plain
    eventually has got.plain half
    barrier release plain
    eventually has got.plain halfhalf
}

@test "chunks of one byte arrive one by one, and all of them" {
    proxy
    local i script='chunkbytes:1;'
    for i in {1..20}; do
        script+="chunk:$((i % 10));barrier:s$i;"
    done
    stream got "$script"
    local expected=
    for i in {1..20}; do
        barrier wait "s$i"
        expected+=$((i % 10))
        eventually has got "$expected"
        barrier release "s$i"
    done
    stream whole 'chunkbytes:1;sse:50,0'
    stream plain 'sse:50,0'
    pid_ends "$spawned" 30
    pid_ends "${tracked_pids[-2]}" 30
    [[ $(grep -c '^data: ' whole) -eq 51 ]]
}

@test "CRLF, CR, comments, names, and characters cut in two pass untouched" {
    proxy
    local script
    for script in 'eol:crlf;comment:hi;event:x=1;data:2' 'eol:cr;data:1;data:2' 'comment:keep-alive;data:1;comment:' \
        'chunkbytes:1;data:\xf0\x9f\x91\x8b\xe4\xb8\x96' 'chunk:data: \xf0\x9f;flush;chunk:\x91\x8b\n\n' 'chunk:data: no end' \
        'chunk:\xef\xbb\xbfdata: bom\n\n' 'chunk:id: 7\nretry: 10\ndata\n\n' 'data:[DONE];data:after' 'responses:3,0' \
        'event:error={"error":{"message":"x"}}'; do
        client -H "X-Script: $script" "$UPSTREAM/v1/x" | without_ids >directly
        client -H "X-Script: $script" "$PROXY/v1/x?$(fresh)" | without_ids >through
        expect_same directly through
    done
}

@test "events that come together lose no byte" {
    proxy
    local script
    for script in 'sse:3000,0' 'chunkbytes:7;sse:500,0' 'chunkbytes:1000;sse:3000,0' 'responses:2000,0' 'gzip;sse:1000,0'; do
        client -H "X-Script: $script" "$UPSTREAM/v1/x" --compressed | without_ids >directly
        client -H "X-Script: $script" "$PROXY/v1/x?$(fresh)" --compressed | without_ids >through
        expect_same directly through
    done
}

@test "a hundred streams at once all get their events while all are open" {
    proxy
    printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Length: 2\r\nX-Script: data:1;barrier:all;data:[DONE]\r\n\r\n{}' \
        "$PROXY_PORT" >request
    spawn out err sh -c '"$1" --count 100 --timeout 30 "$2" <request' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
    barrier wait all 100
    eventually grep -q 'all answered' out
    client "$PROXY/health" | jq -e '.in_flight >= 100 and .connections >= 100'
    # one more beside them
    client --fail -o /dev/null "$PROXY/v1/models"
    barrier release all
    eventually grep -q 'connected=100 answered=100 closed=100 reset=0' out
    expect_stat in_flight = 0
    expect_stat aborted = 0
}

@test "streams end one by one without disturbing the others" {
    proxy
    local i
    for i in {1..12}; do
        stream "got.$i" "data:start;barrier:e$i;data:[DONE]"
    done
    for i in {1..12}; do
        barrier wait "e$i"
    done
    for i in 7 1 12 3 5; do
        barrier release "e$i"
        eventually grep -q DONE "got.$i"
    done
    for i in 2 4 6 8 9 10 11; do
        eventually has "got.$i" $'data: start'
        barrier release "e$i"
        eventually grep -q DONE "got.$i"
    done
    expect_stat aborted = 0
}

@test "an HTTP/1.0 client gets a stream as it comes, until the close" {
    proxy
    spawn got err sh -c 'printf "POST /v1/x HTTP/1.0\r\nHost: localhost:%s\r\nContent-Length: 2\r\nX-Script: data:1;barrier:b;data:2\r\n\r\n{}" "$3" | "$1" --report --timeout 20 "$2"' \
        sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT" "$PROXY_PORT"
    barrier wait b
    barrier release b
    eventually grep -q 'end=fin' err
    not grep -qi '^transfer-encoding' got
    [[ $(sed '1,/^\r$/d' got) == $'data: 1\n\ndata: 2' ]]
}

@test "a stream lives longer than every client's deadline and the connection goes on after it" {
    proxy --client-timeout 1s --workers 1
    raw "127.0.0.1:$PROXY_PORT" --script >got <<END
send POST /v1/x HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\nContent-Length: 2\r\nX-Script: data:1;delay:2500;data:[DONE]\r\n\r\n{}
expect DONE
send GET /v1/models HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\n\r\n
expect "object"
close
END
    expect_stat requests = 2
    expect_stat aborted = 0
}

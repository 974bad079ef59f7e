#!/usr/bin/env bats
# run-bats: first
# Errors as they are: what the upstream says reaches the client unchanged; what breaks reaches it broken; the rest is
# an OpenAI-shaped 502 or 504 that names the hop.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# scripted SCRIPT [CURL-ARGS…]: a request with this script through the proxy, of which nothing is in the cache yet
scripted() {
    client -H "X-Script: $1" "${@:2}" "$PROXY/v1/chat/completions?$(fresh)"
}

# fails_with STATUSES SCRIPT [CURL-ARGS…]: curl's exit status is one of those (a regular expression)
fails_with() {
    local code=0
    scripted "${@:2}" >got 2>err || code=$?
    [[ $code =~ ^($1)$ ]] || {
        echo "curl's status $code, expected $1, with ${*:2}"
        head -c 300 got
        cat err
        return 1
    }
}

# ours STATUS CODE TEXT [CURL-ARGS…]: an answer of the proxy itself: status, error code, and what the message says
ours() {
    local got
    got=$(client -o got -D head -w '%{http_code} %{content_type}' "${@:4}")
    if [[ $got != "$1 application/json" ]] ||
        ! jq -e --arg code "$2" --arg text "$3" '.error | .type == "upstream_error" and .code == $code and .param == null and
            (.message | test($text))' got >/dev/null; then
        echo "got $got, expected $1, code $2, a message with $3"
        cat got
        return 1
    fi
    grep -qi '^x-proxy: goproxyai/' head
}

# ---- as they are ----

@test "every error of the upstream reaches the client byte for byte, with its headers" {
    proxy
    local code script
    for code in 400 401 403 404 408 409 413 422 429 499 500 502 503 504 529; do
        script="status:$code;header:Retry-After=7;header:retry-after-ms=7000;header:x-should-retry=false;header:x-ratelimit-limit-tokens=5;header:x-ratelimit-reset-requests=1s;header:openai-processing-ms=9;header:X-Code=$code"
        client -D head1 -o body1 -H "X-Script: $script" "$UPSTREAM/v1/chat/completions"
        scripted "$script" -D head2 -o body2
        expect_same body1 body2
        local field
        for field in retry-after retry-after-ms x-should-retry x-ratelimit-limit-tokens x-ratelimit-reset-requests x-ratelimit-limit-requests \
            x-ratelimit-remaining-requests openai-processing-ms openai-version x-code content-type content-length; do
            [[ $(grep -i "^$field:" head1 | tr -d '\r') == "$(grep -i "^$field:" head2 | tr -d '\r')" ]]
        done
        head -n 1 head2 | grep -q "^HTTP/1.1 $code"
    done
    expect_stat requests = 30
}

@test "errors of any body pass: empty, HTML, text, a string for an error, one in mid-stream" {
    proxy
    local script
    for script in 'status:500;body:' 'status:502;header:Content-Type=text/html;body:<html>bad</html>' 'status:400;body:{"error":"text"}' \
        'status:400;body:not json' 'status:503;gzip;body:{}' 'data:1;event:error={"error":{"message":"x","code":"c"}}' 'status:500;chunk:a;chunk:b'; do
        client -o body1 -w '%{http_code}' -H "X-Script: $script" -H 'Accept-Encoding: gzip' "$UPSTREAM/v1/x" >code1
        client -o body2 -w '%{http_code}' -H "X-Script: $script" -H 'Accept-Encoding: gzip' "$PROXY/v1/x?$(fresh)" >code2
        [[ ! -e body1 ]] || expect_same body1 body2
        expect_same code1 code2
    done
}

@test "no request is repeated on an error status" {
    proxy
    local code
    for code in 408 429 500 503; do
        scripted "status:$code" -o /dev/null -d '{}'
    done
    expect_stat requests = 4
}

# ---- broken in mid-answer ----

@test "a broken answer reaches the client broken, whatever its framing and however it broke" {
    proxy
    local how script
    # where all of it is there at once, and where the client has had a part of it
    for how in length chunked; do
        fails_with '18|56|92' "$how;truncate:5"
        fails_with '18|56|92' "$how;truncate:5,reset"
        fails_with '18|56|92' "$how;size:300000;truncate:200000"
        fails_with '18|56|92' "$how;size:300000;truncate:200000,reset"
        fails_with '18|56|92' "$how;size:3000000;truncate:2999999"
    done
    for script in 'chunk:a;flush;reset' 'chunk:a;flush;fin' 'data:1;reset' 'data:1;fin' 'data:1;badchunk' 'body:x;badchunk:xyz' \
        'data:1;data:[DONE];fin' 'data:1;data:[DONE];reset' 'length:50;body:short' 'flush;fin' 'chunked;flush;reset' 'sse:5,1,nodone;reset' \
        'gzip;chunk:abc;fin' 'status:500;chunk:a;fin' 'chunkbytes:1;sse:3,0;fin' \
        'chunk:ab;badchunk:4\r\ncde\r\n0\r\n\r\n' 'chunk:ab;badchunk:2\r\ncde\r\n0\r\n\r\n' 'chunk:ab;badchunk:2\r\ncd\n0\r\n\r\n'; do
        fails_with '18|56|92' "$script"
        # and not because the proxy gave nothing: the status came
        not grep -q '^000' <(scripted "$script" -o /dev/null -w '%{http_code}' 2>/dev/null)
    done
    expect_stat in_flight = 0
}

@test "what came before the break is passed on, also when the client was waiting for more" {
    proxy
    local end
    for end in fin reset badchunk; do
        spawn "got.$end" err curl -q -sSN --max-time 60 -H "X-Script: data:one;data:two;barrier:$end;$end" "$PROXY/v1/x"
        barrier wait "$end"
        eventually grep -q two "got.$end"
        barrier release "$end"
        pid_ends "$spawned" 30
        [[ ${ended[$spawned]} -eq 18 || ${ended[$spawned]} -eq 56 ]]
        [[ $(<"got.$end") == $'data: one\n\ndata: two' ]]
    done
    scripted 'length:10;body:abc' >got 2>err || true
    [[ $(<got) == abc ]]
}

@test "a broken answer ends the client's connection, and nothing follows it there" {
    proxy
    raw "127.0.0.1:$PROXY_PORT" --report >got 2>report <<< $'GET /v1/x HTTP/1.1\r\nHost: localhost:'"$PROXY_PORT"$'\r\nX-Script: data:1;fin\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: localhost:'"$PROXY_PORT"$'\r\n\r' || true
    grep -Eq 'end=(fin|reset)' report
    [[ $(grep -c '^HTTP/1.1' got) -eq 1 ]]
    not grep -q $'^0\r$' got
}

@test "a close-delimited answer stays close-delimited, and one that was reset is not ended cleanly" {
    proxy
    fails_with 0 'close;body:all of it'
    [[ $(<got) == 'all of it' ]]
    fails_with 0 'nolength;size:300000'
    [[ $(stat -c %s got) -eq 300000 ]]
    # cut by FIN it looks complete directly, too
    fails_with 0 'close;truncate:5'
    fails_with '56|18' 'close;truncate:5,reset'
    fails_with '56|18' 'close;size:300000;truncate:200000,reset'
}

@test "a broken gzip answer is broken for a client that decodes it" {
    proxy
    fails_with '18|23|56|61' 'gzip;size:100000;truncate:1000' --compressed
}

# ---- no answer at all ----

@test "an upstream that is not there is a 502 that names the connection" {
    local nobody
    nobody=$(free_port)
    proxy --upstream "http://127.0.0.1:$nobody"
    ours 502 upstream_connection_failed "127.0.0.1:$nobody" "$PROXY/v1/models"
    ours 502 upstream_connection_failed "127.0.0.1:$nobody" -d '{"stream":true}' "$PROXY/v1/chat/completions"
    truncate -s 3000000 big
    ours 502 upstream_connection_failed "127.0.0.1:$nobody" -H 'Expect:' --data-binary @big "$PROXY/v1/files"
    ours 502 upstream_connection_failed "127.0.0.1:$nobody" -H 'Expect:' -H 'Transfer-Encoding: chunked' --data-binary @big "$PROXY/v1/files"
    eventually grep -q "127.0.0.1:$nobody" "$PROXY_LOG"
}

@test "a 502 keeps the client's connection" {
    local nobody
    nobody=$(free_port)
    proxy --upstream "http://127.0.0.1:$nobody"
    [[ $(client "$PROXY/v1/models" -o /dev/null --next -q -sS -o /dev/null -d '{}' "$PROXY/v1/x" \
        --next -q -sS -o /dev/null -w '%{num_connects}' "$PROXY/v1/models") == 0 ]]
}

@test "a name that does not exist is a 502 that names the look-up" {
    proxy --upstream https://nowhere.invalid --request-timeout 20s
    ours 502 upstream_name_lookup_failed 'nowhere.invalid' "$PROXY/v1/models"
}

@test "garbage, HTTP/0.9, another protocol: a 502 that says so" {
    proxy
    local script
    for script in 'garbage' 'garbage:hello\r\n\r\n' 'garbage:\x15\x03\x01\x00\x02\x02\x46' 'garbage:SSH-2.0-OpenSSH\r\n' \
        'garbage:HTTP/1.1\r\n\r\n' 'garbage:HTTP/1.1 abc OK\r\n\r\n' 'garbage:HTTP/7.3 200 OK\r\n\r\n' 'garbage:<html>no head</html>' \
        'garbage:HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n' 'garbage:HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello' \
        'garbage:HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nhello' 'garbage:HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello'; do
        if ! ours 502 upstream_bad_answer . -H "X-Script: $script" "$PROXY/v1/x" &&
            ! ours 502 upstream_connection_broken . -H "X-Script: $script" "$PROXY/v1/x"; then
            echo "with $script"
            return 1
        fi
    done
    expect_stat in_flight = 0
}

# large SIZE: the script of an answer with a field of that size
large() {
    printf 'X-Script: header:X-Large='
    head -c "$1" /dev/zero | tr '\0' v
}

# has_room SIZE: a GET whose answer has a field of that size is a miss, and then a hit
has_room() {
    local kind
    ((++asked))
    for kind in MISS HIT; do
        [[ $(client -D head -o got -w '%{http_code}' -H "$(large "$1")" "$PROXY/v1/models?$asked") == 200 ]] || return
        grep -qi "^x-cache: $kind" head || return
    done
}

@test "an answer whose head has no room beside the request's is a 502, first and last; what passes once is a hit" {
    proxy
    local asked=0 fits=4000 fails=17000 middle less status
    while ((fails - fits > 1)); do
        middle=$(((fits + fails) / 2))
        if has_room $middle; then fits=$middle; else fails=$middle; fi
    done
    for less in 0 40 80 120; do
        has_room $((fits - less))
    done
    for status in 'fwd=miss; stored' 'fwd=bypass'; do # it is kept: a shorter head of a request leaves room for it
        ours 502 upstream_bad_answer "bytes of the request's head is more than the 24 KiB" \
            -H "$(large $((fails + 200)))" "$PROXY/v1/models?last"
        grep -qi "^cache-status: goproxyai; $status" head
    done
}

@test "odd but valid heads are no garbage" {
    proxy
    local script
    for script in 'garbage:HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok' 'garbage:HTTP/1.0 200 OK\r\n\r\nok' \
        'garbage:HTTP/1.1 200 OK\nContent-Length: 2\n\nok' 'garbage:HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok' \
        'garbage:HTTP/1.1 200 Sehr gut\r\nContent-Length: 2\r\n\r\nok' 'garbage:HTTP/1.1 200 OK\r\nX:\r\nContent-Length: 2\r\n\r\nok'; do
        scripted "$script" >got
        [[ $(<got) == ok ]]
    done
}

@test "an upstream that resets or closes before its answer is a 502" {
    proxy
    local script
    for script in fin reset 'early:100;fin' 'early:103;reset' 'garbage:HTTP/1.1 200 OK\r\nX-Half: ' 'garbage:HT'; do
        ours 502 upstream_connection_broken "127.0.0.1:$UPSTREAM_PORT" -H "X-Script: $script" "$PROXY/v1/x"
        ours 502 upstream_connection_broken . -H "X-Script: $script" -d '{}' "$PROXY/v1/x"
    done
}

# ---- silence ----

@test "an upstream that is silent before its first byte is a 504 within --request-timeout" {
    proxy --request-timeout 300ms
    local script
    for script in stall 'early:100;stall' 'noread;stall'; do
        ours 504 upstream_timeout 'request-timeout' -w '%{http_code} %{content_type}' -H "X-Script: $script" "$PROXY/v1/x"
    done
    expect_stat aborted = 3
    # never too early; and of three the quickest was in time, as a busy machine makes one of them late
    for script in 1 2 3; do
        client -o /dev/null -w '%{time_total}\n' -H 'X-Script: stall' "$PROXY/v1/x"
    done | sort -n >seconds
    awk '$1 < 0.28 || (NR == 1 && $1 >= 3) { bad = 1 } END { exit bad || NR != 3 }' seconds
}

@test "an upstream that falls silent between bytes is a broken answer within --request-timeout" {
    proxy --request-timeout 1s # what comes before the silence must come within that, also on a busy machine
    local script
    for script in 'data:1;stall' 'length:50;body:short;stall' 'flush;stall' 'chunkbytes:1;sse:3,0,nodone;stall'; do
        fails_with '18|56' "$script" --max-time 20
    done
    expect_stat aborted = 4
    fails_with '18|56' 'close;body:abc;stall' --max-time 20
}

@test "an upstream that takes a long request slowly is not silent, and one that stops taking it is" {
    proxy --request-timeout 1s
    head -c 1500000 /dev/zero | tr '\0' x >big
    local path
    # at 0.4 MB/s: several times the timeout
    for path in chat/completions moderations; do
        [[ $(client -o got -w '%{http_code}' -H 'X-Script: slowread:40000,10;body:{}' --data-binary @big "$PROXY/v1/$path") == 200 ]]
    done
    for path in chat/completions moderations; do
        ours 504 upstream_timeout 'request-timeout' -H 'X-Script: noread;stall' --data-binary @big "$PROXY/v1/$path"
    done
}

@test "bytes that keep coming keep the answer alive beyond --request-timeout" {
    proxy --request-timeout 2s # much more than there is between two bytes, also on a busy machine
    fails_with 0 'sse:12,250'
    grep -q DONE got
    fails_with 0 'chunkbytes:1;pace:300;body:0123456789'
}

@test "interim answers before an answer are fine, and none is passed on as the answer" {
    proxy
    local script
    for script in 'early:102;body:x' 'early:100;early:103;early:102;delay:100;early:102;body:x' 'early:103,Link=</a>;data:1;data:[DONE]'; do
        fails_with 0 "$script" -i
        head -n 1 got | grep -q '^HTTP/1.1 200'
        not grep -q '^HTTP/1.1 1' got
    done
}

# They say that the upstream is there, not that it gets on; and they may come for ever.
@test "interim answers do not set the silence back" {
    proxy --request-timeout 1s
    local i script=
    for i in {1..40}; do script+='early:102;delay:200;'; done
    local began ms
    began=$(now_ms)
    ours 504 upstream_timeout 'for 1 s.*request-timeout' -H "X-Script: ${script}body:x" "$PROXY/v1/x"
    ms=$(($(now_ms) - began))
    [[ $ms -ge 950 && $ms -lt 5000 ]]
    # also to a body, and where they come without a pause
    script=
    for i in {1..60}; do script+='early:103;delay:100;'; done
    ours 504 upstream_timeout 'for 1 s' -H "X-Script: ${script}body:x" -d '{}' "$PROXY/v1/chat/completions"
    expect_stat aborted = 2
}

@test "a client that takes its time to send its body is no silence of the upstream" {
    proxy --request-timeout 1s
    {
        printf 'POST /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-Script: echo\r\nContent-Length: 100000\r\n\r\n' "$PROXY_PORT"
        head -c 100000 /dev/zero
    } | raw "127.0.0.1:$PROXY_PORT" --drip 10000,250 >got
    head -n 1 got | grep -q '^HTTP/1.1 200'
}

@test "an SDK's own deadline stands in place of the default, and not of one that the user set" {
    proxy
    # a little more than the SDK waits is fine, so that it is the SDK's own error that the user sees
    ours 504 upstream_timeout 'for [02].2 s' -H 'X-Stainless-Read-Timeout: 0.2' -H 'X-Stainless-Lang: python' -H 'X-Script: stall' "$PROXY/v1/x"
    ours 504 upstream_timeout 'for [13] s' -H 'X-Stainless-Timeout: 1' -H 'X-Stainless-Lang: js' -H 'X-Script: stall' "$PROXY/v1/x"
    ours 504 upstream_timeout 'for [02].2 s' -H 'X-Stainless-Timeout: 7' -H 'X-Stainless-Read-Timeout: 0.2' -H 'X-Script: stall' "$PROXY/v1/x"
    proxy --request-timeout 200ms
    ours 504 upstream_timeout 'for 0.2 s' -H 'X-Stainless-Timeout: 9' -H 'X-Stainless-Lang: js' -H 'X-Script: stall' "$PROXY/v1/x"
    ours 504 upstream_timeout 'for 0.2 s' -H 'X-Stainless-Lang: js' -H 'X-Script: stall' "$PROXY/v1/x"
}

@test "an SDK without a stated deadline waits longer than --request-timeout's default" {
    # the default is 30 s: too long for a test, so the file says it, which a user does not; off is not zero seconds
    proxy --request-timeout off
    fails_with 28 stall --max-time 1
    expect_stat aborted = 1
    fails_with 0 'delay:300;body:x'
}

@test "nonsense in an SDK's deadline is no deadline" {
    proxy
    local value
    for value in NOT_GIVEN -1 0 '' abc 1e 0x1 inf nan '1 2'; do
        scripted 'delay:50;body:x' -H "X-Stainless-Timeout: $value" -o got -w '%{http_code}' >code
        [[ $(<code) == 200 ]]
    done
}

@test "--total-timeout ends an answer that goes on too long, before and after its first byte" {
    proxy --total-timeout 2s # time enough for the last one, also on a busy machine
    ours 504 upstream_timeout 'total-timeout' -H 'X-Script: early:102;delay:1500;early:102;delay:2500;body:x' "$PROXY/v1/x"
    fails_with '18|56' 'sse:100,100' --max-time 8
    fails_with 0 'sse:3,10'
}

@test "--total-timeout counts from the last of several clients that read one answer" {
    proxy --total-timeout 3s
    local question first
    question="{\"stream\":true,\"n\":\"$(fresh)\"}"
    spawn first err curl -q -sSN --noproxy '*' --max-time 30 -H 'X-Script: sse:45,100' -d "$question" "$PROXY/v1/chat/completions"
    first=$spawned
    sleep 2
    [[ -s first ]]
    client -N -o second -D second.head -H 'X-Script: sse:45,100' -d "$question" "$PROXY/v1/chat/completions"
    grep -qi '^x-cache: HIT' second.head
    grep -q DONE second
    pid_ends "$first" 30
    [[ ${ended[$first]} -eq 0 ]]
    # alone it is cut
    fails_with '18|56' 'sse:45,100' --max-time 20
}

@test "a line of the answer's head ends a silence, one of an interim answer does not" {
    need python3
    spawn port.out port.err python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
c.recv(65536)
for part in b"HTTP/1.1 200 OK\r\nX-Ha", b"lf: 1\r\n", b"Content-Length: 1\r\n\r\nx":
    time.sleep(1)
    c.sendall(part)
time.sleep(60)'
    eventually test -s port.out
    proxy --upstream "http://127.0.0.1:$(<port.out)" --request-timeout 1800ms
    [[ $(client -o got -w '%{http_code}' "$PROXY/v1/x") == 200 && $(<got) == x ]]
    proxy --request-timeout 1500ms
    ours 504 upstream_timeout 'silent' -H 'X-Script: early:103;delay:900;early:103;delay:1200;body:x' "$PROXY/v1/x"
}

@test "--connect-timeout ends an attempt at a host that does not answer" {
    # a listener whose queue is full answers no more
    need python3
    spawn port.out port.err python3 -c '
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
held = []
for i in range(8):
    c = socket.socket(); c.setblocking(False)
    try: c.connect(s.getsockname())
    except BlockingIOError: pass
    held.append(c)
print(s.getsockname()[1], flush=True)
time.sleep(60)'
    eventually test -s port.out
    proxy --upstream "http://127.0.0.1:$(<port.out)" --connect-timeout 300ms
    [[ $(client -o got -w '%{http_code} %{time_total}' "$PROXY/v1/models" | awk '{ print $1, ($2 < 5) }') =~ ^50[24]\ 1$ ]]
    jq -e '.error.message | test("connect-timeout")' got
}

# ---- clients that leave ----

@test "a client that leaves before the head cancels the upstream call at once" {
    proxy
    spawn out err curl -q -sS -H 'X-Script: barrier:b' -d '{}' "$PROXY/v1/x"
    barrier wait b
    kill -KILL "$spawned"
    expect_stat aborted = 1
    expect_stat in_flight = 0
    eventually in_flight_is 1
}

# in_flight_is N: /health's count, which holds itself
in_flight_is() {
    client "$PROXY/health" | jq -e ".in_flight == $1"
}

@test "a client that leaves in mid-stream cancels the upstream call at once, also when no byte is on its way" {
    proxy
    local how i=0
    for how in data:1 'length:100;body:abc' 'close;body:abc' 'gzip;chunk:a'; do
        spawn "out.$((++i))" err curl -q -sSN -H "X-Script: $how;barrier:b$i" "$PROXY/v1/x"
        barrier wait "b$i"
        eventually test -s "out.$i"
        kill -KILL "$spawned"
        expect_stat in_flight = 0
    done
    expect_stat aborted = 4
}

@test "a client that resets instead of closing is noticed just so" {
    proxy
    raw "127.0.0.1:$PROXY_PORT" --script >got <<END
send GET /v1/x HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\nX-Script: data:1;barrier:b\r\n\r\n
expect data: 1
reset
END
    expect_stat aborted = 1
}

@test "a client that leaves during its upload cancels the upstream call" {
    proxy
    local framing
    for framing in 'Content-Length: 1000000' 'Transfer-Encoding: chunked'; do
        # it leaves when the upstream has seen the request
        printf '%s\\r\\n' 'send POST /v1/x HTTP/1.1' "Host: localhost:$PROXY_PORT" "$framing" >script
        printf '\\r\\n\nsend 1000\\r\\n\nbytes 4096\nexpect never\n' >>script
        spawn out err sh -c 'exec "$1" --script --timeout 60 "$2" <script' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
        expect_stat requests = 1
        kill -KILL "$spawned"
        expect_stat in_flight = 0
        upstream_get requests | jq -e '.[0].finished == "aborted"'
        upstream_reset
    done
}

@test "a client that leaves during a small body costs nothing upstream" {
    proxy
    raw "127.0.0.1:$PROXY_PORT" --script >got <<END
send POST /v1/x HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\nContent-Length: 1000\r\n\r\n
bytes 500
pause 50
close
END
    eventually grep -q 'POST /v1/x' "$PROXY_LOG"
    expect_stat requests = 0
}

@test "a client that leaves harms none of those that stay" {
    proxy --workers 1
    local i
    local -a leave=()
    for i in {1..20}; do
        spawn "out.$i" "err.$i" curl -q -sSN --max-time 60 -H "X-Script: data:1;barrier:all;sse:3,0" "$PROXY/v1/x?$i"
        ((i % 2)) || leave+=("$spawned")
    done
    barrier wait all 20
    kill -KILL "${leave[@]}"
    expect_stat aborted = 10
    barrier release all
    for ((i = 1; i <= 20; i += 2)); do
        eventually grep -q DONE "out.$i"
    done
    client --fail -o /dev/null "$PROXY/v1/models"
    expect_stat aborted = 10
}

@test "clients that come and leave by the hundred leave nothing behind" {
    proxy
    local i
    for i in {1..5}; do
        printf 'GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nCache-Control: no-store\r\nX-Script: data:1;barrier:never\r\n\r\n' "$PROXY_PORT" >request
        spawn out.$i err sh -c 'exec "$1" --count 100 --timeout 60 "$2" <request' sh "$test_bin/rawclient" "127.0.0.1:$PROXY_PORT"
        eventually grep -q 'all answered' "out.$i"
        kill -KILL "$spawned"
        expect_stat in_flight = 0
    done
    expect_stat aborted = 500
    eventually in_flight_is 1
    [[ $(ls "/proc/$PROXY_PID/fd" | wc -l) -lt 150 ]]
}

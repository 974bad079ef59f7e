#!/usr/bin/env bats
# The tools before the work: the scripted upstream and the vocabulary itself.
# Where this fails, no later failure means anything. No proxy is needed, so nothing is gained by
# running it once more with sanitizers.
# bats file_tags=unsanitized

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# scripted SCRIPT [CURL-ARGS…]: a request with this script
scripted() {
    client -H "X-Script: $1" "${@:2}" "$UPSTREAM/v1/models"
}

# fails_with STATUS CMD…
fails_with() {
    local expected=$1
    run "${@:2}"
    [[ $status -eq $expected ]] || {
        echo "status $status, expected $expected: ${*:2}"
        echo "$output"
        return 1
    }
}

chat() {
    client "$UPSTREAM/v1/chat/completions" -d "$@"
}

# ---- scripts ----

@test "status, reason, headers, repeated and empty ones, defaults and their removal" {
    server
    scripted 'status:429 Slow Down;header:Retry-After=7;header:X-A=1;header:X-A=2;header:X-Empty=;drop:Date;body:no\; stop\x21' \
        -i >got
    grep -q $'^HTTP/1.1 429 Slow Down\r$' got
    grep -q $'^Retry-After: 7\r$' got
    [[ $(grep -c '^X-A: ' got) -eq 2 ]]
    grep -q $'^X-Empty: \r$' got
    not grep -qi '^date:' got
    grep -q $'^x-request-id: req_up_1\r$' got
    grep -q $'^openai-processing-ms: ' got
    grep -q $'^Content-Length: 9\r$' got
    [[ $(tail -n 1 got) == 'no; stop!' ]]
}

@test "the script comes from the query too, and the header wins" {
    server
    [[ $(client "$UPSTREAM/any?x=1&script=status:201;body:a%20b&y=2" -w ' %{http_code}') == 'a b 201' ]]
    [[ $(client -H 'X-Script: body:header' "$UPSTREAM/any?script=body:query") == header ]]
}

@test "an unknown step is told, not passed over" {
    server
    scripted 'stauts:200' -i >got
    grep -q '501 Not Implemented' got
    grep -q $'^x-script-error: stauts:200\r$' got
}

@test "size sends the bytes that --expect-size prints, whatever the framing" {
    server
    "$test_bin/upstream" --expect-size 300001 --seed 7 >expected
    local how
    for how in length chunked close nolength 'gzip;length' 'gzip;chunked' 'gzip;close' http10 'chunkbytes:999' hangup; do
        scripted "$how;seed:7;size:300001" --compressed >got
        expect_same expected got
    done
}

@test "the framings are what they say" {
    server
    scripted 'length;chunk:abc' -i | grep -q '^Content-Length: 3'
    scripted 'chunked;body:abc' -i | grep -q '^Transfer-Encoding: chunked'
    scripted 'close;body:abc' -i >got
    grep -q '^Connection: close' got
    not grep -qiE '^(content-length|transfer-encoding)' got
    scripted 'nolength;body:abc' -i >got
    not grep -qiE '^(content-length|transfer-encoding|connection)' got
    scripted 'chunk:abc;trailer:X-Sum=1' --raw | tail -n 3 >got
    printf '0\r\nX-Sum: 1\r\n\r\n' | expect_same - got
    scripted 'folded;body:' -i | grep -q $'^\tthird line'
    [[ $(scripted 'bighead:5000;body:' -o /dev/null -w '%{size_header}') -gt 5000 ]]
    [[ $(scripted 'bigline:9000;body:' -i | awk '{ if (length($0) > n) n = length($0) } END { print n }') -gt 9000 ]]
    [[ $(scripted 'body64:AAECgP8=' | od -An -tx1) == ' 00 01 02 80 ff' ]]
}

@test "gzip with a known length is whole, and flushed where it streams" {
    server
    scripted 'gzip' >got.gz
    scripted 'status:200' >expected
    gzip -dc got.gz >got
    expect_same expected got
    scripted 'gzip;data:one;barrier:b;data:two' -N --compressed >got &
    local pid=$!
    barrier wait b
    eventually grep -q one got
    not grep -q two got
    barrier release b
    wait "$pid"
    grep -q two got
}

@test "interim heads come before the answer" {
    server
    raw "$UPSTREAM" >got <<< $'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Script: early:100;early:102;early:103;early:103,Link=<b>;body:end\r\n\r'
    [[ $(grep -a -c '^HTTP/1.1' got) -eq 5 ]]
    grep -q $'^Link: <b>\r$' got
    [[ $(tail -n 1 got) == end ]]
}

@test "flush sends the head alone; delay and pace keep their distance" {
    server
    spawn out err curl -q -sSN --max-time 60 -D head -H 'X-Script: flush;barrier:b;body:a' "$UPSTREAM/x"
    barrier wait b
    eventually grep -q '^HTTP/1.1 200' head
    [[ ! -s out ]]
    barrier release b
    eventually grep -q a out
    scripted 'flush;delay:200;body:a;delay:100;body:b' -o /dev/null -w '%{time_total}' | awk '{ exit !($1 >= 0.3) }'
    scripted 'chunkbytes:1;pace:20;body:0123456789' -o /dev/null -w '%{time_total}' | awk '{ exit !($1 >= 0.18) }'
    scripted 'delay:150' -o /dev/null -w '%{time_starttransfer}' | awk '{ exit !($1 >= 0.15) }'
}

@test "server-sent events: counts, line ends, comments, names, both APIs" {
    server
    scripted 'sse:3,0' >got
    [[ $(grep -c '^data: ' got) -eq 4 && $(tail -n 2 got | head -n 1) == 'data: [DONE]' ]]
    scripted 'sse:3,0,nodone' >got
    not grep -q DONE got
    scripted 'eol:crlf;comment:hi;event:x=1;data:2' >got
    printf ': hi\r\n\r\nevent: x\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n' | expect_same - got
    scripted 'eol:cr;data:2' >got
    printf 'data: 2\r\r' | expect_same - got
    scripted 'responses:2,0' | sed -n 's/^event: //p' >got
    [[ $(head -n 1 got) == response.created && $(tail -n 1 got) == response.completed ]]
    [[ $(grep -c 'output_text.delta' got) -eq 2 ]]
}

@test "an answer breaks in every way there is" {
    server
    fails_with 56 scripted reset
    fails_with 52 scripted fin
    fails_with 18 scripted 'truncate:5'
    fails_with 18 scripted 'chunked;truncate:5'
    fails_with 56 scripted 'truncate:5,reset'
    fails_with 56 scripted 'body:x;badchunk'
    fails_with 1 scripted garbage
    fails_with 18 scripted 'length:50;body:short'
    fails_with 56 scripted 'chunked;flush;reset'
    fails_with 0 scripted 'close;truncate:5'
    [[ $output == '{"obj' ]]
    fails_with 28 scripted 'body:x;stall' --max-time 2 # the upstream has to hear of it before
    fails_with 28 scripted 'truncate:5,stall' --max-time 2
    fails_with 0 scripted 'garbage:HTTP/1.0 200 OK\r\n\r\nby hand'
    [[ $output == 'by hand' ]]
    expect_stat aborted = 2
    expect_stat open = 0
    expect_stat in_flight = 0
    upstream_get requests | jq -e '[.[].finished] | group_by(.) | map([.[0], length]) == [["aborted", 2], ["broken", 11]]'
}

@test "a sequence gives each request its script" {
    server
    local script='seq:s;status:500||header:X=1;body:two||body:last'
    [[ $(scripted "$script" -o /dev/null -w '%{http_code}') == 500 ]]
    [[ $(scripted "$script") == two ]]
    [[ $(scripted "$script") == last ]]
    [[ $(scripted "$script") == last ]]
    upstream_reset
    [[ $(scripted "$script" -o /dev/null -w '%{http_code}') == 500 ]]
}

@test "barriers hold until released, and notice who leaves" {
    server
    local i
    for i in 1 2 3; do
        spawn "out.$i" "err.$i" curl -sSN --max-time 60 -H 'X-Script: chunk:a;barrier:one;chunk:b' "$UPSTREAM/x"
    done
    barrier wait one 3
    expect_stat in_flight = 3
    eventually grep -qx a out.2
    kill "$spawned"
    expect_stat aborted = 1
    eventually waiting_are one 2
    barrier release one
    eventually grep -q ab out.1
    eventually grep -q ab out.2
    expect_stat in_flight = 0
    [[ $(upstream_get requests | jq -c '[.[].finished] | sort') == '["aborted","complete","complete"]' ]]
    spawn out err curl -q -sSN --max-time 60 -H 'X-Script: barrierat:3,two;body:abcdef' "$UPSTREAM/x"
    barrier wait two
    eventually grep -q abc out
    not grep -q abcd out
    barrier release two
    eventually grep -qx abcdef out
}

# waiting_are NAME N: so many wait at that barrier, no more
waiting_are() {
    [[ $(upstream_get "waiting/$1") -eq $2 ]]
}

@test "a body can be left unread, read late, slowly, or after the answer" {
    server
    head -c 8000000 /dev/zero >big
    fails_with 0 client -H 'X-Script: earlyanswer;echo' -T big "$UPSTREAM/x"
    [[ $(jq .body_bytes <<<"$output") -eq 0 ]]
    [[ $(client -H 'X-Script: noread;status:413;length:2;body:no;barrier:stay' -T big "$UPSTREAM/x" -o got -w '%{http_code}' || true) == 413 ]]
    spawn out err curl -sS --max-time 60 -H 'Expect:' -H 'X-Script: noread:late;echo' -T big "$UPSTREAM/x"
    barrier wait late
    [[ $(upstream_get last/bytes) -eq 0 ]]
    barrier release late
    eventually jq -e '.body_bytes == 8000000' out
    client -H 'X-Script: slowread:10,20;body:ok' -d 0123456789012345678901234567890123456789 "$UPSTREAM/x" \
        -o got -w '%{time_total}' | awk '{ exit !($1 >= 0.06) }'
}

# ---- requests ----

@test "echo describes the request exactly" {
    server
    scripted echo -X PATCH -H 'B:  two  ' -H 'a: ' -H 'a;' -d 'hé"\' --request-target '/v1/%2e%2e/x?q=%2F&a=b' >got
    jq -e '.line == "PATCH /v1/%2e%2e/x?q=%2F&a=b HTTP/1.1" and .target == "/v1/%2e%2e/x?q=%2F&a=b"' got
    jq -e '.headers | index([["B", "two"]]) and index([["a", ""]])' got
    jq -e '.body == "hé\"\\" and .body_bytes == 5' got
    [[ $(jq -r .body_sha256 got) == "$(printf 'h\303\251"\\' | sha256sum | cut -d ' ' -f 1)" ]]
    printf '\377\0' | scripted echo --data-binary @- | jq -e '.body_base64 == "/wA="'
}

@test "bodies in chunks, of many sizes, have the right sum" {
    server
    local n
    for n in 0 1 55 56 63 64 65 4095 4096 4097 70000 3000000; do
        "$test_bin/upstream" --expect-size "$n" --seed "$n" >body
        client -o /dev/null -H 'X-Script: body:' -H 'Transfer-Encoding: chunked' -H 'Expect:' --data-binary @body "$UPSTREAM/x"
        [[ $(upstream_get last/sha256) == "$(sha256sum body | cut -d ' ' -f 1)" ]]
        [[ $(upstream_get last/bytes) -eq $n ]]
    done
}

@test "absolute-form targets and odd base paths find their answer" {
    server
    client --noproxy "" -x "$UPSTREAM" http://api.test/v1/models | jq -e '.data | length == 3'
    [[ $(upstream_get last/line) == 'GET http://api.test/v1/models HTTP/1.1' ]]
    client "$UPSTREAM/openai/v1/models" | jq -e '.data | length == 3'
}

@test "heads that break HTTP are refused" {
    server
    local head
    for head in 'GET / HTTP/1.1\r\n' 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n' \
        'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n' 'GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n' \
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n' \
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n' \
        'GET /a b HTTP/1.1\r\nHost: a\r\n' 'GET / HTTP/2.0\r\nHost: a\r\n'; do
        # shellcheck disable=SC2059
        printf "$head\r\n" | raw "$UPSTREAM" | grep -q '^HTTP/1.1 400'
    done
    expect_stat requests = 0
}

@test "requests follow one another on one connection" {
    server
    client "$UPSTREAM/v1/models" "$UPSTREAM/v1/models" -o /dev/null -o /dev/null
    client -H 'X-Script: sse:2,0' "$UPSTREAM/x" "$UPSTREAM/x" -o /dev/null -o /dev/null
    [[ $(upstream_get counters/requests) == 4 && $(upstream_get counters/connections) == 2 ]]
    printf 'GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' |
        raw "$UPSTREAM" >got
    [[ $(grep -o "HTTP/1.1 200" got | wc -l) -eq 2 ]]
}

# ---- ordinary answers ----

@test "chat completions, whole and streamed, with usage and tools" {
    server
    chat '{"model":"gpt-4o"}' | jq -e '.object == "chat.completion" and .model == "gpt-4o" and .usage.total_tokens == 17'
    chat '{"model":"gpt-4o","stream":true}' >got
    [[ $(tail -n 2 got | head -n 1) == 'data: [DONE]' ]]
    not grep -q usage got
    sed -n 's/^data: {/{/p' got | jq -s -e '[.[].choices[0].delta.content // ""] | join("") == "Hello, Grüße 世界 👋!"'
    chat '{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}' -H 'X-Script: usage:1,2,3,4' >got
    sed -n 's/^data: {/{/p' got | jq -s -e '.[-1] | .choices == [] and .usage.completion_tokens == 3'
    local tools='"tools":[{"type":"function","function":{"name":"weather"}}]'
    chat "{\"model\":\"m\",$tools}" | jq -e '.choices[0].message.tool_calls[0].function | .name == "weather" and (.arguments | fromjson).city == "Paris"'
    chat "{\"model\":\"m\",\"stream\":true,$tools}" | sed -n 's/^data: {/{/p' |
        jq -s -e '[.[].choices[0].delta.tool_calls[0].function.arguments // ""] | join("") | fromjson.city == "Paris"'
    chat "{\"model\":\"m\",$tools,\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"x\"}]}" | jq -e '.choices[0].finish_reason == "stop"'
}

@test "completions, responses, embeddings" {
    server
    client "$UPSTREAM/v1/completions" -d '{"model":"m"}' | jq -e '.choices[0].text == "Hello, Grüße 世界 👋!"'
    client "$UPSTREAM/v1/completions" -d '{"model":"m","stream":true}' | grep -q 'DONE'
    client "$UPSTREAM/v1/responses" -d '{"model":"m"}' | jq -e '.status == "completed" and .output[0].content[0].text == "Hello, Grüße 世界 👋!"'
    client "$UPSTREAM/v1/responses" -d '{"model":"m","background":true}' | jq -e '.status == "queued"'
    client "$UPSTREAM/v1/responses" -d '{"model":"m","stream":true}' >got
    sed -n 's/^data: //p' got | jq -s -e '.[-1].type == "response.completed" and ([.[].sequence_number] == [range(0; length)])'
    client "$UPSTREAM/v1/responses" -d '{"model":"m","stream":true,"tools":[{"type":"function","name":"f"}]}' | grep -q '^event: response.function_call_arguments.done'
    client "$UPSTREAM/v1/embeddings" -d '{"input":["a","b"],"dimensions":3}' >floats
    jq -e '.data | length == 2 and (.[1].embedding | length == 3)' floats
    client "$UPSTREAM/v1/embeddings" -d '{"input":["a","b"],"dimensions":3,"encoding_format":"base64"}' |
        jq -r '.data[1].embedding' | base64 -d | od -An -tf4 -w4 | jq -s -c . >got
    jq -e --slurpfile got got '.data[1].embedding as $want | [range(3)] | all(. as $i | ($want[$i] - $got[0][$i]) | fabs < 1e-6)' floats
    client "$UPSTREAM/v1/embeddings" -d '{"input":[1,2,3]}' | jq -e '.data | length == 1'
}

@test "files, speech, cancel, delete, lists, and what does not exist" {
    server
    printf 'a\r\n--b\r\n\r\r\n-' >file
    "$test_bin/upstream" --expect-size 1000000 >>file
    client -F purpose=assistants -F file=@file "$UPSTREAM/v1/files" >got
    [[ $(jq -r .sha256 got) == "$(sha256sum file | cut -d ' ' -f 1)" && $(jq .bytes got) -eq $(stat -c %s file) ]]
    client "$UPSTREAM/v1/files/file-size-5000/content" >got
    "$test_bin/upstream" --expect-size 5000 | expect_same - got
    client "$UPSTREAM/v1/files/file-1" | jq -e '.id == "file-1" and .object == "file"'
    client -X DELETE "$UPSTREAM/v1/files/file-1" | jq -e .deleted
    client -X POST "$UPSTREAM/v1/batches/batch_1/cancel" | jq -e '.status == "cancelling"'
    client "$UPSTREAM/v1/audio/speech" -d '{}' -i -o got
    grep -a -q '^Content-Type: audio/mpeg' got
    grep -a -q '^Transfer-Encoding: chunked' got
    client "$UPSTREAM/v1/nothing" | jq -e '.error.type == "invalid_request_error"'
    client -I "$UPSTREAM/v1/models" | grep -q '^Content-Length: [1-9]'
    client -H 'Authorization: Bearer sk-invalid' "$UPSTREAM/v1/models" | jq -e '.error.code == "invalid_api_key"'
}

@test "names of models choose errors and delays" {
    server
    local code
    for code in 400 401 403 404 409 422 429 500 503; do
        [[ $(chat "{\"model\":\"error-$code\"}" -o got -w '%{http_code}') == "$code" ]]
        jq -e '.error | has("message") and has("type") and has("param") and has("code")' got
    done
    for code in 500 500 200 200; do
        [[ $(chat '{"model":"error-500x2-then-ok"}' -o got -w '%{http_code}') == "$code" ]]
    done
    chat '{"model":"error-429"}' -i | grep -q '^retry-after: 1'
    chat '{"model":"slow-150"}' -o /dev/null -w '%{time_starttransfer}' | awk '{ exit !($1 >= 0.15) }'
    chat '{"model":"words-100","stream":true}' >got
    [[ $(grep -c '"delta":{"content"' got) -eq 100 ]]
}

# ---- load ----

@test "three thousand open streams" {
    [[ $(ulimit -Hn) -ge 7000 ]] || skip "too few file descriptors allowed"
    server
    printf 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Script: chunk:a;barrier:crowd;chunk:b\r\n\r\n' >request
    # spawn gives no stdin
    spawn out err sh -c '"$1" --count 3000 --timeout 200 "$2" <request' sh "$test_bin/rawclient" "$UPSTREAM"
    eventually 100 grep -q 'all answered' out
    eventually waiting_are crowd 3000 # each a moment after its client has the first bytes
    barrier release crowd
    eventually 100 grep -q 'closed=3000 reset=0' out
    expect_stat in_flight = 0
}

@test "a body of 200 MB both ways takes no memory" {
    server
    head -c 200000000 /dev/zero | client --max-time 60 -H 'X-Script: size:200000000' -T - "$UPSTREAM/x" -o /dev/null
    [[ $(upstream_get last/bytes) -eq 200000000 ]]
    [[ $(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$UPSTREAM_PID/status") -lt 60000 ]]
}

@test "it ends at SIGTERM with 0, and with its parent" {
    server
    kill "$UPSTREAM_PID"
    pid_ends "$UPSTREAM_PID" 30
    [[ ${ended[$UPSTREAM_PID]} -eq 0 ]]
    spawn out err bash -c '"$1" & echo "pid $!"; wait' bash "$test_bin/upstream"
    eventually grep -q '^port ' out
    local child
    child=$(sed -n 's/^pid //p' out)
    kill -KILL "$spawned"
    eventually not alive "$child"
    spawn out err "$test_bin/upstream" --lifetime 1
    pid_ends "$spawned" 30
}

# ---- the vocabulary ----

@test "raw: scripts, drips, half-close, and the way the peer closed" {
    server
    printf 'GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' |
        raw "$UPSTREAM" --drip 1,2 --report >got 2>report
    grep -q 'end=fin' report
    [[ $(sed -n 's/.*first_ms=\([0-9]*\).*/\1/p' report) -ge 100 ]]
    fails_with 4 raw "$UPSTREAM" <<< $'GET / HTTP/1.1\r\nHost: x\r\nX-Script: reset\r\n\r'
    fails_with 3 raw "$UPSTREAM" --timeout 0.2 <<< $'GET / HTTP/1.1\r\nHost: x\r\n\r'
    fails_with 0 raw "$UPSTREAM" --until 404 <<< $'GET / HTTP/1.1\r\nHost: x\r\n\r'
    printf 'GET / HTTP/1.1\r\nHost: x\r\nX-Script: stall\r\n\r\n' | raw "$UPSTREAM" --half-close >got
    expect_stat aborted = 1
    raw "$UPSTREAM" --script --report >got 2>report <<'END'
send POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Script: body:one\r\n\r\n
pause 50
bytes 5
expect one
line GET / HTTP/1.1
line Host: x
line X-Script: body:two
line
expect two
close
END
    grep -q 'end=self' report
    [[ $(grep -o "HTTP/1.1 200" got | wc -l) -eq 2 ]]
    fails_with 5 raw "$UPSTREAM" --script --timeout 0.2 <<< 'expect never'
    fails_with 1 raw "127.0.0.1:$(free_port)" </dev/null
}

@test "eventually, expect_stat, expect_same and barrier fail, and say why" {
    server
    fails_with 1 eventually 0 false
    [[ $output == *'not within 0 s: false'* ]]
    printf 'abc' >one
    printf 'abd' >two
    fails_with 1 expect_same one two
    [[ $output == *'files differ'*'61 62 63'* ]]
    fails_with 1 stat_is requests = 5
    [[ $output == *'requests is 0, expected = 5'* ]]
    fails_with 1 barrier_holds nobody 1
    fails_with 2 barrier lift nobody
}

# A stand-in for the proxy: says where it listens, as goproxyai does.
fake_proxy() {
    cat >fake <<'END'
#!/bin/bash
echo "listening: $*" >&2
echo "${GOPROXYAI_PORT-unset} $XDG_CACHE_HOME" >&2
echo 'export OPENAI_BASE_URL=http://localhost:4242/v1' >&2
trap 'exit 3' TERM
while :; do sleep 0.05; done
END
    chmod +x fake
    goproxyai_bin=$BATS_TEST_TMPDIR/fake
}

@test "proxy starts, names and stops proxies" {
    server
    fake_proxy
    proxy --cache-ttl 1h
    [[ $PROXY == http://127.0.0.1:4242 ]]
    grep -q -- "listening: serve --port 0 --upstream $UPSTREAM --key-ignore-header X-Script --cache-ttl 1h" "$PROXY_LOG"
    local home=$PROXY_HOME
    proxy --name b --upstream http://other --port 1
    grep -q 'listening: serve --key-ignore-header X-Script --upstream http://other --port 1' "$PROXY_b_LOG"
    [[ $PROXY_b == "$PROXY" && $PROXY_b_HOME != "$home" && $PROXY_b_PID == "$PROXY_PID" ]]
    proxy_stop --name b
    [[ $status -eq 3 ]]
    proxy --home "$home"
    grep -q "$home/cache" "$PROXY_LOG"
    proxy_stop KILL
    [[ $status -eq 137 ]]
}

@test "proxy tells why it did not start" {
    goproxyai_bin=/bin/false
    fails_with 1 proxy
    [[ $output == *'ended with status 1 before it listened'* ]]
}

@test "teardown fails a test whose proxy met a sanitizer or crashed" {
    mkdir -p inner
    fake_proxy
    {
        printf 'load %s/lib/vocabulary\ngoproxyai_bin=%s/fake\n' "$BATS_TEST_DIRNAME" "$BATS_TEST_TMPDIR"
        sed s/^%/@/ <<'END'
%test "clean" { proxy; }
%test "sanitized" { proxy; echo 'x.c:1:2: runtime error: oh' >>"$PROXY_LOG"; }
%test "crashed" { proxy; proxy_stop ABRT; }
%test "killed" { proxy; proxy_stop KILL; }
%test "failed" { proxy; false; }
END
    } >inner/inner.bats
    run env GOPROXYAI_TEST_BIN="$test_bin" bats inner/inner.bats
    echo "$output"
    [[ $status -ne 0 ]]
    [[ $output == *'ok 1 clean'*'not ok 2 sanitized'*'runtime error: oh'*'not ok 3 crashed'*'status 134'*'ok 4 killed'*'not ok 5 failed'*'the end of'* ]]
    [[ $output != *'not ok 4'* && $output != *'not ok 1'* ]]
}

@test "certificates: trusted, of another CA, expired" {
    need openssl
    make_ca other
    local other=$CA_FILE
    make_ca
    openssl verify -CAfile "$CA_FILE" "$CERT_FILE"
    fails_with 2 openssl verify -CAfile "$other" "$CERT_FILE"
    make_cert old DNS:localhost 0
    eventually not openssl x509 -noout -checkend 0 -in "$CERT_FILE"
}

@test "nginx in front of the upstream, with TLS and HTTP/2" {
    need nginx openssl
    server
    make_ca
    start_nginx 'server {
        listen 127.0.0.1:@PORT@ ssl http2; ssl_certificate @CERT@; ssl_certificate_key @KEY@;
        location / { proxy_pass http://@UPSTREAM@; proxy_http_version 1.1; proxy_buffering off; }
    }'
    client --http2 --cacert "$CA_FILE" "https://localhost:$NGINX_PORT/v1/models" -w '\n%{http_version}' >got
    [[ $(tail -n 1 got) == 2 ]]
    expect_stat requests = 1
}

@test "squid and tinyproxy, plain and with a password" {
    need squid tinyproxy
    server
    start_squid
    client --noproxy '' -x "$SQUID" "$UPSTREAM/v1/models" | jq -e .data
    client --noproxy '' -p -x "$SQUID" "$UPSTREAM/v1/models" -o got -w '%{http_connect}' | grep -q 200
    start_tinyproxy
    client --noproxy '' -x "$TINYPROXY" "$UPSTREAM/v1/models" | jq -e .data
    start_tinyproxy 'BasicAuth user secret'
    fails_with 0 client --noproxy '' -x "$TINYPROXY" "$UPSTREAM/v1/models" -o got -w '%{http_code}'
    [[ $output == 407 ]]
    client --noproxy '' -x "$TINYPROXY" -U user:secret "$UPSTREAM/v1/models" | jq -e .data
}

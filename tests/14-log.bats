#!/usr/bin/env bats
# What is logged at each level (--log-level), and that no level shows a secret.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

@test "warn shows the requests that failed, and no other" {
    proxy --log-level warn
    client -o got "$PROXY/v1/models"
    client -o got -H 'X-Script: garbage' "$PROXY/v1/files"
    eventually grep -q 'GET /v1/files 502' "$PROXY_LOG"
    client -o got "$PROXY/nowhere"
    eventually grep -q 'GET /nowhere 404' "$PROXY_LOG"
    not grep -q /v1/models "$PROXY_LOG"
}

@test "the line of a refusal has all columns: BYPASS under /v1, and a dash for what did not come" {
    proxy
    client -o got -D head -H 'Host: other.test' "$PROXY/v1/models"
    grep -q '^X-Cache: BYPASS' head
    eventually grep -Eq '^[0-9:]{8} GET /v1/models 403 BYPASS [0-9.]+ ms [0-9]+ B \(' "$PROXY_LOG"
    printf 'GET /v1/models\r\n\r\n' | raw "127.0.0.1:$PROXY_PORT" >got
    eventually grep -Eq '^[0-9:]{8} (- -|GET /v1/models) [0-9]+ (BYPASS )?[0-9.]+ ms [0-9]+ B \(' "$PROXY_LOG"
    client -o got "$PROXY/nowhere"
    eventually grep -Eq '^[0-9:]{8} GET /nowhere 404 [0-9.]+ ms [0-9]+ B \(' "$PROXY_LOG"
}

@test "warn shows an answer that broke off" {
    proxy --log-level warn
    client -o got -H 'X-Script: length:8;body:abc;reset' "$PROXY/v1/files" || true
    eventually grep -q 'GET /v1/files 200 .*(' "$PROXY_LOG"
}

@test "error shows neither requests nor warnings, but where the proxy listens" {
    GOPROXYAI_NONSENSE=1 proxy --log-level error --cache-dir /proc/nowhere
    client -o got -H 'X-Script: garbage' "$PROXY/v1/files"
    proxy_stop
    [[ $status -eq 0 ]]
    grep -q 'goproxyai listens on' "$PROXY_LOG"
    grep -q 'export OPENAI_BASE_URL=' "$PROXY_LOG"
    not grep -Eq 'files|memory only|stopp' "$PROXY_LOG"
}

@test "debug adds the details of a request: the fields by which it is found again, and no secret" {
    proxy --log-level debug
    ask got -H 'Authorization: Bearer sk-sesame7' -H 'X-Script: body:{"id":"x"}' -d '{"model":"gpt-x","stream":true}' '/v1/chat/completions?key=sesame7'
    local key
    key=$(sed -n 's/^cache-status:.*key="\([0-9a-f]*\)".*/\1/Ip' got.head)
    [[ ${#key} -eq 12 ]]
    eventually grep -Eq "debug: req_[0-9a-f]{16} client=127.0.0.1 model=gpt-x stream=yes key=$key received=31 endpoint=$UPSTREAM\$" "$PROXY_LOG"
    client -o got "$PROXY/health"
    eventually grep -Eq 'debug: req_[0-9a-f]{16} client=127.0.0.1 model=- stream=no key=- received=0 endpoint=-$' "$PROXY_LOG"
    client -o got --request-target "http://me:sesame7@localhost:$PROXY_PORT/v1/models?q=sesame7" "$PROXY/"
    eventually grep -q "GET http://\**@localhost:$PROXY_PORT/v1/models 4" "$PROXY_LOG"
    not grep -q sesame7 "$PROXY_LOG"
}

# steps_of ID: its steps, as the log tells them: "check guard …"
steps_of() {
    sed -n "s/.* trace: $1 \\([a-z]*\\) -> \\([a-z]*\\)\$/\\1 \\2/p" "$PROXY_LOG" | awk 'NR == 1 { printf "%s", $1 } { printf " %s", $2 } END { print "" }'
}

# goes STEPS CURL-ARGS… PATH: a request goes through these steps
goes() {
    local steps=$1 id=req_${RANDOM}
    shift
    before=$(grep -c ' trace: .*-> done$' "$PROXY_LOG" || true)
    ask got "$@"
    eventually done_again
    id=$(sed -n 's/.* trace: \(req_[0-9a-f]*\) [a-z]* -> done$/\1/p' "$PROXY_LOG" | tail -n 1)
    [[ $(steps_of "$id") == "$steps" ]] || {
        steps_of "$id"
        return 1
    }
}

done_again() {
    [[ $(grep -c ' trace: .*-> done$' "$PROXY_LOG") -gt $before ]]
}

@test "trace shows each step of a request, in the order of src/proxy/req_steps.c" {
    proxy --log-level trace --allow-origin http://localhost:3000
    local common='check guard dispatch read inspect key lookup'
    goes "$common fetch wait send done" /v1/models
    goes "$common send done" /v1/models
    goes "$common fetch wait send done" -X OPTIONS /v1/models
    goes 'check guard dispatch read admin done' /health
    goes 'check guard dispatch fail done' /nowhere
    goes 'check guard fail done' -H 'Host: other.test' /v1/models
    goes 'check fail done' -H 'Content-Length: 1' -H 'Transfer-Encoding: chunked' -d x /v1/files
    goes 'check guard preflight done' -X OPTIONS -H 'Origin: http://localhost:3000' -H 'Access-Control-Request-Method: POST' /v1/models
    proxy --home "$PROXY_HOME" --log-level trace
    goes "$common load send done" /v1/models
}

@test "SIGHUP changes the level" {
    own_config
    : >"$config_file"
    proxy --home "$PROXY_HOME"
    client -o got "$PROXY/v1/models"
    eventually grep -q '/v1/models 200' "$PROXY_LOG"
    echo 'log-level = trace' >"$config_file"
    kill -HUP "$PROXY_PID"
    eventually grep -q 'changed: --log-level$' "$PROXY_LOG"
    client -o got "$PROXY/v1/files"
    eventually grep -q 'trace: req_.* check -> guard$' "$PROXY_LOG"
    echo 'log-level = error' >"$config_file"
    kill -HUP "$PROXY_PID"
    client --fail -o got "$PROXY/health"
    eventually quiet
}

quiet() {
    local before
    before=$(wc -l <"$PROXY_LOG")
    client -o got "$PROXY/nowhere"
    at_rest "$PROXY_PID" && [[ $(wc -l <"$PROXY_LOG") -eq $before ]]
}

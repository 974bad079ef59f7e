#!/usr/bin/env bats
# What makes two requests the same one.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# both WORD CURL-ARGS… -- CURL-ARGS…: two requests, alike but for these arguments, after which the second one's X-Cache
# is WORD; where they name no path it is a chat completion of its own
both() {
    local word=$1 arg
    local -a first=() second=() where
    shift
    while [[ $1 != -- ]]; do
        first+=("$1")
        shift
    done
    second=("${@:2}")
    where=("/v1/chat/completions?pair=$((++pairs))")
    [[ " ${first[*]} " == *' -d '* || " ${first[*]} " == *' --data'* ]] || where=(-d '{"model":"m"}' "${where[@]}")
    gets MISS first "${first[@]}" "${where[@]}" || return 1
    gets "$word" second "${second[@]}" "${where[@]}" || return 1
    gets HIT third "${first[@]}" "${where[@]}" || return 1
    expect_same first third
}

shared() {
    both HIT "$@"
}

apart() {
    both MISS "$@"
    [[ $(field first x-request-id) != "$(field second x-request-id)" ]]
}

@test "nobody gets what another one's credentials have paid for" {
    proxy
    local name
    for name in Authorization api-key x-api-key Cookie; do
        apart -H "$name: a" -- -H "$name: b"
        apart -H "$name: a" --
        apart -- -H "$name: a"
        apart -H "$name: a" -- -H "$name: A"
        apart -H "$name: a" -- -H "$name: a" -H "$name: a"
        shared -H "$name: a" -- -H "${name^^}: a"
    done
    apart -H 'Authorization: x' -- -H 'api-key: x'
    apart -H 'api-key: x' -- -H 'x-api-key: x'
    apart -H 'api-key: a' -H 'x-api-key: b' -- -H 'api-key: b' -H 'x-api-key: a'
    apart -H 'Authorization: Bearer a' -- -H 'Authorization: bearer a'
    # GETs as well
    gets MISS a -H 'Authorization: Bearer a' /v1/files
    gets MISS b -H 'Authorization: Bearer b' /v1/files
    gets HIT a -H 'Authorization: Bearer a' /v1/files
    gets MISS a /v1/files
}

@test "a field that nobody knows keeps requests apart, what is known to change from call to call does not" {
    proxy
    local name
    for name in OpenAI-Organization OpenAI-Project OpenAI-Beta Content-Type Content-Encoding x-portkey-virtual-key X-Any \
        X-Goproxyai-Salt; do
        apart -H "$name: a" -- -H "$name: b"
        apart -H "$name: a" --
        shared -H "$name: a" -- -H "${name,,}: a"
    done
    apart -H 'OpenAI-Organization: a' -- -H 'OpenAI-Project: a'
    for name in x-stainless-retry-count x-stainless-lang x-stainless-timeout traceparent tracestate User-Agent Accept X-Request-ID \
        X-Client-Request-Id Idempotency-Key Accept-Language baggage Referer Priority Date Forwarded X-Forwarded-Proto Sec-Fetch-Mode \
        x-datadog-trace-id X-B3-TraceId b3 newrelic X-Cloud-Trace-Context X-Retry-Count x-attempt X-Timestamp X-Correlation-ID \
        X-Goproxyai-Tag X-Goproxyai-Scope; do
        shared -H "$name: a" -- -H "$name: b"
        shared -H "$name: a" --
    done
}

@test "the order of fields with different names does not matter, that of one name's values does" {
    proxy
    shared -H 'X-One: 1' -H 'Authorization: k' -H 'x-two: 2' -- -H 'X-Two: 2' -H 'x-one: 1' -H 'authorization: k'
    apart -H 'X-One: 1' -H 'X-One: 2' -- -H 'X-One: 2' -H 'X-One: 1'
    apart -H 'X-One: 1' -H 'X-One: 2' -- -H 'X-One: 1, 2'
    apart -H 'X-One: 1' -- -H 'X-One;'
}

@test "an error that a header caused is not replayed to a request without the header" {
    proxy
    local -a where=(-d '{"model":"m"}' /v1/chat/completions)
    gets MISS got -H 'Content-Encoding: br' -H 'X-Script: status:400;body:{"error":{"message":"encoding"}}' "${where[@]}"
    [[ $got == 400 ]]
    gets MISS got "${where[@]}"
    [[ $got == 200 ]]
}

@test "a GET is answered in the form that its Accept asks for" {
    proxy
    gets MISS got -H 'Accept: application/json' -H 'X-Script: body:{"a":1}' /v1/files
    gets MISS csv -H 'Accept: text/csv' -H 'X-Script: header:Content-Type=text/csv;body:a,1' /v1/files
    [[ $(<csv) == a,1 ]]
    gets HIT csv -H 'Accept: text/csv' /v1/files
    [[ $(<csv) == a,1 ]]
    gets HIT got -H 'Accept: application/json' /v1/files
    jq -e '.a == 1' got
}

@test "what Connection names does not go upstream and keeps no requests apart" {
    proxy
    shared -H 'X-Hop: 1' -H 'Connection: X-Hop' --
    shared -H 'X-Hop: 1' -H 'Connection: X-Hop' -- -H 'X-Hop: 2' -H 'Connection: X-Hop'
    apart -H 'X-Hop: 1' --
}

@test "samples and salts are further answers to one request, sample 1 the plain one, and none of it goes upstream" {
    proxy
    apart -- -H 'X-Goproxyai-Sample: 2'
    apart -H 'X-Goproxyai-Sample: 2' -- -H 'X-Goproxyai-Sample: 3'
    shared -- -H 'X-Goproxyai-Sample: 1'
    apart -- -H 'X-Goproxyai-Salt: x'
    apart -H 'X-Goproxyai-Salt: x' -- -H 'X-Goproxyai-Salt: y'
    ask got -H 'X-Goproxyai-Sample: 7' -H 'X-Goproxyai-Salt: z' -H 'X-Goproxyai-Tag: t' -H 'X-Goproxyai-Scope: s' -H 'X-Kept: k' \
        -d '{}' /v1/chat/completions
    upstream_get last/headers >headers
    grep -qi '^x-kept: k' headers
    not grep -qi goproxyai headers
}

@test "the same JSON in another spelling is the same request" {
    proxy
    shared -d '{"model":"m","n":1}' -- -d $' { "n" : 1,\n\t"model":"m" }\r\n'
    shared -d '{"a":{"y":[1, 2],"x":null}}' -- -d '{"a":{"x":null,"y":[1,2]}}'
    shared -d '{"content":"\u0041\u00e4\/\ud83d\udc4b\n"}' -- -d '{"content":"Aä/👋\u000A"}'
    shared -d '{"\u0061":1}' -- -d '{"a":1}'
    apart -d '{"a":[1,2]}' -- -d '{"a":[2,1]}'
    apart -d '{"a":"1"}' -- -d '{"a":1}'
    apart -d '{"a":" "}' -- -d '{"a":"  "}'
    apart -d '{"a":null}' -- -d '{}'
    apart -d '{"a":"ä"}' -- -d '{"a":"a\u0308"}'
    apart -d '{"a":{"b":1}}' -- -d '{"a":{"b":1},"b":1}'
}

@test "the order of members counts below a schema, and nowhere else" {
    proxy
    local name
    for name in schema json_schema parameters input_schema; do
        apart -d "{\"x\":{\"$name\":{\"a\":{\"c\":1,\"d\":2},\"b\":1}}}" -- -d "{\"x\":{\"$name\":{\"a\":{\"d\":2,\"c\":1},\"b\":1}}}"
        shared -d "{\"x\":{\"y\":1,\"$name\":{\"b\":1,\"a\":[2]}}}" -- -d "{ \"x\":{ \"$name\":{\"b\":1, \"\u0061\":[ 2 ]}, \"y\":1} }"
    done
    shared -d '{"schemas":{"a":1,"b":1}}' -- -d '{"schemas":{"b":1,"a":1}}'
}

@test "numbers count as they are written" {
    proxy
    apart -d '{"seed":9007199254740992}' -- -d '{"seed":9007199254740993}'
    apart -d '{"seed":18446744073709551615}' -- -d '{"seed":18446744073709551614}'
    apart -d '{"temperature":1}' -- -d '{"temperature":1.0}'
    apart -d '{"temperature":0}' -- -d '{"temperature":-0}'
    apart -d '{"x":1e2}' -- -d '{"x":1E2}'
    apart -d '{"x":0.1}' -- -d '{"x":0.10000000000000001}'
}

@test "what is no strict JSON counts byte by byte" {
    proxy
    apart -d '{"a":1,"a":2}' -- -d '{"a":1, "a":2}'
    apart -d '{"a":1,"a":2}' -- -d '{"a":2,"a":1}'
    apart -d 'a=1' -- -d 'a=1 '
    apart -d '{"a":1} x' -- -d '{"a":1}'
    apart --data-binary $'{"a":"\xff"}' -- --data-binary $'{"a" :"\xff"}'
    apart -d '{"a":"\ud800"}' -- -d '{"a": "\ud800"}'
    apart -d "$(printf '[%.0s' {1..200})$(printf ']%.0s' {1..200})" -- -d " $(printf '[%.0s' {1..200})$(printf ']%.0s' {1..200})"
    shared -d '{"a":1,"a":2}' -- -d '{"a":1,"a":2}'
    # a raw body never meets the canonical form of another one
    apart -d '{"a":1,"b":2}' -- -d '{"a":1,"b":2}x'
}

@test "the query, the path's spelling and the method count" {
    proxy
    local path
    for path in /v1/models '/v1/models?' '/v1/models?a=1' '/v1/models?a=2' '/v1/models?a=1&b=2' '/v1/models?b=2&a=1' /v1/models/ \
        /v1/model%73 /v1/Models '/v1/models?A=1' '/v1/models?a=%31' /v1//models; do
        gets MISS first -H 'X-Script: body:{}' "$path"
        gets HIT second "$path"
    done
    # a GET with a body is not one without
    gets MISS first -X GET -d '{"a":1}' /v1/models
    gets MISS first -X GET -d '{"a":2}' /v1/models
    gets HIT first -X GET -d '{ "a":2 }' /v1/models
    # the four APIs do not share
    gets MISS first -d '{"model":"m","input":"x"}' /v1/embeddings
    gets MISS first -d '{"model":"m","input":"x"}' /v1/responses
}

@test "two upstreams do not share a cache folder's answers" {
    proxy
    gets MISS first /v1/models
    proxy_stop
    server
    proxy --home "$PROXY_HOME"
    gets MISS second /v1/models
    proxy_stop
    # the same one does, with or without its /v1
    proxy --home "$PROXY_HOME" --upstream "$UPSTREAM/v1/"
    gets HIT third /v1/models
    expect_same second third
}

@test "--share-cache leaves credentials out, and nothing else" {
    proxy --share-cache
    local name
    for name in Authorization api-key x-api-key Cookie x-portkey-virtual-key X-Upstream-Authorization dd-api-key; do
        shared -H "$name: a" -- -H "$name: b"
        shared -H "$name: a" --
    done
    apart -H 'OpenAI-Organization: a' -- -H 'OpenAI-Organization: b'
    apart -H 'OpenAI-Project: a' -- -H 'OpenAI-Project: b'
    apart -H 'OpenAI-Beta: a' -- -H 'OpenAI-Beta: b'
    apart -d '{"a":1}' -- -d '{"a":2}'
}

@test "with --share-cache the 401 of one key is no answer to another one, stored or in flight" {
    proxy --share-cache
    local bad='Authorization: Bearer sk-invalid' good='Authorization: Bearer sk-good'
    gets MISS first -H "$bad" -d '{"model":"m"}' /v1/chat/completions
    [[ $(head -n 1 first.head) == *401* ]]
    gets MISS second -H "$good" -d '{"model":"m"}' /v1/chat/completions
    [[ $(head -n 1 second.head) == *200* ]]
    spawn one err curl -q -sS --noproxy '*' --max-time 60 -H "$bad" -H 'X-Script: barrier:x;status:401;body:{}' -d '{"q":1}' \
        "$PROXY/v1/chat/completions"
    local wrong=$spawned
    barrier wait x
    spawn two err2 curl -q -sS --noproxy '*' --max-time 60 -w '\n%{http_code}' -H "$good" -d '{"q":1}' "$PROXY/v1/chat/completions"
    eventually joined
    barrier release x
    pid_ends "$wrong" 60
    pid_ends "$spawned" 60
    [[ $(tail -n 1 two) == 200 ]]
}

@test "a private answer is its caller's own: kept, but not with --share-cache" {
    local script='header:Cache-Control=private;body:{"data":[]}'
    proxy
    gets MISS got -H 'Authorization: a' -H "X-Script: $script" /v1/models
    gets HIT got -H 'Authorization: a' -H "X-Script: $script" /v1/models
    proxy_stop
    proxy --share-cache
    gets MISS got -H 'Authorization: a' -H "X-Script: $script" /v1/models
    gets MISS got -H 'Authorization: b' -H "X-Script: $script" /v1/models
}

joined() {
    client "$PROXY/health" | jq -e '.in_flight >= 3'
}

@test "--key-ignore leaves named members out, at the top level only, and upstream they go as they were" {
    proxy --key-ignore user,metadata
    shared -d '{"model":"m","user":"a"}' -- -d '{"model":"m","user":"b"}'
    shared -d '{"model":"m","user":"a","metadata":{"x":1}}' -- -d '{"model":"m"}'
    shared -d '{"\u0075ser":"a"}' -- -d '{}'
    apart -d '{"model":"m","User":"a"}' -- -d '{"model":"m","User":"b"}'
    apart -d '{"x":{"user":"a"}}' -- -d '{"x":{"user":"b"}}'
    apart -d '{"user":"a","user":"b"}' -- -d '{"user":"b","user":"a"}'
    ask got -H 'X-Script: echo' -d '{"user":"a","q":1}' /v1/chat/completions
    jq -e '.body == "{\"user\":\"a\",\"q\":1}"' got
}

@test "--key-ignore-header leaves named fields out, by their whole names, and upstream they go" {
    proxy --key-ignore-header x-run-id,X-Script --key-ignore-header x-portkey-virtual-key
    shared -H 'X-Run-ID: 1' -- -H 'x-run-id: 2'
    shared -H 'X-Run-ID: 1' --
    shared -H 'X-Portkey-Virtual-Key: 1' -- -H 'X-Portkey-Virtual-Key: 2'
    apart -H 'X-Run-IDs: 1' -- -H 'X-Run-IDs: 2'
    apart -H 'X-Run: 1' -- -H 'X-Run: 2'
    apart -H 'Authorization: 1' -- -H 'Authorization: 2'
    ask got -H 'X-Run-ID: seen' -d '{"q":2}' /v1/chat/completions
    [[ $(upstream_get last/header/x-run-id) == seen ]]
}

@test "without --key-ignore-header the tests' own X-Script keeps requests apart" {
    proxy --key-ignore-header X-Other
    apart -H 'X-Script: body:{"choices":[{"finish_reason":"stop","message":{"content":"a"}}]}' --
}

# passes SIZE ARGS…: a body of this many bytes goes through uncached, and whole
passes() {
    local sum
    head -c "$1" /dev/zero | tr '\0' x >body
    sum=$(sha256sum <body | cut -d ' ' -f 1)
    unkept BYPASS -H 'X-Script: echo' -H 'Content-Type: text/plain' "${@:2}" --data-binary @body /v1/chat/completions
    jq -e --arg sum "$sum" --argjson size "$1" '.body_sha256 == $sum and .body_bytes == $size' second
}

@test "a body above --max-body is passed on whole and uncached, of known length or not" {
    proxy --max-body 1M
    passes 1048577
    passes 1048577 -H 'Transfer-Encoding: chunked'
    passes 5000000
    passes 5000000 -H 'Transfer-Encoding: chunked'
    passes 5000000 -H 'Expect:'
    # up to there it is kept, and the length becomes known
    head -c 1048576 /dev/zero | tr '\0' x >body
    kept -H 'X-Script: echo' --data-binary @body /v1/chat/completions
    gets HIT second -H 'Transfer-Encoding: chunked' --data-binary @body /v1/chat/completions
    rm second
    kept -H 'X-Script: echo' -H 'Transfer-Encoding: chunked' --data-binary @body '/v1/chat/completions?chunked'
    jq -e --arg sum "$(sha256sum <body | cut -d ' ' -f 1)" '.body_sha256 == $sum' second
}

@test "a large body that is kept reaches the upstream whole" {
    proxy
    head -c 20000000 /dev/urandom | base64 -w 0 | head -c 20000000 >text
    { printf '{"model":"m","input":"'; cat text; printf '"}'; } >body
    kept -H 'X-Script: echo' --data-binary @body /v1/embeddings
    jq -e --arg sum "$(sha256sum <body | cut -d ' ' -f 1)" '.body_sha256 == $sum' first
    { printf '{"input":"'; cat text; printf '", "model":"m"}'; } >body
    gets HIT second --data-binary @body /v1/embeddings
}

@test "--cache-ttl 0 keeps nothing, in memory or on disk" {
    proxy --cache-ttl 0
    unkept BYPASS -d '{"model":"m"}' /v1/chat/completions
    tells second fwd=bypass
    unkept BYPASS /v1/models
    # nor are two in flight made one
    local i
    for i in 1 2; do
        spawn "got.$i" err curl -q -sS --max-time 60 -H 'X-Script: barrier:b;body:{"a":1}' "$PROXY/v1/files"
    done
    barrier wait b 2
    barrier release b
    eventually test -s got.1
    proxy_stop
    [[ -z $(find "$PROXY_HOME/cache" -type f) ]]
}

@test "no secret gets to disk: keys, cookies, organizations, what was asked" {
    proxy
    local secret=zanzibarplum
    for where in 'Authorization: Bearer sk' 'api-key: sk' 'x-api-key: sk' 'Cookie: s=' 'OpenAI-Organization: org' 'OpenAI-Project: proj' \
        'X-Stainless-Helper: x' 'Proxy-Authorization: Basic x'; do
        gets MISS got -H "$where-$secret" -d "{\"model\":\"m\",\"messages\":[{\"content\":\"$secret ${where%%:*}\"}]}" /v1/chat/completions
    done
    gets MISS got -d "{\"model\":\"m\",\"input\":\"$secret\"}" /v1/embeddings
    gets MISS got "/v1/files?key=$secret"
    # an answer is on disk, so that looking for something is not in vain
    gets MISS got -H "X-Script: body:$(embedded visible-answer)" -d 1 /v1/embeddings
    proxy_stop
    # the form on disk may be compressed: what is shown is all that there is
    goproxyai cache list >list
    [[ $(wc -l <list) -eq 11 ]]
    for key in $(cut -d ' ' -f 1 list); do
        goproxyai cache show "$key" --headers
    done >shown
    goproxyai cache list --json >>shown
    grep -q visible-answer shown
    not grep -q "$secret" shown
    not grep -rqa "$secret" "$PROXY_HOME/cache" "$PROXY_HOME/state" "$PROXY_LOG"
    strings -n 8 "$PROXY_HOME"/cache/*/cache.db >strings || true
    not grep -q "$secret" strings
}

#!/usr/bin/env bats
# bats file_tags=threads
# How a stored answer is given, and what a request can ask of the cache.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
    proxy
}

body=(-d '{"model":"m"}')

# seconds_of TIME: RFC 3339 to Unix time
seconds_of() {
    date -u -d "$1" +%s
}

# older PATH SECONDS: the hit at PATH says at least this Age
older() {
    gets HIT hit "$1" && [[ $(field hit age) -ge $2 ]]
}

# adds_up BEFORE: the hit is no older than from that time on, and what is left of the 5 minutes is the rest
adds_up() {
    local age
    age=$(field hit age)
    [[ $age -le $(($(date +%s) - $1)) ]]
    tells hit "hit; ttl=($((300 - age))|$((299 - age)))" # whole seconds of both
}

@test "a hit says when it was stored, and how old it is" {
    local before after stored
    before=$(date +%s)
    gets MISS miss /v1/models
    after=$(date +%s)
    [[ -z $(field miss age) && -z $(field miss x-cache-timestamp) ]]
    gets HIT hit /v1/models
    stored=$(field hit x-cache-timestamp)
    [[ $stored =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$ ]]
    [[ $(seconds_of "$stored") -ge $before && $(seconds_of "$stored") -le $after ]]
    adds_up "$before"
    # the age grows while the time stays, also where the answer is ready-made by now
    eventually older /v1/models 2
    [[ $(field hit x-cache-timestamp) == "$stored" ]]
    adds_up "$before"
    [[ $(field hit x-proxy) == "$(field miss x-proxy)" && -n $(field hit x-proxy) ]]
}

# tells_of SIZE STORY: what is told of a miss of that many bytes
tells_of() {
    gets MISS got -H "X-Script: size:$1" "/v1/noise/$((++asked))"
    tells got "$2"
}

@test "stored is said only of what a tier has room for" {
    local asked=0
    tells_of 5000000 'fwd=miss; stored' # on disk
    proxy_stop
    proxy --max-cache-size 0
    tells_of 1000000 'fwd=miss; stored'
    tells_of 5000000 fwd=miss # half of an eighth of 64M at most
    proxy_stop
    proxy --max-cache-size 8M --memory-cache 0
    tells_of 1000000 'fwd=miss; stored'
    tells_of 3000000 fwd=miss # a quarter at most
    proxy_stop
    proxy --memory 32M
    tells_of 10000000 'fwd=miss; stored'
    gets HIT got "/v1/noise/$asked"
    tells_of 20000000 fwd=miss
    proxy_stop
    proxy --max-cache-size 0 --memory-cache 0
    tells_of 1000 fwd=miss
}

@test "Cache-Status tells the story" {
    gets MISS got "${body[@]}" /v1/chat/completions
    tells got 'fwd=miss; stored'
    gets HIT got "${body[@]}" /v1/chat/completions
    tells got 'hit; ttl=[0-9]+'
    gets MISS got -H 'Cache-Control: no-cache' "${body[@]}" /v1/chat/completions
    tells got 'fwd=request; stored'
    gets BYPASS got -H 'Cache-Control: no-store' "${body[@]}" /v1/chat/completions
    tells got fwd=bypass
    gets BYPASS got -X DELETE /v1/files/x
    tells got fwd=bypass
    gets MISS got -H 'X-Script: status:500' /v1/files
    tells got fwd=miss
    # what is beyond /v1 has nothing to do with it
    ask got /health
    [[ -z $(field got x-cache) && -z $(field got cache-status) ]]
}

# and the request that asks
three_are_in() {
    client "$PROXY/health" | jq -e '.in_flight == 3'
}

@test "fields that would lie are not replayed, all others are" {
    local script='header:x-ratelimit-remaining-tokens=5;header:X-RateLimit-Reset-Requests=1s;header:ratelimit-limit=3;header:Date=Mon, 01 Jan 2024 00:00:00 GMT'
    script+=';header:Age=77;header:openai-organization=org-x;header:X-Two=1;header:X-Two=2;header:x-request-id=req_theirs;header:X-Cache=HIT from there;body:{"a":1}'
    gets MISS miss -H "X-Script: $script" /v1/models
    [[ $(field miss x-ratelimit-remaining-tokens) == 5 && $(field miss date) == 'Mon, 01 Jan 2024 00:00:00 GMT' ]]
    local k
    for k in 1 2; do
        gets HIT hit /v1/models
        [[ -z $(field hit x-ratelimit-remaining-tokens)$(field hit x-ratelimit-reset-requests)$(field hit ratelimit-limit) ]]
        [[ $(field hit date | wc -l) -eq 1 && $(field hit date) != *2024* ]]
        [[ $(field hit age | wc -l) -eq 1 && $(field hit age) -lt 70 ]]
        [[ $(field hit x-two) == $'1\n2' && $(field hit openai-organization) == org-x ]]
        [[ $(field hit x-request-id) == req_theirs ]]
        [[ $(field hit content-length) == 7 ]]
    done
    # nor to who joins one in flight: cookies and counters are the first client's
    spawn lead err curl -q -sS --max-time 60 -D lead.head -H "X-Script: barrier:j;header:Set-Cookie=__cf_bm=first;$script" "$PROXY/v1/models/j"
    barrier wait j
    spawn joined err curl -q -sS --max-time 60 -D joined.head "$PROXY/v1/models/j"
    eventually three_are_in
    barrier release j
    eventually test -s lead
    eventually test -s joined
    [[ $(field lead set-cookie) == __cf_bm=first && $(field lead age) == 77 ]]
    [[ $(field joined x-cache) == HIT && -z $(field joined set-cookie) ]]
    not grep -qi ratelimit joined.head
    [[ $(field joined age) == 0 && $(field joined date) != *2024* && $(field joined x-two) == $'1\n2' ]]
    # likewise from disk
    proxy_stop
    proxy --home "$PROXY_HOME"
    gets HIT disk /v1/models
    expect_same disk hit
    not grep -qi ratelimit disk.head
    diff <(sed -E '/^(Age|Date|Cache-Status):/d' hit.head | sort) <(sed -E '/^(Age|Date|Cache-Status):/d' disk.head | sort)
}

@test "where the upstream gave no x-request-id each answer has one of the proxy's own" {
    local k
    gets MISS got -H 'X-Script: drop:x-request-id;body:{"a":1}' /v1/models
    field got x-request-id >ids
    for k in 1 2 3; do
        gets HIT got /v1/models
        field got x-request-id >>ids
    done
    [[ $(grep -c '^req_[0-9a-f]\{16\}$' ids) -eq 4 && $(sort -u ids | wc -l) -eq 4 ]]
}

@test "of a cacheable request the upstream is offered gzip, and only if the client takes it" {
    local offer
    # what the client says | what the upstream hears
    while IFS='|' read -r said heard; do
        ask got -H "Accept-Encoding: $said" -d "{\"said\":\"$said\"}" /v1/embeddings
        [[ $(upstream_get last/header/accept-encoding) == "$heard" ]] || {
            echo "$said became $(upstream_get last/header/accept-encoding)"
            return 1
        }
    done <<'TABLE'
gzip, deflate, br, zstd|gzip
br;q=1.0, gzip;q=0.2|gzip
GZIP|gzip
*|gzip
br|identity
gzip;q=0, br|identity
identity|identity
deflate|identity
TABLE
    ask got -d '{"nothing":"said"}' /v1/embeddings
    upstream_get last/headers >headers
    not grep -qi accept-encoding headers
    # what is not cacheable goes as it was
    ask got -H 'Accept-Encoding: br, zstd' -X DELETE /v1/embeddings
    [[ $(upstream_get last/header/accept-encoding) == 'br, zstd' ]]
}

@test "one gzip entry serves all: as it is who takes gzip, unpacked the others" {
    local script n=0
    for script in 'gzip' 'gzip;sse:50,0' 'gzip;size:300000;header:Content-Type=text/plain' "gzip;chunked;body:$(said a)" 'gzip;status:401'; do
        client -H "X-Script: ${script#gzip;}" -o plain -d '{"model":"m"}' "$UPSTREAM/v1/chat/completions"
        body=(-d "{\"model\":\"m\",\"n\":$((++n))}")
        [[ $script != *size* ]] || body+=(-X GET) # a file
        gets MISS packed -H "X-Script: $script" -H 'Accept-Encoding: gzip' "${body[@]}" /v1/chat/completions
        [[ $(field packed content-encoding) == gzip ]]
        gets HIT again -H 'Accept-Encoding: gzip' "${body[@]}" /v1/chat/completions
        [[ $(field again content-encoding) == gzip && $(field again content-type) == "$(field packed content-type)" ]]
        expect_same packed again
        [[ $(field again content-length) -eq $(stat -c %s packed) ]]
        gzip -dc <packed >expected
        local how
        for how in 'Accept-Encoding: identity' 'Accept-Encoding:' 'Accept-Encoding: gzip;q=0' 'Accept-Encoding: br'; do
            costs 0 gets HIT unpacked -H "$how" "${body[@]}" /v1/chat/completions
            [[ -z $(field unpacked content-encoding) && $curl_status -eq 0 ]]
            expect_same expected unpacked
            [[ $(field unpacked content-type) == "$(field packed content-type)" ]]
        done
        # an HTTP/1.0 client as well
        costs 0 gets HIT unpacked --http1.0 "${body[@]}" /v1/chat/completions
        expect_same expected unpacked
    done
    # identity beside it changes nothing
    said a | gzip -c | base64 -w 0 >packed.base64
    script="header:Content-Encoding=identity;header:Content-Encoding=gzip;body64:$(<packed.base64)"
    body=(-d '{"identity":1}')
    gets MISS packed -H "X-Script: $script" -H 'Accept-Encoding: gzip' "${body[@]}" /v1/chat/completions
    gzip -dc <packed >expected
    costs 0 gets HIT unpacked "${body[@]}" /v1/chat/completions
    [[ -z $(field unpacked content-encoding) ]]
    expect_same expected unpacked
    # one that cannot be unpacked
    unkept MISS -H "X-Script: header:Content-Encoding=gzip;body:$(said a)" -H 'Accept-Encoding: gzip' -d '{"bad":1}' /v1/chat/completions
    unkept MISS -H "X-Script: header:Content-Encoding=br;body:$(said a)" -H 'Accept-Encoding: br' -d '{"br":1}' /v1/chat/completions
}

@test "no-cache refreshes, no-store passes, and what is stored stays what it was" {
    local how
    for how in 'Cache-Control: no-cache' 'Cache-Control: foo, NO-CACHE' 'Pragma: no-cache' 'Cache-Control: no-cache="x"'; do
        gets MISS old "${body[@]}" -H "$how" /v1/chat/completions
        costs 1 gets MISS new "${body[@]}" -H "$how" /v1/chat/completions
        costs 0 gets HIT hit "${body[@]}" /v1/chat/completions
        expect_same new hit
        not cmp -s old hit
    done
    costs 1 gets BYPASS passed "${body[@]}" -H 'Cache-Control: no-store' /v1/chat/completions
    costs 1 gets BYPASS passed "${body[@]}" -H 'Cache-Control: no-store, no-cache' /v1/chat/completions
    costs 0 gets HIT again "${body[@]}" /v1/chat/completions
    expect_same again hit
    # a refresh that fails takes nothing away
    ask failed "${body[@]}" -H 'Cache-Control: no-cache' -H 'X-Script: status:500' /v1/chat/completions
    [[ $got -eq 500 ]]
    ask failed "${body[@]}" -H 'Cache-Control: no-cache' -H 'X-Script: data:1;fin' /v1/chat/completions
    costs 0 gets HIT again "${body[@]}" /v1/chat/completions
    expect_same again hit
    # Cache-Control alone decides where both are
    gets HIT again "${body[@]}" -H 'Pragma: no-cache' -H 'Cache-Control: max-age=100' /v1/chat/completions
    # directives that say nothing to a cache like this
    gets HIT again "${body[@]}" -H 'Cache-Control: no-transform, max-stale=5, x-no-cache' /v1/chat/completions
}

@test "max-age and min-fresh bound the age" {
    gets MISS got /v1/models
    gets HIT got -H 'Cache-Control: max-age=100' /v1/models
    gets HIT got -H 'Cache-Control: min-fresh=100' /v1/models
    costs 1 gets MISS got -H 'Cache-Control: min-fresh=300' /v1/models
    tells got 'fwd=stale; stored'
    eventually older /v1/models 2
    costs 0 gets HIT got -H 'Cache-Control: max-age=100' /v1/models
    costs 1 gets MISS got -H 'Cache-Control: max-age=1' /v1/models
    tells got 'fwd=stale; stored'
    # what was fetched now serves again
    costs 0 gets HIT got -H 'Cache-Control: max-age=10' /v1/models
    # the stricter one of two, and what cannot be read is the strictest
    eventually older /v1/models 1
    costs 1 gets MISS got -H 'Cache-Control: max-age=100, max-age=0' /v1/models
    eventually older /v1/models 1
    costs 1 gets MISS got -H 'Cache-Control: max-age=soon' /v1/models
}

@test "only-if-cached is answered from the cache or with 504, and costs nothing" {
    local how
    for how in '-H X-None:' '-H Cache-Control:no-cache' '-H Cache-Control:no-store' '-H Cache-Control:max-age=0'; do
        # shellcheck disable=SC2086 # two words
        costs 0 ask got -H 'Cache-Control: only-if-cached' $how "${body[@]}" /v1/chat/completions
        [[ $got -eq 504 ]]
        jq -e '.error | .code == "not_cached" and .param == null and (.type | type == "string") and (.message | test("only-if-cached"))' got
    done
    costs 0 ask got -H 'Cache-Control: only-if-cached' -X DELETE /v1/files/x
    [[ $got -eq 504 ]]
    gets MISS miss "${body[@]}" /v1/chat/completions
    costs 0 gets HIT hit -H 'Cache-Control: only-if-cached' "${body[@]}" /v1/chat/completions
    expect_same miss hit
    # it joins one in flight
    need ss
    local pid
    spawn leader err curl -q -sS --max-time 60 -H 'X-Script: barrier:x;body:{"a":1}' "$PROXY/v1/files"
    pid=$spawned
    barrier wait x
    spawn joined err curl -q -sS --max-time 60 -H 'Cache-Control: only-if-cached' "$PROXY/v1/files"
    eventually two_are_in
    barrier release x
    pid_ends "$pid" 60
    pid_ends "$spawned" 60
    [[ -s joined ]]
    expect_same joined leader
    # a long body is not waited for
    head -c 40000000 /dev/zero >big
    costs 0 ask got -H 'Cache-Control: only-if-cached' -H 'Transfer-Encoding: chunked' --data-binary @big /v1/embeddings
    [[ $got -eq 504 ]]
    peak_below 120000
}

# two_are_in: the requests of two connections are read, and what there is to do with them is done
two_are_in() {
    [[ $(ss -HtniO state established "sport = :$PROXY_PORT" | grep -c 'bytes_received:[1-9]') -ge 2 ]] && at_rest
}

@test "an answer older than the TTL is fetched anew" {
    proxy_stop
    proxy --cache-ttl 4s # time enough for a hit, also on a busy machine
    gets MISS old "${body[@]}" /v1/chat/completions
    gets HIT hit "${body[@]}" /v1/chat/completions
    tells hit 'hit; ttl=[0-4]'
    eventually gets MISS new "${body[@]}" /v1/chat/completions
    tells new 'fwd=stale; stored'
    not cmp -s old new
    costs 0 gets HIT hit "${body[@]}" /v1/chat/completions
    expect_same new hit
    # on disk alike
    proxy_stop
    proxy --home "$PROXY_HOME" --cache-ttl 5m
    gets HIT hit "${body[@]}" /v1/chat/completions
    expect_same new hit
    proxy_stop
    proxy --home "$PROXY_HOME" --cache-ttl 1ms
    gets MISS new "${body[@]}" /v1/chat/completions
    tells new 'fwd=stale; stored'
    proxy_stop
    proxy --home "$PROXY_HOME" --cache-ttl forever
    gets HIT hit "${body[@]}" /v1/chat/completions
    tells hit hit
}

@test "requests for a part, or with a comparison, and HEAD pass" {
    gets MISS got /v1/models
    local how
    for how in 'Range: bytes=0-1' 'If-None-Match: "x"' 'If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT' 'If-Match: *' 'If-Range: "x"' \
        'If-Unmodified-Since: Mon, 01 Jan 2024 00:00:00 GMT'; do
        costs 1 gets BYPASS got -H "$how" /v1/models
        [[ $(upstream_get "last/header/${how%%:*}") == "${how#*: }" ]]
        costs 1 gets BYPASS got -H "$how" "${body[@]}" /v1/chat/completions
    done
    costs 1 gets BYPASS got -I /v1/models
    ask got -H 'If-None-Match: "x"' -H 'X-Script: status:304;header:ETag="x";body:' /v1/models
    [[ $got -eq 304 && ! -s got ]]
    gets HIT got /v1/models
}

@test "a client that reads slowly gets a large hit whole, and holds up nobody" {
    proxy_stop
    proxy --workers 1
    local script
    mkfifo go
    for script in size:5000000 size:20000000 'gzip;size:20000000'; do
        gets MISS miss -H "X-Script: $script" -H 'Accept-Encoding: gzip' "/v1/files/$script/content"
        [[ $script == size* ]] || gzip -dc <miss >plain
        [[ $script != size* ]] || cp miss plain
        # so much is given from disk, to which it gets a little later; until then others join its flight
        eventually at_rest
        eventually gets HIT hit -H 'Cache-Control: only-if-cached' "/v1/files/$script/content"
        expect_same plain hit
        # this one takes what fits into a pipe, until it is told to go on
        # shellcheck disable=SC2016 # sh's
        spawn slow err sh -c 'curl -q -sS --noproxy "*" --max-time 60 "$1" | { read -r word <go; cat; }' sh "$PROXY/v1/files/$script/content"
        costs 0 gets HIT hit "/v1/files/$script/content"
        costs 0 gets HIT hit "/v1/files/$script/content"
        expect_same plain hit
        echo on >go
        pid_ends "$spawned" 30
        expect_same plain slow
    done
    peak_below 250000
}

@test "many hits on one connection, one after another and at once" {
    gets MISS got -H 'X-Script: body:{"a":"first"}' /v1/models
    gets MISS got -H "X-Script: body:$(embedded second)" -d '{"q":2}' /v1/embeddings
    gets MISS got -H 'X-Script: gzip;body:{"a":"third"}' -H 'Accept-Encoding: gzip' /v1/files
    local i
    for i in {1..20}; do
        printf 'GET /v1/models HTTP/1.1\r\nHost: localhost:%s\r\nAccept: */*\r\n\r\n' "$PROXY_PORT"
        printf 'POST /v1/embeddings HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 7\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{"q":2}' "$PROXY_PORT"
        printf 'GET /v1/files HTTP/1.1\r\nHost: localhost:%s\r\nAccept: */*\r\n\r\n' "$PROXY_PORT"
    done >requests
    printf 'GET /health HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n' "$PROXY_PORT" >>requests
    costs 0 raw "127.0.0.1:$PROXY_PORT" <requests >got
    [[ $(grep -ac '^X-Cache: HIT' got) -eq 60 ]]
    [[ $(grep -aoE '"(a|embedding)":"[a-z]*"' got | tr -d '\n') == "$(printf '"a":"first""embedding":"second""a":"third"%.0s' {1..20})" ]]
    grep -aq healthy got
}

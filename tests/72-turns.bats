#!/usr/bin/env bats
# bats file_tags=threads
# The turns of a worker's loop: what is large does not hold up the streams beside it, and is cached all the same.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# stream NAME: a stream with an event every 10 ms, in the background, until its pid, $spawned, is ended; when what came is in
# the file NAME. Nothing of it is cached.
stream() {
    spawn "$1" "$1.err" curl -q -sSN --noproxy '*' --max-time 60 --trace "$1" --trace-time -o /dev/null -H 'Cache-Control: no-store' \
        -H 'X-Script: sse:10000,10' -d '{"stream":true}' "$PROXY/v1/chat/completions"
    eventually events "$1" 10
}

events() {
    [[ $(grep -c '<= Recv data' "$1") -ge $2 ]]
}

# gap NAME: the longest time between two events of that stream, in ms
gap() {
    awk '/<= Recv data/ {
        split($1, t, ":")
        now = (t[1] * 3600 + t[2] * 60 + t[3]) * 1000
        if (before && now - before > longest) longest = now - before
        before = now
    }
    END { printf "%d\n", longest + 0.5 }' "$1"
}

# smooth CMD…: beside CMD no gap of a stream is more than 20 ms longer than the longest that it has alone. Eight tries: the
# machine may be busy with other things.
smooth() {
    local try alone beside pid
    for try in 1 2 3 4 5 6 7 8; do
        upstream_reset
        stream alone
        pid=$spawned
        eventually events alone 150
        kill -KILL "$pid"
        stream beside
        pid=$spawned
        "$@" || return 1
        kill -KILL "$pid"
        alone=$(gap alone) beside=$(gap beside)
        echo "longest gap: $alone ms alone, $beside ms beside $*"
        [[ $beside -gt $((alone + 20)) ]] || return 0
    done
    client "$PROXY/stats" | jq .loop
    return 1
}

# large N: a JSON question of N bytes in the file large.N, which no other one is like
large() {
    local line='{"role":"user","content":"a line of an agent, \u0061s it sends them, again and again"},'
    {
        printf '{"model":"m","n":"%s","messages":[' "$(fresh)"
        yes "$line" | tr -d '\n' | head -c $(($1 / ${#line} * ${#line}))
        printf '{"role":"user","content":"end"}]}'
    } >"large.$1"
}

# asked WORD N: the question of N bytes gets that X-Cache
asked() {
    gets "$1" got -H 'Expect:' -H 'Content-Type: application/json' -H "X-Script: body:$(said a)" --data-binary "@large.$2" /v1/chat/completions
    [[ $got -eq 200 ]]
}

two_questions() {
    asked MISS 17000000
    asked MISS 30000000
    asked HIT 17000000
    asked HIT 30000000
}

new_questions() {
    large 17000000
    large 30000000
    two_questions
}

# bats test_tags=unsanitized
@test "JSON questions of 17 and 30 MB do not hold up a stream, and are hits the second time" {
    proxy --workers 1
    large 30000000
    jq -e '.messages | length > 300000' large.30000000
    smooth new_questions
}

# bats test_tags=unsanitized
@test "a packed answer that unfolds to 60 MB does not hold up a stream: its proof, its hits, and its unpacking for others" {
    proxy --workers 1
    smooth packed
}

packed() {
    local path
    path=/v1/files/$(fresh)
    gets MISS first -H 'Accept-Encoding: gzip' -H 'X-Script: gzip;header:Content-Type=application/json;body:{"data":";fill:60000000,text ;body:"}' "$path"
    [[ $(field first content-encoding) == gzip ]]
    eventually gets HIT second -H 'Accept-Encoding: gzip' "$path"
    expect_same first second
    gets HIT plain "$path"
    [[ $(stat -c %s plain) -eq 60000011 ]]
    [[ $(gzip -dc first | sha256sum) == "$(sha256sum <plain)" ]]
}

# bats test_tags=unsanitized
@test "an event stream of 30 MB does not hold up another one, neither when it comes nor when it is a hit" {
    proxy --workers 1 --max-cache-size 1G # which has room for it
    smooth events_of_30_mb
}

events_of_30_mb() {
    local question
    question="{\"stream\":true,\"n\":\"$(fresh)\"}"
    gets MISS first -H 'X-Script: header:Content-Type=text/event-stream;chunked;fill:30000007,data: {"text":"some words"}\n\n;sse:1,0' -d "$question" /v1/chat/completions
    [[ $(stat -c %s first) -gt 30000000 ]]
    eventually gets HIT second -d "$question" /v1/chat/completions
    expect_same first second
}

# bats test_tags=unsanitized
@test "large answers that are loaded from disk do not hold up a stream" {
    proxy --workers 1 --max-cache-size 1G
    ask noise -H 'X-Script: chunked;size:30000000' /v1/files/noise/content
    ask text -H 'X-Script: header:Content-Type=text/plain;chunked;fill:30000000,text ' /v1/files/text/content
    eventually at_rest
    proxy_stop
    proxy --home "$PROXY_HOME" --workers 1 --max-cache-size 1G
    smooth loaded
}

loaded() {
    local name i
    for i in 1 2; do
        for name in noise text; do
            gets HIT "$name.$i" "/v1/files/$name/content"
            expect_same "$name" "$name.$i"
        done
    done
}

@test "who leaves while a large answer is loaded leaves nothing behind; so does a proxy that stops" {
    proxy --workers 1 --max-cache-size 1G
    ask first -H 'X-Script: chunked;size:30000000' /v1/files/x/content
    eventually at_rest
    proxy_stop
    proxy --home "$PROXY_HOME" --workers 1 --max-cache-size 1G
    local i
    printf 'send GET /v1/files/x/content HTTP/1.1\\r\\nHost: localhost:%s\\r\\n\\r\\n\nreset\n' "$PROXY_PORT" >leave
    for i in {1..10}; do
        raw "127.0.0.1:$PROXY_PORT" --script <leave
    done
    costs 0 gets HIT second /v1/files/x/content
    expect_same first second
    # what is damaged is a miss, and goes
    sqlite3 "$PROXY_HOME/cache/goproxyai/cache.db" "UPDATE body SET body = zeroblob(length(body))"
    costs 1 gets MISS third -H 'X-Script: body:{}' /v1/files/x/content
    client "$PROXY/stats" | jq -e '.cache.damaged == 1'
    for i in {1..4}; do
        spawn "got.$i" err curl -q -sS --noproxy '*' --max-time 60 "$PROXY/v1/files/x/content"
    done
    proxy_stop
    [[ $status -eq 0 ]]
}

@test "/stats tells the longest turn of the last minute" {
    proxy
    client "$PROXY/v1/models" >got
    client "$PROXY/stats" | jq -e '.loop.longest_turn_ms | . > 0 and . < 60000'
}

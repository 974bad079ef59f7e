#!/usr/bin/env bats
# bats file_tags=threads
# GET /stats, DELETE /cache, and the commands stats and cache, with a proxy running and without.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# stats_are FILTER: /stats passes this filter of jq
stats_are() {
    client -o stats "$PROXY/stats" && jq -e "$1" stats >/dev/null || {
        cat stats
        return 1
    }
}

# stored N: so many answers have got to disk
stored() {
    eventually stats_are ".cache.item_count == $1" && eventually at_rest
}

# keys: of all that is stored, newest first
keys() {
    goproxyai cache list | cut -d ' ' -f 1
}

# where: whose cache the commands say it is: that of the proxy, or of its folder
where() {
    if alive "$PROXY_PID"; then
        echo "the proxy on http://localhost:$PROXY_PORT (memory and $PROXY_HOME/cache/goproxyai)"
    else
        echo "$PROXY_HOME/cache/goproxyai (no proxy runs on it)"
    fi
}

# said TEXT: it is all that stands in the file out
said() {
    [[ $(<out) == "$1" ]] || {
        echo "expected: $1"
        cat out
        return 1
    }
}

# fill N: so many stored answers: /v1/files/f1 to fN
fill() {
    local i
    for ((i = 1; i <= $1; i++)); do
        printf 'url = "%s/v1/files/f%d"\noutput = /dev/null\nsilent\n' "$PROXY" "$i"
    done >fill.conf
    client -K fill.conf
    stored "$1"
}

@test "/stats has the figures that it promises" {
    proxy --cache-ttl 90m --max-cache-size 7M
    [[ $(client -o got -D head -w '%{http_code} %{content_type}' "$PROXY/stats") == '200 application/json' ]]
    grep -qi '^cache-control: no-store' head
    jq -e '.cache | .item_count == 0 and .ttl == "1h30m0s" and .max_bytes == 7 * 1024 * 1024 and .evictions == 0 and (.bytes | type == "number")' got
    jq -e '.traffic | .requests == 0 and .hits == 0 and .misses == 0 and .joins == 0 and .bypasses == 0 and .errors == 0' got
    jq -e '.latency_ms | (.p50, .p90, .p99) | type == "number"' got
    jq -e --arg url "$UPSTREAM" '.openai_url == $url and has("proxy_url") and .proxy_url == null' got
    [[ $(client -I -o /dev/null -w '%{http_code}' "$PROXY/stats") == 200 ]]
}

@test "the TTL is written as Go does" {
    local said
    while read -r given said; do
        proxy --cache-ttl "$given"
        stats_are ".cache.ttl == \"$said\""
        proxy_stop
    done <<'TABLE'
5m 5m0s
90s 1m30s
1500ms 1.5s
250ms 250ms
7d 168h0m0s
0 0s
forever forever
TABLE
}

@test "the figures are right after a known sequence" {
    proxy
    local i
    ask got /v1/models                                 # a miss
    ask got -d '{"model":"m"}' /v1/chat/completions    # another
    for i in 1 2 3; do ask got /v1/models; done        # three hits
    ask got -X DELETE /v1/files/x                      # a bypass
    ask got -H 'Cache-Control: no-store' /v1/models    # another
    ask got -H 'X-Script: status:500' /v1/batches      # a miss, an error
    ask got -H 'X-Script: fin' -d '{"x":1}' /v1/embeddings # the same
    ask got -H 'X-Script: status:404' /v1/threads      # a miss; the error is the client's
    spawn one err curl -q -sS --max-time 60 -H 'X-Script: barrier:x;body:{"a":1}' "$PROXY/v1/uploads"
    barrier wait x
    spawn two err curl -q -sS --max-time 60 "$PROXY/v1/uploads"
    eventually two_are_in
    barrier release x
    eventually test -s two
    # neither is traffic: these are the proxy's own
    ask got /health
    ask got /nothing
    eventually stats_are '.traffic == {"requests":12,"hits":3,"misses":6,"joins":1,"bypasses":2,"refused":0,"errors":2}'
    stats_are '.latency_ms | .p50 > 0 and .p50 <= .p90 and .p90 <= .p99 and .p99 < 60000'
    stored 3
    stats_are '.cache.bytes > 0 and .cache.bytes <= .cache.max_bytes'
}

# adds_up N: /stats counts so many requests, each of them once: as a hit, join, miss, bypass, or refused
adds_up() {
    stats_are ".traffic | .requests == $1 and .hits + .joins + .misses + .bypasses + .refused == $1"
}

# refused STATUS [CURL-ARGS…] PATH: such a request is answered so by the proxy itself, and counted as refused
refused() {
    local before
    before=$(jq .traffic.refused stats)
    ask got "${@:2}"
    [[ $got -eq $1 ]] || { cat got; return 1; }
    eventually stats_are ".traffic.refused == $((before + 1))"
}

@test "every request is counted once, also what is refused and whose client left" {
    proxy --request-timeout 100s
    ask got /v1/models
    ask got /v1/models
    eventually adds_up 2
    refused 403 -H 'Origin: https://evil.example' /v1/models
    refused 403 -H 'Sec-Fetch-Site: cross-site' -d '{}' /v1/chat/completions
    refused 403 -H 'Host: evil.example' /v1/models
    refused 400 -H 'Content-Length: 1' -H 'Transfer-Encoding: chunked' -d '{}' /v1/chat/completions
    refused 400 -H 'Content-Length: 2' -H 'Content-Length: 3' -d '{}' /v1/chat/completions
    refused 400 --request-target '/v1/../x y' /v1/models
    refused 426 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Key: x' /v1/realtime
    refused 431 -H "X-Long: $(printf '%020000d' 0)" /v1/models
    eventually adds_up 10
    # not below /v1: no traffic
    ask got /v2/models
    [[ $got -eq 404 ]]
    ask got -H 'Origin: https://evil.example' /health
    [[ $got -eq 403 ]]
    # they leave before the head, in the answer, and in the middle of what they send
    local path
    for path in /v1/files/a '/v1/moderations -d {}' '/v1/chat/completions -d {}'; do
        # shellcheck disable=SC2086 # words
        spawn got err curl -q -sS --noproxy '*' --max-time 60 -H 'X-Script: barrier:head' "$PROXY"$path
        barrier wait head
        kill -KILL "$spawned"
        pid_ends "$spawned" 10
        upstream_reset
    done
    eventually adds_up 13
    spawn got err curl -q -sSN --noproxy '*' --max-time 60 -H 'X-Script: data:1;barrier:body' -d '{"a":1}' "$PROXY/v1/chat/completions"
    barrier wait body
    kill -KILL "$spawned"
    eventually adds_up 14
    printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 2000\r\n\r\n{"model":' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" --half-close >half 2>&1 || true
    eventually adds_up 15
    [[ $(upstream_get counters/in_flight) -eq 0 ]]
}

two_are_in() {
    [[ $(ss -HtniO state established "sport = :$PROXY_PORT" | grep -c 'bytes_received:[1-9]') -ge 2 ]] && at_rest
}

@test "passwords are in neither the figures nor what the command says" {
    proxy --proxy 'http://someone:hush-hush@127.0.0.1:9' --upstream 'http://127.0.0.1:9/base'
    stats_are '.proxy_url == "http://***:***@127.0.0.1:9" or (.proxy_url | test("^http://[^/]*@?127.0.0.1:9/?$"))'
    not grep -q hush-hush stats
    goproxyai stats --port "$PROXY_PORT" >said
    goproxyai stats --port "$PROXY_PORT" --json >>said
    not grep -q hush-hush said
    stats_are '.openai_url == "http://127.0.0.1:9/base"'
}

@test "the command stats tells the running proxy's figures" {
    proxy
    ask got /v1/models
    ask got /v1/models
    stored 1
    goproxyai stats --port "$PROXY_PORT" >said
    grep -q '^traffic  2 requests: 1 hit, 0 joined one in flight, 1 miss, ' said
    grep -q '^cache    1 answer, .* of 100 MiB, kept for 5m0s' said
    not grep -q 'No proxy' said
    goproxyai stats --port "$PROXY_PORT" --json | jq -e '.traffic.requests == 2 and .cache.item_count == 1 and .openai_url'
    # no traffic of its own
    stats_are '.traffic.requests == 2'
    not grep -q $'\e' said
}

@test "of a proxy that does not answer the command stats says so, and tells what is on disk" {
    proxy
    fill 3
    eventually at_rest
    kill -STOP "$PROXY_PID"
    gives 0 stats
    grep -q "^The proxy that runs on $PROXY_HOME/cache/goproxyai does not answer, so this is what is on disk" out
    grep -q '^cache    3 answers' out
    kill -CONT "$PROXY_PID"
}

@test "the command stats tells what is on disk where no proxy runs" {
    proxy
    fill 3
    proxy_stop
    gives 0 stats --port "$PROXY_PORT"
    grep -q '^cache    3 answers' out
    grep -q 'No proxy runs here' out
    not grep -q '^traffic' out
    gives 0 stats --port "$PROXY_PORT" --json
    jq -e '.cache.item_count == 3 and .cache.bytes > 0 and .cache.max_bytes == 104857600 and (has("traffic") | not)' out
    # nothing there yet
    unset PROXY_HOME
    gives 0 stats --port "$PROXY_PORT" --json
    jq -e '.cache.item_count == 0' out
    gives 0 stats --port "$PROXY_PORT"
    gives 2 stats --nonsense
    gives 2 stats word
    [[ ! -s out ]] && grep -q '^goproxyai: ' err
}

@test "stats of somebody else's server on that port are refused" {
    proxy
    gives 1 stats --port "$UPSTREAM_PORT"
    grep -q '^goproxyai: ' err
}

@test "DELETE /cache empties memory and disk" {
    proxy
    fill 3
    gets HIT got /v1/files/f2
    [[ $(client -X DELETE -o got -D head -w '%{http_code} %{content_type}' "$PROXY/cache") == '200 application/json' ]]
    jq -e '.message == "Cache cleared successfully"' got
    grep -qi '^x-proxy:' head
    not grep -qi '^x-cache:' head
    # at once, whatever is still on disk
    stats_are '.cache.item_count == 0 and .cache.memory_items == 0'
    gets MISS got /v1/files/f2
    stored 1
    # a new proxy on the same folder finds no more either
    proxy_stop
    proxy --home "$PROXY_HOME"
    gets MISS got /v1/files/f1
    gets HIT got /v1/files/f2
    [[ $(client -X DELETE -w '%{http_code}' -o got "$PROXY/cache") == 200 ]]
    [[ $(client -X DELETE -w '%{http_code}' -o got "$PROXY/cache") == 200 ]]
}

@test "other methods on /cache and /stats are refused, and pages of other sites" {
    proxy
    fill 1
    local method
    for method in POST PUT PATCH OPTIONS; do
        for path in /cache /cache/abc; do
            ask got -X "$method" "$path"
            [[ $got -eq 405 && $(field got allow) == 'GET, HEAD, DELETE' ]]
            jq -e '.error.code == "method_not_allowed"' got
        done
    done
    for method in GET PUT DELETE; do
        ask got -X "$method" /cache/verify
        [[ $got -eq 405 && $(field got allow) == POST ]]
    done
    for method in POST DELETE PUT; do
        ask got -X "$method" /stats
        [[ $got -eq 405 && $(field got allow) == 'GET, HEAD' ]]
    done
    ask got -X DELETE -H 'Origin: https://evil.example' /cache
    [[ $got -eq 403 ]]
    jq -e '.error.code == "origin_not_allowed"' got
    for path in /cache /cache/abc /cache/verify; do
        ask got -X DELETE -H 'Host: evil.example' "$path"
        [[ $got -eq 403 ]]
        ask got -H 'Origin: https://evil.example' "$path"
        [[ $got -eq 403 ]]
    done
    ask got -H 'Origin: https://evil.example' /stats
    [[ $got -eq 403 ]]
    for path in /cache/ /cache/x /cache/verify/ /cache/0/ /cache/$(printf 0%.0s {1..65}) /stats/x /Cache; do
        ask got -X DELETE "$path"
        [[ $got -eq 404 || $got -eq 405 ]]
    done
    gets HIT got /v1/files/f1
}

# misses PATH…: asking for them costs an upstream call each
all_miss() {
    local path
    for path; do
        ask got -H 'Cache-Control: only-if-cached' "$path"
        [[ $got -eq 504 ]] || return 1
    done
}

@test "cache clear empties a running proxy's cache too, before it returns" {
    proxy
    fill 5
    gets HIT got /v1/files/f3
    gives 0 cache clear
    said "5 answers removed from $(where)"
    all_miss /v1/files/f{1..5}
    gets MISS got /v1/files/f3
    stored 1
    gives 0 cache clear
    said "1 answer removed from $(where)"
    gives 0 cache clear
    said "0 answers removed from $(where)"
}

@test "what was answered a moment ago is cleared as well" {
    proxy
    local i n
    # one that is written at once, and many of which some still wait to be
    for n in 1 5 300 1; do
        for ((i = 1; i <= n; i++)); do
            printf 'url = "%s/v1/files/f%d"\noutput = /dev/null\nsilent\n' "$PROXY" "$i"
        done >ask.conf
        client -K ask.conf
        gives 0 cache clear
        all_miss /v1/files/f1 "/v1/files/f$n"
        sleep 1 # longer than anything waits to be written
        all_miss /v1/files/f1 "/v1/files/f$n"
        [[ -z $(keys) ]]
    done
}

@test "what is asked for right after cache clear is stored again" {
    proxy
    local i
    for i in {1..5}; do
        gets MISS got /v1/files/f1
        gets HIT got /v1/files/f1
        gives 0 cache clear
        [[ ! -s err ]]
    done
}

@test "cache clear says so where a proxy does not hear of it" {
    proxy
    fill 1
    kill -STOP "$PROXY_PID"
    gives 0 cache clear
    kill -CONT "$PROXY_PID"
    said "1 answer removed from $PROXY_HOME/cache/goproxyai (a proxy that does not answer runs on it)"
    grep -q 'has not heard of it yet' err
    within_a_second all_miss /v1/files/f1
    gives 0 cache clear
    [[ ! -s err ]]
}

@test "a script finds at once what it has just asked for" {
    proxy
    local i found=0
    for i in {1..8}; do
        client -o got -d "{\"model\":\"m$i\"}" "$PROXY/v1/chat/completions"
        goproxyai cache list >listed
        ! grep -q "m$i" listed || found=$((found + 1))
    done
    echo "$found of 8"
    [[ $found -ge 5 ]] # all of them, where the machine is not busy
}

@test "cache clear works without a proxy" {
    proxy
    fill 3
    proxy_stop
    gives 0 cache clear
    said "3 answers removed from $(where)"
    [[ -z $(keys) ]]
    proxy --home "$PROXY_HOME"
    gets MISS got /v1/files/f1
}

@test "what is asked for anew, in the same bytes, is stored with its model again" {
    proxy
    ask got -d '{"model":"gpt-4o"}' /v1/chat/completions
    stored 1
    gets HIT got -d '{"model":"gpt-4o"}' /v1/chat/completions
    gives 0 cache clear
    gone_is gpt-4o
    gets MISS got -d '{"model":"gpt-4o"}' /v1/chat/completions
    stored 1
    gives 0 cache clear --model gpt-4o
    said "1 answer removed from $(where)"
}

@test "a model's name counts to its end, of 255 bytes at most" {
    proxy --memory-cache 0
    local base name names=()
    base=ft:gpt-4.1-mini-2025-04-14:example-organization:$(printf 'support-%.0s' {1..20})
    names=("${base}v1" "${base}v2" "$(printf 'x%.0s' {1..300})")
    for name in "${names[@]}"; do
        ask got -d "{\"model\":\"$name\"}" /v1/chat/completions
    done
    stored 3
    gives 0 cache list --json
    jq -e --arg name "${names[0]}" 'any(.[]; .model == $name)' out
    gives 0 cache clear --model "${names[0]}"
    said "1 answer removed from $(where)"
    gives 0 cache clear --model 'ft:*v2'
    said "1 answer removed from $(where)"
    gives 0 cache clear --model "${names[2]:0:255}"
    said "1 answer removed from $(where)"
}

@test "cache clear --model and --older-than take what they name, and no more" {
    proxy
    local model
    for model in gpt-4o gpt-4o-mini gpt-5 o3; do
        ask got -d "{\"model\":\"$model\"}" /v1/chat/completions
    done
    ask got /v1/models
    stored 5
    gives 0 cache clear --model 'gpt-4*'
    said "2 answers removed from $(where)"
    # of the running one, too
    gone_is gpt-4o
    gone_is gpt-4o-mini
    not gone_is gpt-5
    gets HIT got /v1/models
    gives 0 cache clear --model nothing
    said "0 answers removed from $(where)"
    gives 0 cache clear --older-than 1h
    said "0 answers removed from $(where)"
    gives 0 cache clear --older-than 1h --model 'o*'
    said "0 answers removed from $(where)"
    not gone_is gpt-5
    not gone_is o3
    gives 0 cache clear --older-than 1ms --model 'o*'
    said "1 answer removed from $(where)"
    gone_is o3
    gives 0 cache clear --older-than 1ms
    said "2 answers removed from $(where)"
    all_miss /v1/models
    local bad
    for bad in 0 -1h yesterday '' 5x; do
        gives 2 cache clear --older-than "$bad"
        grep -q -e --older-than err
    done
}

gone_is() {
    ask got -H 'Cache-Control: only-if-cached' -d "{\"model\":\"$1\"}" /v1/chat/completions
    [[ $got -eq 504 ]]
}

@test "in a terminal cache list has so much of a key that cache show finds it, in a pipe all of it" {
    proxy
    fill 2
    local whole brief
    whole=$(goproxyai cache list | cut -d ' ' -f 1)
    export -f goproxyai
    export goproxyai_bin PROXY_HOME
    brief=$(SHELL=$BASH script -q -e -c 'goproxyai cache list 2>/dev/null' /dev/null | cut -d ' ' -f 1)
    [[ $(cut -c -16 <<<"$whole") == "$brief" && ${#whole} -eq 129 ]]
    gives 0 cache show "$(head -n 1 <<<"$brief")"
}

@test "cache list tells what is stored, newest first" {
    proxy
    ask first -d '{"model":"gpt-4o"}' '/v1/chat/completions?secret=1'
    stored 1
    eventually seconds_passed "$(date +%s)"
    ask second -H 'X-Script: gzip;status:401;size:3000;header:Content-Type=text/plain' -H 'Accept-Encoding: gzip' /v1/models
    stored 2
    gives 0 cache list
    [[ $(wc -l <out) -eq 2 ]]
    sed -n 1p out | grep -E '^[0-9a-f]{64}  +[0-9]+ s  401 .*GET /v1/models$'
    sed -n 2p out | grep -E '^[0-9a-f]{64}  +[0-9]+ s  200 .*POST /v1/chat/completions  gpt-4o$'
    gives 0 cache list --json
    jq -e 'length == 2 and .[0].status == 401 and .[1].model == "gpt-4o" and .[0].model == null' out
    jq -e '.[] | (.key | test("^[0-9a-f]{64}$")) and (.stored | test("^20.*Z$")) and (.used | test("^20.*Z$"))' out
    jq -e --argjson size "$(stat -c %s first)" '.[1].request == "POST /v1/chat/completions" and .[1].bytes == $size and .[1].disk_bytes > 0' out
    [[ $(jq -r .[0].key out) == "$(keys | head -n 1)" ]]
    # a reader that stops early is no trouble
    goproxyai cache list | head -n 1 >/dev/null
    proxy_stop
    gives 0 cache list
    [[ $(wc -l <out) -eq 2 ]]
}

seconds_passed() {
    [[ $(date +%s) -gt $1 ]]
}

@test "cache show prints an answer as the client gets it" {
    proxy
    ask plain -H 'X-Script: header:Content-Type=text/plain;size:70000' /v1/a
    stored 1
    local key
    key=$(keys)
    gives 0 cache show "$key"
    expect_same plain out
    gives 0 cache show "$key" --headers
    [[ $(head -n 1 out) == 'HTTP/1.1 200' ]]
    grep -aqi '^content-type: text/plain' out
    gives 0 cache clear
    eventually stats_are '.cache.item_count == 0'
    ask packed -H 'X-Script: gzip;data:1;sse:1,0' -H 'Accept-Encoding: gzip' -d '{}' /v1/chat/completions
    stored 1
    gives 0 cache show "$(keys)"
    [[ $(<out) == $'data: 1\n\ndata: {'*$'}\n\ndata: [DONE]' ]]
    gives 0 cache show "$(keys)" --headers
    not grep -qi content-encoding out
    # into a pipe that is closed early
    goproxyai cache show "$(keys)" | head -c 1 >/dev/null
}

@test "a key may be cut to what only one answer has" {
    proxy
    fill 17
    keys >keys
    # two of seventeen have the same first digit
    local twice key
    twice=$(cut -c 1 keys | sort | uniq -d | head -n 1)
    [[ -n $twice ]]
    gives 1 cache show "$twice"
    grep -q 'several' err
    gives 1 cache remove "$twice"
    [[ $(keys | wc -l) -eq 17 ]]
    key=$(head -n 1 keys)
    gives 0 cache show "${key:0:20}"
    [[ -s out ]]
    gives 0 cache show "${key^^}"
    gives 0 cache remove "${key:0:12}"
    said "1 answer removed from $(where)"
    gives 1 cache show "$key"
    grep -q '^goproxyai: no stored answer has the key' err
    gives 1 cache remove "$key"
    [[ $(keys | wc -l) -eq 16 ]]
    within_a_second some_miss 1
    local bad
    for bad in xyz '' "${key}0" 'abc g' 0x12; do
        gives 2 cache show "$bad"
        grep -q '^goproxyai: ' err
    done
}

# some_miss N: so many of f1 to f17 are no longer stored
some_miss() {
    local i n=0
    for i in {1..17}; do
        all_miss "/v1/files/f$i" && n=$((n + 1))
    done
    [[ $n -eq $1 ]]
}

@test "cache verify, path, and what they take" {
    proxy
    fill 2
    gives 0 cache verify
    said "2 answers good, 0 damaged in $(where)"
    gives 0 cache path
    [[ $(<out) == "$PROXY_HOME/cache/goproxyai/cache.db" && -f $(<out) ]]
    [[ $(stat -c %a "$(<out)") == 600 && $(stat -c %a "$PROXY_HOME/cache/goproxyai") == 700 ]]
    gives 2 cache clear --model ''
    gives 0 cache path --cache-dir /somewhere/else
    [[ $(<out) == /somewhere/else/cache.db ]]
    local wrong
    for wrong in 'cache' 'cache nothing' 'cache list x' 'cache show' 'cache show a b' 'cache remove' 'cache clear x' 'cache verify --json' \
        'cache list --older-than 1h' 'cache show --model x ab' 'cache path --headers' 'cache list --upstream x' 'cache clear --model' \
        'cache list --url localhost' 'cache list --url https://localhost' 'cache list --url http://localhost/x' 'cache list --url http://a --port 1'; do
        # shellcheck disable=SC2086 # words
        gives 2 $wrong
        [[ ! -s out ]] && grep -q '^goproxyai: ' err
    done
    gives 0 cache --help
    grep -q 'remove KEY' out
}

@test "the commands on a cache that is not there yet, and one that cannot be" {
    PROXY_HOME=$PWD/none
    gives 0 cache list
    [[ ! -s out ]]
    gives 0 cache list --json
    [[ $(<out) == '[]' ]]
    gives 0 cache clear
    said "0 answers removed from $PWD/none/cache/goproxyai (no proxy runs on it)"
    gives 0 cache verify
    said "0 answers good, 0 damaged in $PWD/none/cache/goproxyai (no proxy runs on it)"
    gives 1 cache show abc
    grep -q '^goproxyai: no stored answer has the key abc' err
    gives 1 cache remove abc
    gives 0 cache clear --older-than 1d
    gives 0 stats --json
    jq -e '.cache.item_count == 0' out
    gives 0 cache path
    # none of these made anything
    [[ -z $(find none -mindepth 2) ]]
    # a folder that does not exist, and is named
    local args
    for args in list 'list --json' 'clear' 'clear --model x' 'show abc' 'remove abc' verify; do
        # shellcheck disable=SC2086 # words
        gives 1 cache $args --cache-dir "$PWD/deep/er/folder"
        [[ ! -s out ]]
        grep -q "^goproxyai: there is no folder $PWD/deep/er/folder: " err
    done
    gives 1 stats --cache-dir "$PWD/deep/er/folder"
    [[ ! -e deep ]]
    # one that is named in another place may come yet
    GOPROXYAI_CACHE_DIR=$PWD/deep/er/folder gives 0 cache list
    [[ ! -e deep ]]
    # an empty one stays so
    mkdir -m 700 empty
    for args in list verify 'clear --model x'; do
        # shellcheck disable=SC2086 # words
        gives 0 cache $args --cache-dir "$PWD/empty"
    done
    gives 1 cache show abc --cache-dir "$PWD/empty"
    [[ -z $(ls -A empty) ]]
    # a file in its place
    touch file
    gives 1 cache list --cache-dir "$PWD/file"
    grep -q '^goproxyai: .*file' err
    gives 1 stats --port 9 --cache-dir "$PWD/file"
    # one that others may write to
    mkdir open
    chmod 777 open
    gives 1 cache clear --cache-dir "$PWD/open"
    grep -q open err
}

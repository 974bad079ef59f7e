#!/usr/bin/env bats
# bats file_tags=threads
# Identical requests in flight: one upstream call, and what happens to whoever reads along.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
    proxy --workers 4
}

# reader N… -- SCRIPT [CURL-ARGS…]: for each N a client in the background with this request; body in got.N, head in
# got.N.head, its pid in ${reader[N]}
reader() {
    local -a names=()
    while [[ $1 != -- ]]; do
        names+=("$1")
        shift
    done
    local name script=$2
    shift 2
    for name in "${names[@]}"; do
        spawn "got.$name" "got.$name.err" curl -q -sSN --noproxy '*' --max-time 60 -D "got.$name.head" -H "X-Script: $script" \
            "${body[@]}" "$@" "$PROXY/v1/chat/completions"
        reader[name]=$spawned
    done
}

body=(-d '{"model":"m"}')
declare -A reader

# all_in N: the proxy has read the requests of so many connections, has done with them what there is to do now, and
# closed all others
all_in() {
    need ss
    eventually connections_are "$1"
}

connections_are() {
    ss -HtniO state established state close-wait "sport = :$PROXY_PORT" >sockets
    [[ $(grep -c 'bytes_received:[1-9]' sockets) -eq $1 && $(awk '$1 == "ESTAB" && $2 != 0' sockets | wc -l) -eq 0 ]] || {
        cat sockets
        return 1
    }
    at_rest "$PROXY_PID"
}

# ends STATUS N…: these clients end with that status of curl
ends() {
    local name
    for name in "${@:2}"; do
        pid_ends "${reader[$name]}" 30
        [[ ${ended[${reader[$name]}]} -eq $1 ]] || {
            echo "client $name ended with ${ended[${reader[$name]}]}, not $1"
            cat "got.$name.err"
            return 1
        }
    done
}

# same N…: they have all got the same bytes
same() {
    local name
    for name in "$@"; do
        expect_same "got.$1" "got.$name"
    done
}

# words MISSES HITS N…: what X-Cache says to these
words() {
    local name
    for name in "${@:3}"; do
        field "got.$name" x-cache
    done >words
    [[ $(grep -c MISS words) -eq $1 && $(grep -c HIT words) -eq $2 ]] || {
        sort words | uniq -c
        return 1
    }
}

@test "twenty at once cost one upstream call" {
    reader {1..20} -- "barrier:head;body:$(said a)"
    barrier wait head
    all_in 20
    barrier release head
    ends 0 {1..20}
    expect_stat requests = 1
    same {1..20}
    words 1 19 {1..20}
    local i joined=0
    for i in {1..20}; do
        [[ $(field "got.$i" x-cache) == MISS ]] || tells "got.$i" 'fwd=miss; collapsed|hit(; ttl=[0-9]+)?'
        not grep -q '; collapsed' <<<"$(field "got.$i" x-cache-timestamp)"
        joined=$((joined + $(grep -c 'collapsed' "got.$i.head" || true)))
    done
    [[ $joined -eq 19 ]]
    client "$PROXY/stats" | jq -e '.traffic | .joins == 19 and .misses == 1 and .hits == 0 and .requests == 20'
}

@test "twenty GETs and twenty streams at once cost one upstream call each" {
    local k
    body=(-X GET)
    for k in 'barrier:get;body:{"a":1}' 'data:1;barrier:sse;data:2;sse:1,0'; do
        upstream_reset
        rm -f got.*
        reader {1..20} -- "$k"
        [[ $k != *:get* ]] || barrier wait get
        [[ $k != *:sse* ]] || barrier wait sse
        all_in 20
        barrier release get
        barrier release sse
        ends 0 {1..20}
        expect_stat requests = 1
        same {1..20}
        words 1 19 {1..20}
        body=(-d '{"model":"m","stream":true}')
    done
    [[ $(<got.7) == $'data: 1\n\ndata: 2\n\ndata: {'*$'}\n\ndata: [DONE]' ]]
}

@test "a stream may be joined at any stage, and each reader has all that came so far at once" {
    local script='barrier:a;data:1;barrier:b;data:2;chunk:data: 3;barrier:c;chunk:\n\n;sse:1,0;barrier:d;comment:end'
    reader {1..5} -- "$script"
    barrier wait a
    all_in 5
    barrier release a
    barrier wait b
    reader {6..10} -- "$script"
    for i in {1..10}; do eventually grep -q 'data: 1' "got.$i"; done
    barrier release b
    barrier wait c
    reader {11..15} -- "$script"
    for i in {1..15}; do eventually grep -q 'data: 3' "got.$i"; done
    barrier release c
    barrier wait d
    reader {16..20} -- "$script"
    for i in {1..20}; do eventually grep -q 'DONE' "got.$i"; done
    barrier release d
    ends 0 {1..20}
    expect_stat requests = 1
    same {1..20}
    grep -q ': end' got.20
    words 1 19 {1..20}
    # the same bytes a little later
    costs 0 gets HIT later "${body[@]}" /v1/chat/completions
    expect_same later got.1
}

@test "the first one leaves, and whoever read along gets the whole" {
    local at
    for at in head body; do
        upstream_reset
        body=(-d "{\"at\":\"$at\"}")
        rm -f got.*
        if [[ $at == head ]]; then
            reader 1 -- 'barrier:x;data:1;sse:1,0'
        else
            reader 1 -- 'data:1;barrier:x;sse:1,0'
        fi
        barrier wait x
        reader {2..5} -- none
        all_in 5
        kill -KILL "${reader[1]}"
        all_in 4
        expect_stat aborted = 0
        barrier release x
        ends 0 {2..5}
        same {2..5}
        grep -q DONE got.5
        words 0 4 {2..5}
        expect_stat requests = 1
        costs 0 gets HIT later "${body[@]}" /v1/chat/completions
    done
}

@test "others leave, and the first one does not notice" {
    reader {1..5} -- 'data:1;barrier:x;sse:1,0'
    for i in {1..5}; do eventually grep -q 'data: 1' "got.$i"; done
    # which of them came first is not known: one is spared
    local first
    first=$(grep -l 'X-Cache: MISS' got.*.head | tr -dc 0-9)
    for i in {1..5}; do
        [[ $i -eq $first ]] || kill -KILL "${reader[$i]}"
    done
    all_in 1
    barrier release x
    ends 0 "$first"
    grep -q DONE "got.$first"
    expect_stat requests = 1
    expect_stat aborted = 0
}

@test "all leave: the upstream call ends, and nothing is kept" {
    local k=0 script
    local a
    a=$(said a)
    for script in 'barrier:x;sse:1,0' 'data:1;barrier:x;sse:1,0' "close;chunk:${a%?};barrier:x;chunk:}" "length;body:${a%?};barrier:x;body:}"; do
        upstream_reset
        body=(-d "{\"k\":$((++k))}")
        reader 1 2 3 -- "$script"
        barrier wait x
        all_in 3
        kill -KILL "${reader[1]}" "${reader[2]}" "${reader[3]}"
        expect_stat aborted = 1
        expect_stat in_flight = 0
        expect_stat requests = 1
        costs 1 gets MISS later -H "X-Script: body:$(said new)" "${body[@]}" /v1/chat/completions
        grep -q new later
    done
}

@test "--on-disconnect finish: the proxy's end waits for what is finished, --drain-timeout at most" {
    proxy_stop
    local body=(-d '{"k":1}') result
    for result in '1 finished, 0 cut off' '0 finished, 1 cut off'; do
        upstream_reset
        proxy --home "$PROXY_HOME" --on-disconnect finish --drain-timeout "$([[ $result == 1* ]] && echo 60s || echo 500ms)"
        reader 1 -- 'data:1;barrier:y;data:2;sse:1,0'
        barrier wait y
        kill -KILL "${reader[1]}"
        all_in 0
        if [[ $result == 1* ]]; then # one that comes now still joins it, and it is one in flight all the same
            reader 2 -- none
            all_in 1
        fi
        kill -TERM "$PROXY_PID"
        eventually grep -q 'stopping: 1 in flight' "$PROXY_LOG"
        [[ $result != 1* ]] || barrier release y
        pid_ends "$PROXY_PID" 30
        grep -q "$result" "$PROXY_LOG"
        barrier release y
        body=(-d '{"k":2}')
    done
    proxy --home "$PROXY_HOME"
    costs 0 gets HIT later -d '{"k":1}' /v1/chat/completions
    costs 1 gets MISS later -d '{"k":2}' /v1/chat/completions
}

@test "--on-disconnect finish: all leave, and the answer is kept" {
    proxy_stop
    proxy --workers 4 --on-disconnect finish
    local k=0 script a
    a=$(said a)
    for script in 'barrier:x;data:1;sse:1,0' 'data:1;barrier:x;sse:1,0' "length;body:${a%?};barrier:x;body:}"; do
        upstream_reset
        body=(-d "{\"k\":$((++k))}")
        reader 1 2 -- "$script"
        barrier wait x
        all_in 2
        kill -KILL "${reader[1]}" "${reader[2]}"
        all_in 0
        # one that comes now still joins it
        reader 3 -- none
        all_in 1
        barrier release x
        ends 0 3
        expect_stat in_flight = 0
        expect_stat requests = 1
        expect_stat aborted = 0
        costs 0 gets HIT later "${body[@]}" /v1/chat/completions
        expect_same later got.3
    done
    # and without anybody at all
    reader 1 -- 'data:1;barrier:y;data:2;sse:1,0' -H 'Api-Key: y'
    barrier wait y
    kill -KILL "${reader[1]}"
    all_in 0
    barrier release y
    expect_stat in_flight = 0
    costs 0 gets HIT later -H 'Api-Key: y' "${body[@]}" /v1/chat/completions
    [[ $(<later) == $'data: 1\n\ndata: 2\n\ndata: {'*$'}\n\ndata: [DONE]' ]]
}

@test "a client that leaves right after the end of its stream has paid for it" {
    local k=0 script
    for script in 'data:1;sse:1,0;barrier:x' 'close;data:1;sse:1,0;barrier:x' 'data:1;sse:1,0;barrier:x;comment:late'; do
        upstream_reset
        body=(-d "{\"k\":$((++k))}")
        reader 1 -- "$script"
        barrier wait x
        eventually grep -q DONE got.1
        kill -KILL "${reader[1]}"
        expect_stat aborted = 1
        costs 0 gets HIT later "${body[@]}" /v1/chat/completions
        expect_same later got.1
    done
    # the Responses API's end is another event
    spawn got.2 got.2.err curl -q -sSN --noproxy '*' --max-time 60 -H 'X-Script: sse:1,0;barrier:y' -d '{}' "$PROXY/v1/responses"
    barrier wait y
    eventually grep -q DONE got.2
    kill -KILL "$spawned"
    expect_stat in_flight = 0
    costs 1 gets MISS later -H "X-Script: body:$(responded a)" -d '{}' /v1/responses
}

@test "a fetch that fails before its head: each one who waits goes on by itself" {
    local k=0 how
    for how in reset fin garbage; do
        upstream_reset
        body=(-d "{\"k\":$((++k))}")
        rm -f got.*
        reader {1..6} -- "seq:s$k;barrier:x;$how||body:$(said ok)"
        barrier wait x
        all_in 6
        barrier release x
        ends 0 {1..6}
        expect_stat requests = 6
        # the first one is told, and it alone
        [[ $(grep -l 'HTTP/1.1 502' got.*.head | wc -l) -eq 1 ]]
        [[ $(grep -l '"ok"' got.? | wc -l) -eq 5 ]]
        words 6 0 {1..6}
        costs 0 gets HIT later "${body[@]}" /v1/chat/completions
    done
}

@test "a fetch that breaks in mid-body is broken for all, and not kept" {
    local k=0 how
    for how in 'data:1;barrier:x;reset' 'data:1;sse:1,0;barrier:x;badchunk' "length:500;body:$(said a);flush;barrier:x;fin"; do
        upstream_reset
        body=(-d "{\"k\":$((++k))}")
        rm -f got.*
        reader {1..6} -- "$how"
        barrier wait x
        for i in {1..6}; do eventually test -s "got.$i"; done
        barrier release x
        for i in {1..6}; do
            pid_ends "${reader[$i]}" 30
            [[ ${ended[${reader[$i]}]} -eq 18 || ${ended[${reader[$i]}]} -eq 56 ]]
        done
        same {1..6}
        expect_stat requests = 1
        costs 1 gets MISS later -H "X-Script: body:$(said a)" "${body[@]}" /v1/chat/completions
    done
}

@test "an answer that may not be kept is not shared: each one gets its own" {
    local k=0 how
    for how in status:429 status:500 "header:Set-Cookie=a=b;body:$(said a)" 'header:Cache-Control=no-store;data:1;sse:1,0' \
        'status:400;header:x-should-retry=true' 'header:Content-Type=text/html;body:<p>Sign in' "header:Vary=User-Agent;body:$(said a)" \
        'status:500;size:8000000'; do
        upstream_reset
        body=(-d "{\"k\":$((++k))}")
        rm -f got.*
        reader {1..6} -- "barrier:x;$how"
        barrier wait x
        all_in 6
        barrier release x
        ends 0 {1..6}
        expect_stat requests = 6
        for i in {1..6}; do field "got.$i" x-request-id; done >ids
        [[ $(sort -u ids | wc -l) -eq 6 ]]
        words 6 0 {1..6}
        expect_stat aborted = 0
    done
    # when the one who asked has left, the next one has its answer, and no second call is made for it
    upstream_reset
    body=(-d '{"k":"left"}')
    reader 1 -- 'barrier:y;status:500'
    barrier wait y
    reader 2 -- status:503
    all_in 2
    kill -KILL "${reader[1]}"
    all_in 1
    barrier release y
    ends 0 2
    grep -q 'HTTP/1.1 500' got.2.head
    expect_stat requests = 1
}

@test "the most patient of those who wait says how long the upstream may be silent" {
    proxy --cache-ttl 1h
    body=(-d '{"k":"patience"}')
    local script
    script="delay:3500;body:$(said late)"
    spawn first err.first curl -q -sS --max-time 1 -H 'x-stainless-timeout: 0.2' -H "X-Script: $script" "${body[@]}" "$PROXY/v1/chat/completions"
    expect_stat in_flight = 1
    costs 0 gets HIT second -H 'x-stainless-timeout: 20' -H "X-Script: $script" "${body[@]}" /v1/chat/completions
    grep -q late second
    # nobody has any: an SDK's deadline, and the 2 s that the proxy leaves it
    body=(-d '{"k":"impatience"}')
    spawn third err.third curl -q -sS -w '%{http_code}' --max-time 20 -H 'x-stainless-timeout: 0.2' -H "X-Script: $script" "${body[@]}" "$PROXY/v1/chat/completions"
    expect_stat in_flight = 1
    [[ $(client -o fourth -w '%{http_code}' -H 'x-stainless-timeout: 0.2' -H "X-Script: $script" "${body[@]}" "$PROXY/v1/chat/completions") == 504 ]]
    pid_ends "$spawned" 30
    grep -q 504 third
}

@test "one who reads slowly does not hold up the others" {
    body=(-X GET)
    reader 1 2 3 4 -- 'header:Content-Type=text/plain;chunked;body:start;flush;barrier:x;size:8000000'
    barrier wait x
    for i in {1..4}; do eventually test -s "got.$i"; done
    # one of those who joined, and the one who asked first
    local first second=1
    first=$(grep -l 'X-Cache: MISS' got.*.head | tr -dc 0-9)
    [[ $first -ne 1 ]] || second=2
    kill -STOP "${reader[$first]}" "${reader[$second]}"
    barrier release x
    for i in {1..4}; do
        [[ $i -eq $first || $i -eq $second ]] || ends 0 "$i"
    done
    kill -CONT "${reader[$first]}" "${reader[$second]}"
    ends 0 {1..4}
    same {1..4}
    [[ $(stat -c %s got.1) -eq 8000005 ]]
    expect_stat requests = 1
}

@test "DELETE /cache while one is in flight: it goes on, and is neither kept nor joined" {
    reader 1 2 -- 'data:"old";barrier:x;sse:1,0'
    barrier wait x
    all_in 2
    client --fail -X DELETE "$PROXY/cache"
    costs 1 gets MISS new -H 'X-Script: data:"new";sse:1,0' "${body[@]}" /v1/chat/completions
    barrier release x
    ends 0 1 2
    same 1 2
    grep -q old got.1
    costs 0 gets HIT later "${body[@]}" /v1/chat/completions
    grep -q new later
    # without one in between there is nothing
    body=(-d '{"b":1}')
    reader 3 -- 'data:"old";barrier:y;sse:1,0'
    barrier wait y
    client --fail -X DELETE "$PROXY/cache"
    barrier release y
    ends 0 3
    costs 1 gets MISS later -H "X-Script: body:$(said a)" "${body[@]}" /v1/chat/completions
}

@test "of two answers the one that was asked for later stays, also where no memory holds it" {
    proxy_stop
    proxy --memory-cache 0
    local size
    for size in 10 300000; do # short ones are kept at once, long ones by a job
        upstream_reset
        body=(-d "{\"size\":$size}")
        reader 1 -- "data:\"old\";barrier:x;fill:$size,: no data;comment:.;sse:1,0" -H 'Cache-Control: no-cache'
        barrier wait x
        costs 1 gets MISS new -H 'Cache-Control: no-cache' -H "X-Script: data:\"new\";fill:$size,: no data;comment:.;sse:1,0" "${body[@]}" /v1/chat/completions
        eventually costs 0 gets HIT second "${body[@]}" /v1/chat/completions
        barrier release x
        ends 0 1
        grep -q old got.1
        eventually at_rest
        costs 0 gets HIT third "${body[@]}" /v1/chat/completions
        expect_same new third
    done
}

@test "no-cache while one is in flight fetches for itself, and what it brings counts" {
    reader 1 -- 'data:"old";barrier:x;sse:1,0'
    barrier wait x
    costs 1 gets MISS new -H 'Cache-Control: no-cache' -H 'X-Script: data:"new";sse:1,0' "${body[@]}" /v1/chat/completions
    tells new 'fwd=request.*'
    costs 0 gets HIT second "${body[@]}" /v1/chat/completions
    expect_same new second
    barrier release x
    ends 0 1
    grep -q old got.1
    # the one that began later stays, though the other one ended later
    costs 0 gets HIT third "${body[@]}" /v1/chat/completions
    expect_same new third
    # no-store neither joins nor is joined
    body=(-d '{"b":1}')
    reader 2 -- 'data:1;barrier:y;sse:1,0'
    barrier wait y
    costs 1 gets BYPASS alone -H 'Cache-Control: no-store' -H "X-Script: body:$(said a)" "${body[@]}" /v1/chat/completions
    barrier release y
    ends 0 2
}

@test "clients with and without gzip share one flight, each in its form" {
    local script k=0 a
    a=$(said a)
    for script in 'gzip;data:1;barrier:x;data:2;sse:1,0' "gzip;body:${a:0:20};flush;barrier:x;body:${a:20}"; do
        upstream_reset
        body=(-d "{\"k\":$((++k))}")
        rm -f got.*
        reader 1 -- "$script" -H 'Accept-Encoding: gzip'
        barrier wait x
        reader 2 -- "$script"
        reader 3 -- "$script" -H 'Accept-Encoding: br, gzip;q=0.5'
        reader 4 -- "$script" -H 'Accept-Encoding: gzip;q=0'
        all_in 4
        # what came so far is readable by now
        [[ $script == *body* ]] || eventually grep -q 'data: 1' got.2
        barrier release x
        ends 0 {1..4}
        expect_stat requests = 1
        same 1 3
        same 2 4
        [[ $(field got.1 content-encoding) == gzip && -z $(field got.2 content-encoding) ]]
        gzip -dc <got.1 >plain
        expect_same plain got.2
        costs 0 gets HIT later "${body[@]}" /v1/chat/completions
        expect_same plain later
    done
    # the first one takes no gzip: all get it plain
    upstream_reset
    reader 5 -- 'data:1;barrier:y;sse:1,0' -H 'Api-Key: plain'
    barrier wait y
    reader 6 -- none -H 'Api-Key: plain' -H 'Accept-Encoding: gzip'
    all_in 2
    barrier release y
    ends 0 5 6
    same 5 6
    expect_stat requests = 1
}

@test "an answer that is out of date before its head comes is not said to be stored, and is not" {
    server
    proxy
    spawn late err curl -q -sS --noproxy '*' --max-time 60 -D late.head -H 'X-Script: barrier:late;body:{}' "$PROXY/v1/files"
    local pid=$spawned
    barrier wait late
    client -o /dev/null -X DELETE "$PROXY/v1/files/x" # its collection
    barrier release late
    pid_ends "$pid" 30
    [[ ${ended[$pid]} -eq 0 && $(<late) == '{}' ]]
    tells late 'fwd=miss; key="[0-9a-f]{12}"'
    gets MISS got -H 'X-Script: body:{}' /v1/files
    gets HIT got /v1/files
}

@test "an answer that its last client did not wait for is not kept, though what came of it parses" {
    server
    proxy
    local how
    for how in length:16 chunked close 'length:16;header:Content-Type=text/event-stream'; do
        local name=${how//[^a-z]/}
        local path=/v1/files/$name
        spawn part err curl -q -sSN --noproxy '*' --max-time 60 -H "X-Script: $how;body:{\"a\":1}\\n;barrier:$name;body:{\"b\":2}\\n" "$PROXY$path"
        local pid=$spawned
        barrier wait "$name"
        eventually test -s part
        kill -KILL "$pid"
        expect_stat in_flight = 0
        gets MISS got -H 'X-Script: body:whole' "$path"
        [[ $(<got) == whole ]]
        upstream_reset
    done
}

#!/usr/bin/env bats
# The commands cache and stats ask the proxy that runs, whatever its folder: how they find it, what they ask of it
# (the routes below /cache), and what they do where none runs.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# on NAME: the proxy of that name is the one that is asked
on() {
    local from=PROXY_$1
    PROXY=${!from}
}

# keep N…: GET /v1/files/fN is in the cache, and what is asked for is what comes
keep() {
    local i
    for i; do
        ask got "/v1/files/f$i"
        eventually is_hit "/v1/files/f$i"
    done
}

is_hit() {
    ask got -H 'Cache-Control: only-if-cached' "$1"
    [[ $got -eq 200 && $(field got x-cache) == HIT ]]
}

is_miss() {
    ask got -H 'Cache-Control: only-if-cached' "$1"
    [[ $got -eq 504 ]]
}

# items N: /stats counts so many, and nothing is at work any more
items() {
    eventually has_items "$1"
    eventually at_rest
}

has_items() {
    client "$PROXY/stats" | jq -e ".cache.item_count == $1"
}

# said TEXT: it is all that stands in the file out
said() {
    [[ $(<out) == "$1" ]] || {
        echo "expected: $1"
        cat out err
        return 1
    }
}

notes() {
    find "$PROXY_HOME/run/goproxyai" -type f 2>/dev/null
}

# not_here: the cache folder looks as if its proxy were on another machine
not_here() {
    rm "$PROXY_HOME/cache/goproxyai/cache.lock"
}

# ---- which cache ----

@test "cache clear empties the cache of a proxy with another folder, and says whose it was" {
    proxy --cache-dir "$PWD/elsewhere"
    keep 1 2 3
    items 3
    gives 0 cache clear
    said "3 answers removed from the proxy on http://localhost:$PROXY_PORT (memory and $PWD/elsewhere)"
    is_miss /v1/files/f1
    items 0
    [[ ! -e $PROXY_HOME/cache/goproxyai ]]
    gives 0 cache path
    said "$PWD/elsewhere/cache.db"
}

@test "a relative folder is the proxy's, wherever the command is started" {
    mkdir -m 700 there
    proxy --cache-dir there
    keep 1
    items 1
    cd /
    goproxyai cache list >"$BATS_TEST_TMPDIR/out"
    cd "$BATS_TEST_TMPDIR"
    [[ $(wc -l <out) -eq 1 ]]
    gives 0 cache clear
    said "1 answer removed from the proxy on http://localhost:$PROXY_PORT (memory and $PWD/there)"
}

@test "on a terminal cache list and show say whose cache it is, on standard error" {
    need script
    proxy
    keep 1
    items 1
    export -f goproxyai
    export goproxyai_bin PROXY_HOME
    local args key
    key=$(goproxyai cache list | cut -d ' ' -f 1)
    for args in list 'list --json' "show $key"; do
        SHELL=$BASH script -q -e -c "goproxyai cache $args >stdout" /dev/null </dev/null >shown
        grep -qF "goproxyai: this is the cache of the proxy on http://localhost:$PROXY_PORT (memory and $PROXY_HOME/cache/goproxyai)" shown
        not grep -q 'this is the cache of' stdout
        # shellcheck disable=SC2086 # words
        gives 0 cache $args
        [[ ! -s err ]]
    done
}

# bats test_tags=threads
@test "a proxy without a disk: list, show, remove, verify and clear work on its memory" {
    proxy --max-cache-size 0
    keep 1 2 3
    ask plain -H 'Accept-Encoding: gzip' -d '{"model":"gpt-4o"}' /v1/chat/completions
    gives 0 cache list
    [[ $(wc -l <out) -eq 4 ]]
    grep -Eq '^[0-9a-f]{64} +[0-9]+ s  200 .* POST /v1/chat/completions  gpt-4o$' out
    gives 0 cache list --json
    jq -e 'length == 4 and all(.[]; .status == 200 and .disk_bytes == null and (.stored | test("^20.*Z$")))' out
    jq -e '[.[].stored] == ([.[].stored] | sort | reverse)' out
    local key
    key=$(jq -r '.[] | select(.model == "gpt-4o").key' out)
    gives 0 cache show "${key:0:16}"
    expect_same plain out
    gives 0 cache show "$key" --headers
    [[ $(head -n 1 out) == 'HTTP/1.1 200' ]]
    grep -qi '^content-type: application/json' out
    gives 0 cache remove "${key:0:16}"
    said "1 answer removed from the proxy on http://localhost:$PROXY_PORT (memory only)"
    gives 1 cache show "$key"
    grep -q "^goproxyai: no stored answer has the key $key" err
    gives 1 cache remove "$key"
    grep -q "^goproxyai: no stored answer has the key $key" err
    gives 0 cache verify
    said "0 answers good, 0 damaged in the proxy on http://localhost:$PROXY_PORT (memory only)"
    gives 1 cache path
    grep -q 'memory only' err
    gives 0 stats
    grep -q "^proxy    http://localhost:$PROXY_PORT, which keeps answers in memory only$" out
    gives 0 cache clear
    said "3 answers removed from the proxy on http://localhost:$PROXY_PORT (memory only)"
    is_miss /v1/files/f1
    [[ ! -e $PROXY_HOME/cache/goproxyai ]]
}

@test "a proxy whose folder cannot be used: cache clear empties its memory" {
    mkdir -m 777 open
    chmod 777 open
    proxy --cache-dir "$PWD/open"
    keep 1 2
    gives 0 cache clear
    said "2 answers removed from the proxy on http://localhost:$PROXY_PORT (memory only)"
    is_miss /v1/files/f1
}

@test "a proxy that keeps nothing is not asked: the commands work on the folder" {
    proxy
    keep 1
    items 1
    proxy_stop
    proxy --home "$PROXY_HOME" --cache-ttl 0
    gives 0 cache list
    [[ $(wc -l <out) -eq 1 ]]
    # but one that was named is meant, and no folder in its place
    gives 1 cache clear --url "$PROXY"
    grep -q "the proxy on $PROXY keeps no answers" err
    gives 0 cache clear
    said "1 answer removed from $PROXY_HOME/cache/goproxyai (no proxy runs on it)"
    gives 0 stats
    grep -q "^proxy    http://localhost:$PROXY_PORT" out
}

@test "--cache-dir on the command line: the proxy on that folder, else the folder itself" {
    proxy --name a --cache-dir "$PWD/a"
    keep 1
    items 1
    # in folder b too, where no proxy runs
    proxy --name b --home "$PROXY_HOME" --cache-dir "$PWD/b"
    keep 1 2
    items 2
    proxy_stop --name b
    gives 0 cache list --cache-dir "$PWD/b"
    [[ $(wc -l <out) -eq 2 ]]
    gives 0 cache clear --cache-dir "$PWD/b"
    said "2 answers removed from $PWD/b (no proxy runs on it)"
    on a
    is_hit /v1/files/f1
    ln -s a same
    gives 0 cache clear --cache-dir "$PWD/same"
    said "1 answer removed from the proxy on http://localhost:$PROXY_a_PORT (memory and $PWD/a)"
    is_miss /v1/files/f1
    # where both are said they must agree
    gives 2 cache clear --cache-dir "$PWD/b" --port "$PROXY_a_PORT"
    grep -q "does not keep its answers in $PWD/b" err
    gives 0 cache clear --cache-dir "$PWD/a" --port "$PROXY_a_PORT"
}

@test "several proxies: the one on the folder in question, else an error that lists them" {
    proxy --name a --cache-dir "$PWD/a"
    keep 1
    proxy --name b --home "$PROXY_HOME" --max-cache-size 0
    keep 1
    local args
    for args in 'cache clear' 'cache list' 'cache verify' 'cache show ab' 'cache remove ab' stats health; do
        # shellcheck disable=SC2086 # words
        gives 1 $args
        [[ ! -s out && $(wc -l <err) -eq 1 ]]
        grep -q -e '^goproxyai: several proxies run: .*--url' err
        grep -qF "http://localhost:$PROXY_a_PORT ($PWD/a)" err
        grep -qF "http://localhost:$PROXY_b_PORT (memory only)" err
    done
    on a
    is_hit /v1/files/f1
    on b
    is_hit /v1/files/f1
    gives 0 cache clear --url "http://localhost:$PROXY_b_PORT"
    said "1 answer removed from the proxy on http://localhost:$PROXY_b_PORT (memory only)"
    is_miss /v1/files/f1
    on a
    is_hit /v1/files/f1
    gives 0 health --url "http://127.0.0.1:$PROXY_b_PORT/v1"
    grep -q "^healthy: goproxyai [^ ]* on http://127.0.0.1:$PROXY_b_PORT," out
    gives 0 stats --port "$PROXY_a_PORT" --json
    jq -e --arg folder "$PWD/a" '.cache.folder == $folder' out
    # the default folder is the one in question
    proxy --name c --home "$PROXY_HOME"
    keep 1
    items 1
    gives 0 cache clear
    said "1 answer removed from the proxy on http://localhost:$PROXY_c_PORT (memory and $PROXY_HOME/cache/goproxyai)"
    gives 0 stats
    grep -q "^proxy    http://localhost:$PROXY_c_PORT, which keeps answers in memory and in $PROXY_HOME/cache/goproxyai$" out
}

# bats test_tags=threads
@test "two proxies on one folder: cache clear through one of them empties the other one's memory as well" {
    proxy --name a
    proxy --name b --home "$PROXY_HOME"
    local name i
    for i in 1 2 3; do
        on a
        keep 1
        items 1
        on b
        is_hit /v1/files/f1
        gives 0 cache clear
        grep -q '^1 answer removed from the proxy on ' out
        for name in a b; do
            on "$name"
            is_miss /v1/files/f1
        done
    done
    # whose traffic is another matter
    gives 1 stats
    grep -q 'several proxies run' err
}

@test "the proxy that is named must answer" {
    local port
    port=$(free_port)
    proxy
    keep 1
    local args
    for args in 'cache clear' 'cache list' 'cache path' health; do
        # shellcheck disable=SC2086 # words
        gives 1 $args --port "$port"
        grep -q "no proxy answers on localhost port $port" err
        # shellcheck disable=SC2086 # words
        gives 1 $args --url "http://127.0.0.1:$port"
        # shellcheck disable=SC2086 # words
        gives 1 $args --url "$UPSTREAM"
        grep -q 'not goproxyai' err
    done
    gives 1 stats --url "http://127.0.0.1:$port"
    is_hit /v1/files/f1
    GOPROXYAI_PORT=$port gives 0 cache clear # a default, which nobody listens on
    is_miss /v1/files/f1
}

# ---- the notes ----

@test "a proxy notes where it listens, for its user alone, and removes the note at its end" {
    proxy --listen 127.0.0.2 --cache-dir "$PWD/a"
    local note
    note=$(notes)
    [[ $(wc -l <<<"$note") -eq 1 ]]
    [[ $(stat -c %a "$PROXY_HOME/run/goproxyai") == 700 && $(stat -c %a "$note") == 600 ]]
    jq -e --argjson pid "$PROXY_PID" --argjson port "$PROXY_PORT" --arg folder "$PWD/a" \
        '. == {pid: $pid, address: "127.0.0.2", port: $port, cache_folder: $folder}' "$note"
    gives 0 health
    grep -q "on http://127.0.0.2:$PROXY_PORT," out
    proxy_stop
    [[ -z $(notes) && -d $PROXY_HOME/run/goproxyai ]]
    gives 1 health --port 1
}

@test "a note that a killed proxy left is no proxy, and is removed by the next command or proxy" {
    proxy
    keep 1
    items 1
    proxy_stop KILL
    [[ -n $(notes) ]]
    gives 0 cache clear
    said "1 answer removed from $PROXY_HOME/cache/goproxyai (no proxy runs on it)"
    [[ -z $(notes) ]]
    proxy --home "$PROXY_HOME"
    proxy_stop KILL
    [[ -n $(notes) ]]
    proxy --home "$PROXY_HOME"
    [[ $(notes | wc -l) -eq 1 ]]
    gives 0 health
}

@test "a note is believed only in a folder that nobody else can write to" {
    proxy
    keep 1
    items 1
    chmod 777 "$PROXY_HOME/run/goproxyai"
    gives 0 cache list # from the folder
    gives 1 health --port 1
    gives 0 cache clear
    said "1 answer removed from $PROXY_HOME/cache/goproxyai (a proxy that does not answer runs on it)"
    is_miss /v1/files/f1
    chmod 700 "$PROXY_HOME/run/goproxyai"
    gives 0 cache clear
    grep -q 'from the proxy on' out
    # what is no note is no trouble
    echo nonsense >"$PROXY_HOME/run/goproxyai/1-1.json"
    mkdir "$PROXY_HOME/run/goproxyai/2-2.json"
    ln -s /dev/zero "$PROXY_HOME/run/goproxyai/3-3.json"
    mkfifo "$PROXY_HOME/run/goproxyai/4-4.json"
    gives 0 cache clear
    grep -q 'from the proxy on' out
}

@test "without a folder for notes: a proxy is found by its port, and by its folder" {
    mkdir -p home/run
    chmod 770 home/run # it is not the user's alone
    proxy --home "$PWD/home" --name a
    [[ ! -e home/run/goproxyai ]]
    not grep -q warning "$PROXY_LOG"
    keep 1
    items 1
    GOPROXYAI_PORT=$PROXY_PORT gives 0 cache clear
    said "1 answer removed from the proxy on http://localhost:$PROXY_PORT (memory and $PROXY_HOME/cache/goproxyai)"
    keep 1
    items 1
    GOPROXYAI_PORT=$PROXY_PORT gives 0 cache clear --cache-dir "$PROXY_HOME/cache/goproxyai"
    grep -q 'from the proxy on' out
    # another folder than its own
    mkdir -m 700 other
    GOPROXYAI_PORT=$PROXY_PORT gives 0 cache clear --cache-dir "$PWD/other"
    said "0 answers removed from $PWD/other (no proxy runs on it)"
}

@test "the default port is asked where nothing else is known" {
    ! port_answers 8080 || skip 'something runs on port 8080'
    mkdir -m 700 none
    proxy --home "$PWD/home" --port 8080 --cache-dir "$PWD/elsewhere"
    keep 1
    items 1
    env HOME="$PWD/home" XDG_CONFIG_HOME="$PWD/home/config" XDG_RUNTIME_DIR="$PWD/none" "$goproxyai_bin" cache clear >out
    said "1 answer removed from the proxy on http://localhost:8080 (memory and $PWD/elsewhere)"
    is_miss /v1/files/f1
}

@test "another program on the port that is asked by default is no proxy" {
    proxy --cache-dir "$PWD/a"
    keep 1
    items 1
    proxy_stop
    GOPROXYAI_PORT=$UPSTREAM_PORT gives 0 cache list --cache-dir "$PWD/a"
    [[ $(wc -l <out) -eq 1 ]]
    GOPROXYAI_PORT=$UPSTREAM_PORT GOPROXYAI_CACHE_DIR=$PWD/a gives 0 cache clear
    said "1 answer removed from $PWD/a (no proxy runs on it)"
}

@test "another user's program on the port is no proxy of ours, unless it is named" {
    need_root
    need setpriv
    id nobody >/dev/null || skip "there is no user nobody"
    local port dir
    port=$(free_port)
    dir=$(mktemp -d "$BATS_RUN_TMPDIR/../goproxyai-user.XXXXXX")
    tracked_dirs+=("$dir")
    dir=$(cd "$dir" && pwd) # its folder is not for others
    chmod 755 "$dir"
    cp "$goproxyai_bin" "$dir/theirs"
    mkdir "$dir/home"
    chown nobody "$dir/home"
    proxy --cache-dir "$PWD/a"
    keep 1
    items 1
    proxy_stop
    spawn theirs theirs.err env -i HOME="$dir/home" setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups \
        "$dir/theirs" serve --port "$port" --upstream "$UPSTREAM" --allow-users all
    eventually port_answers "$port"
    export GOPROXYAI_PORT=$port GOPROXYAI_CACHE_DIR=$PWD/a
    gives 0 stats --json
    jq -e '.cache.item_count == 1' out
    gives 0 cache list
    [[ $(wc -l <out) -eq 1 ]]
    gives 1 health
    grep -q "on port $port another user's program listens (uid $(id -u nobody)): name it with --url" err
    gives 0 cache clear
    said "1 answer removed from $PWD/a (no proxy runs on it)"
    gives 0 health --url "http://localhost:$port"
}

# ---- the routes ----

@test "DELETE /cache says how many it removed, and from which folder; a query narrows it" {
    proxy
    local model
    for model in gpt-4o gpt-4o-mini o3; do
        ask got -d "{\"model\":\"$model\"}" /v1/chat/completions
    done
    keep 1
    items 4
    ask got -X DELETE '/cache?model=gpt-4o%2A'
    [[ $got -eq 200 ]]
    jq -e --arg folder "$PROXY_HOME/cache/goproxyai" \
        '. == {message: "Cache cleared successfully", removed: 2, pending: false, folder: $folder}' got
    ask got -X DELETE '/cache?older_than_ms=3600000&model=o3'
    jq -e '.removed == 0' got
    # what is not understood removes nothing
    local query
    for query in model modell=x model= 'model=a&model=b' older_than_ms=-1 older_than_ms=x older_than_ms=0 older_than_ms=99999999999999 \
        'older_than_ms=1&x' 'model=a%00b' "model=$(printf 'x%.0s' {1..2000})"; do
        ask got -X DELETE "/cache?$query"
        [[ $got -eq 400 ]]
        jq -e '.error.code == "bad_request"' got
    done
    items 2
    ask got -X DELETE '/cache?older_than_ms=1&'
    jq -e '.removed == 2' got
    ask got -X DELETE '/cache?'
    jq -e '.removed == 0' got
    proxy --cache-ttl 0
    ask got -X DELETE /cache
    jq -e '. == {message: "Cache cleared successfully", removed: 0, pending: false, folder: null}' got
}

# bats test_tags=threads
@test "GET /cache lists what is on disk, the newest first" {
    proxy
    keep 1
    ask got -d '{"model":"gpt-4o"}' /v1/chat/completions
    items 2
    [[ $(client -o got -w '%{http_code} %{content_type}' "$PROXY/cache") == '200 application/json' ]]
    jq -e --arg folder "$PROXY_HOME/cache/goproxyai" '.folder == $folder and .more == false and (.answers | length == 2)' got
    jq -e 'all(.answers[]; .disk_bytes > 0)' got
    gives 0 cache list --json
    [[ $(jq -S .answers got) == "$(jq -S . out)" ]]
    client -I -o head "$PROXY/cache"
    grep -q ' 200' head
    # nothing of it went upstream
    expect_stat requests = 2
}

@test "GET /cache/KEY is the stored answer as message/http; DELETE removes it" {
    proxy
    keep {1..17}
    items 17
    local key twice
    goproxyai cache list --json | jq -r '.[].key' >keys
    key=$(head -n 1 keys)
    twice=$(cut -c 1 keys | sort | uniq -d | head -n 1)
    gives 0 cache show "$key"
    cp out body
    [[ $(client -o got -w '%{http_code} %{content_type}' "$PROXY/cache/${key:0:20}") == '200 message/http' ]]
    [[ $(head -n 1 got) == $'HTTP/1.1 200 \r' ]]
    sed -e '1,/^\r$/d' got >got.body
    expect_same body got.body
    [[ $(client -o got -w '%{http_code}' "$PROXY/cache/${key^^}") == 200 ]]
    local method
    for method in GET DELETE; do
        ask got -X "$method" "/cache/$twice"
        [[ $got -eq 409 ]]
        jq -e '.error.code == "ambiguous_key"' got
    done
    ask got -X DELETE "/cache/${key:0:20}"
    [[ $got -eq 200 ]]
    jq -e --arg key "$key" '.message == "Answer removed" and .key == $key and .removed == 1' got
    for method in GET DELETE; do
        ask got -X "$method" "/cache/$key"
        [[ $got -eq 404 ]]
        jq -e '.error.code == "no_such_answer"' got
    done
    items 16
}

# bats test_tags=threads
@test "POST /cache/verify checks what is on disk, and names what is damaged" {
    proxy
    keep 1 2 3
    items 3
    ask got -X POST /cache/verify
    [[ $got -eq 200 ]]
    jq -e --arg folder "$PROXY_HOME/cache/goproxyai" '. == {keys: [], good: 3, damaged: 0, folder: $folder}' got
    sqlite3 -cmd '.timeout 5000' "$PROXY_HOME/cache/goproxyai/cache.db" \
        'UPDATE entry SET status = 201 WHERE rowid IN (SELECT rowid FROM entry LIMIT 1)'
    ask got -X POST /cache/verify
    jq -e '.good == 2 and .damaged == 1 and (.keys | length == 1 and (.[0] | test("^[0-9a-f]{64}$")))' got
    ask got -X POST /cache/verify
    jq -e '.good == 2 and .damaged == 0' got
}

# bats test_tags=threads
@test "where the folder is another machine's the proxy is asked for all of it" {
    proxy
    keep 1 2
    ask packed -H 'X-Script: gzip;sse:3,0' -H 'Accept-Encoding: gzip' -d '{"model":"gpt-4o"}' /v1/chat/completions
    items 3
    goproxyai cache list | sed -E 's/ +[0-9]+ s / /' >here
    gives 0 cache list --json
    cp out here.json
    not_here
    goproxyai cache list | sed -E 's/ +[0-9]+ s / /' >out
    expect_same here out
    gives 0 cache list --json
    [[ $(jq -S . here.json) == "$(jq -S . out)" ]]
    local key
    key=$(jq -r '.[] | select(.model == "gpt-4o").key' out)
    gives 0 cache show "$key"
    gunzip <packed >plain
    expect_same plain out
    gives 0 cache show "$key" --headers
    not grep -qi content-encoding out
    sqlite3 -cmd '.timeout 5000' "$PROXY_HOME/cache/goproxyai/cache.db" \
        "UPDATE entry SET status = 201 WHERE hex(key) = '${key^^}'"
    gives 1 cache verify
    [[ $(head -n 1 out) == "$key is damaged" ]]
    grep -q '^2 answers good, 1 damaged, removed, in the proxy on ' out
    gives 0 cache verify
    gives 0 cache clear
    # the damaged one was good in memory
    said "3 answers removed from the proxy on http://localhost:$PROXY_PORT (memory and $PROXY_HOME/cache/goproxyai)"
}

# ---- no loop waits for the disk ----

# held: another process keeps the file from being written to, until the file `go` is there
held() {
    spawn held.out held.err sqlite3 -cmd '.timeout 5000' "$PROXY_HOME/cache/goproxyai/cache.db" \
        'BEGIN IMMEDIATE' '.shell touch held; until test -e go; do sleep 0.02; done' 'COMMIT'
    eventually test -e held
}

# bats test_tags=threads
@test "what is removed is gone from memory at once, and others are served, while the disk waits" {
    proxy --workers 1
    ask got -d '{"model":"gpt-4o"}' /v1/chat/completions
    keep 1 2
    items 3
    held
    spawn removed removed.err curl -q -sS --max-time 60 --noproxy '*' -X DELETE "$PROXY/cache?model=gpt-4o"
    eventually is_gone_at_once
    is_hit /v1/files/f1
    client --fail -o /dev/null "$PROXY/health"
    [[ ! -s removed ]]
    touch go
    eventually test -s removed
    jq -e '.removed == 1' removed
    is_hit /v1/files/f2
}

is_gone_at_once() {
    ask got -H 'Cache-Control: only-if-cached' -d '{"model":"gpt-4o"}' /v1/chat/completions
    [[ $got -eq 504 ]]
}

# bats test_tags=threads
@test "what the disk does not take now is not answered any more, and it is said that it follows" {
    proxy
    ask got -d '{"model":"gpt-4o"}' /v1/chat/completions
    keep 1
    items 2
    held
    gives 0 cache clear --model 'gpt-*'
    said "1 answer removed from the proxy on http://localhost:$PROXY_PORT (memory and $PROXY_HOME/cache/goproxyai)"
    grep -q '^goproxyai: the disk cannot be written to now: ' err
    is_gone_at_once
    is_hit /v1/files/f1
    touch go
    items 1
    gives 0 cache clear
    [[ ! -s err ]]
}

# bats test_tags=threads
@test "a client that leaves meanwhile, and the proxy's end, are no trouble" {
    proxy --workers 1 --drain-timeout 100ms
    ask got -d '{"model":"gpt-4o"}' /v1/chat/completions
    keep 1
    items 2
    held
    local i code
    for i in 1 2 3; do
        code=0
        client --max-time 0.2 -X DELETE "$PROXY/cache?model=gpt-4o" >/dev/null 2>&1 || code=$?
        [[ $code -eq 28 ]]
    done
    for i in {1..40}; do
        spawn /dev/null /dev/null curl -q -sS --max-time 60 --noproxy '*' -o "busy.$i" -X DELETE "$PROXY/cache?model=m$i"
    done
    eventually grep -lq '"busy"' busy.*
    is_hit /v1/files/f1
    proxy_stop
    touch go
    [[ $status -eq 0 ]]
}

# bats file_tags=disk,threads
# What was purged stays purged: the process may be killed, the disk full, the file held by another.

load lib/vocabulary
load lib/disk

setup() {
    mounted=()
    disk_setup
}

teardown() {
    disk_teardown
}

# stored PATH...: they are on disk, which alone is asked (--memory-cache 0).
stored() {
    local path
    for path in "$@"; do
        client -o /dev/null "$PROXY$path"
        eventually is_kept "$path"
    done
    eventually at_rest
}

killed() {
    kill -KILL "$PROXY_PID"
    pid_ends "$PROXY_PID" 20
    unset 'tracked_pids[-1]' 'tracked_logs[-1]' 'tracked_logs[-1]' 'tracked_proxies[-1]'
}

# under_way: a write to /v1/files has reached the upstream, which does not answer.
under_way() {
    spawn part err curl -q -sSN --max-time 60 -H 'X-Script: barrier:w;body:{}' -d '{}' "$PROXY/v1/files"
    barrier wait w
}

# held, let_go: another process keeps the file from being written to.
held() {
    spawn held.out held.err sqlite3 -cmd '.timeout 5000' "$(db)" \
        'BEGIN IMMEDIATE' '.shell touch held; until test -e go; do sleep 0.02; done' 'COMMIT'
    eventually test -e held
}

let_go() {
    touch go
    eventually not test -s held.err
    pid_ends "$spawned" 50
    rm -f held go
}

@test "a write that is under way when the proxy is killed drops the GETs of its collection" {
    proxy --memory-cache 0
    stored /v1/files /v1/files/f1 /v1/batches
    proxy_stop
    proxy --home "$PROXY_HOME" --memory-cache 0 # it learns what is there
    under_way
    killed
    proxy --home "$PROXY_HOME" --memory-cache 0
    is_gone /v1/files
    is_gone /v1/files/f1
    is_kept /v1/batches
    # once: what is stored from now on stays
    stored /v1/files
    proxy_stop
    proxy --home "$PROXY_HOME" --memory-cache 0
    is_kept /v1/files
}

@test "a GET that is stored while a write is under way is dropped as well" {
    proxy --memory-cache 0
    stored /v1/batches
    under_way
    stored /v1/files
    killed
    proxy --home "$PROXY_HOME" --memory-cache 0
    is_gone /v1/files
    is_kept /v1/batches
}

@test "a write that was answered, when the disk has not heard of it yet" {
    proxy --memory-cache 0
    stored /v1/files /v1/batches
    held
    client -o /dev/null -d '{}' "$PROXY/v1/files"
    is_gone /v1/files
    killed
    let_go
    proxy --home "$PROXY_HOME" --memory-cache 0
    is_gone /v1/files
    is_kept /v1/batches
}

@test "what a command removed, when the disk has not heard of it yet" {
    proxy --memory-cache 0
    local body='{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'
    ask /v1/chat/completions -d "$body"
    eventually is_kept /v1/chat/completions -d "$body"
    stored /v1/files
    held
    gives 0 cache clear --model 'gpt-*'
    is_gone /v1/chat/completions -d "$body"
    killed
    let_go
    proxy --home "$PROXY_HOME" --memory-cache 0
    is_gone /v1/chat/completions -d "$body"
    is_kept /v1/files
}

@test "what a command has gone from memory, when the proxy is killed before the command's end" {
    proxy --memory-cache 0
    local body='{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'
    ask /v1/chat/completions -d "$body"
    eventually is_kept /v1/chat/completions -d "$body"
    held
    local holder=$spawned
    spawn cleared cleared.err curl -q -sS --max-time 20 --noproxy '*' -X DELETE "$PROXY/cache?model=gpt-4o"
    eventually is_gone /v1/chat/completions -d "$body"
    killed
    spawned=$holder
    let_go
    proxy --home "$PROXY_HOME" --memory-cache 0
    is_gone /v1/chat/completions -d "$body"
}

@test "another proxy on the folder carries out what a killed one was to purge" {
    proxy --memory-cache 0
    local other=$PROXY home=$PROXY_HOME
    stored /v1/files /v1/batches
    proxy --home "$home"
    ask /v1/files # from its memory from now on
    [[ $(field x-cache) == HIT ]]
    under_way
    killed
    PROXY=$other
    within_seconds 5 is_gone /v1/files
    is_kept /v1/batches
    proxy --home "$home"
    is_gone /v1/files
}

within_seconds() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null; do
        ((SECONDS < until)) || "$@" || return 1
        sleep 0.1
    done
}

full_disk() {
    small_disk disk 3m
    proxy --cache-dir "$PWD/disk/cache" --memory-cache 0
    stored /v1/files /v1/batches
    dd if=/dev/zero of=disk/fill bs=64k status=none 2>/dev/null || true
    dd if=/dev/zero of=disk/fill2 bs=1k status=none 2>/dev/null || true
}

@test "a full disk: what was purged is gone after any restart, and the rest is there" {
    local signal
    full_disk
    client -o /dev/null -X DELETE "$PROXY/v1/files/x"
    is_gone /v1/files
    for signal in TERM KILL TERM; do
        if [[ $signal == KILL ]]; then killed; else proxy_stop "$signal"; fi
        proxy --cache-dir "$PWD/disk/cache" --memory-cache 0
        is_gone /v1/files
        is_kept /v1/batches
    done
    rm disk/fill disk/fill2
    eventually is_purged
    stored /v1/files
    proxy_stop
    proxy --cache-dir "$PWD/disk/cache" --memory-cache 0
    is_kept /v1/files
    is_kept /v1/batches
}

is_purged() {
    [[ $(sqlite3 -readonly disk/cache/cache.db "SELECT count(*) FROM entry WHERE label LIKE 'GET /v1/files%'") -eq 0 ]]
}

@test "a full disk without a file of tombstones: the cache is removed rather than out of date" {
    mkdir -p disk
    small_disk disk 3m
    mkdir -m 700 disk/cache disk/cache/cache.tombstones
    proxy --cache-dir "$PWD/disk/cache" --memory-cache 0
    says 1 'cache.tombstones cannot be written'
    stored /v1/files /v1/batches
    dd if=/dev/zero of=disk/fill bs=64k status=none 2>/dev/null || true
    dd if=/dev/zero of=disk/fill2 bs=1k status=none 2>/dev/null || true
    client -o /dev/null -X DELETE "$PROXY/v1/files/x"
    says 1 'cache.db was removed: answers that are out of date'
    is_gone /v1/files
    proxy_stop
    proxy --cache-dir "$PWD/disk/cache" --memory-cache 0
    is_gone /v1/files
    rm -f disk/fill disk/fill2
    eventually is_stored
}

is_stored() {
    ask /v1/files
    eventually 1 is_kept /v1/files
}

# bats file_tags=disk,threads
# Answers on disk: what survives, who else sees it, and what its bounds are.
# 86-disk-trouble.bats and 87-disk-damage.bats have what happens when disk and file are not as they should be.

load lib/vocabulary
load lib/disk

setup() {
    disk_setup
}

chat='{"model":"gpt-words-20","messages":[{"role":"user","content":"hello"}]}'

post() {
    client -o "$1" -D "$1.head" "$PROXY/v1/chat/completions$2" -d "$3" "${@:4}"
    sed -i 's/\r$//' "$1.head"
}

# each_kind DIR: one answer of each kind in the files of DIR.
each_kind() {
    mkdir "$1"
    post "$1/json" '' "$chat"
    post "$1/packed" '?script=ordinary' "${chat/words-20/words-2000}"
    post "$1/sse" '' "${chat/\{/\{\"stream\":true,}"
    post "$1/gzip" '?script=gzip' "$chat" -H 'Accept-Encoding: gzip'
    post "$1/plain" '?script=gzip' "$chat"
    post "$1/refused" '?script=status:400' "$chat"
    client -o "$1/binary" -D "$1/binary.head" "$PROXY/v1/files/file-size-70000/content"
    client -o "$1/empty" -D "$1/empty.head" "$PROXY/v1/x?script=header:Content-Type=text/plain;body:"
}

@test "answers survive a restart, byte for byte: JSON, events, gzip, errors, bytes, nothing" {
    proxy --memory-cache 0
    each_kind before
    expect_figure item_count = 7
    proxy_stop
    [[ $status -eq 0 ]]
    upstream_reset
    proxy --home "$PROXY_HOME"
    each_kind after
    local kind
    for kind in json packed sse gzip plain refused binary empty; do
        expect_same "before/$kind" "after/$kind"
        grep -q -i '^X-Cache: HIT' "after/$kind.head"
        # and the head, but for what is said of the hit itself
        grep -v -i -E '^(Date|X-Cache.*|Cache-Status|Age|x-ratelimit-.*|Content-Length|Transfer-Encoding):' "before/$kind.head" >want
        grep -v -i -E '^(Date|X-Cache.*|Cache-Status|Age|Content-Length|Transfer-Encoding):' "after/$kind.head" >got
        expect_same want got
    done
    [[ $(gzip -dc after/gzip | sha256sum) == "$(sha256sum <after/plain)" ]]
    grep -q '^data: \[DONE\]' after/sse
    [[ $(stat -c %s after/packed) -gt 4096 && ! -s after/empty ]]
    expect_stat requests = 0
}

@test "Age and X-Cache-Timestamp tell when it was stored, not when the server started" {
    proxy
    gets MISS "$(n 1)"
    gets HIT "$(n 1)"
    local stored age
    stored=$(field x-cache-timestamp)
    expect_figure item_count = 1
    proxy_stop
    eventually later_than "$(($(date -d "$stored" +%s) + 2))"
    proxy --home "$PROXY_HOME"
    gets HIT "$(n 1)"
    age=$(field age)
    [[ $(field x-cache-timestamp) == "$stored" ]]
    [[ $age -ge 2 && $age -le $(($(date +%s) - $(date -d "$stored" +%s))) ]]
}

later_than() {
    [[ $(date +%s) -gt $1 ]]
}

@test "what was written is there after kill -9, and what was not is asked for again" {
    proxy
    gets MISS "$(n 1)"
    expect_figure item_count = 1
    gets MISS "$(n 2)"
    proxy_stop KILL
    proxy --home "$PROXY_HOME" --memory-cache 0
    gets HIT "$(n 1)"
    gets "$([[ $(figure item_count) == 2 ]] && echo HIT || echo MISS)" "$(n 2)"
    is_whole
}

# load_range FIRST LAST DIR BASE [CURL-ARGS]: asks BASE for answers of four kinds and sizes, several at
# a time; they become the files of DIR, but for those that curl --fail refuses.
load_range() {
    local n="[$1-$2]" dir=$3 base=$4
    shift 4
    curl -q -s --noproxy '*' --no-progress-meter --create-dirs -Z --parallel-max 12 --max-time 60 "$@" \
        "$base/v1/x?script=body:\\{\"n\":$n\\}" -o "$dir/json#1" \
        "$base/v1/x?script=header:content-type=text/plain;body:$n%2d$(printf 'pack%.0s' {1..1200})" -o "$dir/packed#1" \
        "$base/v1/x?script=seed:$n;size:6000" -o "$dir/some#1" \
        "$base/v1/files/x/content?script=seed:$n;size:90000" -o "$dir/large#1"
}

# all_right LAST LEAST: of the answers up to LAST at least so many are kept, and these are right.
all_right() {
    load_range 1 "$1" want "$UPSTREAM"
    load_range 1 "$1" got "$PROXY" --fail -H 'Cache-Control: only-if-cached' || true
    diff -rq want got | grep -v '^Only in want' && return 1
    echo "kept: $(find got -type f | wc -l)"
    [[ $(find got -type f | wc -l) -ge $2 ]]
}

# A proxy that was killed needs no looking after, but its log is looked at.
kill_proxy() {
    kill -KILL "$PROXY_PID"
    pid_ends "$PROXY_PID" 20
    [[ ${ended[$PROXY_PID]} -eq 137 ]]
    not grep -i -E 'damaged|begun anew|cannot|sanitizer' "$PROXY_LOG"
    unset 'tracked_pids[-1]' 'tracked_logs[-1]' 'tracked_logs[-1]' 'tracked_proxies[-1]'
}

# KILL_CYCLES=1000 by hand.
@test "kill -9 while storing under load, again and again: every start works, and what is kept is right" {
    local cycles=${KILL_CYCLES:-30} i first items=0 last=400 load
    ! sanitized || cycles=${KILL_CYCLES:-5}
    RANDOM=${KILL_SEED:-$$}
    echo "KILL_SEED=${KILL_SEED:-$$}"
    PROXY_HOME=$PWD/home
    for ((i = 1; i <= cycles; i++)); do
        proxy --home "$PROXY_HOME" --memory-cache 0
        # what was on disk is on disk
        [[ $(figure item_count) -ge $items ]]
        first=$((RANDOM % last + 1))
        spawn /dev/null /dev/null load_range "$first" "$((first + 20))" "$PWD/load" "$PROXY" --fail-early \
            -H "Cache-Control: $( ((RANDOM % 2)) && echo no-cache || echo x)"
        load=$spawned
        sleep "0.$((RANDOM % 2))$((RANDOM % 10))" # not to wait for anything: at any moment
        # in the end something is there, whatever was cleared and however slow the machine is
        ((i < cycles)) || eventually figure_is item_count '>' 0
        items=$(figure item_count)
        if ((i % 20 == 3)); then
            client -X DELETE -o /dev/null "$PROXY/cache"
            items=0
        fi
        unset 'tracked_pids[-1]'
        kill_proxy
        wait "$load" || true
        rm -rf load
    done
    proxy --home "$PROXY_HOME" --memory-cache 0
    is_whole
    all_right "$((last + 20))" 1
    [[ $(figure damaged) -eq 0 && $(figure disk_errors) -eq 0 ]]
    gets MISS "$(n 1000000)"
    eventually gets HIT "$(n 1000000)"
    says 0 'damaged|anew|cannot'
}

@test "the folder is 0700 and the files 0600, whatever the umask" {
    local mask
    for mask in 000 022 077 0277 0777; do
        (umask "$mask" && mkdir "home.$mask"; chmod 700 "home.$mask"; mkdir "home.$mask"/{cache,state,config})
        printf '#!/bin/sh\numask %s\nexec %q "$@"\n' "$mask" "${real_bin:=$goproxyai_bin}" >wrapper
        chmod +x wrapper
        goproxyai_bin=$PWD/wrapper
        proxy --home "$PWD/home.$mask" --memory-cache 0
        gets MISS "$(n 1)"
        eventually gets HIT "$(n 1)"
        stat -c '%a %n' "$(dirname "$(db)")" "$(db)"* | sed "s#$PWD/##" >modes
        not grep -v -E '^(700 [^ ]*/goproxyai|600 [^ ]*/cache\.db(-wal|-shm)?)$' modes
        [[ $(wc -l <modes) -eq 4 ]]
        # a command that looks makes none
        proxy_stop
        rm -rf "$(dirname "$(db)")"
        gives 0 stats --port "$(free_port)"
        [[ ! -e $(dirname "$(db)") ]]
    done
}

@test "a file that others may read becomes 0600" {
    proxy
    gets MISS "$(n 1)"
    proxy_stop
    chmod 644 "$(db)"
    proxy --home "$PROXY_HOME"
    gets HIT "$(n 1)"
    [[ $(stat -c %a "$(db)") == 600 ]]
}

# two: proxies a and b on one folder.
two() {
    proxy --name a --home "$PWD/home" "$@"
    proxy --name b --home "$PWD/home" "$@"
}

@test "two servers on one folder: what one stores the other answers from" {
    two
    at a
    gets MISS "$(n 1)"
    expect_figure item_count = 1
    at b
    gets HIT "$(n 1)"
    expect_figure item_count = 1
    expect_stat requests = 3 # with two direct ones of gets
}

@test "cache clear is obeyed by all servers of the folder, in their memory too" {
    two
    local i name
    for i in 1 2; do
        at a
        gets MISS "$(n 1)"
        expect_figure item_count = 1
        at b
        is_kept "$(n 1)"
        if [[ $i == 1 ]]; then
            gives 0 cache clear # which returns when all have heard of it
            grep -q '^1 answer removed' out
        else
            client --fail -o /dev/null -X DELETE "$PROXY_a/cache"
            at b
            within_a_second is_gone "$(n 1)"
        fi
        for name in a b; do
            at "$name"
            is_gone "$(n 1)"
        done
        expect_figure item_count = 0
    done
}

# opened N: so many descriptors of the proxy are of the cache's file; deleted_files: those whose file is gone
opened() {
    [[ $(readlink "/proc/$PROXY_PID/fd/"* | grep -c 'cache.db$') -ge $1 ]]
}

deleted_files() {
    readlink "/proc/$PROXY_PID/fd/"* | grep 'cache\.db.*(deleted)'
}

@test "DELETE /cache and cache clear give the room on the disk back within a second, although no worker has anything to do" {
    proxy --workers 4 --memory-cache 0
    local i how
    for how in delete clear; do
        for i in {1..16}; do
            gets MISS "$(n "$how$i" 20000)"
        done
        # a long one is read by a thread of its own
        gets MISS "$(n "${how}17" 2000000)"
        expect_figure item_count = 17
        gets HIT "$(n "${how}17" 2000000)"
        # each worker looks at the file, and keeps it open
        for i in {1..40}; do
            printf 'url = "%s%s"\noutput = /dev/null\n' "$PROXY" "$(n "$how$((i % 16 + 1))" 20000)"
        done >all.conf
        for i in {1..20}; do
            opened 5 || client -g -Z --parallel-immediate --parallel-max 40 -K all.conf
        done
        opened 3
        eventually at_rest
        not deleted_files
        if [[ $how == delete ]]; then
            client --fail -o /dev/null -X DELETE "$PROXY/cache"
        else
            gives 0 cache clear
        fi
        within_a_second not deleted_files
        is_gone "$(n "${how}1" 20000)"
    done
}

@test "cache remove and cache clear --model take the same from all servers" {
    two
    local name key
    for name in a b; do
        at "$name"
        post one '' "$chat"
        post two '' "${chat/words-20/words-21}"
        gets "$([[ $name == a ]] && echo MISS || echo HIT)" "$(n 1)"
        expect_figure item_count = 3
    done
    grep -q '^X-Cache: HIT' one.head
    gives 0 cache list --json
    key=$(jq -r '.[] | select(.model == "gpt-words-20") | .key' out)
    gives 0 cache remove "${key:0:12}"
    gives 0 cache clear --model '*-21'
    for name in a b; do
        at "$name"
        is_gone /v1/chat/completions -d "$chat"
        is_gone /v1/chat/completions -d "${chat/words-20/words-21}"
        is_kept "$(n 1)"
    done
}

# has PATH BODY: it is kept, and is that
has() {
    is_kept "$1" && [[ $(<body) == "$2" ]] || { cat body; return 1; }
}

@test "an answer that is fetched again through one server replaces the other one's, in its memory too" {
    two
    local path='/v1/x?script=seq:r;body:{"n":1}||body:{"n":2}'
    at a
    ask "$path"
    expect_figure item_count = 1
    at b
    has "$path" '{"n":1}'
    at a
    ask "$path" -H 'Cache-Control: no-cache'
    has "$path" '{"n":2}'
    at b
    within_a_second has "$path" '{"n":2}'
    at a
    has "$path" '{"n":2}'
    expect_figure item_count = 1
    expect_stat requests = 2
}

@test "a write through one server drops the stored GETs of the other, in its memory too" {
    two
    local name
    for name in a b; do
        at "$name"
        client -o /dev/null "$PROXY/v1/files"
        client -o /dev/null "$PROXY/v1/files/file-1"
        client -g -o /dev/null "$PROXY/v1/batches/batch_1?script=body:{}"
        expect_figure item_count = 3
        is_kept /v1/files
    done
    at a
    client -o /dev/null -X DELETE "$PROXY/v1/files/file-1"
    is_gone /v1/files # at once in the one that wrote
    for name in a b; do
        at "$name"
        within_a_second is_gone /v1/files
        within_a_second is_gone /v1/files/file-1
        is_kept '/v1/batches/batch_1?script=body:{}'
    done
}

@test "a GET in flight through one server while the other one writes is not stored" {
    two
    at b
    spawn got err curl -g -q -sS --noproxy '*' --max-time 60 "$PROXY/v1/files?script=barrier:old;body:{}"
    barrier wait old
    at a
    client -g -o /dev/null -X DELETE "$PROXY/v1/files/x?script=body:{}"
    barrier release old # sooner than the one hears of the other's write
    pid_ends "$spawned" 100
    for name in a b; do
        at "$name"
        within_a_second is_gone '/v1/files?script=barrier:old;body:{}'
    done
}

@test "two servers store, refresh and drop at once: nobody is locked out, nothing is damaged" {
    two --memory-cache 0
    local i name pids=()
    for i in 1 2 3; do
        for name in a b; do
            at "$name"
            spawn /dev/null /dev/null load_range 1 "$(sanitized && echo 10 || echo 60)" "load.$name.$i" "$PROXY" \
                -H "Cache-Control: $( ((i % 2)) && echo no-cache || echo x)"
            pids+=("$spawned")
        done
    done
    while alive "${pids[0]}"; do
        client -g -o /dev/null -X DELETE "$PROXY_a/v1/files/x?script=body:{}"
        client -g -o /dev/null -X DELETE "$PROXY_b/v1/files/x?script=body:{}"
        gives 0 cache verify
    done
    for i in "${pids[@]}"; do
        pid_ends "$i" 200
        [[ ${ended[$i]} -eq 0 ]]
    done
    load_range 1 "$(sanitized && echo 10 || echo 60)" want "$UPSTREAM"
    for i in load.*; do
        diff -rq want "$i"
    done
    is_whole
    for name in a b; do
        at "$name"
        local log=PROXY_${name}_LOG
        not grep -i -E 'locked|busy|held|cannot|damaged|anew' "${!log}"
        [[ $(figure disk_errors) -eq 0 && $(figure dropped) -eq 0 && $(figure damaged) -eq 0 ]]
    done
    all_right 60 1
}

# all_are_counted N: so many have been stored, and are there or were evicted
all_are_counted() {
    client --fail "$PROXY/stats" | jq -e ".cache | .evictions + .item_count == $1"
}

# disk_bytes: what the file and its log take.
disk_bytes() {
    stat -c %s "$(db)" "$(db)-wal" | awk '{ n += $1 } END { print n }'
}

disk_bytes_below() {
    [[ $(disk_bytes) -lt $1 ]] || { ls -l "$(dirname "$(db)")"; return 1; }
}

@test "--max-cache-size holds: what was not used for longest goes, and is counted" {
    proxy --memory-cache 0 --max-cache-size 8
    local i all=400 mb=$((1024 * 1024))
    for i in 1 2 3 4 5; do
        gets MISS "$(n "$i" 50000)"
    done
    for ((i = 1000; i < 1000 + all; i += 50)); do
        client -g -s -Z --parallel-max 4 -o /dev/null "$PROXY/v1/x?script=seed:$i;size:100000" # warms up
        curl -q -s --noproxy '*' --no-progress-meter -Z --parallel-max 4 "$PROXY/v1/x?script=seed:[$i-$((i + 49))];size:100000" -o /dev/null
        # in use all the time; a batch (8 MiB) and the log (16 MiB) may come on top
        local k
        for k in 1 2 3 4 5; do
            gets HIT "$(n "$k" 50000)"
        done
        disk_bytes_below $((32 * mb))
    done
    eventually all_are_counted $((all + 5)) # the last ones get to disk a little later
    eventually disk_bytes_below $((9 * mb))
    figure_is bytes '<=' $((8 * mb))
    figure_is bytes '>' $((6 * mb))
    [[ $(figure evictions) -gt 300 ]]
    gets HIT "$(n "$((1000 + all - 1))" 100000)"
    gets MISS "$(n 1000 100000)"
    is_whole
    # emptied, it is small
    gives 0 cache clear
    eventually disk_bytes_below 100000
    expect_figure item_count = 0
}

@test "at rest the file is no larger than --max-cache-size, though it grew before the oldest went" {
    local end
    for end in rest stop; do
        proxy --memory-cache 0 --max-cache-size 2
        curl -q -s --noproxy '*' --no-progress-meter -Z "$PROXY/v1/x?script=seed:[1-19];size:100000" -o /dev/null
        expect_figure item_count = 19
        gets MISS "$(n 20 480000)"
        expect_figure evictions '>' 3
        [[ $end == stop ]] || eventually fits
        proxy_stop
        fits
    done
}

fits() {
    [[ $(stat -c %s "$(db)") -le 2097152 && $(stat -c %s "$(db)-wal") -eq 0 ]]
}

@test "a smaller --max-cache-size after a restart holds as well" {
    proxy --memory-cache 0
    local mb=$((1024 * 1024))
    curl -q -s --noproxy '*' --no-progress-meter -Z "$PROXY/v1/x?script=seed:[1-60];size:100000" -o /dev/null
    expect_figure item_count = 60
    proxy_stop
    proxy --home "$PROXY_HOME" --memory-cache 0 --max-cache-size 2
    gets MISS "$(n 1)"
    expect_figure bytes '<=' $((2 * mb))
    eventually disk_bytes_below $((3 * mb))
    gets HIT "$(n 1)"
}

# clock_is OFFSET: what proxies that are started through it take the time to be, as in "+6m".
clock_is() {
    echo "$1" >clock.new
    mv clock.new clock
}

faked_clock() {
    local lib
    lib=$(find /usr/lib /usr/local/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
    [[ $lib ]] || skip "libfaketime is not installed"
    clock_is +0
    clock_is_faked=1
    through env "LD_PRELOAD=$lib" "FAKETIME_TIMESTAMP_FILE=$PWD/clock" FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
}

# bats test_tags=unsanitized
@test "a clock that is set: no answer from the future, none that is too old; both stay on disk" {
    faked_clock
    local arg
    for arg in 64 0; do # from memory, from disk
        proxy --memory-cache "$arg"
        clock_is +0
        local began=$SECONDS
        gets MISS "$(n 1)"
        expect_figure item_count = 1
        clock_is +4m
        is_kept "$(n 1)"
        [[ $(field age) -ge 240 && $(field age) -le $((241 + SECONDS - began)) ]]
        for clock in +6m +9999d -1h -1m; do
            clock_is "$clock"
            is_gone "$(n 1)"
        done
        figure_is item_count = 1
        [[ $(sql 'SELECT count(*) FROM entry') -eq 1 ]]
        clock_is +1m
        is_kept "$(n 1)"
        # what is stored in its place counts
        clock_is +6m
        gets MISS "$(n 1)"
        eventually gets HIT "$(n 1)"
        expect_figure item_count = 1
        clock_is +10m
        is_kept "$(n 1)"
        proxy_stop
    done
}

# bats test_tags=unsanitized
@test "--cache-ttl forever goes by no age" {
    faked_clock
    proxy --memory-cache 0
    gets MISS "$(n 1)"
    proxy_stop
    clock_is +3650d
    proxy --home "$PROXY_HOME" --cache-ttl forever
    gets HIT "$(n 1)"
    [[ $(field age) -ge $((3650 * 86400)) ]]
}

# bats test_tags=unsanitized
@test "what is dropped while the clock is wrong stays dropped, and what comes after is kept" {
    faked_clock
    local clock
    for clock in -1h +1h; do
        proxy --memory-cache 0
        clock_is +0
        client -o /dev/null "$PROXY/v1/files"
        expect_figure item_count = 1
        clock_is "$clock"
        client -o /dev/null -X DELETE "$PROXY/v1/files/x"
        expect_figure item_count = 0
        clock_is +0
        is_gone /v1/files
        client -o /dev/null "$PROXY/v1/files"
        eventually is_kept /v1/files
        proxy_stop
    done
}

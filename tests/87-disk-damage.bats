# run-bats: first
# bats file_tags=disk
# Damage of every part of an entry, of the file and of its log: no answer is wrong, and all is mended.

load lib/vocabulary
load lib/disk

setup() {
    disk_setup
}

# ---- damage within the file ----

# What may happen to an entry (e) and its body (b); each is damage of its own.
damages=(
    "entry SET key=substr(key,1,31)||(CASE hex(substr(key,32)) WHEN '00' THEN x'01' ELSE x'00' END)"
    'entry SET stored_ms=stored_ms+1'
    'entry SET stored_ms=stored_ms+86400000'
    'entry SET collection=coalesce(collection,0)+1'
    'entry SET status=201'
    'entry SET status=400'
    "entry SET status='text'"
    'entry SET flags=(flags|1)-(flags&1)'
    'entry SET flags=(flags|2)-(flags&2)'
    'entry SET flags=flags|4'
    'entry SET flags=-1'
    'entry SET body_bytes=body_bytes+1'
    'entry SET body_bytes=0'
    'entry SET body_bytes=-1'
    'entry SET body_bytes=1<<60'
    "entry SET label='GET /v1/y'"
    'entry SET label=NULL'
    "entry SET model='gpt'"
    'entry SET sum=randomblob(16)'
    'entry SET sum=substr(sum,1,15)'
    "entry SET sum=x''"
    'body SET head=NULL'
    'body SET head=substr(head,3)'
    'body SET head=substr(head,1,length(head)-2)'
    "body SET head=replace(head,'openai','openaI')"
    "body SET head=head||x'58'"
    'body SET body=NULL'
    "body SET body=x''"
    'body SET body=substr(body,1,length(body)-1)'
    'body SET body=substr(body,2)'
    "body SET body=body||x'20'"
    'body SET body=randomblob(length(body))'
    'body SET body=substr(body,1,length(body)/2)'
    "body SET body=x'00'||substr(body,2)"
)

# damage WHAT ID: one of these happens to the entry of that id.
damage() {
    local what=$1 id=$2
    if [[ $what == body* ]]; then
        sql "UPDATE $what WHERE n=(SELECT n FROM entry WHERE id=$id); SELECT changes()"
    else
        sql "UPDATE $what WHERE id=$id; SELECT changes()"
    fi | grep -q -x 1
}

last_id() {
    sql 'SELECT id FROM entry ORDER BY stored_ms DESC, rowid LIMIT 1'
}

# kinds: paths of which the answers are kept plain, packed, and as random bytes.
kinds() {
    n 1
    echo "/v1/x?script=header:content-type=text/plain;body:$(printf 'pack%.0s' {1..1500})"
    n 7 20000
}

@test "each damage of an entry is a miss, is counted, and is mended, while the server runs" {
    proxy --memory-cache 0
    local path what count=0 id began=$SECONDS
    while read -r path; do
        gets MISS "$path"
        expect_figure item_count = 1
        for what in "${damages[@]}"; do
            echo "$what: ${path:0:60}"
            id=$(last_id)
            damage "$what" "$id"
            gets MISS "$path"
            count=$((count + 1))
            eventually mended
            expect_figure damaged = "$count"
            gets HIT "$path"
        done
        is_whole
        gives 0 cache clear
        expect_figure item_count = 0
    done < <(kinds)
    [[ $count -gt 90 ]]
    says_now_and_then "$began" 'entry of .* was damaged'
}

# The one entry is sound again. Not by asking for it, which would mend it too.
mended() {
    goproxyai cache verify | grep -q '^1 answer good, 0 damaged'
}

# bats test_tags=threads
@test "a damaged entry that is asked for twice at once is counted once, and fetched once" {
    proxy --memory-cache 0
    local i
    gets MISS "$(n 1)"
    expect_figure item_count = 1
    upstream_reset
    for i in 1 2 3 4 5; do
        sql "UPDATE body SET body=x'00'"
        ask "$(n 1)"
        ask "$(n 1)"
        ask "$(n 1)"
        is_kept "$(n 1)"
        expect_stat requests = "$i"
        # that it is kept does not say that it is in the file, where the next round wants it to be
        eventually mended
        expect_figure damaged = "$i"
    done
}

@test "damage that was done between runs: cache verify finds it, and the server misses" {
    proxy --memory-cache 0
    local i what all=${#damages[@]}
    for ((i = 0; i < all; i++)); do
        gets MISS "$(n "$i")"
        expect_figure item_count = $((i + 1))
        last_id >>ids
    done
    proxy_stop
    i=0
    while read -r id; do
        damage "${damages[i++]}" "$id"
    done <ids
    cp "$(db)" kept.db
    gives 1 cache verify
    grep -q "^0 answers good, $all damaged" out
    [[ $(grep -c ' is damaged$' out) -eq $all ]]
    # it has said that they were removed
    gives 0 cache verify
    # a running proxy looks itself, and counts them
    cp kept.db "$(db)"
    proxy --home "$PROXY_HOME" --memory-cache 0
    gives 1 cache verify
    grep -q "^0 answers good, $all damaged, removed, in the proxy on" out
    eventually figure_is damaged = "$all"
    figure_is item_count = 0
    proxy_stop
    cp kept.db "$(db)"
    proxy --home "$PROXY_HOME" --memory-cache 0
    for ((i = 0; i < all; i++)); do
        gets MISS "$(n "$i")"
    done
    figure_is damaged = "$all"
    for ((i = 0; i < all; i++)); do
        eventually gets HIT "$(n "$i")"
    done
    is_whole
}

@test "an entry that has lost its body, or has another one's, is a miss" {
    proxy --memory-cache 0
    local i
    gets MISS "$(n 1)"
    gets MISS "$(n 2)"
    expect_figure item_count = 2
    sql 'UPDATE body SET n=-n; UPDATE body SET n=n+(SELECT min(n)+max(n) FROM entry)'
    is_gone "$(n 1)"
    is_gone "$(n 2)"
    expect_figure damaged = 2
    for i in 1 2; do
        gets MISS "$(n "$i")"
    done
    eventually both_are_sound # the damaged ones were counted as well
    expect_figure item_count = 2
    sql 'DELETE FROM body'
    gives 1 cache verify
    for i in 1 2; do
        gets MISS "$(n "$i")"
        eventually gets HIT "$(n "$i")"
    done
    is_whole
}

both_are_sound() {
    goproxyai cache verify | grep -q '^2 answers good, 0 damaged'
}

# ---- damage to the file ----

# all_of DIR BASE [CURL-ARGS]: answers 1 to 20 become the files of DIR, but for those that --fail refuses.
all_of() {
    local dir=$1 base=$2
    shift 2
    curl -q -s --noproxy '*' --no-progress-meter --max-time 60 --create-dirs "$@" "$base/v1/x?script=seed:[1-20];size:3000" -o "$dir/#1"
}

# What is asked for again is what came before the file was found to be broken.
all_from_disk() {
    rm -rf got hits
    all_of got "$PROXY" || true
    diff -rq want got || return 99
    all_of hits "$PROXY" --fail -H 'Cache-Control: only-if-cached' || true
    diff -rq want hits
}

# serves_right: no answer is wrong, none is missing, and soon all are from disk.
serves_right() {
    [[ -d want ]] || all_of want "$UPSTREAM"
    eventually all_from_disk
}

# Damage may be found late, by the writer: what comes after it is sound.
verifies() {
    eventually sound
}

sound() {
    all_from_disk || return
    gives 0 cache verify
    grep -q '^20 answers good, 0 damaged' out || { cat out; return 1; }
}

# stored COUNT: that many are on disk, all in cache.db itself.
stored() {
    proxy --memory-cache 0
    curl -q -s --noproxy '*' --no-progress-meter -Z "$PROXY/v1/x?script=seed:[1-$1];size:3000" -o /dev/null
    expect_figure item_count = "$1"
    proxy_stop
    [[ ! -s $(db)-wal ]]
}

# What may happen to the whole file FILE.
flip() { # FILE OFFSET BYTES
    head -c "$3" /dev/urandom | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

spoil() {
    local file=$1 size
    size=$(stat -c %s "$file")
    case $2 in
    empty) : >"$file" ;;
    garbage) head -c 50000 /dev/urandom >"$file" ;;
    text) echo 'not a database' >"$file" ;;
    zeros) head -c "$size" /dev/zero >"$file" ;;
    cut:*) truncate -s "${2#cut:}" "$file" ;;
    short:*) truncate -s "$((size - ${2#short:}))" "$file" ;;
    half) truncate -s "$((size / 2))" "$file" ;;
    at:*) flip "$file" "${2#at:}" 64 ;;
    every:*)
        local i
        for ((i = 50; i < size; i += ${2#every:})); do
            flip "$file" "$i" 8
        done
        ;;
    version) sqlite3 "$file" 'PRAGMA user_version=0' ;;
    table) sqlite3 "$file" 'DROP TABLE body' ;;
    column) sqlite3 "$file" 'ALTER TABLE entry DROP COLUMN sum' ;;
    more) head -c 10000 /dev/urandom >>"$file" ;;
    esac
}

spoilings=(empty garbage text zeros cut:1 cut:50 cut:100 cut:4096 cut:6000 half short:1 short:4096 at:0 at:20 at:100
    at:4096 at:8200 every:4096 every:20000 version table column more)

good_again() {
    rm -f "$(db)"*
    cp good.db "$(db)"
}

@test "a file that was cut, overwritten or changed between runs: no wrong answer, and it is stored again" {
    local how
    stored 20
    cp "$(db)" good.db
    for how in "${spoilings[@]}"; do
        echo "spoilt: $how"
        good_again
        spoil "$(db)" "$how"
        proxy --home "$PROXY_HOME" --memory-cache 0
        serves_right
        verifies
        proxy_stop
        [[ $status -eq 0 ]]
        case $how in
        garbage | text | zeros | cut:50 | at:0 | table | version) says 1 'was begun anew: it was (damaged|made by an older)' ;;
        esac
    done
}

# bats test_tags=threads
@test "a file that is cut, overwritten or changed while the server runs: no wrong answer, and it is stored again" {
    local how
    stored 20
    cp "$(db)" good.db
    for how in "${spoilings[@]}"; do
        echo "spoilt: $how"
        good_again
        proxy --home "$PROXY_HOME" --memory-cache 0
        gets HIT "$(n 1 3000)"
        spoil "$(db)" "$how"
        serves_right
        proxy_stop
        [[ $status -eq 0 ]]
        # and whatever it has left
        proxy --home "$PROXY_HOME" --memory-cache 0
        serves_right
        verifies
        proxy_stop
    done
}

# log_spoilt HOW: what happens to the -wal and the -shm.
log_spoilt() {
    case $1 in
    wal-gone) rm -f "$(db)-wal" ;;
    shm-gone) rm -f "$(db)-shm" ;;
    both-gone) rm -f "$(db)-wal" "$(db)-shm" ;;
    wal-garbage) head -c 50000 /dev/urandom >"$(db)-wal" ;;
    shm-garbage) head -c 32768 /dev/urandom | dd of="$(db)-shm" conv=notrunc status=none ;;
    wal-flipped) flip "$(db)-wal" 5000 16 ;;
    wal-cut) truncate -s 20000 "$(db)-wal" ;;
    db-gone) rm -f "$(db)" ;;
    db-empty) : >"$(db)" ;;
    esac
}

@test "a log (-wal, -shm) that is lost or spoilt after kill -9: no wrong answer, and it is stored again" {
    local how
    for how in wal-gone shm-gone both-gone wal-garbage shm-garbage wal-flipped wal-cut db-gone db-empty; do
        echo "spoilt: $how"
        stored 5
        proxy --home "$PROXY_HOME" --memory-cache 0
        curl -q -s --noproxy '*' --no-progress-meter -Z "$PROXY/v1/x?script=seed:[6-20];size:3000" -o /dev/null
        expect_figure item_count = 20
        proxy_stop KILL
        [[ -s $(db)-wal ]]
        log_spoilt "$how"
        proxy --home "$PROXY_HOME" --memory-cache 0
        serves_right
        verifies
        proxy_stop
    done
}

# bats test_tags=threads
@test "a log (-wal, -shm) that is lost or spoilt while the server runs: no wrong answer; fine after a restart" {
    local how
    for how in wal-gone shm-gone both-gone wal-garbage wal-flipped wal-cut; do
        echo "spoilt: $how"
        proxy --memory-cache 0
        curl -q -s --noproxy '*' --no-progress-meter -Z "$PROXY/v1/x?script=seed:[1-20];size:3000" -o /dev/null
        expect_figure item_count = 20
        log_spoilt "$how"
        serves_right
        [[ $how != *-gone ]] || eventually grep -q 'its log (-wal, -shm) was removed' "$PROXY_LOG"
        curl -q -s --noproxy '*' --no-progress-meter -Z -H 'Cache-Control: no-cache' "$PROXY/v1/x?script=seed:[1-20];size:3000" -o /dev/null
        serves_right
        proxy_stop
        proxy --home "$PROXY_HOME" --memory-cache 0
        serves_right
        verifies
        proxy_stop
    done
}

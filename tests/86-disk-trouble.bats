# bats file_tags=disk,threads
# A disk, a folder or another program in the way: no answer fails, and it is said what to do.

load lib/vocabulary
load lib/disk

setup() {
    mounted=()
    disk_setup
}

teardown() {
    disk_teardown
}

# in_memory_only PATTERN: the proxy runs, has said so once, with this, and answers from memory.
in_memory_only() {
    says 1 'answers are kept in memory only'
    says 1 "$1.*answers are kept in memory only"
    gets MISS "$(n 1)"
    gets HIT "$(n 1)"
    gets MISS "$(n 2 50000)"
    gets HIT "$(n 2 50000)"
    client -o /dev/null -X DELETE "$PROXY/cache"
    gets MISS "$(n 1)"
    proxy_stop
    [[ $status -eq 0 ]]
    says 1 warning
}

@test "another program's database, or a newer one, is left alone, and it is said what to do" {
    mkdir -p other/cache/goproxyai newer
    chmod 700 other/cache/goproxyai
    sqlite3 other/cache/goproxyai/cache.db 'CREATE TABLE letters(a); INSERT INTO letters VALUES(1); PRAGMA application_id=7'
    cp other/cache/goproxyai/cache.db before
    proxy --home "$PWD/other"
    in_memory_only "another program's database: use another --cache-dir"
    expect_same before other/cache/goproxyai/cache.db
    proxy
    gets MISS "$(n 1)"
    proxy_stop
    sql 'PRAGMA user_version=1000'
    cp "$(db)" before
    proxy --home "$PROXY_HOME"
    in_memory_only 'was made by a newer goproxyai: use another --cache-dir, or remove'
    expect_same before "$(db)"
    gives 1 cache list
    grep -q 'newer goproxyai' err
}

# ---- the folder ----

# refused PATTERN [PROXY-ARGS]: on the folder `dir`.
refused() {
    local pattern=$1
    shift
    proxy --cache-dir "$PWD/dir" "$@"
    in_memory_only "$pattern"
    gives 1 cache list --cache-dir "$PWD/dir"
    grep -q -E "^goproxyai: .*$pattern" err
}

@test "a cache folder that is a file, or a link, or has one in place of cache.db" {
    touch dir
    refused 'dir is no folder: use another one|cannot make the folder .*/dir: .*exists|dir: Not a directory'
    rm dir
    mkdir -m 700 real dir2
    ln -s real dir
    refused 'dir is a symbolic link: name the folder that it leads to'
    [[ -z $(ls -A real) ]]
    rm dir
    mkdir -m 700 dir
    echo precious >letters
    ln -s "$PWD/letters" dir/cache.db
    refused 'cache.db is a symbolic link: remove it, or use another folder'
    [[ $(<letters) == precious ]]
    rm dir/cache.db
    mkdir dir/cache.db
    refused 'cache.db is no plain file: remove it, or use another folder'
    rmdir dir/cache.db
    ln -s "$PWD/letters" dir/cache.db-wal
    refused 'cache.db-wal is a symbolic link'
    [[ $(<letters) == precious ]]
}

@test "a cache folder, or file, that others may write to" {
    mkdir -m 770 dir
    refused 'dir may be written to by other users: run chmod go-w'
    chmod 702 dir
    refused 'dir may be written to by other users: run chmod go-w'
    chmod 700 dir
    touch dir/cache.db
    chmod 620 dir/cache.db
    refused 'cache.db may be written to by other users: run chmod go-w'
    # as it says
    chmod go-w dir/cache.db
    proxy --cache-dir "$PWD/dir" --memory-cache 0
    gets MISS "$(n 1)"
    eventually gets HIT "$(n 1)"
}

@test "a cache folder, or file, of another user" {
    need_root
    mkdir -m 700 dir
    chown 65534 dir
    refused 'dir belongs to another user \(uid 65534\): use another folder'
    chown 0 dir
    touch dir/cache.db
    chown 65534 dir/cache.db
    refused 'cache.db belongs to another user \(uid 65534\)'
}

@test "a cache folder that cannot be written to, or made" {
    # root may write anywhere, unless it gives that up
    [[ $(id -u) -ne 0 ]] || through setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search
    mkdir -m 500 dir
    refused 'cannot write in the folder .*dir: Permission denied'
    rmdir dir
    mkdir -m 500 above
    ln -s above/dir dir
    rm dir
    proxy --cache-dir "$PWD/above/dir"
    in_memory_only 'cannot make the folder .*above/dir: Permission denied'
}

@test "no HOME" {
    through env -u HOME -u XDG_CACHE_HOME -u XDG_STATE_HOME -u XDG_CONFIG_HOME
    proxy
    in_memory_only 'no HOME .*--cache-dir'
    gives 2 cache list
    grep -q 'no HOME .*--cache-dir' err
    mkdir -m 700 dir
    proxy --cache-dir "$PWD/dir" --memory-cache 0
    gets MISS "$(n 1)"
    eventually gets HIT "$(n 1)"
}

# bats test_tags=unsanitized
@test "a file system without locks (NFS, some container mounts) leaves the cache on, and says what to heed" {
    preload nolock <<'C'
#include <errno.h>

int flock(int fd, int how)
{
    (void)fd;
    (void)how;
    errno = ENOLCK;
    return -1;
}
C
    proxy
    says 1 'warning.*the file system of .* has no locks: .*--cache-dir'
    gets MISS "$(n 1)"
    gets HIT "$(n 1)"
    expect_figure item_count = 1
    proxy_stop
    [[ $status -eq 0 ]]
    proxy --home "$PROXY_HOME"
    gets HIT "$(n 1)"
    gives 0 cache list
    [[ $(wc -l <out) -eq 1 ]]
    gives 0 cache clear
    grep -q '^1 answer removed' out
    gets MISS "$(n 1)"
    figure disk_errors | grep -q '^0$'
}

@test "an answer that is too large for the file is no trouble of the disk: it is counted as what it is" {
    proxy --max-cache-size 1M
    gets MISS "$(n 1 1000)"
    expect_figure item_count = 1
    gets MISS "$(n 2 300000)"
    expect_figure too_large = 1
    # the memory has it
    gets HIT "$(n 2 300000)"
    gets MISS "$(n 3 262144)"
    expect_figure item_count = 2
    figure_is too_large = 1
    figure_is dropped = 0
    figure_is disk_errors = 0
    says 0 warning
}

# ---- the disk ----

# said_clearly: one line, once a minute, of what cannot be written.
said_clearly() {
    says 1 'warning: cannot (write|use|make) .*cache.db.*(full|disk I/O error|answers are not stored now)'
    says 1 warning
}

fill() {
    dd if=/dev/zero of="$1/fill" bs=64k status=none 2>/dev/null || true
}

@test "a disk that fills up: answers go on, it is said once, and it goes on storing when there is room" {
    small_disk disk 2m
    proxy --cache-dir "$PWD/disk/cache" --memory-cache 0
    local i
    client -o /dev/null "$PROXY/v1/files"
    gets MISS "$(n 1)"
    eventually gets HIT "$(n 1)"
    eventually is_kept /v1/files
    for ((i = 100; i < 140; i++)); do
        gets MISS "$(n "$i" 100000)"
    done
    expect_figure disk_errors '>' 0
    expect_figure dropped '>' 0
    said_clearly
    # what is there is good; what is taken away is gone, although that cannot be written either
    fill disk
    gets HIT "$(n 1)"
    client -o /dev/null -X DELETE "$PROXY/v1/files/x"
    is_gone /v1/files
    gets MISS "$(n 141 100000)"
    mount -o remount,size=20m disk
    eventually is_stored 200
    is_gone /v1/files
    client -o /dev/null "$PROXY/v1/files"
    eventually is_kept /v1/files
    gives 0 cache verify --cache-dir "$PWD/disk/cache"
    proxy_stop
    [[ $status -eq 0 ]]
}

# is_stored N: asks for it, and sees whether it was kept.
is_stored() {
    ask "$(n "$1" 100000)"
    eventually 1 is_kept "$(n "$1" 100000)"
}

@test "a disk that is full from the beginning: cache clear makes room, and so does the user" {
    small_disk disk 1m
    mkdir -m 700 disk/cache
    fill disk
    proxy --cache-dir "$PWD/disk/cache"
    gets MISS "$(n 1)"
    gets HIT "$(n 1)"
    says 1 'warning.*(full|not stored|memory only)'
    proxy_stop
    [[ $status -eq 0 ]]
    rm disk/fill
    proxy --cache-dir "$PWD/disk/cache" --memory-cache 0
    curl -q -s --noproxy '*' --no-progress-meter "$PROXY/v1/x?script=seed:[1-20];size:100000" -o /dev/null
    expect_figure dropped '>' 0
    gives 0 cache clear --cache-dir "$PWD/disk/cache"
    eventually is_stored 200
}

@test "a limit of the size of files (ulimit -f) is trouble of the disk: answers go on" {
    through sh -c 'ulimit -f 2000; exec "$@"' sh
    proxy
    local i
    for i in {1..15}; do
        gets MISS "$(n "$i" 200000)"
    done
    eventually says 1 warning
    for i in {16..18}; do
        gets MISS "$(n "$i" 200000)"
        gets HIT "$(n "$i" 200000)"
    done
    proxy_stop
    [[ $status -eq 0 ]]
    # and from the beginning
    through sh -c 'ulimit -f 8; exec "$@"' sh
    proxy
    gets MISS "$(n 1)"
    gets HIT "$(n 1)"
    proxy_stop
    [[ $status -eq 0 ]]
}

@test "a disk that cannot be written to: it is said what is the matter" {
    small_disk disk 1m
    mkdir -m 700 disk/cache
    mount -o remount,ro disk
    proxy --cache-dir "$PWD/disk/cache"
    in_memory_only 'Read-only file system'
    mount -o remount,rw disk
    proxy --cache-dir "$PWD/disk/cache" --memory-cache 0
    gets MISS "$(n 1)"
    eventually gets HIT "$(n 1)"
}

# held BEGIN: another process has the file, until the descriptor `hold` is closed.
held() {
    mkfifo hold
    sh -c 'exec sqlite3 -batch "$1" <hold >held.out 2>&1' - "$(db)" 3>&- 4>&- &
    tracked_pids+=("$!")
    exec {hold}>hold
    echo "$1; SELECT 'held';" >&"$hold"
    eventually grep -q held held.out
}

@test "a file that another process keeps locked: nothing waits, nothing wrong, and it catches up" {
    proxy --memory-cache 0
    local i began=$SECONDS
    gets MISS "$(n 1)"
    client -o /dev/null "$PROXY/v1/files"
    expect_figure item_count = 2
    held 'BEGIN EXCLUSIVE'
    for ((i = 10; i < 40; i++)); do
        ask "$(n "$i")" -w '%{time_total}\n' >>seconds
        gets HIT "$(n 1)"
    done
    # whoever waited for the file would do so for all of the 3 s that the writer does; most get no farther than others
    sort -n seconds >sorted
    sanitized || not awk '$1 > 2.5 || (NR == 15 && $1 > 0.5) { print; bad = 1 } END { exit !bad }' sorted
    client -o /dev/null -X DELETE "$PROXY/v1/files/x"
    is_gone /v1/files
    # so long that the writer gives up: what is not written then is counted
    eventually figure_is dropped '>' 0
    is_gone /v1/files
    gets HIT "$(n 1)"
    exec {hold}>&-
    eventually is_stored 200
    is_gone /v1/files
    is_whole
    says_now_and_then "$began" 'locked.*answers are not stored now'
    not grep -v 'locked.*answers are not stored now' <(grep warning "$PROXY_LOG")
    proxy_stop
    [[ $status -eq 0 ]]
}

@test "a server that is stopped while another process has the file does not hang" {
    proxy --memory-cache 0
    gets MISS "$(n 1)"
    expect_figure item_count = 1
    held 'BEGIN EXCLUSIVE'
    gets MISS "$(n 2)"
    local begin
    begin=$(now_ms)
    proxy_stop
    [[ $status -eq 0 && $(($(now_ms) - begin)) -lt 15000 ]]
    exec {hold}>&-
}

@test "the folder is removed under the running server: it is made again, and stored in" {
    proxy
    gets MISS "$(n 1)"
    expect_figure item_count = 1
    rm -rf "$PROXY_HOME/cache"
    ask "$(n 1)"
    grep -q '^HTTP/1.1 200' head
    gets MISS "$(n 2)"
    eventually gone_and_back
    [[ $(stat -c %a "$(dirname "$(db)")") == 700 ]]
    is_whole
    says 0 'cannot'
    local i
    for i in 1 2 3; do
        rm -rf "$PROXY_HOME/cache"
        eventually gone_and_back
    done
}

# A new answer is in the new file.
gone_and_back() {
    back=$((${back:-1000} + 1))
    gets MISS "$(n "$back$RANDOM")" || return 1
    [[ -e $(db) ]] && eventually 1 figure_is item_count '>' 0 && [[ $(sql 'SELECT count(*) FROM entry') -gt 0 ]]
}

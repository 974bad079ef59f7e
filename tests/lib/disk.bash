# disk.bash: words for tests of what is kept on disk; `load lib/disk` after the vocabulary.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the other files

# disk_setup: an upstream, and a proxy that a test may send as much as it likes.
disk_setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    export RATE_LIMIT=0
    server
}

# ask PATH [CURL-ARGS]: through the proxy; the answer is in the files `head` and `body`.
ask() {
    local path=$1
    shift
    client -g -D head -o body "$@" "$PROXY$path"
}

# field NAME: of the latest head.
field() {
    sed -n "s/^$1: \(.*\)\r\$/\1/Ip" head
}

# gets HIT|MISS|BYPASS PATH [CURL-ARGS]: such an answer, 200, with the bytes that the upstream sends.
# PATH is one whose answer depends on it alone, as n() makes them.
gets() {
    local word=$1 path=$2
    shift
    ask "$@" || return 1
    if ! grep -q '^HTTP/1.1 200' head || [[ $(field x-cache) != "$word" ]]; then
        echo "${path:0:80}: expected 200 and $word, got"
        cat head
        return 1
    fi
    shift
    client -g -o direct "$@" "$UPSTREAM$path" && expect_same direct body
}

# n NUMBER [BYTES]: the path of a JSON answer that tells its number; with BYTES, of one of so many
# random bytes.
n() {
    if [[ ${2:-} ]]; then
        echo "/v1/x?script=seed:$1;size:$2"
    else
        echo "/v1/x?script=body:{\"n\":$1}"
    fi
}

# is_kept PATH [CURL-ARGS], is_gone PATH [CURL-ARGS]: may it be answered without the upstream? Neither
# asks the upstream for it.
is_kept() {
    ask "$@" -H 'Cache-Control: only-if-cached' || return 1
    [[ $(field x-cache) == HIT ]] || { cat head; return 1; }
}

is_gone() {
    ask "$@" -H 'Cache-Control: only-if-cached' || return 1
    grep -q '^HTTP/1.1 504' head || { cat head; return 1; }
}

# at NAME: the proxy of that name is the one that is asked.
at() {
    local from=PROXY_$1
    PROXY=${!from}
}

# figure NAME: of /stats, below cache. expect_figure NAME OP VALUE: it gets there, and nothing is at work
# any more: the figures are right a moment before the store's thread has let go of what it wrote.
figure() {
    client --fail "$PROXY/stats" | jq ".cache.$1"
}

expect_figure() {
    eventually figure_is "$@" || return 1
    [[ ${clock_is_faked:-} ]] || eventually at_rest # libfaketime lets a thread that waits for a time run in circles
}

figure_is() {
    local is
    is=$(figure "$1") || return 1
    jq -n -e "$is ${2/#=/==} $3" >/dev/null || {
        echo "$1 is $is, expected $2 $3"
        return 1
    }
}

# The file, sqlite3 on it, and what its own check says.
db() {
    echo "$PROXY_HOME/cache/goproxyai/cache.db"
}

sql() {
    sqlite3 -batch -bail -cmd '.timeout 5000' "$(db)" "$@"
}

# is_whole: sqlite3 and `cache verify` find nothing wrong.
is_whole() {
    local said
    said=$(sql 'PRAGMA integrity_check')
    [[ $said == ok ]] || { echo "integrity_check: $said"; return 1; }
    gives 0 cache verify
    grep -q ' 0 damaged' out || { cat out; return 1; }
}

# says COUNT PATTERN: so many lines of the proxy's log are like it. The log comes a little later than what it tells.
says() {
    if [[ $1 -gt 0 ]]; then eventually has_lines "$@"; else has_lines "$@"; fi
}

# says_now_and_then BEGAN PATTERN: the log says it, and at most once a minute since then ($SECONDS).
says_now_and_then() {
    eventually grep -q -i -E -- "$2" "$PROXY_LOG" >/dev/null || return 1
    [[ $(grep -c -i -E -- "$2" "$PROXY_LOG") -le $((1 + (SECONDS - $1) / 60)) ]] || {
        echo "too often in $((SECONDS - $1)) s:"
        cat "$PROXY_LOG"
        return 1
    }
}

has_lines() {
    [[ $(grep -c -i -E -- "$2" "$PROXY_LOG") -eq $1 ]] || {
        echo "expected $1 lines with '$2':"
        cat "$PROXY_LOG"
        return 1
    }
}

# small_disk DIR SIZE: a file system of its own there; disk_teardown takes it away.
small_disk() {
    need_root
    mkdir -p "$1"
    mount -t tmpfs -o "size=$2,mode=700" none "$1" 2>/dev/null || skip "no file system can be mounted here"
    mounted+=("$(cd "$1" && pwd)")
}

disk_teardown() {
    local bad=0 dir
    vocabulary_teardown || bad=1
    for dir in "${mounted[@]}"; do
        umount -l "$dir"
    done
    mounted=()
    return "$bad"
}

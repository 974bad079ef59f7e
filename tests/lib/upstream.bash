# upstream.bash: the scripted upstream, its barriers and counters. The grammar
# of scripts stands in tests/upstream.c.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the other files

# server [ARGS…]: starts an upstream; sets UPSTREAM, UPSTREAM_PORT, UPSTREAM_PID.
server() {
    local out log
    upstream_count=$((${upstream_count:-0} + 1))
    out=$(work_dir)/upstream.$upstream_count.out
    log=$(work_dir)/upstream.$upstream_count.log
    tracked_logs+=("$log")
    spawn "$out" "$log" "$test_bin/upstream" "$@"
    UPSTREAM_PID=$spawned
    eventually upstream_ready "$spawned" "$out" "$log" || return 1
    read -r _ UPSTREAM_PORT <"$out"
    UPSTREAM=http://127.0.0.1:$UPSTREAM_PORT
}

upstream_ready() {
    [[ ! -s $2 ]] || return 0
    cat "$3"
    alive "$1" || return 99
    return 1
}

# upstream_get PATH: a control path below /_/, as in `upstream_get last/headers`.
upstream_get() {
    client --fail "$UPSTREAM/_/$1"
}

# upstream_line METHOD PATH: the same, for what is one line long and text; in $upstream_said, without a process.
upstream_line() {
    local fd line status=''
    upstream_said=
    { exec {fd}<>"/dev/tcp/127.0.0.1/$UPSTREAM_PORT"; } 2>/dev/null || {
        echo "no upstream listens on port $UPSTREAM_PORT"
        return 1
    }
    printf '%s /_/%s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" "$2" >&"$fd"
    read -r -t 20 -u "$fd" _ status _ || true
    while IFS= read -r -t 20 -u "$fd" line && [[ $line != $'\r' ]]; do :; done
    IFS= read -r -t 20 -u "$fd" upstream_said || true
    exec {fd}>&-
    [[ $status == 2* ]] || {
        echo "the upstream says '$status' to $1 $2: $upstream_said"
        return 1
    }
}

upstream_reset() {
    upstream_line POST reset
}

# barrier wait NAME [N]: until N (1) requests wait there; barrier release NAME.
barrier() {
    case $1 in
    wait) eventually barrier_holds "$2" "${3:-1}" ;;
    release) upstream_line POST "release/$2" ;;
    *)
        echo "barrier: wait or release, not $1"
        return 2
        ;;
    esac
}

barrier_holds() {
    upstream_line GET "waiting/$1" || return 1
    [[ $upstream_said -ge $2 ]] || {
        echo "at the barrier $1 wait $upstream_said, not $2"
        return 1
    }
}

# expect_stat NAME OP VALUE: the upstream's counter gets there.
# OP is = != < <= > or >=.
expect_stat() {
    eventually stat_is "$@"
}

stat_is() {
    local n
    upstream_line GET "counters/$1" || return 1
    n=$upstream_said
    case $2 in
    = | ==) [[ $n -eq $3 ]] ;;
    !=) [[ $n -ne $3 ]] ;;
    '<') [[ $n -lt $3 ]] ;;
    '<=') [[ $n -le $3 ]] ;;
    '>') [[ $n -gt $3 ]] ;;
    '>=') [[ $n -ge $3 ]] ;;
    *) false ;;
    esac || {
        echo "$1 is $n, expected $2 $3"
        return 1
    }
}

# fresh: a word that no request has had yet. In a query it makes a request one of which nothing is in the cache; a
# script (X-Script) does not, as proxies are started with --key-ignore-header X-Script.
fresh() {
    echo "$EPOCHREALTIME$RANDOM"
}

# proxy.bash: goproxyai itself.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the other files

# proxy [--name N] [--home DIR] [SERVE-ARGS…]: starts `goproxyai serve` on a free
# port in front of $UPSTREAM with folders of its own; sets PROXY, PROXY_PORT,
# PROXY_PID, PROXY_LOG (stderr), PROXY_OUT, PROXY_HOME, and with --name b also
# PROXY_b, PROXY_b_PORT, … --home takes the folders of an earlier one, for what
# is to survive a restart. The header X-Script, which steers the upstream, is no
# part of the cache key; a test that gives --key-ignore-header lists it itself.
proxy() {
    local name='' home='' key
    while [[ ${1:-} == --name || ${1:-} == --home ]]; do
        if [[ $1 == --name ]]; then name=$2; else home=$2; fi
        shift 2
    done
    proxy_count=$((${proxy_count:-0} + 1))
    local dir
    dir=$(work_dir)
    PROXY_HOME=${home:-$dir/proxy.$proxy_count}
    PROXY_LOG=$dir/proxy.$proxy_count.log
    PROXY_OUT=$dir/proxy.$proxy_count.out
    make_home "$PROXY_HOME"
    tracked_logs+=("$PROXY_OUT" "$PROXY_LOG")
    proxy_spawn "$@"
    PROXY_PID=$spawned
    tracked_proxies+=("$PROXY_PID:$PROXY_LOG")
    PROXY_PORT=
    proxy_ready || return 1
    PROXY=http://127.0.0.1:$PROXY_PORT
    [[ -n $name ]] || return 0
    printf -v "PROXY_$name" %s "$PROXY"
    for key in PORT PID LOG OUT HOME; do
        local from=PROXY_$key
        printf -v "PROXY_${name}_$key" %s "${!from}"
    done
}

proxy_spawn() {
    local -a before=(--port 0)
    [[ " $*" != *" --port"* ]] || before=()
    [[ " $*" == *" --upstream"* || -z ${UPSTREAM:-} ]] || before+=(--upstream "$UPSTREAM")
    [[ " $*" == *" --key-ignore-header"* ]] || before+=(--key-ignore-header X-Script)
    spawn "$PROXY_OUT" "$PROXY_LOG" env -u GOPROXYAI_TEST_BIN -u GOPROXYAI_SANITIZED HOME="$PROXY_HOME" XDG_CACHE_HOME="$PROXY_HOME/cache" \
        XDG_STATE_HOME="$PROXY_HOME/state" XDG_CONFIG_HOME="$PROXY_HOME/config" XDG_RUNTIME_DIR="$PROXY_HOME/run" \
        "$goproxyai_bin" serve "${before[@]}" "$@"
}

# The port where it says that it listens, in PROXY_PORT.
proxy_port() {
    local file text
    for file in "$PROXY_LOG" "$PROXY_OUT"; do
        [[ -s $file ]] || continue
        text=$(<"$file")
        [[ $text =~ (OPENAI_BASE_URL=[\"\']?http://[^[:space:]]*|http://localhost):([0-9]+)/v1 ]] || continue
        PROXY_PORT=${BASH_REMATCH[2]}
        return 0
    done
    return 1
}

# It is ready when it has said where it listens; sanitizers take their time.
proxy_ready() {
    local deadline
    deadline_in 20
    while ! proxy_port; do
        if ! alive "$PROXY_PID"; then
            pid_ends "$PROXY_PID" 5
            echo "goproxyai serve ended with status ${ended[$PROXY_PID]} before it listened:"
            cat "$PROXY_LOG"
            return 1
        fi
        if is_over; then
            echo "goproxyai serve did not say within 20 s where it listens:"
            cat "$PROXY_LOG"
            return 1
        fi
        sleep 0.02
    done
}

# proxy_stop [--name N] [SIGNAL]: ends it (TERM); its exit status in $status.
proxy_stop() {
    local pid=$PROXY_PID key
    if [[ ${1:-} == --name ]]; then
        key=PROXY_${2}_PID
        pid=${!key}
        shift 2
    fi
    kill -s "${1:-TERM}" "$pid" 2>/dev/null || true
    if ! pid_ends "$pid" 20; then
        echo "the proxy $pid did not end within 20 s of SIG${1:-TERM}"
        return 1
    fi
    # shellcheck disable=SC2034 # for the test, as after bats' run
    status=${ended[$pid]}
}

# goproxyai ARGS…: another command of it, with the folders of the latest proxy, which it finds by its note. The
# developer's own proxy is out of its reach: without another port, cache and stats ask one that nobody listens on.
# At most two minutes: a command that is not to run on must not hold a test.
goproxyai() {
    local home=${PROXY_HOME:-$(work_dir)/proxy.none}
    make_home "$home"
    (
        [[ ${1:-} != cache && ${1:-} != stats ]] || export GOPROXYAI_PORT="${GOPROXYAI_PORT:-1}"
        unset GOPROXYAI_TEST_BIN GOPROXYAI_SANITIZED
        export HOME=$home XDG_CACHE_HOME=$home/cache XDG_STATE_HOME=$home/state XDG_CONFIG_HOME=$home/config \
            XDG_RUNTIME_DIR=$home/run
        exec timeout 120 "$goproxyai_bin" "$@" 3>&- 4>&-
    )
}

# own_config: a home for the proxies and commands of this test; $config_file is the path of its config file, which is absent
own_config() {
    PROXY_HOME=$BATS_TEST_TMPDIR/home
    config_file=$PROXY_HOME/config/goproxyai/config
    mkdir -p "${config_file%/*}"
}

# make_home DIR: the folders that a proxy, or a command, has of its own
make_home() {
    [[ -d $1/cache && -d $1/state && -d $1/config ]] || mkdir -p "$1"/{cache,state,config}
    [[ -d $1/run ]] || mkdir -m 700 "$1/run"
}

# through CMD…: from now on proxies, and commands, are started by it: CMD goproxyai ARGS.
through() {
    printf '#!/bin/sh\nexec' >wrapper
    printf ' %q' "$@" "${real_bin:=$goproxyai_bin}" >>wrapper
    printf ' "$@"\n' >>wrapper
    chmod +x wrapper
    goproxyai_bin=$PWD/wrapper
}

# preload NAME: the C code of stdin stands in the place of library functions in proxies that are started from now on
preload() {
    need cc
    cc -x c -shared -fPIC -O1 -D_GNU_SOURCE -o "$PWD/$1.so" - -ldl || return 1
    through env "LD_PRELOAD=$PWD/$1.so"
}

# sanitized: is this proxy a sanitizer build (GOPROXYAI_SANITIZED=1), whose memory and speed say nothing?
sanitized() {
    [[ ${GOPROXYAI_SANITIZED:-} == 1 ]]
}

# peak_kb [PID]: the most memory that the proxy has had resident; peak_below KB [PID] checks it.
peak_kb() {
    sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/${1:-$PROXY_PID}/status"
}

peak_below() {
    local kb
    kb=$(peak_kb "${2:-$PROXY_PID}")
    [[ -n $kb ]] || return 1
    sanitized || [[ $kb -lt $1 ]] || {
        echo "the proxy has had $kb KiB resident, more than $1"
        return 1
    }
}

# A crash or a finding of a sanitizer fails the test, whatever it was about.
proxies_were_well() {
    local entry pid log text bad=0
    for entry in "${tracked_proxies[@]}"; do
        pid=${entry%%:*} log=${entry#*:}
        text=
        [[ ! -s $log ]] || text=$(<"$log") 2>/dev/null
        if [[ $text == *Sanitizer* || $text == *'runtime error:'* ]]; then
            echo "a sanitizer complains in $log:"
            grep -E -a -A 30 'Sanitizer|runtime error:' "$log" | head -n 60
            bad=1
        fi
        case ${ended[$pid]:-0} in
        132 | 134 | 135 | 136 | 139)
            echo "the proxy $pid crashed: status ${ended[$pid]}"
            bad=1
            ;;
        esac
    done
    return "$bad"
}

# gives STATUS ARGS…: the command's exit status; stdout and stderr in the files out and err
gives() {
    local expected=$1 code=0
    shift
    goproxyai "$@" >out 2>err || code=$?
    [[ $code -eq $expected ]] || {
        echo "goproxyai $*: status $code, expected $expected"
        cat out err
        return 1
    }
}

# ours STATUS CODE TEXT: an answer of the proxy itself to a request for models
ours() {
    local got
    got=$(client -o got -w '%{http_code}' "$PROXY/v1/models")
    if [[ $got != "$1" ]] || ! jq -e --arg code "$2" --arg text "$3" '.error | .code == $code and (.message | test($text))' got >/dev/null; then
        echo "got $got, expected $1, code $2, a message with $3"
        cat got
        return 1
    fi
}

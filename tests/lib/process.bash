# process.bash: processes that end with the test, polling to a deadline, files.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the other files

tracked_pids=()  # of everything started here, in order
tracked_logs=()  # shown when a test fails
tracked_dirs=()  # removed in the end
tracked_proxies=() # PID:LOG of every proxy
declare -gA ended # PID -> exit status, of what was waited for

# The folder for what a test leaves behind.
work_dir() {
    echo "${BATS_TEST_TMPDIR:-${BATS_FILE_TMPDIR:?only within bats}}"
}

now_ms() {
    echo "$((${EPOCHREALTIME/[^0-9]/} / 1000))"
}

# deadline_in SECONDS sets the caller's $deadline, which is_over tells to have passed: now_ms without a process for each.
deadline_in() {
    deadline=$((${EPOCHREALTIME/[^0-9]/} + $1 * 1000000))
}

is_over() {
    [[ ${EPOCHREALTIME/[^0-9]/} -ge $deadline ]]
}

# spawn OUT ERR CMD…: CMD in the background, its pid in $spawned. File
# descriptor 3 is bats' own: a child that keeps it makes bats wait for it.
spawn() {
    local out=$1 err=$2
    shift 2
    if [[ $out == "$err" ]]; then
        "$@" >"$out" 2>&1 </dev/null 3>&- 4>&- &
    else
        "$@" >"$out" 2>"$err" </dev/null 3>&- 4>&- &
    fi
    spawned=$!
    tracked_pids+=("$spawned")
}

alive() {
    kill -0 "$1" 2>/dev/null
}

# pid_ends PID SECONDS: waits for a child; its status is then in ${ended[PID]}.
pid_ends() {
    local deadline code=0
    [[ -z ${ended[$1]:-} ]] || return 0
    deadline_in "$2"
    while alive "$1"; do
        ! is_over || return 1
        sleep 0.02
    done
    wait "$1" 2>/dev/null || code=$?
    ended[$1]=$code
}

# state_of STAT: the state letter in that /proc/…/stat (proc(5)), in $state; false where the process has ended
state_of() {
    local line
    { read -r line <"$1"; } 2>/dev/null || return 1
    line=${line##*) }
    state=${line:0:1}
}

# Ends all that was started, the latest first: the proxy before its upstream.
end_processes() {
    local i pid state bad=0
    for ((i = ${#tracked_pids[@]} - 1; i >= 0; i--)); do
        kill -TERM "${tracked_pids[i]}" 2>/dev/null || true
        # A test may have stopped it. No other one gets a CONT: that cancels the STOP with which
        # LeakSanitizer, at the end of a program, takes hold of its threads.
        if state_of "/proc/${tracked_pids[i]}/stat" && [[ $state == T ]]; then
            kill -CONT "${tracked_pids[i]}" 2>/dev/null || true
        fi
    done
    for ((i = ${#tracked_pids[@]} - 1; i >= 0; i--)); do
        pid=${tracked_pids[i]}
        if ! pid_ends "$pid" 20; then
            echo "process $pid did not end within 20 s of SIGTERM"
            kill -KILL "$pid" 2>/dev/null || true
            pid_ends "$pid" 5 || true
            bad=1
        fi
    done
    tracked_pids=()
    return "$bad"
}

show_logs() {
    local log
    for log in "${tracked_logs[@]}"; do
        [[ -s $log ]] || continue
        echo "---- the end of $log"
        tail -n 40 "$log"
    done
}

# eventually [SECONDS] CMD…: until CMD succeeds; at the deadline (30 s, which only
# what hangs reaches) it fails and shows what CMD said last. A CMD that returns 99
# says that it is hopeless.
eventually() {
    local seconds=30 said code deadline
    if [[ $1 =~ ^[0-9]+$ ]]; then
        seconds=$1
        shift
    fi
    deadline_in "$seconds"
    said=$(work_dir)/eventually.$BASHPID
    while :; do
        code=0
        "$@" >"$said" 2>&1 || code=$?
        [[ $code -ne 0 ]] || break
        if [[ $code -eq 99 ]] || is_over; then
            echo "not within $seconds s: $*"
            cat "$said"
            return 1
        fi
        sleep 0.03
    done
    [[ ! -s $said ]] || cat "$said"
}

# within_a_second CMD…: as eventually, but the second is one of waiting: the time
# that CMD itself takes, which is long on a busy machine, does not count.
within_a_second() {
    local naps
    for naps in 1 2 3 4 5; do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.2
    done
    "$@" || {
        echo "not within $naps naps of 0.2 s: $*"
        return 1
    }
}

# at_rest [PID…]: no thread of these processes (without any: of all proxies) runs,
# or waits for a processor or for the disk. What they have begun they have done.
at_rest() {
    local entry pid stat state
    local -a pids=("$@")
    if [[ $# -eq 0 ]]; then
        for entry in "${tracked_proxies[@]}"; do
            pids+=("${entry%%:*}")
        done
    fi
    for pid in "${pids[@]}"; do
        for stat in "/proc/$pid/task/"*/stat; do
            state_of "$stat" || continue
            [[ $state != [RD] ]] || {
                echo "busy: $stat"
                return 1
            }
        done
    done
}

# not CMD…: in a test `! CMD` goes unnoticed, since bash does not exit for it.
not() {
    if "$@"; then
        echo "should have failed: $*"
        return 1
    fi
}

# expect_same FILE1 FILE2: the same bytes, or where they differ.
expect_same() {
    cmp -s -- "$1" "$2" && return 0
    echo "files differ: $1 ($(stat -c %s -- "$1") bytes), $2 ($(stat -c %s -- "$2") bytes)"
    cmp -- "$1" "$2" 2>&1 || true
    diff <(od -A d -v -t x1z -- "$1" | head -n 20000) <(od -A d -v -t x1z -- "$2" | head -n 20000) | head -n 20
    return 1
}

# need CMD…: skips the test where a program is not installed.
need() {
    local cmd
    for cmd in "$@"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$cmd" >/dev/null || skip "$cmd is not installed"
    done
}

need_root() {
    [[ $(id -u) -eq 0 ]] || skip "this takes root"
}

free_port() {
    "$test_bin/upstream" --free-port
}

port_answers() {
    "$test_bin/rawclient" --probe "127.0.0.1:$1"
}

# client ARGS…: curl, quiet, bounded, without the settings of the machine.
client() {
    curl -q -sS --max-time 60 --noproxy '*' "$@"
}

# raw HOST:PORT [OPTIONS]: the bytes of stdin over TCP; rawclient.c has the options.
# It waits for 20 s at most, unless --timeout says otherwise.
raw() {
    local where=$1
    shift
    "$test_bin/rawclient" --timeout 20 "$@" "$where"
}

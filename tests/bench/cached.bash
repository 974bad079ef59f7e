# shellcheck shell=bash
# tests/bench/cached.bash: the sections about what is kept: hit disk store entries. Sourced by
# tests/bench/run, whose words it uses; README.md in this folder says what is measured and how.
# shellcheck disable=SC2154,SC2034 # variables that run sets, or reads

kept_keys=64       # so that not one object alone is hot
disk_keys=20000    # fewer than the memory tier could hold; each one is asked for once
entry_keys=100000
hit_slices=3       # of a round
store_slices=5
fresh_key=1000000000 # where the keys that are asked for once begin; every use moves it on
if [[ $quick ]]; then
	disk_keys=4000 entry_keys=20000 hit_slices=1 store_slices=2
fi

# keys NAME BODY CONNECTIONS [OPTION...]: benchkeys against NAME. Sets requests, per_second, hits,
# misses, stored, p99_us, cpu_us, busy (percent of a core), worker_us (CPU of the busiest thread) and
# asked_upstream. 1 unless every answer was a 200.
keys() {
	local name=$1 body=$2 conns=$3 out us errors before threads cpu started_at figure
	shift 3
	upstream_answers && before=$REPLY
	threads_ns "${pid[$name]}" && threads=$REPLY
	if ! cpu_ns "${pid[$name]}"; then
		note "$name is gone"
		return 1
	fi
	cpu=$REPLY
	started_at=$(date +%s%N)
	out=$(timeout 120 taskset -c "$load_core" "$tools/benchkeys" -p "${port[$name]}" -b "$body" \
		-c "$conns" "$@" 2>&1)
	started_at=$(($(date +%s%N) - started_at))
	[[ $name == goproxyai ]] && written_behind
	if ! cpu_ns "${pid[$name]}"; then
		note "$name is gone: $(tail -n 2 "$scratch/$name.err" 2>/dev/null)"
		return 1
	fi
	cpu=$((REPLY - cpu))
	threads_ns "${pid[$name]}"
	busiest_ns "$threads" "$REPLY"
	worker_us=$REPLY
	: >"$scratch/goproxyai.err"
	for figure in requests us errors hits misses stored p99_us; do
		if ! field "$figure" "$out"; then
			errors=unknown
			break
		fi
		printf -v "$figure" %s "$REPLY"
	done
	if [[ $errors != 0 || $requests == 0 ]]; then
		note "$name: ${out//$'\n'/; }"
		return 1
	fi
	upstream_answers && asked_upstream=$((REPLY - before))
	calc '%.0f' "$requests * 1000000 / $us" && per_second=$REPLY
	calc '%.2f' "$cpu / $requests / 1000" && cpu_us=$REPLY
	calc '%.2f' "$worker_us / $requests / 1000" && worker_us=$REPLY
	calc '%.0f' "$cpu * 100 / $started_at" && busy=$REPLY
}

# threads_ns PID: sets REPLY to "TID=NS" of every thread
threads_ns() {
	REPLY=$(awk '{ split(FILENAME, part, "/"); printf "%s=%s ", part[5], $1 }' \
		"/proc/$1/task/"*/schedstat 2>/dev/null)
}

# busiest_ns BEFORE AFTER: what the thread that did most has done in between. Threads have no
# names: the one that serves is the busiest here.
busiest_ns() {
	local -A at=()
	local pair most=0
	for pair in $1; do
		at[${pair%=*}]=${pair#*=}
	done
	for pair in $2; do
		local done_ns=$((${pair#*=} - ${at[${pair%=*}]:-0}))
		((done_ns > most)) && most=$done_ns
	done
	REPLY=$most
}

# What is written behind the answers' backs belongs to them: waits (5 s at most) until goproxyai
# has used less than 1 ms of CPU within 0.2 s.
written_behind() {
	local before i
	cpu_ns "${pid[goproxyai]}" || return 1
	for ((i = 0; i < 25; i++)); do
		before=$REPLY
		sleep 0.2
		cpu_ns "${pid[goproxyai]}" || return 1
		((REPLY - before < 1000000)) && return 0
	done
}

# fill COUNT: so many new entries of goproxyai, in portions, so that no queue overflows
fill() {
	local left=$1 some
	while ((left > 0)); do
		some=$((left < 1000 ? left : 1000))
		keys goproxyai 1024 16 -f "$fresh_key" -n "$some" || return 1
		if ((stored != some || asked_upstream != some)); then
			note "of $some new keys $stored were stored, $asked_upstream fetched"
			return 1
		fi
		fresh_key=$((fresh_key + some)) left=$((left - some))
	done
}

# hits_only NAME: whether the last keys() was answered from the cache, all of it
hits_only() {
	((asked_upstream == 0)) && [[ $1 != goproxyai || $hits == "$requests" ]] && return 0
	note "$1: of $requests requests the upstream answered $asked_upstream; $hits say X-Cache: HIT"
	return 1
}

# compare_hits KEY BODY CONNECTIONS ROUND: slices in turn, each figure the median of theirs
compare_hits() {
	local key=$1 body=$2 conns=$3 round=$4 name slice
	local -A rate=() cpu=() p99=() used=()
	for ((slice = 1; slice <= hit_slices; slice++)); do
		in_turn "$((round + slice))" nginx goproxyai
		for name in "${order[@]}"; do
			keys "$name" "$body" "$conns" -k "$kept_keys" -d "$wrk_seconds" && hits_only "$name" || return 1
			rate[$name]+=" $per_second" cpu[$name]+=" $cpu_us"
			p99[$name]+=" $p99_us" used[$name]+=" $busy"
		done
	done
	for name in nginx goproxyai; do
		median "${rate[$name]}" && rate[$name]=$REPLY
		median "${cpu[$name]}" && cpu[$name]=$REPLY
		median "${p99[$name]}" && p99[$name]=$REPLY
		median "${used[$name]}" && used[$name]=$REPLY
		calc '%.3f' "${rate[$name]} / ${rate[nginx]}"
		printf '%5s %5s %7s  %-10s %10s %8s %9s %8s %6s\n' "$round" "$conns" "$body" "$name" \
			"${rate[$name]}" "$REPLY" "${cpu[$name]}" "${p99[$name]}" "${used[$name]}"
	done
	value "$key" "$REPLY"
	calc '%.3f' "${p99[goproxyai]} / ${p99[nginx]}"
	value "$key-p99" "$REPLY"
}

hit_title() {
	printf '%5s %5s %7s  %-10s %10s %8s %9s %8s %6s\n' round conns body proxy req/s ratio 'CPU us' \
		'p99 us' 'busy %'
}

# The same body twice: the second answer is the first one, and the upstream has seen one request.
warm_hits() { # BODY
	local name
	for name in nginx goproxyai; do
		keys "$name" "$1" 1 -k "$kept_keys" -n "$kept_keys" &&
			keys "$name" "$1" 16 -k "$kept_keys" -n 20000 && hits_only "$name" || return 1
	done
}

section_hit() {
	local round conns
	heading "hit: POST of 1 KB, a 1.2 KB answer from the cache, $kept_keys keys"
	nginx_keeps=4k
	if start_both "$load_core" && warm_hits 1024; then
		hit_title
		for ((round = 1; round <= rounds; round++)); do
			for conns in 16 64 256; do
				compare_hits "hit$conns" 1024 "$conns" "$round"
			done
		done
	fi
	for conns in 16 64 256; do
		bar "hit$conns" '>=' 2.0 %.3f "$rounds" "hits at $conns connections, times nginx,"
		bar "hit$conns-p99" '<=' 1 %.3f "$rounds" "a hit's p99 at $conns connections, times nginx's,"
	done
}

section_hit100k() {
	local round
	heading "hit100k: POST of 100 KB, a 1.2 KB answer from the cache, $kept_keys keys"
	nginx_keeps=128k
	if start_both "$load_core" && warm_hits 102400; then
		hit_title
		for ((round = 1; round <= rounds; round++)); do
			compare_hits hit100k 102400 64 "$round"
		done
	fi
	bar hit100k '>=' 4 %.2f "$rounds" "hits with a body of 100 KB at 64 connections, times nginx,"
}

section_disk() {
	local round first warm found
	heading "disk: the first hit after a restart, $disk_keys keys, each asked for once (64 connections)"
	fresh_home
	keep_home=$REPLY serve_options=(--max-cache-size 1G)
	start_upstream "$load_core"
	if start_goproxyai && same_answer goproxyai && first=$fresh_key && fill "$disk_keys"; then
		printf '%5s %12s %10s %10s %10s %10s   (CPU us)\n' round 'disk req/s' 'warm req/s' ratio disk warm
		for ((round = 1; round <= rounds; round++)); do
			end "${top[goproxyai]}"
			start_goproxyai || break
			keys goproxyai 1024 64 -f $((fresh_key + disk_keys)) -k "$kept_keys" -n 5000 || break
			keys goproxyai 1024 64 -f "$first" -n "$disk_keys" -s || break
			if ! hits_only goproxyai; then
				((hits == 0)) && note "nothing was found on disk: does this program keep answers there?"
				break
			fi
			found=$cpu_us warm=$per_second
			keys goproxyai 1024 64 -f $((fresh_key + disk_keys)) -k "$kept_keys" -n "$disk_keys" -s || break
			hits_only goproxyai || break
			calc '%.3f' "$warm / $per_second"
			printf '%5s %12s %10s %10s %10s %10s\n' "$round" "$warm" "$per_second" "$REPLY" "$found" "$cpu_us"
			value disk "$REPLY"
		done
	fi
	keep_home='' serve_options=()
	fresh_key=$((fresh_key + 2 * disk_keys))
	bar disk '>=' 0.5 %.3f "$rounds" "first hits after a restart, times warm hits,"
}

# unique NAME HOW SECONDS: for that time, nothing but new keys. HOW: stored; kept by nobody, as the
# answer says no-store (unkept); past the cache, as the request says so (bypass)
unique() {
	local name=$1 how=$2 says
	case $how in
	stored) says='X-Bench: stored' ;;
	unkept) says='X-Bench: no-store' ;;
	bypass) says=$no_store ;;
	esac
	keys "$name" 1024 64 -f "$fresh_key" -d "$3" -H "$says" || return 1
	fresh_key=$((fresh_key + requests))
	if ((asked_upstream < requests)) || { [[ $name == goproxyai ]] && ! happened "$how"; }; then
		note "$name, $how: of $requests requests the upstream answered $asked_upstream;" \
			"$misses say X-Cache: MISS, $stored that they are stored"
		return 1
	fi
}

# happened HOW: whether that is what goproxyai says of the last keys()
happened() {
	case $1 in
	stored) ((misses == requests && stored == requests)) ;;
	unkept) ((misses == requests && stored == 0)) ;;
	bypass) ((misses == 0 && stored == 0)) ;;
	esac
}

per_slice() {
	calc '%.2f' "$1 / $store_slices"
	echo "$REPLY"
}

# slices_of ROUND CASE...: so many slices of a second of each, in turn, as what else the machine does
# changes within seconds and is to be the same for all. Sets the sums rate, worker and cpu of each.
slices_of() {
	local round=$1 slice case
	shift
	for ((slice = 1; slice <= store_slices; slice++)); do
		in_turn "$((round + slice))" "$@"
		for case in "${order[@]}"; do
			unique "${case%,*}" "${case#*,}" 1 || return 1
			calc '%.0f' "${rate[$case]:-0} + $per_second" && rate[$case]=$REPLY
			calc '%.2f' "${worker[$case]:-0} + $worker_us" && worker[$case]=$REPLY
			calc '%.2f' "${cpu[$case]:-0} + $cpu_us" && cpu[$case]=$REPLY
		done
	done
}

# print_store ROUND CASE, from those sums
print_store() {
	printf '%5s  %-10s %-8s %10s %12s %12s\n' "$1" "${2%,*}" "${2#*,}" \
		$((rate[$2] / store_slices)) "$(per_slice "${worker[$2]}")" "$(per_slice "${cpu[$2]}")"
}

# nginx comes after all rounds of goproxyai's: the thousands of files that it leaves for the kernel
# to write make everything slower, and most of all what follows next.
section_store() {
	local round case
	local -A rate=() cpu=() worker=() ours=()
	heading "store: CPU of a miss that is stored, POST of 1 KB, every key new (64 connections)"
	nginx_keeps=4k
	serve_options=(--max-cache-size 4G)
	start_upstream "$load_core"
	printf '%5s  %-10s %-8s %10s %12s %12s   (CPU us)\n' round proxy answers req/s worker 'all threads'
	if start_goproxyai && same_answer goproxyai && unique goproxyai stored 2 && unique goproxyai unkept 2; then
		for ((round = 1; round <= rounds; round++)); do
			rate=() worker=() cpu=()
			slices_of "$round" goproxyai,stored goproxyai,unkept goproxyai,bypass || continue
			for case in stored unkept bypass; do
				print_store "$round" "goproxyai,$case"
			done
			ours[$round]=${cpu[goproxyai,stored]}
			calc '%.3f' "${worker[goproxyai,stored]} / ${worker[goproxyai,unkept]}"
			value store-worker "$REPLY"
			calc '%.3f' "${worker[goproxyai,stored]} / ${worker[goproxyai,bypass]}"
			value store-bypass "$REPLY"
		done
	fi
	if start_nginx && same_answer nginx && unique nginx stored 2; then
		for ((round = 1; round <= rounds; round++)); do
			rate=() worker=() cpu=()
			[[ ${ours[$round]:-} ]] || continue
			slices_of "$round" nginx,stored || continue
			print_store "$round" nginx,stored
			calc '%.3f' "${ours[$round]} / ${cpu[nginx,stored]}"
			value store-all "$REPLY"
		done
	fi
	serve_options=()
	bar store-worker '<=' 1.25 %.3f "$rounds" "the worker's CPU for a miss that is stored, times one that is not,"
	bar store-bypass '<=' 1.25 %.3f "$rounds" "and times a request that passes the cache by,"
	bar store-all '<=' 0.65 %.3f "$rounds" "CPU of all threads for a miss that is stored, times nginx's,"
}

section_entries() {
	local round before after limit
	heading "entries: resident memory that $entry_keys cached answers cost, in a fresh process"
	calc '%.0f' "64 * 1024 + 100 * $entry_keys / 1024" && limit=$REPLY
	printf '%5s %14s %14s %14s\n' round 'before KiB' 'after KiB' 'KiB for all'
	serve_options=(--max-cache-size 1G)
	for ((round = 1; round <= few_rounds && round <= 3; round++)); do
		start_upstream "$load_core"
		if start_goproxyai && same_answer goproxyai && warm_up goproxyai &&
			settled_rss_kib "${pid[goproxyai]}" && before=$REPLY && fill "$entry_keys" &&
			settled_rss_kib "${pid[goproxyai]}" && after=$REPLY; then
			value entries $((after - before))
			printf '%5s %14s %14s %14s\n' "$round" "$before" "$after" $((after - before))
		fi
		end_all
	done
	serve_options=()
	bar entries '<=' "$limit" %.0f "$((few_rounds < 3 ? few_rounds : 3))" \
		"KiB for $entry_keys entries (the tier's 64 MiB and 100 bytes each),"
}

# shellcheck shell=bash
# tests/bench/ab.bash: the section ab: an old build of goproxyai ($OLD) beside the new one. Sourced by
# tests/bench/run, whose words and those of cached.bash it uses; README.md in this folder says what is
# measured and how.
# shellcheck disable=SC2154,SC2034 # variables that run sets, or reads

ab_bar=0.98           # of the old one's
ab_least_rounds=10    # fewer judge nothing
ab_idle=3             # percent of a core that the one that is not measured may use
all_parts=(hit pass store streams memory)
declare -A program=() # old, new
now=''                # which of the two is "goproxyai" at the moment

# Before anything is built or started: whether $OLD and $PARTS will do
check_old() {
	local part
	[[ ${OLD:-} ]] || fatal "section ab compares with an old program: set OLD to its path"
	[[ -f $OLD && -x $OLD ]] || fatal "no program at $OLD (OLD)"
	program[old]=$(cd "$(dirname "$OLD")" && pwd)/$(basename "$OLD")
	program[new]=$goproxyai
	read -r -a parts <<<"${PARTS:-${all_parts[*]}}"
	for part in "${parts[@]}"; do
		[[ " ${all_parts[*]} " == *" $part "* ]] || fatal "no part '$part' of ab: there are ${all_parts[*]}"
	done
}

# turn_to NAME: from here on "goproxyai" is the old or the new one, in all that run and cached.bash do
turn_to() {
	now=$1
	port[goproxyai]=${port[$1]} pid[goproxyai]=${pid[$1]} top[goproxyai]=${top[$1]}
}

# start_pair ROUND: the upstream and, in turn, both proxies, each with a folder of its own
start_pair() {
	local goproxyai name
	local -a rate_limit=()
	start_upstream "$load_core"
	in_turn "$1" old new
	for name in "${order[@]}"; do
		goproxyai=${program[$name]}
		find_rate_limit
		if ! start_goproxyai || ! same_answer goproxyai; then
			note "that was the $name one"
			return 1
		fi
		port["$name"]=${port[goproxyai]} pid["$name"]=${pid[goproxyai]} top["$name"]=${top[goproxyai]}
	done
}

# slice NAME COMMAND...: measures the one while the other one has nothing to do. Sets disturbed when
# that one did something nevertheless.
slice() {
	local other=old before began
	[[ $1 == old ]] && other=new
	turn_to "$1"
	shift
	cpu_ns "${pid[$other]}" && before=$REPLY
	began=$(date +%s%N)
	if ! "$@"; then
		note "that was the $now one"
		return 1
	fi
	if ! cpu_ns "${pid[$other]}"; then
		note "the $other one is gone"
		return 1
	fi
	began=$(($(date +%s%N) - began))
	(((REPLY - before) * 100 < began * ab_idle)) || disturbed=1
}

# rounds_of COMMAND [ARGUMENT...]: COMMAND ROUND ARGUMENT... for each round. It starts both afresh: each
# process is faster or slower than the next one of the same program, by more than what is looked for,
# and stays so. A round sets rows and ratios; one that was disturbed is done
# again, so many at most as there are rounds.
rounds_of() {
	local round=1 again=0 ratio disturbed sound
	local -a rows
	local -A ratios
	while ((round <= rounds && again <= rounds)); do
		disturbed='' rows=() ratios=() sound=''
		"$1" "$round" "${@:2}" && sound=1
		end_all
		[[ $sound ]] || break
		if [[ $disturbed ]]; then
			again=$((again + 1))
			continue
		fi
		printf '%s\n' "${rows[@]}"
		for ratio in "${!ratios[@]}"; do
			value "$ratio" "${ratios[$ratio]}"
		done
		round=$((round + 1))
	done
	((again == 0)) || note "$again rounds did not count: the one that was not measured was not idle"
}

print_row() { # ROUND WORD...
	printf '%5s  %-20s %9s %9s %8s %10s %10s %8s' "$@"
}

# each ROUND COMMAND...: a slice of each, whose figures do not count
each() {
	local name
	in_turn "$1" old new
	shift
	for name in "${order[@]}"; do
		slice "$name" "$@" || return 1
	done
}

# compare ROUND KEY TEXT COMMAND...: two neighbouring slices, old new in one round, new old in the next.
# COMMAND measures one, and sets per_second and cpu_us.
compare() {
	local round=$1 key=$2 text=$3 name
	local -A rate=() cpu=()
	shift 3
	in_turn "$round" old new
	for name in "${order[@]}"; do
		slice "$name" "$@" || return 1
		rate[$name]=$per_second cpu[$name]=$cpu_us
	done
	calc '%.4f' "${cpu[old]} / ${cpu[new]}" && ratios[$key-cpu]=$REPLY
	calc '%.4f' "${rate[new]} / ${rate[old]}" && ratios[$key-rate]=$REPLY
	rows+=("$(print_row "$round" "$text" "${cpu[old]}" "${cpu[new]}" "${ratios[$key-cpu]}" \
		"${rate[old]}" "${rate[new]}" "${ratios[$key-rate]}")")
}

requests_title() {
	print_row round 'CPU us, req/s' 'old us' 'new us' ratio 'old req/s' 'new req/s' ratio
	echo
}

# The answers to the same keys, all from the cache.
ab_hits() { # CONNECTIONS
	keys goproxyai 1024 "$1" -k "$kept_keys" -d 1 && hits_only goproxyai
}

# The same body twice, as in hit: what the upstream has answered once comes from the cache.
ab_warm_hits() {
	keys goproxyai 1024 1 -k "$kept_keys" -n "$kept_keys" &&
		keys goproxyai 1024 16 -k "$kept_keys" -n 20000 && hits_only goproxyai
}

hit_round() { # ROUND
	local conns
	start_pair "$1" && each "$1" ab_warm_hits || return 1
	for conns in 16 64; do
		compare "$1" "ab-hit$conns" "warm hit, $conns" ab_hits "$conns" || return 1
	done
}

part_hit() {
	requests_title
	rounds_of hit_round
}

pass_round() { # ROUND
	start_pair "$1" && each "$1" load goproxyai 16 1 &&
		compare "$1" ab-pass 'pass-through, 16' load goproxyai 16 1
}

part_pass() {
	requests_title
	rounds_of pass_round
}

# A slice of new keys. What is still written after the last answer counts, and is not to fall into the
# other one's slice: a writer that waits for the disk looks idle for a while, so it is to be quiet for
# 0.6 s (10 s at most).
ab_store() {
	local begun_at before quiet=0 i
	cpu_ns "${pid[goproxyai]}" && begun_at=$REPLY
	unique goproxyai stored 1 || return 1
	cpu_ns "${pid[goproxyai]}" || return 1
	for ((i = 0; i < 50 && quiet < 3; i++)); do
		before=$REPLY
		sleep 0.2
		cpu_ns "${pid[goproxyai]}" || return 1
		quiet=$((REPLY - before < 3000000 ? quiet + 1 : 0))
	done
	calc '%.2f' "($REPLY - $begun_at) / $requests / 1000" && cpu_us=$REPLY
}

store_round() { # ROUND
	start_pair "$1" && each "$1" ab_store && compare "$1" ab-store 'stored miss, 64' ab_store
}

part_store() {
	serve_options=(--max-cache-size 4G)
	requests_title
	rounds_of store_round
	serve_options=()
}

# One slice of streams through goproxyai, or directly: sets at50 and at99 of NAME
ab_streaming() { # NAME TARGET
	local out
	if ! out=$(one_streaming "$2" 2>&1); then
		note "$1: ${out//$'\n'/; }"
		return 1
	fi
	: >"$scratch/goproxyai.err"
	field p50_ns "$out" && at50[$1]=$REPLY
	field p99_ns "$out" && at99[$1]=$REPLY
}

# added_ratio KEY OLD-NS NEW-NS DIRECT-NS: what the old one adds, divided by what the new one adds;
# below 1 us counts as 1 us. Adds to the row and the ratios.
added_ratio() {
	local old new
	calc '%.1f' "($2 - $4 > 1000 ? $2 - $4 : 1000) / 1000" && old=$REPLY
	calc '%.1f' "($3 - $4 > 1000 ? $3 - $4 : 1000) / 1000" && new=$REPLY
	calc '%.4f' "$old / $new" && ratios[$1]=$REPLY
	row+=("$old" "$new" "$REPLY")
}

# Without a proxy in the middle of each round, next to both.
streams_round() { # ROUND
	local name
	local -A at50=() at99=()
	local -a row=()
	start_pair "$1" && each "$1" ab_streaming warm goproxyai || return 1
	in_turn "$1" old upstream new
	for name in "${order[@]}"; do
		if [[ $name == upstream ]]; then
			ab_streaming upstream upstream || return 1
		else
			slice "$name" ab_streaming "$name" goproxyai || return 1
		fi
	done
	added_ratio ab-streams50 "${at50[old]}" "${at50[new]}" "${at50[upstream]}"
	added_ratio ab-streams99 "${at99[old]}" "${at99[new]}" "${at99[upstream]}"
	rows+=("$(print_row "$1" '100 streams' "${row[@]}")")
}

part_streams() {
	print_row round 'added delay, us' 'old p50' 'new p50' ratio 'old p99' 'new p99' ratio
	echo
	rounds_of streams_round
}

# Sets per_stream, KiB.
ab_holding() {
	local before after
	settled_rss_kib "${pid[goproxyai]}" && before=$REPLY
	if ! hold goproxyai 1000 500 3; then
		let_go goproxyai
		return 1
	fi
	settled_rss_kib "${pid[goproxyai]}" && after=$REPLY
	let_go goproxyai || return 1
	calc '%.2f' "($after - $before) / 1000" && per_stream=$REPLY
}

# Nothing of it is CPU, so that the one that has just lost its streams may still be busy with that.
memory_round() { # ROUND
	local name per_stream
	local -A kib=()
	start_pair "$1" && each "$1" warm_up goproxyai || return 1
	in_turn "$1" old new
	for name in "${order[@]}"; do
		slice "$name" ab_holding || return 1
		kib[$name]=$per_stream
	done
	disturbed=''
	calc '%.4f' "${kib[old]} / ${kib[new]}" && ratios[ab-memory]=$REPLY
	rows+=("$(print_row "$1" '1,000 streams' "${kib[old]}" "${kib[new]}" "$REPLY" '' '' '')")
}

part_memory() {
	print_row round 'KiB per stream' old new ratio '' '' ''
	echo
	rounds_of memory_round
}

# ratio_of KEY: the rounds' median, their range, the standard error of their mean; sets result. 1 when
# rounds are missing.
ratio_of() {
	local file=$scratch/values/$1
	touch "$file"
	(($(wc -l <"$file") == rounds)) || return 1
	result=$(sort -g "$file" | awk '
		{ v[NR] = $1; sum += $1; squares += $1 * $1 }
		END {
			m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
			s = NR > 1 ? (squares - sum * sum / NR) / (NR - 1) : 0
			printf "%.3f (%.3f to %.3f, standard error %.3f)", m, v[1], v[NR], sqrt((s > 0 ? s : 0) / NR)
		}')
}

# bar_of KEY TEXT: the bar; without one for QUICK, which judges nothing but that there are figures
bar_of() {
	local result m se
	if ! ratio_of "$1"; then
		printf 'must reach: %s at least %s; measured nothing to judge by: MISSED\n' "$2" "$ab_bar"
		failed=$((failed + 1))
		return
	fi
	if [[ $quick ]]; then
		printf 'reported: %s %s\n' "$2" "$result"
		return
	fi
	m=${result%% *} se=${result##* }
	calc '%d' "($m >= $ab_bar)"
	if ((REPLY)); then
		passed=$((passed + 1))
		result+=': ok'
	else
		failed=$((failed + 1))
		result+=': MISSED'
	fi
	printf 'must reach: %s at least %s; measured %s\n' "$2" "$ab_bar" "$result"
	calc '%d' "(($m - $ab_bar) ^ 2 < (2 * ${se%)}) ^ 2)"
	((REPLY == 0)) || note "the bar is nearer than two standard errors: more rounds would tell"
}

reported_of() { # KEY TEXT
	local result
	ratio_of "$1" || result='nothing measured'
	printf 'reported: %s %s\n' "$2" "$result"
}

bars_hit() {
	local conns
	for conns in 16 64; do
		bar_of "ab-hit$conns-cpu" "CPU of a warm hit at $conns connections, old : new,"
		reported_of "ab-hit$conns-rate" "warm hits per second at $conns connections, new : old,"
	done
}

bars_pass() {
	bar_of ab-pass-cpu 'CPU of a pass-through, old : new,'
	reported_of ab-pass-rate 'pass-throughs per second, new : old,'
}

bars_store() {
	bar_of ab-store-cpu 'CPU of all threads for a stored miss, old : new,'
	reported_of ab-store-rate 'stored misses per second, new : old,'
}

bars_streams() {
	bar_of ab-streams50 'added delay of a chunk, p50, old : new,'
	bar_of ab-streams99 'added delay of a chunk, p99, old : new,'
}

bars_memory() {
	bar_of ab-memory 'memory of an open stream, old : new,'
}

section_ab() {
	local part rounds=${ROUNDS:-$ab_least_rounds}
	if [[ $quick ]]; then
		rounds=${ROUNDS:-2}
	elif ((rounds < ab_least_rounds)); then
		note "$ab_least_rounds rounds instead of $rounds: fewer would judge nothing"
		rounds=$ab_least_rounds
	fi
	heading "ab: ${program[old]} (old) beside ${program[new]} (new), $rounds rounds; 1 is the same," \
		"above 1 the new one is better"
	for part in "${parts[@]}"; do
		"part_$part"
	done
	for part in "${parts[@]}"; do
		"bars_$part"
	done
}

# cache.bash: requests, and what the cache made of them.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the other files

# ask OUT [CURL-ARGS…] PATH: a request through the proxy; the body in the file OUT, the head in
# OUT.head, curl's exit status in $curl_status, the answer's in $got.
ask() {
    local out=$1 line
    shift
    curl_status=0
    : >"$out" # curl makes none for an answer without a body
    : >"$out.head"
    client -o "$out" -D "$out.head" "${@:1:$#-1}" "$PROXY${!#}" 2>"$out.err" || curl_status=$?
    got=
    while IFS= read -r line; do
        [[ ! $line =~ ^HTTP/[^\ ]+\ ([0-9]+) ]] || got=${BASH_REMATCH[1]}
    done <"$out.head"
}

# said TEXT, responded TEXT: a chat completion, or a Response, that says so; embedded TEXT: an embedding
said() {
    printf '{"choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}]}' "$1"
}

responded() {
    printf '{"status":"completed","error":null,"output":[{"type":"message","content":[{"text":"%s"}]}]}' "$1"
}

embedded() {
    printf '{"data":[{"index":0,"embedding":"%s"}]}' "$1"
}

# field OUT NAME: the values of a field of the answer, one a line
field() {
    local line
    while IFS= read -r line; do
        line=${line%$'\r'}
        [[ ${line,,} != "${2,,}:"* ]] || echo "${line#*: }"
    done <"$1.head"
}

# gets WORD OUT [CURL-ARGS…] PATH: asks, and X-Cache must be WORD
gets() {
    local word=$1 out=$2 said
    shift
    ask "$@"
    said=$(field "$out" x-cache)
    [[ $said == "$word" ]] || {
        echo "X-Cache is '$said', not $word: ${*:2}"
        cat "$out.head" "$out.err"
        return 1
    }
}

# tells OUT REGEX: the answer's Cache-Status, behind our name
tells() {
    local said
    said=$(field "$1" cache-status)
    [[ $said =~ ^goproxyai\;\ $2(\;\ key=\"[0-9a-f]{12}\")?$ ]] || {
        echo "Cache-Status is '$said', not $2"
        return 1
    }
}

# costs N CMD…: CMD costs N requests to the upstream
costs() {
    local n=$1 before after
    shift
    upstream_line GET counters/requests || return 1
    before=$upstream_said
    "$@" || return 1
    upstream_line GET counters/requests || return 1
    after=$upstream_said
    [[ $((after - before)) -eq $n ]] || {
        echo "cost $((after - before)) requests, not $n: $*"
        return 1
    }
}

# kept [CURL-ARGS…] PATH: the second such request is a hit with the first one's status, type and bytes
kept() {
    costs 1 kept_twice "$@"
}

kept_twice() {
    local first
    gets MISS first "$@" || return 1
    first="$got $(field first content-type)"
    gets HIT second "$@" || return 1
    [[ $first == "$got $(field second content-type)" ]] || {
        echo "first $first, then $got $(field second content-type)"
        return 1
    }
    expect_same first second
}

# unkept WORD [CURL-ARGS…] PATH: X-Cache is WORD (MISS, BYPASS) both times
unkept() {
    costs 2 unkept_twice "$@"
}

unkept_twice() {
    gets "$1" first "${@:2}" && gets "$1" second "${@:2}"
}

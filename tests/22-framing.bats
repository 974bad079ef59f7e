#!/usr/bin/env bats
# Framing: where a client's requests end. What two programs might read in two ways is 400 and ends the connection, and
# nothing of it goes upstream; what is valid passes, however it is split into packets.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# chunked PATH BODY [FIELD…]: a chunked POST, BODY with printf's escapes
chunked() {
    printf 'POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n' "$1"
    [[ $# -lt 3 ]] || printf '%b\r\n' "${@:3}"
    # shellcheck disable=SC2059
    printf "\r\n$2"
}

# is_refused_as STATUS CODE [RAW-OPTIONS]: the file bytes gets one answer of that status and error code, in OpenAI's
# shape and with X-Proxy, and then the end of the connection. (It ends with a request, which must not be taken for one.)
is_refused_as() {
    local status=$1 error=$2 code=0 text
    shift 2
    raw "127.0.0.1:$PROXY_PORT" --report "$@" <bytes >got 2>report || code=$?
    text=$(<got)
    [[ ($code -eq 0 || $code -eq 4) && $text == "HTTP/1.1 $status "* && $text != *$'\n'HTTP/1.* &&
        ${text,,} == *$'\nconnection: close\r'* && $text == *$'\nX-Proxy: goproxyai/'* &&
        $text == *$'\r\n\r\n{"error":{"message":"'*'","type":"invalid_request_error","param":null,"code":"'"$error"'"}}' ]] || {
        echo "expected one $status ($error) and the end (raw $*) for"
        od -A d -c bytes | head -n 40
        echo "got (status $code):"
        cat got report
        return 1
    }
}

# is_refused [RAW-OPTIONS]: with a 400
is_refused() {
    is_refused_as 400 bad_request "$@"
}

smuggled='GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'

# both_ways LENGTH: whole, and byte by byte, or in larger pieces where there are many
both_ways() {
    is_refused
    if [[ $1 -lt 300 ]]; then is_refused --drip 1,1; else is_refused --drip 60,1; fi
}

# refused HEAD: with nothing upstream
refused() {
    # shellcheck disable=SC2059
    printf "$1$smuggled" >bytes
    both_ways "${#1}"
}

# body_refused BODY: such a body, of a request that is cached and of one that is passed on as it comes. The upstream may
# see the beginning of the latter, and never its end.
body_refused() {
    local path
    for path in /v1/chat/completions /v1/files; do
        chunked "$path" "$1$smuggled" >bytes
        both_ways "${#1}"
    done
}

# The upstream has got no whole request, none that stood behind another one, and no bytes but those of the path that
# is passed on as it comes.
nothing_arrived() {
    expect_stat in_flight = 0
    upstream_get requests | jq -e 'all(.[]; .finished == "aborted" and (.target == "/v1/files"))'
}

# ---- chunked bodies ----

@test "a chunk size with another line end than CRLF is 400" {
    proxy
    local body
    for body in '5\nhello\r\n0\r\n\r\n' '5\rhello\r\n0\r\n\r\n' '5\r\nhello\r\n0\n\r\n' '5;a=b\nhello\r\n0\r\n\r\n'; do
        body_refused "$body"
    done
    nothing_arrived
}

@test "chunk data that no CRLF follows is 400" {
    proxy
    local body
    for body in '5\r\nhello0\r\n\r\n' '5\r\nhello\n0\r\n\r\n' '5\r\nhelloX\r\n0\r\n\r\n' '5\r\nhello\r0\r\n\r\n'; do
        body_refused "$body"
    done
    nothing_arrived
}

@test "a bare CR or LF or a control character in a chunk extension is 400" {
    proxy
    local body
    for body in '5;a\rb\r\nhello\r\n0\r\n\r\n' '5;a\nb\r\nhello\r\n0\r\n\r\n' '5;a="\r"\r\nhello\r\n0\r\n\r\n' '5;a\001b\r\nhello\r\n0\r\n\r\n' \
        '5;a\000b\r\nhello\r\n0\r\n\r\n'; do
        body_refused "$body"
    done
    nothing_arrived
}

@test "a chunk-size line of more than 1 KiB is 400: of extensions, or of leading zeros" {
    proxy
    local long
    long=$(printf '%01025d' 0)
    body_refused "5;$long\r\nhello\r\n0\r\n\r\n"
    body_refused "${long}5\r\nhello\r\n0\r\n\r\n"
    nothing_arrived
}

@test "many chunks with extensions, each below the limit, are 400 beyond 16 KiB of them" {
    proxy
    local i body='' extension
    extension=$(printf '%0900d' 0)
    for i in {1..20}; do body+="1;$extension\r\nx\r\n"; done
    body_refused "${body}0\r\n\r\n"
    nothing_arrived
}

@test "a chunk size that is no hexadecimal number is 400" {
    proxy
    local body
    for body in '\r\nhello\r\n0\r\n\r\n' '0x5\r\nhello\r\n0\r\n\r\n' '-5\r\nhello\r\n0\r\n\r\n' '+5\r\nhello\r\n0\r\n\r\n' \
        ' 5\r\nhello\r\n0\r\n\r\n' '5hello\r\n0\r\n\r\n' '8000000000000000\r\nhello\r\n' '10000000000000005\r\nhello\r\n0\r\n\r\n'; do
        body_refused "$body"
    done
    nothing_arrived
}

# The grammar has blanks before an extension (RFC 9112 section 7.1.1). libmicrohttpd 0.9.75 refuses them, in its own words.
@test "a blank behind a chunk size ends the connection, with nothing upstream" {
    proxy
    local body
    for body in '5 \r\nhello\r\n0\r\n\r\n' '5\t\r\nhello\r\n0\r\n\r\n' '5 ;a=b\r\nhelloX\r\n0\r\n\r\n'; do
        body_refused "$body"
    done
    nothing_arrived
}

@test "a trailer section with a fault in it is 400" {
    proxy
    local body
    for body in '5\r\nhello\r\n0\r\nX: y\n\r\n' '5\r\nhello\r\n0\r\n: y\r\n\r\n' '5\r\nhello\r\n0\r\nX y\r\n\r\n' '5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n' \
        '5\r\nhello\r\n0\r\nX: a\000b\r\n\r\n' '5\r\nhello\r\n0\r\n\rX'; do
        body_refused "$body"
    done
    nothing_arrived
}

# ---- heads ----

@test "NUL in the target or in a field is 400, with nothing upstream" {
    proxy
    local path
    for path in /v1/chat/completions /v1/files; do
        refused "POST $path\\000 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\nX: a\\000b\r\nContent-Length: 2\r\n\r\n{}"
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\nX\\000: b\r\nContent-Length: 2\r\n\r\n{}"
        refused "POST $path HTTP/1.1\r\nHost: localhost\\000.test\r\nContent-Length: 2\r\n\r\n{}"
    done
    expect_stat requests = 0
}

@test "a line with an empty name, a folded field, and a blank behind chunked are 400, with nothing upstream" {
    proxy
    local path
    for path in /v1/chat/completions /v1/files; do
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\n: x\r\nContent-Length: 2\r\n\r\n{}"
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\nno colon\r\nContent-Length: 2\r\n\r\n{}"
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}"
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\nX: a\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}"
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\nContent-Length: 2\r\n\r\n{}"
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        refused "POST $path HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    done
    expect_stat requests = 0
}

@test "a Content-Length that is no number below 2^63 is one 400, with nothing upstream" {
    proxy
    local path length
    for path in /v1/chat/completions /v1/files /health; do
        for length in -1 +2 2x 0x2 '2, 2' '2 2' '' 9223372036854775808 99999999999999999999999; do
            refused "POST $path HTTP/1.1\r\nHost: localhost\r\nContent-Length: $length\r\n\r\n{}"
        done
    done
    expect_stat requests = 0
}

@test "a request line that is none is one 400, and another version of HTTP one 505" {
    proxy
    local line
    for line in 'GET /v1/models' 'GET' 'GET HTTP/1.1' 'GET  /v1/models HTTP/1.1' ' GET /v1/models HTTP/1.1' \
        'GET\t/v1/models\tHTTP/1.1' 'GET /v1/a b HTTP/1.1' 'GET /v1/models HTTP/1.1 ' 'GET /v1/models HTTP/1.10' \
        'GET /v1/models http/1.1' 'G\001T /v1/models HTTP/1.1' '{"model":"gpt-4o"}'; do
        refused "$line\r\nHost: localhost\r\n\r\n"
    done
    for line in 'GET /v1/models HTTP/2.0' 'PRI * HTTP/2.0' 'GET /v1/models HTTP/0.9' 'GET /v1/models HTTP/3.0'; do
        # shellcheck disable=SC2059
        printf "$line\r\nHost: localhost\r\n\r\n$smuggled" >bytes
        is_refused_as 505 http_version_not_supported
        is_refused_as 505 http_version_not_supported --drip 1,1
        grep -a -q "^X-Cache: BYPASS" got
    done
    expect_stat requests = 0
}

# many COUNT TEXT, with printf's escapes
many() {
    # shellcheck disable=SC2046,SC2059
    printf "$2%.0s" $(seq "$1")
}

@test "a target beyond 18 KiB is one 414, and fields beyond 18 KiB or 100 one 431, cookies included" {
    proxy
    local size fields
    for size in 18500 25000 60000; do
        printf 'GET /v1/%s HTTP/1.1\r\nHost: localhost\r\n\r\n' "$(many $size a)" >bytes
        is_refused_as 414 request_target_too_long
        printf 'GET /v1/a?%s HTTP/1.1\r\nHost: localhost\r\n\r\n' "$(many $size '&')" >bytes
        is_refused_as 414 request_target_too_long
        printf 'GET /v1/a HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n' "$(many $size a)" >bytes
        is_refused_as 431 request_headers_too_large
    done
    for fields in "$(many 100 'A: b\r\n')" "$(many 4000 'A:\r\n')" "Cookie: $(many 100 'a=b;')"$'\r' \
        "Cookie: $(many 9300 'a')"$'\r'; do
        printf 'GET /v1/a HTTP/1.1\r\nHost: localhost\r\n%s\n\r\n' "$fields" >bytes
        is_refused_as 431 request_headers_too_large
    done
    expect_stat requests = 0
}

# fields COUNT SIZE: so many fields, of so many bytes together with their line ends
fields() {
    local i value
    value=$(many $(($2 / $1 - 8)) v)
    for ((i = 100; i < 100 + $1; i++)); do
        printf 'X%d: %s\r\n' "$i" "$value"
    done
}

@test "what the documents say of a head passes; a head that leaves no room for its answer's is one 431 before it goes upstream" {
    proxy
    local row count size cookie
    for row in '40 16384' '95 12000' '30 600 8192' '1 8192'; do
        read -r count size cookie <<<"$row"
        {
            printf 'GET /v1/models?%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' "$count"
            [[ -z $cookie ]] || printf 'Cookie: %s\r\n' "$(many "$cookie" c)"
            fields "$count" "$size"
            printf '\r\n'
        } | raw "127.0.0.1:$PROXY_PORT" >got
        [[ $(head -n 1 got) == 'HTTP/1.1 200 '* ]] || {
            echo "with $row:"
            cat got
            return 1
        }
    done
    upstream_reset
    for row in '90 15894' '94 16054' '97 18079' '85 400 8192'; do
        read -r count size cookie <<<"$row"
        {
            printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n'
            [[ -z $cookie ]] || printf 'Cookie: %s\r\n' "$(many "$cookie" c)"
            fields "$count" "$size"
            printf '\r\n{}'
        } >bytes
        is_refused_as 431 request_headers_too_large
    done
    [[ $(upstream_get requests | jq length) -eq 0 ]]
    eventually grep -q "POST /v1/chat/completions 431 .*(The request's head is too large" "$PROXY_LOG"
}

@test "a query of thousands of arguments, and a cookie of 9 KB, arrive as they were sent" {
    proxy
    local query
    query=$(many 3000 'a&')
    client -o got "$PROXY/v1/models?$query"
    [[ $(upstream_get last/line) == "GET /v1/models?$query HTTP/1.1" ]]
    client -o got -H "Cookie: $(many 9000 c)" "$PROXY/v1/models?2"
    [[ $(upstream_get last/headers | tr -d '\r' | sed -n 's/^[Cc]ookie: //p' | wc -c) -eq 9001 ]]
}

# ---- on the way, and beside others ----

upstream_has() {
    [[ $(upstream_get last/bytes) -eq $1 ]]
}

@test "a fault in the middle of an upload that goes upstream breaks that request, and is 400" {
    proxy
    local fault
    for fault in '5\nhello' 'x\r\n' '5\r\nhelloX\r\n' '0\r\n: x\r\n'; do
        upstream_reset
        exec 8<>"/dev/tcp/127.0.0.1/$PROXY_PORT"
        chunked /v1/files "3e8\r\n$(printf '%01000d' 0)\r\n" >&8
        eventually upstream_has 1000
        # shellcheck disable=SC2059
        printf "$fault" >&8
        timeout 10 cat <&8 >got
        exec 8<&- 8>&-
        head -n 1 got | grep -q '^HTTP/1.1 400 '
        tail -n 1 got | jq -e '.error.code == "bad_request"'
        expect_stat aborted = 1
        upstream_get requests | jq -e 'length == 1 and .[0].finished == "aborted"'
    done
}

# arrives PATH BODY SHA256 RAW-OPTIONS…: the upstream gets such a body
arrives() {
    local text
    # shellcheck disable=SC2094
    text=$(chunked "$1?$BASHPID" "$2" 'X-Script: echo' 'Connection: close' | raw "127.0.0.1:$PROXY_PORT" "${@:4}")
    [[ $text == 'HTTP/1.1 200 '*"\"body_sha256\":\"$3\""* ]] || {
        echo "$1 $2 (raw ${*:4}), expected $3:"
        echo "$text"
        return 1
    }
}

@test "valid chunked bodies arrive byte for byte, however they are split" {
    need perl
    proxy
    local path body sum pid
    local -a pids
    for body in '5\r\nhello\r\n0\r\n\r\n' '00000005\r\nhello\r\n000\r\n\r\n' '1\r\n{\r\n1\r\n}\r\n0\r\n\r\n' 'A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n' \
        '5;a=b;c="d e"\r\nhello\r\n0;last\r\n\r\n' '5;\r\nhello\r\n0\r\n\r\n' '5\r\nhello\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\n' \
        '4\r\n\r\n\r\n\r\n2\r\n0\r\r\n0\r\n\r\n' '3\r\n\000\r\n\r\n0\r\n\r\n' '0\r\n\r\n'; do
        # shellcheck disable=SC2059
        sum=$(printf "$body" | dechunk | sha256sum)
        pids=()
        for path in /v1/chat/completions /v1/files; do
            arrives "$path" "$body" "${sum%% *}" 3>&- &
            pids+=($!)
            arrives "$path" "$body" "${sum%% *}" --drip 1,1 3>&- &
            pids+=($!)
        done
        for pid in "${pids[@]}"; do wait "$pid"; done
    done
    expect_stat requests = 40
}

# dechunk: the content of a chunked body, which has no fault in it
dechunk() {
    perl -e 'binmode STDIN; binmode STDOUT; local $/; $_ = <STDIN>;
        while (/\G([0-9A-Fa-f]+)[^\r\n]*\r\n/gc) { $n = hex $1; last if !$n; print substr($_, pos, $n); pos() += $n + 2 }'
}

@test "a large chunked body in chunks of every size arrives byte for byte" {
    proxy
    head -c 3000000 /dev/urandom >big
    local path
    for path in /v1/files /v1/chat/completions; do
        client -o got -H 'X-Script: echo' -H 'Expect:' -H 'Transfer-Encoding: chunked' --data-binary @big "$PROXY$path"
        [[ $(upstream_get last/sha256) == "$(sha256sum <big | cut -d ' ' -f 1)" ]]
    done
}

@test "valid requests go on one after the other on a connection, pipelined or not, and a fault behind them is 400" {
    proxy
    {
        chunked /v1/x '5\r\nhello\r\n0\r\nX: y\r\n\r\n'
        printf '\r\nGET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n'
        printf 'POST /v1/x?2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello'
        chunked /v1/x?3 '1;a\r\nx\r\n0\r\n\r\n'
        printf 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n'
        chunked /v1/chat/completions '5\nhello\r\n0\r\n\r\n'
        printf 'GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
    } >bytes
    local drip
    for drip in '' 1,1 7,1; do
        # shellcheck disable=SC2086
        raw "127.0.0.1:$PROXY_PORT" ${drip:+--drip $drip} <bytes >got || [[ $? -eq 4 ]]
        [[ $(grep -a -o 'HTTP/1\.1 [0-9]*' got | tr '\n' ' ') == 'HTTP/1.1 404 HTTP/1.1 200 HTTP/1.1 404 HTTP/1.1 404 HTTP/1.1 200 HTTP/1.1 400 ' ]]
    done
    not grep -q -e smuggled -e chat <(upstream_get requests)
}

@test "a fault does not cut off the answer to a whole request that came before it" {
    proxy
    {
        printf 'GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-Script: delay:300;size:3000000\r\n\r\n'
        printf 'GET /v1/x HTTP/1.1\r\nX\r\n\r\n'
    } >bytes
    raw "127.0.0.1:$PROXY_PORT" <bytes >got
    head -n 1 got | grep -a -q '^HTTP/1.1 200'
    [[ $(stat -c %s got) -gt 3000000 ]]
    tail -n 1 got | grep -a -q '"code":"bad_request"'
    expect_stat requests = 1
    expect_stat aborted = 0
}

# ---- TLS on the plain port ----

@test "a TLS hello on the plain port is closed at once, and the log says what to do, once" {
    need openssl
    proxy
    local i code
    for i in 1 2 3; do
        code=0
        timeout 5 openssl s_client -connect "127.0.0.1:$PROXY_PORT" </dev/null >got 2>&1 || code=$?
        [[ $code -ne 0 && $code -ne 124 ]]
    done
    printf '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' | raw "127.0.0.1:$PROXY_PORT" --timeout 3 >got || [[ $? -eq 4 ]]
    [[ ! -s got ]]
    eventually grep -q "speaks TLS.*http://localhost:$PROXY_PORT" "$PROXY_LOG"
    client --fail -o /dev/null "$PROXY/v1/models"
    [[ $(grep -c 'speaks TLS' "$PROXY_LOG") -eq 1 ]]
    expect_stat requests = 1
}

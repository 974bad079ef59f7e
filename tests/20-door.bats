#!/usr/bin/env bats
# run-bats: first
# The door: who gets in, and that what cannot be understood in exactly one way is refused with nothing sent upstream.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# head LINE…: a request's head; @ in it is our port
head_of() {
    local line
    for line; do
        printf '%s\r\n' "${line//@/$PROXY_PORT}"
    done
    printf '\r\n'
}

# ask LINE…: sends that head and prints the answer; stdin, if a file or pipe is given, follows it
ask() {
    head_of "$@" Connection:\ close | raw "127.0.0.1:$PROXY_PORT"
}

# status_of LINE…: the status that this head gets
status_of() {
    ask "$@" | sed -n '1s/^HTTP\/1\.[01] \([0-9]*\).*/\1/p'
}

# gets STATUS LINE…
gets() {
    local got
    got=$(status_of "${@:2}")
    [[ $got == "$1" ]] || {
        echo "status ${got:-none}, expected $1: ${*:2}"
        return 1
    }
}

# refused STATUS BYTES: these bytes get one answer with this status and then the connection ends in an orderly way.
# A request that follows them in the same packet is not taken for one.
refused() {
    local code=0
    {
        # shellcheck disable=SC2059
        printf "${2//@/$PROXY_PORT}"
        printf 'GET /v1/smuggled HTTP/1.1\r\nHost: localhost:%s\r\n\r\n' "$PROXY_PORT"
    } >bytes
    raw "127.0.0.1:$PROXY_PORT" --report <bytes >got 2>report || code=$?
    [[ $code -eq 0 ]] && grep -q 'end=fin' report && [[ $(grep -a -o 'HTTP/1\.1 [0-9]' got | wc -l) -eq 1 ]] &&
        head -n 1 got | grep -Eq "^HTTP/1.1 $1 " && grep -a -qi '^connection: close' got || {
        echo "expected one $1 and an orderly end for: $2"
        cat got report
        return 1
    }
}

# ---- Host ----

@test "the names of loopback are let in, in every spelling, with any port or none" {
    server
    proxy
    local host
    for host in localhost:@ LocalHost:@ 127.0.0.1:@ 127.0.0.2:@ '[::1]:@' localhost LOCALHOST 127.0.0.1 '[::1]' localhost:80 \
        "localhost:$((PROXY_PORT + 1))" 127.0.0.1:1 '[::1]:65535' localhost:0@; do
        gets 200 'GET /v1/models HTTP/1.1' "Host: $host"
        gets 200 'GET /health HTTP/1.1' "Host: $host"
        gets 200 'GET /v1/models HTTP/1.0' "Host: $host"
    done
}

@test "a foreign Host is 403 on every route, and nothing goes upstream" {
    server
    proxy
    local host target
    for target in /v1/models /v1/chat/completions /health / /stats /nowhere; do
        for host in evil.test evil.test:@ localhost.evil.test:@ 127.0.0.1.evil.test:@ user@localhost localhost:@.evil.test \
            10.0.0.1:@ 0.0.0.0:@ '[::2]:@' '[::1' '[::1]evil:@' 'localhost:@, evil.test' 2130706433:@ 0x7f.1:@ 127.1:@ \
            128.0.0.1:@ '127.0.0.256:@' null:@; do
            gets 403 "GET $target HTTP/1.1" "Host: $host"
        done
    done
    expect_stat requests = 0
}

@test "a Host whose port is no number of a port is 403" {
    server
    proxy
    local host
    for host in localhost:+@ 'localhost: @' localhost:@x localhost:65536 localhost:99999999999999 localhost:-1 \
        '127.0.0.1:@:@' '[::1]@'; do
        gets 403 'GET /v1/models HTTP/1.1' "Host: $host"
    done
    expect_stat requests = 0
}

@test "exactly one Host: none, two, or an empty one is refused" {
    server
    proxy
    local got
    for got in "$(status_of 'GET /v1/models HTTP/1.1')" "$(status_of 'GET /v1/models HTTP/1.0')" \
        "$(status_of 'GET /v1/models HTTP/1.1' 'Host:')" \
        "$(status_of 'GET /v1/models HTTP/1.1' 'Host: localhost:@' 'Host: localhost:@')" \
        "$(status_of 'GET /v1/models HTTP/1.1' 'Host: localhost:@' 'host: evil.test')" \
        "$(status_of 'GET /v1/models HTTP/1.1' 'Host: evil.test' 'Host: localhost:@')" \
        "$(status_of 'GET /health HTTP/1.1' 'Host: localhost:@' 'Host: localhost:@')"; do
        [[ $got == 400 || $got == 403 ]]
    done
    expect_stat requests = 0
}

@test "--allow-host lets further names in: with any port or none, or with the port that is written" {
    server
    proxy --allow-host Proxy.test,other.test:9000 --allow-host third.test
    gets 200 'GET /v1/models HTTP/1.1' 'Host: proxy.test:@'
    gets 200 'GET /health HTTP/1.1' 'Host: PROXY.TEST:@'
    gets 200 'GET /v1/models HTTP/1.1' 'Host: proxy.test'
    gets 200 'GET /v1/models HTTP/1.1' 'Host: proxy.test:9000'
    gets 200 'GET /v1/models HTTP/1.1' 'Host: other.test:9000'
    gets 200 'GET /v1/models HTTP/1.1' 'Host: third.test:@'
    gets 200 'GET /v1/models HTTP/1.1' 'Host: localhost:@'
    gets 403 'GET /v1/models HTTP/1.1' 'Host: other.test:9001'
    gets 403 'GET /v1/models HTTP/1.1' 'Host: other.test:@'
    gets 403 'GET /v1/models HTTP/1.1' 'Host: other.test'
    gets 403 'GET /v1/models HTTP/1.1' 'Host: x.proxy.test:@'
    gets 403 'GET /v1/models HTTP/1.1' 'Host: proxy.test.evil:@'
}

@test "a 403 is OpenAI-shaped and says what to do" {
    server
    proxy
    client -o got -w '%{http_code} %{content_type}' -H 'Host: evil.test' "$PROXY/v1/models" >told
    [[ $(<told) == '403 application/json' ]]
    jq -e '.error | (.message | test("allow-host")) and .type == "invalid_request_error" and has("code") and has("param")' got
}

# ---- other sites' pages ----

@test "a page of another site gets nothing on any route" {
    server
    proxy
    local origin target
    for target in /v1/models /health /nowhere; do
        for origin in http://evil.test https://evil.test "http://evil.test:@" null http://localhost http://localhost:1 file:// \
            "http://localhost:@.evil.test" "http://localhost:@@evil.test" chrome-extension://abc ''; do
            [[ -n $origin ]] || continue
            gets 403 "GET $target HTTP/1.1" 'Host: localhost:@' "Origin: $origin"
            gets 403 "POST $target HTTP/1.1" 'Host: localhost:@' "Origin: $origin" 'Content-Length: 0'
        done
        gets 403 "GET $target HTTP/1.1" 'Host: localhost:@' 'Sec-Fetch-Site: cross-site'
        gets 403 "GET $target HTTP/1.1" 'Host: localhost:@' 'sec-fetch-site: Cross-Site'
        gets 403 "GET $target HTTP/1.1" 'Host: localhost:@' 'Origin: http://localhost:@' 'Origin: http://evil.test'
    done
    gets 200 'GET /health HTTP/1.1' 'Host: localhost:@' 'Origin: http://localhost:@'
    gets 200 'GET /health HTTP/1.1' 'Host: localhost:@' 'Origin: http://127.0.0.1:@' 'Sec-Fetch-Site: same-origin'
    gets 200 'GET /health HTTP/1.1' 'Host: localhost:@' 'Sec-Fetch-Site: none'
    expect_stat requests = 0
}

@test "what Node's fetch sends by itself is let in: Sec-Fetch-Mode cors, without Origin" {
    server
    proxy
    gets 200 'GET /v1/models HTTP/1.1' 'Host: localhost:@' 'Sec-Fetch-Mode: cors' 'Accept-Language: *'
    gets 200 'GET /health HTTP/1.1' 'Host: localhost:@' 'Sec-Fetch-Mode: cors' 'Accept-Language: *'
    gets 200 'GET /v1/models?2 HTTP/1.1' 'Host: localhost:@' 'Origin: http://localhost:@' 'Sec-Fetch-Site: same-origin'
    [[ $(upstream_get last/header/origin) == "http://localhost:$PROXY_PORT" ]]
    [[ $(upstream_get last/header/sec-fetch-site) == same-origin ]]
}

@test "no CORS header is sent where --allow-origin names no site, even if the upstream sends some" {
    server
    proxy
    local target from
    for from in '' "Origin: http://localhost:$PROXY_PORT" 'Origin: http://page.test'; do
        for target in /v1/models /health /nowhere; do
            client -i -X OPTIONS -H "$from" -H 'Access-Control-Request-Method: POST' \
                -H 'X-Script: header:Access-Control-Allow-Origin=*;header:ACCESS-CONTROL-ALLOW-CREDENTIALS=true;header:Access-Control-Expose-Headers=x;header:Access-Controls=kept' \
                "$PROXY$target" >got
            not grep -qi '^access-control-' got
            client -i -H "$from" -H 'X-Script: sse:2,0;header:Access-Control-Allow-Origin=*' "$PROXY$target" >got
            not grep -qi '^access-control-' got
        done
        client -i -H "$from" -H 'X-Script: status:403;header:access-control-allow-origin=*' "$PROXY/v1/models" >got
        not grep -qi '^access-control-' got
    done
}

# ---- what has no single meaning ----

@test "CONNECT, absolute form, * and what is no path are 400 and close, with nothing upstream" {
    server
    proxy
    local line
    for line in 'CONNECT example.test:443' 'CONNECT localhost:@' 'CONNECT /v1/models' 'GET http://localhost:@/v1/models' \
        'GET http://evil.test/v1/models' 'POST HTTP://localhost:@/v1/x' 'OPTIONS *' 'GET *' 'GET v1/models' 'GET ?a' \
        'GET localhost:@' 'GET https:/v1/models' 'GET //evil.test@/v1/../x'; do
        refused 400 "$line HTTP/1.1\r\nHost: localhost:@\r\n\r\n"
    done
    expect_stat requests = 0
}

@test "a dot segment in any spelling is 400 and closes, with nothing upstream" {
    server
    proxy
    local path
    for path in /.. /. /v1/.. /v1/. /v1/../admin /v1/./models /v1/a/../../x /../v1/models /v1/%%2e%%2e/x /v1/%%2E%%2e/x /v1/.%%2e/x \
        /v1/%%2e./x /v1/%%2e/x /v1/%%2e%%2e '/v1/%%2e%%2e?q=1' '/v1/..%%2fx' '/v1/a%%2f..%%2fx' '/v1/..%%2Fx' '/v1/%%2e%%2e%%2fx' \
        '/v1/..\\\\x' '/v1/..%%5cx' '/v1/%%5c%%2e%%2e%%5Cx' /health/../v1/x /%%2e%%2e/v1/models '/v1/x/.?q'; do
        refused 400 "GET $path HTTP/1.1\r\nHost: localhost:@\r\n\r\n"
    done
    expect_stat requests = 0
}

@test "dots that are no dot segment pass untouched" {
    server
    proxy
    local path
    for path in /v1/... /v1/..a /v1/a.. /v1/.a /v1/a.b '/v1/x?a=../b&c=%2e%2e' /v1/%252e%252e/x '/v1/%2e%2ea' /v1/ft:a..b /v1/; do
        client -o /dev/null --path-as-is "$PROXY$path"
        [[ $(upstream_get last/line) == "GET $path HTTP/1.1" ]]
    done
}

@test "NUL, blanks, control characters and fragments in the target are 400, with nothing upstream" {
    server
    proxy
    local path
    for path in '/v1/%%00' '/v1/a%%00b' '/v1/x?a=%%00' '/%%00' '/v1/a\tb' '/v1/a\001b' '/v1/a\177b' '/v1/models#x'; do
        refused 400 "GET $path HTTP/1.1\r\nHost: localhost:@\r\n\r\n"
    done
    expect_stat requests = 0
}

@test "two lengths, the same or not, are 400 and close, with nothing upstream" {
    server
    proxy
    local length
    for length in 'Content-Length: 5\r\nContent-Length: 5' 'Content-Length: 5\r\nContent-Length: 6' \
        'Content-Length: 6\r\ncontent-length: 5' 'Content-Length: 5\r\nX: y\r\nContent-Length: 0' \
        'Content-Length: 0\r\nContent-Length: 5'; do
        refused 400 "POST /v1/x HTTP/1.1\r\nHost: localhost:@\r\n$length\r\n\r\nhello"
        refused 400 "GET /v1/x HTTP/1.1\r\nHost: localhost:@\r\n$length\r\n\r\nhello"
        refused 400 "GET /health HTTP/1.1\r\nHost: localhost:@\r\n$length\r\n\r\nhello"
    done
    expect_stat requests = 0
}

@test "a length that is no plain number is refused, with nothing upstream" {
    server
    proxy
    local length
    for length in -1 +5 0x5 5a abc '5;' 1e3 '5, 5' '5,5' '5 5' '' ' ' 99999999999999999999 18446744073709551616 18446744073709551615 \
        9223372036854775808 '5 ' '5\t'; do
        refused 400 "POST /v1/x HTTP/1.1\r\nHost: localhost:@\r\nContent-Length: $length\r\n\r\nhello"
    done
    expect_stat requests = 0
}

@test "length with chunked, two or unknown Transfer-Encodings are 400 and close, with nothing upstream" {
    server
    proxy
    local framing
    for framing in 'Content-Length: 5\r\nTransfer-Encoding: chunked' 'Transfer-Encoding: chunked\r\nContent-Length: 5' \
        'Transfer-Encoding: chunked\r\nContent-Length: 0' 'Transfer-Encoding: gzip' 'Transfer-Encoding: gzip, chunked' \
        'Transfer-Encoding: identity' 'Transfer-Encoding: chunked, chunked' 'Transfer-Encoding: xchunked' \
        'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked' 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity' \
        'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked' 'Transfer-Encoding:' 'Transfer-Encoding: \x0bchunked' \
        'Transfer-Encoding: "chunked"' 'Transfer-Encoding: chunked;q=1'; do
        refused 400 "POST /v1/x HTTP/1.1\r\nHost: localhost:@\r\n$framing\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        refused 400 "GET /v1/x HTTP/1.1\r\nHost: localhost:@\r\n$framing\r\n\r\n0\r\n\r\n"
    done
    expect_stat requests = 0
}

@test "a blank before a field's colon is refused, with nothing upstream" {
    server
    proxy
    local field
    for field in 'Content-Length : 5' 'Transfer-Encoding : chunked' 'Host : localhost' 'X Y: z' 'Transfer-Encoding\t: chunked'; do
        refused 400 "POST /v1/x HTTP/1.1\r\nHost: localhost:@\r\n$field\r\n\r\nhello"
    done
    expect_stat requests = 0
}

@test "a chunked body that breaks its framing ends the connection, and nothing behind it is a request" {
    server
    proxy
    local body
    for body in 'zz\r\nhello\r\n0\r\n\r\n' '-5\r\nhello\r\n0\r\n\r\n' '5hello\r\n0\r\n\r\n' '5\r\nhelloX\r\n0\r\n\r\n' \
        'fffffffffffffffff\r\nhello\r\n' '0x5\r\nhello\r\n0\r\n\r\n'; do
        # shellcheck disable=SC2059
        {
            printf "POST /v1/x HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\nTransfer-Encoding: chunked\r\n\r\n$body"
            printf 'GET /v1/smuggled HTTP/1.1\r\nHost: localhost:%s\r\n\r\n' "$PROXY_PORT"
        } | raw "127.0.0.1:$PROXY_PORT" >got
        not grep -a -q 'HTTP/1.1 200' got
    done
    expect_stat in_flight = 0
    not grep -q smuggled <(upstream_get requests)
    upstream_get requests | jq -e 'all(.[]; .finished != "complete")'
}

@test "a HEAD with a body is refused, not passed on without it" {
    server
    proxy
    refused 400 'HEAD /v1/x HTTP/1.1\r\nHost: localhost:@\r\nContent-Length: 5\r\n\r\nhello'
    expect_stat requests = 0
}

@test "after a refusal with much of its body still to come the client gets the answer" {
    server
    proxy
    local body
    body=$(printf 'GET /v1/smuggled HTTP/1.1\r\nHost: localhost:%s\r\n\r\nx' "$PROXY_PORT" | head -c 60)
    for ((i = 0; i < 15; i++)); do body+=$body; done # about 2 MB
    {
        head_of 'POST /v1/x HTTP/1.1' 'Host: localhost:@' 'Content-Length: 1' 'Content-Length: 2'
        printf '%s' "$body"
    } | raw "127.0.0.1:$PROXY_PORT" --report >got 2>report
    head -n 1 got | grep -q '^HTTP/1.1 400'
    grep -q 'end=fin' report
    [[ $(grep -a -c '^HTTP/1.1' got) -eq 1 ]]
    {
        head_of 'POST /v1/x HTTP/1.1' 'Host: evil.test' "Content-Length: ${#body}"
        printf '%s' "$body"
    } | raw "127.0.0.1:$PROXY_PORT" --report >got 2>report
    head -n 1 got | grep -q '^HTTP/1.1 403'
    grep -q 'end=fin' report
    [[ $(grep -a -c '^HTTP/1.1' got) -eq 1 ]]
    expect_stat requests = 0
}

@test "after a refusal whose body was read the connection goes on with the next request" {
    server
    proxy
    raw "127.0.0.1:$PROXY_PORT" --script >got <<END
send POST /v1/x HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 5\r\n\r\nhello
expect 403 Forbidden
send GET /v1/models HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\n\r\n
expect 200 OK
close
END
    expect_stat requests = 1
}

@test "garbage in place of a request ends the connection, and the proxy goes on" {
    server
    proxy
    local bytes
    for bytes in '\r\n\r\n\r\n' 'hello\r\n\r\n' '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' 'GET\r\n\r\n' 'GET /v1/models\r\n\r\n' \
        'GET /v1/models HTTP/9.9\r\nHost: localhost:@\r\n\r\n' 'G\x00T / HTTP/1.1\r\n\r\n' 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' \
        '\xff\xfe\xfd\r\n\r\n' \
        'averyveryverylongmethodthatnobodyknows /v1/x HTTP/1.1\r\nHost: localhost:@\r\n\r\n' \
        'G(T /v1/x HTTP/1.1\r\nHost: localhost:@\r\n\r\n' 'GET /v1/models HTTP/1.1\r\n: x\r\n\r\n'; do
        # shellcheck disable=SC2059
        printf "${bytes//@/$PROXY_PORT}" | raw "127.0.0.1:$PROXY_PORT" --half-close >got || [[ $? -eq 4 ]] || {
            echo "not ended: $bytes"
            return 1
        }
        not grep -a -q 'HTTP/1.1 200' got
    done
    expect_stat requests = 0
    client --fail -o /dev/null "$PROXY/v1/models"
}

@test "a client that leaves in the middle of a head is noticed at once" {
    server
    proxy
    local bytes
    for bytes in '' '\r\n' 'GET /v1/mod' 'GET /v1/models HTTP/1.1\r\nHost: loc' \
        'GET /v1/models HTTP/1.1\r\nHost: localhost:@\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: loc'; do
        # shellcheck disable=SC2059
        printf "${bytes//@/$PROXY_PORT}" | raw "127.0.0.1:$PROXY_PORT" --half-close --report >got 2>report || [[ $? -eq 4 ]] || {
            echo "not ended: $bytes"
            cat report
            return 1
        }
    done
}

# ---- sizes ----

@test "16 KiB of headers and single values of 8 KiB reach the upstream unchanged" {
    server
    proxy
    local i total=0
    local -a headers=()
    for i in {1..16}; do
        headers+=(-H "X-Field-$i: $(printf '%0*d' 1050 "$i")")
    done
    client --fail -o /dev/null "${headers[@]}" "$PROXY/v1/models"
    upstream_get last/headers >seen
    for i in {1..16}; do
        grep -q "^X-Field-$i: $(printf '%0*d' 1050 "$i")" seen
    done
    total=$(wc -c <seen)
    [[ $total -ge 16384 ]]
    local value
    value=$(head -c 8192 /dev/zero | tr '\0' v)
    client --fail -o /dev/null -H "Authorization: $value" -H "X-Other: ${value:0:7000}" "$PROXY/v1/models"
    [[ $(upstream_get last/header/authorization) == "$value" ]]
    client --fail -o /dev/null "$PROXY/v1/models?q=$value"
    [[ $(upstream_get last/line) == "GET /v1/models?q=$value HTTP/1.1" ]]
    # with an answer that has a long head too
    client --fail -o /dev/null "${headers[@]}" -H 'X-Script: bighead:2000' "$PROXY/v1/models"
}

# sweep SHAPE FROM TO STEP: asks with about so many bytes of head; the file codes has "STATUS SIZE" of each
sweep() {
    local size
    for ((size = $2; size <= $3; size += $4)); do
        echo "url = \"$PROXY/v1/models\""
        echo 'output = /dev/null'
        echo 'max-time = 20'
        echo "write-out = \"%{http_code} $size\\n\""
        case $1 in
        one) echo "header = \"X: ${padding:0:size}\"" ;;
        name) echo "header = \"${padding:0:size}: x\"" ;;
        several)
            local left=$size i=0
            while ((left > 0)); do
                echo "header = \"X-$((i++)): ${padding:0:left > 1000 ? 1000 : left}\""
                ((left -= 1000)) || true
            done
            ;;
        two)
            echo "header = \"X-1: ${padding:0:size/2}\""
            echo "header = \"X-2: ${padding:0:size-size/2}\""
            ;;
        target) echo "url-query = \"q=${padding:0:size}\"" ;;
        body)
            echo "header = \"X: ${padding:0:size}\""
            echo 'data = "{}"'
            ;;
        esac
        echo next
    done | sed '$d' >sweep.conf
    [[ $1 != target ]] || sed -i -e '/^url = /{h;d}' -e '/^url-query/{s/^url-query = "\(.*\)"/?\1"/;H;x;s/"\n//}' sweep.conf
    curl -q -sS -K sweep.conf >codes 2>errors || true
}

# Each of them gets an answer: 200, or that it is too large; and it is 200 up to 16 KiB.
answered() {
    local wrong
    wrong=$(awk '!($1 == 200 || $1 == 431 || ($1 == 414 && "'"$1"'" == "target"))' codes)
    [[ -z $wrong ]] || {
        echo "$1: neither 200 nor 431 for:"
        head -n 20 <<<"$wrong"
        head -n 3 errors
        return 1
    }
}

@test "a head of any size is answered, 200 or 431, and never closed in silence" {
    server
    proxy
    padding=$(head -c 66000 /dev/zero | tr '\0' a)
    local shape
    for shape in one several two name target body; do
        sweep "$shape" 14336 40960 512
        answered "$shape"
        [[ $(awk '$1 == 200' codes | wc -l) -ge 3 && $(awk '$1 != 200' codes | wc -l) -ge 3 ]]
        [[ $(awk '$2 <= 16384 && $1 != 200' codes | wc -l) -eq 0 ]]
    done
    expect_stat in_flight = 0
}

@test "a head of any size around the limits is answered, in steps of 8 bytes" {
    server
    proxy
    padding=$(head -c 66000 /dev/zero | tr '\0' a)
    local shape
    for shape in one several two name target; do
        sweep "$shape" 17400 18700 8
        answered "$shape"
        # beyond the limit, where libmicrohttpd's own pools would end
        sweep "$shape" 22000 25000 64
        answered "$shape"
        sweep "$shape" 32000 33200 64
        answered "$shape"
    done
}

@test "much larger heads are answered too" {
    server
    proxy
    padding=$(head -c 66000 /dev/zero | tr '\0' a)
    padding+=$padding$padding$padding
    sweep one 60000 260000 20000
    answered one
    sweep several 60000 260000 20000
    answered several
    sweep target 60000 260000 20000
    answered target
}

@test "many tiny fields are answered, 200 or 431" {
    server
    proxy
    local n i
    for n in 20 60 90 95 100 105 110 120 150 200 250 300 400 600 1000 2000 4000; do
        echo "url = \"$PROXY/v1/models\""
        echo 'output = /dev/null'
        echo 'max-time = 20'
        echo "write-out = \"%{http_code} $n\\n\""
        for ((i = 0; i < n; i++)); do echo "header = \"a$i: b\""; done
        echo next
    done | sed '$d' >tiny.conf
    curl -q -sS -K tiny.conf >codes 2>errors || true
    answered tiny
    [[ $(awk '$2 <= 90 && $1 != 200' codes | wc -l) -eq 0 ]]
    [[ $(awk '$2 >= 4000 && $1 != 431' codes | wc -l) -eq 0 ]]
}

@test "a 431 is OpenAI-shaped, closes, and reaches a client that is still sending its body" {
    server
    proxy
    local value
    value=$(head -c 20000 /dev/zero | tr '\0' v)
    head -c 3000000 /dev/zero >big
    [[ $(client -D head -o got -w '%{http_code}' -H "X: $value" -H 'Expect:' --data-binary @big "$PROXY/v1/x") == 431 ]]
    grep -qi '^connection: close' head
    grep -qi '^x-proxy: goproxyai/' head
    jq -e '.error | .type == "invalid_request_error" and (.message | test("header"))' got
    expect_stat requests = 0
}

# ---- slow clients ----

@test "a head that drips in is ended by --client-timeout" {
    server
    proxy --client-timeout 500ms
    head_of 'GET /v1/models HTTP/1.1' 'Host: localhost:@' "X: $(printf '%0200d' 0)" |
        raw "127.0.0.1:$PROXY_PORT" --drip 1,100 --report >got 2>report || [[ $? -eq 4 ]]
    [[ $(sed -n 's/.*end_ms=\([0-9]*\).*/\1/p' report) -lt 5000 ]]
    expect_stat requests = 0
}

@test "a silent new connection is ended by --client-timeout" {
    server
    proxy --client-timeout 300ms
    raw "127.0.0.1:$PROXY_PORT" --report </dev/null >got 2>report
    grep -q 'end=fin' report
    [[ $(sed -n 's/.*end_ms=\([0-9]*\).*/\1/p' report) -ge 250 ]]
}

@test "the head of a second request that drips in is ended by --client-timeout" {
    server
    proxy --client-timeout 500ms
    {
        printf 'send GET /v1/models HTTP/1.1\\r\\nHost: localhost:%s\\r\\n\\r\\n\nexpect 200\n' "$PROXY_PORT"
        printf 'send GET /v1/models HTTP/1.1\\r\\nHost: localhost:%s\\r\\nX: \n' "$PROXY_PORT"
        for ((i = 0; i < 60; i++)); do printf 'pause 100\nsend x\n'; done
        printf 'close\n'
    } | raw "127.0.0.1:$PROXY_PORT" --script --report >got 2>report || true
    not grep -q 'end=self' report
}

@test "a body that drips in is ended by --client-timeout" {
    server
    proxy --client-timeout 500ms
    local framing i
    for framing in 'Content-Length: 1000' 'Content-Length: 1000000'; do
        {
            printf 'send POST /v1/x HTTP/1.1\\r\\nHost: localhost:%s\\r\\n%s\\r\\n\\r\\n\n' "$PROXY_PORT" "$framing"
            for ((i = 0; i < 150; i++)); do printf 'pause 40\nsend xxxx\n'; done
        } | raw "127.0.0.1:$PROXY_PORT" --script --report >got 2>report || [[ $? -eq 4 ]]
        [[ $(sed -n 's/.*end_ms=\([0-9]*\).*/\1/p' report) -lt 6000 ]]
        not grep -q 'HTTP/1.1 200' got
    done
    expect_stat in_flight = 0
    upstream_get requests | jq -e 'all(.[]; .finished == "aborted")'
    eventually grep -q 'POST /v1/x .*(the client sent too little of its request for --client-timeout)' "$PROXY_LOG"
}

@test "a slow body that makes progress is not ended" {
    server
    proxy --client-timeout 2s # much more than there is between two drips, also on a busy machine
    {
        head_of 'POST /v1/x HTTP/1.1' 'Host: localhost:@' 'Connection: close' 'Content-Length: 20000'
        printf '%020000d' 0
    } >bytes
    raw "127.0.0.1:$PROXY_PORT" --drip 500,80 <bytes >got
    head -n 1 got | grep -q '^HTTP/1.1 404' # the ordinary answer of that path
    [[ $(upstream_get last/bytes) -eq 20000 ]]
}

@test "an idle connection and one that waits for its answer stay beyond --client-timeout" {
    server
    proxy --client-timeout 1s # more than a busy machine takes between connecting and sending
    raw "127.0.0.1:$PROXY_PORT" --script >got <<END
send GET /v1/models HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\n\r\n
expect 200 OK
pause 2500
send GET /v1/models?2 HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\nX-Script: delay:2500\r\n\r\n
expect 200 OK
close
END
    expect_stat requests = 2
}

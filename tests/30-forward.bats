#!/usr/bin/env bats
# run-bats: first
# Forwarding: what the client sent is what the upstream gets, and what the upstream answered is what the client gets.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# scripted SCRIPT [CURL-ARGS…]: a request with this script through the proxy, of which nothing is in the cache yet
scripted() {
    client -H "X-Script: $1" "${@:2}" "$PROXY/v1/models?$(fresh)"
}

# sum FILE: its SHA-256
sum() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# pseudo N [SEED]: N bytes
pseudo() {
    "$test_bin/upstream" --expect-size "$1" ${2:+--seed "$2"}
}

# ---- requests ----

@test "method, raw path and query reach the upstream as they were written" {
    proxy
    local method target
    for target in /v1/models '/v1/a%2Fb' '/v1/a;b=c;d' '/v1/x?a=b&a=c' '/v1/x?' '/v1/x??' '/v1//x' '/v1/x//' '/v1/%E2%82%AC/%e2%82%ac' \
        '/v1/x?q=%2F%3f%26&r=a+b%20c' '/v1/a%25b' '/v1/a~b-c_d.e!f*g(h)i' "/v1/a'b" '/v1/[x]{y}|z^`"<>' '/v1/x?=&&=a' '/v1/x:y@z,$&=+' \
        '/v1' '/v1?a' '/v1/x?a=/../b' '/v1/a%zz%4' '/v1/x?u=http://a/b'; do
        client -o /dev/null --request-target "$target" "$PROXY/"
        [[ $(upstream_get last/line) == "GET $target HTTP/1.1" ]]
    done
    for method in GET POST PUT PATCH DELETE OPTIONS PROPFIND TRACE get QUERY M-SEARCH; do
        client -o /dev/null -X "$method" --request-target '/v1/a%2fb;c?d=e&d=f' "$PROXY/"
        [[ $(upstream_get last/line) == "$method /v1/a%2fb;c?d=e&d=f HTTP/1.1" ]]
    done
    client -I -o /dev/null --request-target '/v1/a%2fb;c?d=e' "$PROXY/"
    [[ $(upstream_get last/line) == 'HEAD /v1/a%2fb;c?d=e HTTP/1.1' ]]
}

@test "bytes above ASCII in the target reach the upstream as they are" {
    proxy
    printf 'GET /v1/h\303\251\377?q=\316\261 HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" >got
    head -n 1 got | grep -q '^HTTP/1.1 [24]0'
    expect_stat requests = 1
    printf 'GET /v1/h\303\251\377?q=\316\261 HTTP/1.1' >expected
    upstream_get last/line | tr -d '\n' | expect_same expected -
}

# both CURL-ARGS…: the head that the upstream sees directly and through the proxy, sorted, without the Host
both() {
    local target
    target="/v1/models?$(fresh)"
    client -o /dev/null "$@" "$UPSTREAM$target"
    upstream_get last/headers | tr -d '\r' | sed -E '/^Host: /Id; s/boundary=.*/boundary/' | sort >directly
    client -o /dev/null "$@" "$PROXY$target"
    upstream_get last/headers | tr -d '\r' | sed -E '/^Host: /Id; s/boundary=.*/boundary/' | sort >through
    expect_same directly through
}

@test "the upstream sees the client's headers, no more and no fewer, than directly" {
    proxy
    both
    both -H 'User-Agent:' -H 'Accept:'
    both -A OpenAI/JS -H 'accept: application/json' -H 'x-stainless-lang: js' -H 'Authorization: Bearer sk-1' -H 'accept-language: *' \
        -H 'Sec-Fetch-Mode: cors' -H 'accept-encoding: gzip'
    both -H 'Accept-Encoding: gzip, deflate, br;q=0.5' -H 'Cache-Control: no-store'
    both -X POST -d '{"model":"m"}' -H 'Accept-Encoding: br, gzip'
    both -d '{"model":"m"}'
    both -d '{"model":"m"}' -H 'Content-Type: application/json'
    both -d '{"model":"m"}' -H 'Content-Type:'
    both -d ''
    both -X POST
    both -X POST -H 'Content-Length: 0'
    both -X DELETE
    both -X PATCH -d x -H 'Accept:' -H 'User-Agent:' -H 'Content-Type:'
    both -X GET -d '{"a":1}' -H 'Content-Type: text/x'
    both -I
    both -H 'Transfer-Encoding: chunked' -d 'abc'
    head -c 70000 /dev/zero >body
    both -H 'Expect:' --data-binary @body
    both -H 'Expect:' -T body
    both -F file=@body
    both --json '{}' --compressed -e http://page.test/ -b 'a=b; c=d' -u me:pass -r 0-5
}

@test "for what may be cached gzip at most is offered upstream, and only if the client takes it" {
    proxy
    local offer
    for offer in 'gzip, deflate, br' 'gzip' '*' 'br;q=1, GZIP;q=0.5'; do
        client -o /dev/null -H "Accept-Encoding: $offer" "$PROXY/v1/models?$(fresh)"
        [[ $(upstream_get last/header/accept-encoding) == gzip ]]
    done
    for offer in 'br, zstd' 'gzip;q=0' identity; do
        client -o /dev/null -H "Accept-Encoding: $offer" "$PROXY/v1/models?$(fresh)"
        [[ $(upstream_get last/header/accept-encoding) == identity ]]
    done
    client -o /dev/null "$PROXY/v1/models?$(fresh)"
    not grep -qi '^accept-encoding' <(upstream_get last/headers)
}

@test "repeated, empty and odd headers reach the upstream, in order" {
    proxy
    client -o /dev/null -H 'X-Twice: 1' -H 'x-twice: 2' -H 'X-Empty;' -H 'X-Tab: a	b' -H 'X-Comma: a, b,,c' -H 'X-Quote: "a\"b"' \
        -H "X-Utf: h$(printf '\303\251')" -H 'X_Under: 1' -H 'X.Dot!#$%&*+-^`|~: 1' -H 'X-Inner:   a   b  ' -H 'Cookie: a=b' -H 'Cookie: c=d' \
        -H 'If-None-Match: "x"' -H 'Range: bytes=0-3' -H 'Via: 1.1 x' -H 'Forwarded: for=1.2.3.4' -H 'X-Forwarded-For: 1.2.3.4' \
        -H 'Content-Encoding: zstd' -H 'Date: x' -H 'Max-Forwards: 0' -H 'X-Cache: a' -H 'X-Proxy: b' -H 'X-Request-ID: mine' "$PROXY/v1/models"
    upstream_get last/headers | tr -d '\r' >seen
    local line
    for line in 'X-Twice: 1' 'x-twice: 2' 'X-Comma: a, b,,c' 'X-Quote: "a\"b"' 'X_Under: 1' 'X.Dot!#$%&*+-^`|~: 1' 'X-Inner: a   b' \
        'Cookie: a=b' 'Cookie: c=d' 'If-None-Match: "x"' 'Range: bytes=0-3' 'Via: 1.1 x' 'Forwarded: for=1.2.3.4' 'X-Forwarded-For: 1.2.3.4' \
        'Content-Encoding: zstd' 'Date: x' 'Max-Forwards: 0' 'X-Cache: a' 'X-Proxy: b' 'X-Request-ID: mine' 'X-Tab: a	b' \
        "X-Utf: h$(printf '\303\251')"; do
        grep -qxF -- "$line" seen
    done
    grep -Eq '^X-Empty: ?$' seen
    [[ $(grep -i '^x-twice' seen | head -n 1) == 'X-Twice: 1' ]]
    [[ $(upstream_get last/header/host) == "127.0.0.1:$UPSTREAM_PORT" ]]
}

@test "hop-by-hop headers, and those that Connection names, stay behind" {
    proxy
    local field
    printf '%s\r\n' 'GET /v1/models HTTP/1.1' "Host: localhost:$PROXY_PORT" 'Connection: close, X-Private, x-other' 'Connection: X-Third' \
        'X-Private: 1' 'X-Other: 2' 'x-third: 3' 'Keep-Alive: timeout=5' 'Proxy-Connection: keep-alive' 'TE: trailers' 'Trailer: X-T' \
        'Upgrade: h2c' 'HTTP2-Settings: AAMAAABkAAQAAP__' 'Proxy-Authorization: Basic eDp5' 'Proxy-Authenticate: Basic' 'X-Kept: 4' '' |
        raw "127.0.0.1:$PROXY_PORT" >got
    head -n 1 got | grep -q '^HTTP/1.1 200'
    upstream_get last/headers >seen
    for field in Connection X-Private X-Other X-Third Keep-Alive Proxy-Connection TE Trailer Upgrade Proxy-Authorization \
        Proxy-Authenticate Expect; do
        not grep -qi "^$field:" seen
    done
    grep -q '^X-Kept: 4' seen
}

@test "a field value cannot add a field, and a folded one stays one field" {
    proxy
    printf 'GET /v1/models HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-A: one\r\n X-Injected: two\r\n\r\n' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" >got
    not grep -q '^X-Injected' <(upstream_get last/headers || true)
    printf 'GET /v1/models HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-A: one\rX-Injected: two\r\n\r\n' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" >got
    not grep -q '^X-Injected' <(upstream_get last/headers || true)
}

@test "Expect: 100-continue is the proxy's to answer, and goes no further" {
    proxy
    raw "127.0.0.1:$PROXY_PORT" --script >got <<END
send POST /v1/x HTTP/1.1\r\nHost: localhost:$PROXY_PORT\r\nConnection: close\r\nExpect: 100-continue\r\nX-Script: echo\r\nContent-Length: 5\r\n\r\n
expect HTTP/1.1 100
send hello
expect "body":"hello"
END
    not grep -qi '^expect' <(upstream_get last/headers)
}

@test "request bodies are the same bytes, whatever their size and framing" {
    proxy
    local n how
    for n in 0 1 100 65535 65536 65537 1000000 3000001; do
        pseudo "$n" "$n" >body
        for how in Content-Length chunked; do
            if [[ $how == chunked ]]; then
                client -o /dev/null -H 'X-Script: body:' -H 'Expect:' -H 'Transfer-Encoding: chunked' --data-binary @body "$PROXY/v1/x"
                upstream_get last/headers | grep -qi '^transfer-encoding: chunked'
                not grep -qi '^content-length' <(upstream_get last/headers)
            else
                client -o /dev/null -H 'X-Script: body:' -H 'Expect:' --data-binary @body "$PROXY/v1/x"
                [[ $(upstream_get last/header/content-length) == "$n" ]]
                not grep -qi '^transfer-encoding' <(upstream_get last/headers)
            fi
            [[ $(upstream_get last/bytes) == "$n" && $(upstream_get last/sha256) == "$(sum body)" ]]
        done
    done
}

@test "a request without a body has none upstream, and an empty one stays empty" {
    proxy
    local method
    for method in GET DELETE OPTIONS; do
        client -o /dev/null -X "$method" "$PROXY/v1/x"
        not grep -Eqi '^(content-length|transfer-encoding)' <(upstream_get last/headers)
    done
    client -o /dev/null -X POST -H 'Content-Length: 0' "$PROXY/v1/x"
    [[ $(upstream_get last/header/content-length) == 0 ]]
    printf 'POST /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n' "$PROXY_PORT" | raw "127.0.0.1:$PROXY_PORT" >got
    head -n 1 got | grep -q '^HTTP/1.1 404' # the upstream's
    not grep -qi '^transfer-encoding' <(upstream_get last/headers)
    [[ $(upstream_get last/bytes) == 0 ]]
}

@test "odd chunks, extensions and trailers of a chunked body do not change its bytes" {
    proxy
    printf 'POST /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-Script: echo\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0002;x=y\r\nbc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: z\r\n\r\n' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" >got
    grep -q '"body":"abc0123456789"' got
    not grep -qi '^x-trailer' <(upstream_get last/headers)
}

@test "a multipart upload arrives byte for byte" {
    proxy
    pseudo 3000000 >file
    printf '\r\n--x\r\n' >>file
    client -F purpose=assistants -F "file=@file;filename=a \"b\".bin" "$PROXY/v1/files" >got
    [[ $(jq -r .sha256 got) == "$(sum file)" && $(jq .bytes got) -eq $(stat -c %s file) ]]
}

@test "the body of an upload is passed on while the client still sends it" {
    proxy
    mkfifo pipe
    spawn out err sh -c 'curl -q -sS --max-time 60 -H "X-Script: echo" -H "Transfer-Encoding: chunked" -H Expect: -T - "$1" <pipe' sh "$PROXY/v1/x"
    exec 9>pipe
    printf 'first' >&9
    expect_stat in_flight = 1
    eventually upload_is 5
    printf 'second' >&9
    eventually upload_is 11
    exec 9>&-
    eventually grep -q '"body":"firstsecond"' out
}

upload_is() {
    [[ $(upstream_get last/bytes) -eq $1 ]]
}

@test "an upload of 300 MB goes through with bounded memory" {
    proxy
    truncate -s 300000000 big
    client --max-time 300 -H 'X-Script: body:ok' -H 'Expect:' -T big "$PROXY/v1/files" -o got
    [[ $(<got) == ok && $(upstream_get last/bytes) -eq 300000000 ]]
    peak_below 30000
}

# ---- answers ----

@test "every status from 200 to 599 passes, with its body and its reason left to the status" {
    proxy
    local code
    for code in {200..599}; do
        echo "url = \"$PROXY/v1/x?$code\""
        echo "header = \"X-Script: status:$code;body:b$code\""
        echo 'write-out = " %{http_code}\n"'
        echo next
    done | sed '$d' >statuses.conf
    curl -q -sS -K statuses.conf >got
    for code in {200..599}; do
        case $code in
        204 | 304) echo " $code" ;;
        *) echo "b$code $code" ;;
        esac
    done >expected
    expect_same expected got
}

@test "answers have the same head and body as directly, whatever the framing and the status" {
    proxy
    local script
    for script in 'status:200' 'status:201;body:x' 'status:204;body:' 'status:205;body:' 'status:304;body:;header:ETag="x"' 'status:418' \
        'status:499;body:' 'status:529;body:x' 'status:429;header:Retry-After=7' 'body:' 'chunked;body:' 'chunk:a;chunk:b' \
        'chunked;size:100000' 'size:100000' 'gzip;size:5000' 'gzip;chunked;size:5000' 'gzip' \
        'header:Set-Cookie=a=b\; Path=/;header:Set-Cookie=c=d' 'header:X-Empty=;header:X-Two=1;header:x-two=2' \
        'header:Content-Type=audio/mpeg;size:4096' 'drop:Content-Type;body:x' 'drop:Date;body:x' 'drop:x-request-id;body:x' \
        'header:X-Tab=a\tb\t;body:x' 'header:X-Utf=h\xc3\xa9;body:x' 'header:X-Long=0123456789012345678901234567890123456789;body:' \
        'header:ETag="abc";header:Last-Modified=x;header:Vary=*;header:Age=7;header:Cache-Control=no-store, max-age=0;body:x' \
        'header:Via=1.1 x;header:Server=cloudflare;header:Alt-Svc=h3;header:Strict-Transport-Security=max-age=1;header:WWW-Authenticate=Basic;body:' \
        'header:Location=/v1/elsewhere;status:302;body:' 'status:401;header:WWW-Authenticate=Bearer' 'sse:3,0' 'early:103;body:x' \
        'header:Content-Range=bytes 0-3/9;status:206;body:abcd' 'header:Content-Disposition=attachment\; filename="a b";body:x'; do
        client -D head1 -o body1 -H "X-Script: $script" -H 'Accept-Encoding: gzip' "$UPSTREAM/v1/models" --raw
        client -D head2 -o body2 -H "X-Script: $script" -H 'Accept-Encoding: gzip' "$PROXY/v1/models?$(fresh)" --raw
        # an answer that is there as a whole comes with its length, however it was framed upstream
        [[ $script == *chunk* || $script == sse* ]] && sed -i -E '/^(transfer-encoding|content-length):/Id' head1 head2
        # behind an interim head stands the answer's; what the proxy adds is known
        tr -d '\r' <head1 | awk '/^HTTP/ { n = 0 } { line[n++] = $0 } END { for (i = 0; i < n; i++) print line[i] }' |
            sed -E '/^x-request-id|^Date|^Connection|^HTTP/Id; s/[ \t]+$//' | sort >plain1
        tr -d '\r' <head2 | awk '/^HTTP/ { n = 0 } { line[n++] = $0 } END { for (i = 0; i < n; i++) print line[i] }' |
            sed -E '/^x-request-id|^Date|^Connection|^HTTP/Id; /^(X-Proxy|X-Cache|Cache-Status):/d; s/[ \t]+$//' | sort >plain2
        if ! expect_same plain1 plain2; then
            echo "with the script $script"
            return 1
        fi
        [[ $script == *sse* || $script == *chunk* ]] || expect_same body1 body2
    done
}

@test "HEAD gets the head that GET would get, and no body" {
    proxy
    local script
    for script in 'status:200' 'size:5000' 'chunked;size:5000' 'close;size:5000' 'status:404' 'status:204;body:' 'length:123456;body:'; do
        client -I -H "X-Script: $script" "$UPSTREAM/v1/models" | tr -d '\r' | grep -Ei '^(content-length|content-type)' | sort >plain1 || true
        client -I -H "X-Script: $script" "$PROXY/v1/models" | tr -d '\r' | grep -Ei '^(content-length|content-type)' | sort >plain2 || true
        if ! expect_same plain1 plain2; then
            echo "with the script $script"
            return 1
        fi
    done
    # nothing follows the head: the next answer is where it should be
    printf 'HEAD /v1/models HTTP/1.1\r\nHost: localhost:%s\r\nX-Script: size:5000\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-Script: body:second\r\n\r\n' \
        "$PROXY_PORT" "$PROXY_PORT" | raw "127.0.0.1:$PROXY_PORT" >got
    [[ $(grep -a -c '^HTTP/1.1 200' got) -eq 2 && $(tail -n 1 got) == second ]]
    [[ $(wc -c <got) -lt 2000 ]]
}

@test "nothing follows the head for HEAD where the answer has no length, and the head says how the connection goes on" {
    proxy
    local script http path
    for path in /v1/models /v1/x; do
        for http in 1.1 1.0; do
            for script in 'chunked;size:5000' 'close;size:5000' 'nolength;size:5000' 'chunked;status:404;body:{}' 'gzip;chunked;size:5000'; do
                printf 'HEAD %s HTTP/%s\r\nHost: localhost:%s\r\nX-Script: %s\r\n\r\n' "$path" "$http" "$PROXY_PORT" "$script" |
                    raw "127.0.0.1:$PROXY_PORT" >got
                [[ $(tail -c 4 got | od -An -c | tr -d ' ') == '\r\n\r\n' && $(grep -c $'^\r$' got) -eq 1 ]] || {
                    echo "$path $http $script"
                    cat got
                    return 1
                }
                not grep -aqi '^transfer-encoding\|^content-length' got
                [[ $http == 1.0 ]] || grep -aqi '^connection: close' got
            done
        done
    done
}

@test "a body of a known length comes with its length, a chunked one chunked, a close-delimited one until the close" {
    proxy
    local framing
    for framing in 'size:5000' 'size:300000' 'body:'; do
        scripted "$framing" -i -o got
        grep -a -qi '^content-length: ' got
        not grep -a -qi '^transfer-encoding' got
    done
    for framing in 'chunked;size:5000' 'chunked;size:300000' 'sse:3,0' 'chunked;body:'; do
        scripted "$framing;flush;barrier:late-${#framing};body:x" -i -o got &
        local pid=$!
        barrier wait "late-${#framing}"
        barrier release "late-${#framing}"
        wait "$pid"
        grep -a -qi '^transfer-encoding: chunked' got
        not grep -a -qi '^content-length' got
    done
    for framing in close nolength; do
        scripted "$framing;size:5000;barrier:$framing;body:end" -i -o got &
        pid=$!
        barrier wait "$framing"
        barrier release "$framing"
        wait "$pid"
        not grep -a -Eqi '^(content-length|transfer-encoding)' got
        tail -c 3 got | grep -q end
    done
}

@test "bodies are the same bytes, whatever their size and framing" {
    proxy
    local n how
    for n in 0 1 65535 65536 65537 300000; do
        pseudo "$n" "$n" >expected
        for how in length chunked close nolength 'gzip;length' 'gzip;chunked' 'gzip;close' hangup 'chunkbytes:4099'; do
            [[ $how != chunkbytes* || $n -gt 0 ]] || continue
            scripted "$how;seed:$n;size:$n" --compressed >got
            expect_same expected got
        done
    done
}

@test "Content-Encoding passes as it came, also to a client that did not ask for it, where nothing is kept" {
    proxy
    client -H 'X-Script: gzip;body:hello' -H 'Cache-Control: no-store' -D head -o got "$PROXY/v1/models"
    grep -qi '^content-encoding: gzip' head
    [[ $(gzip -dc got) == hello ]]
    [[ $(grep -i '^content-length' head | tr -dc 0-9) -eq $(stat -c %s got) ]]
    [[ -z $(upstream_get last/header/accept-encoding) ]]
    scripted 'header:Content-Encoding=br;body64:AAECgP8=' -D head -o got
    grep -qi '^content-encoding: br' head
    [[ $(od -An -tx1 got) == ' 00 01 02 80 ff' ]]
}

@test "more than one Content-Encoding passes as it came, whatever the client takes, in one field or in several" {
    proxy
    local fields encodings
    for fields in 'gzip gzip' 'gzip deflate' 'deflate gzip' 'gzip, gzip' 'x-gzip br'; do
        encodings=
        [[ $fields == *,* ]] && encodings=";header:Content-Encoding=$fields"
        [[ $fields == *,* ]] || printf -v encodings ';header:Content-Encoding=%s' $fields
        printf 'twice packed' | gzip -c | gzip -c | base64 -w 0 >packed.base64
        client -H "X-Script: ${encodings#;};body64:$(<packed.base64)" -H 'Accept-Encoding:' -D head -o got "$PROXY/v1/models?$(fresh)"
        base64 -d packed.base64 >expected
        expect_same expected got
        [[ $(grep -ci '^content-encoding:' head) -eq $([[ $fields == *,* ]] && echo 1 || echo 2) ]]
    done
}

@test "what may be kept goes as gzip to clients that take it, and unpacked to all others" {
    proxy
    local framing
    for framing in length chunked close; do
        scripted "gzip;$framing;body:hello" -H 'Accept-Encoding: gzip' -D head -o got
        grep -qi '^content-encoding: gzip' head
        [[ $(gzip -dc got) == hello ]]
        scripted "gzip;$framing;body:hello" -D head -o got
        not grep -qi '^content-encoding' head
        [[ $(<got) == hello ]]
    done
    # what is no gzip is broken then, not whole
    not scripted 'header:Content-Encoding=gzip;body:hello' -o got
}

@test "a folded header arrives as one, trailers do not arrive" {
    proxy
    scripted 'folded;body:x' -i -o got
    grep -Ei '^[a-z-]+:.*third line' got
    scripted 'chunk:abc;trailer:X-Sum=1' --raw -i -o got
    not grep -qi '^x-sum' got
    scripted 'chunk:abc;trailer:X-Sum=1' -o got
    [[ $(<got) == abc ]]
}

@test "interim answers are never taken for the answer" {
    proxy
    local script
    for script in 'early:100;body:end' 'early:102;early:103;body:end' 'early:103,Link=<b>;delay:100;chunk:e;chunk:nd' 'early:100;early:100;early:100;early:103;status:418;body:end'; do
        scripted "$script" -D head >got
        [[ $(<got) == end ]]
        [[ $(grep '^HTTP' head | tail -n 1) == HTTP/1.1\ [24]* ]]
        not grep -qi '^link' <(sed -n '/^HTTP\/1.1 [2-5]/,$p' head)
    done
    pseudo 200000 >body
    client -H 'X-Script: early:100;echo' --data-binary @body "$PROXY/v1/x" | jq -e '.body_bytes == 200000'
}

@test "an answer of 200 MB goes through with bounded memory" {
    proxy
    local how
    pseudo 200000000 | sha256sum >expected
    for how in length chunked; do
        scripted "$how;size:200000000" -H 'Cache-Control: no-store' | sha256sum >got
        expect_same expected got
    done
    scripted 'length;size:200000000' | sha256sum >got # its length says that it will not be kept
    expect_same expected got
    peak_below 30000
    scripted 'chunked;size:200000000' | sha256sum >got # held until it proves to be too large, above 32 MiB
    expect_same expected got
    peak_below 70000
}

@test "an answer's head of 16 KB passes, one of 60 KB is an OpenAI-shaped 502" {
    proxy
    local n
    for n in 1000 4000 8000 12000 14000 16000; do
        scripted "bighead:$n;body:end" -D head >got
        [[ $(<got) == end ]]
        [[ $(wc -c <head) -ge $n ]]
    done
    scripted 'bigline:8000;body:end' >got
    [[ $(<got) == end ]]
    for n in 60000 100000 400000; do
        [[ $(scripted "bighead:$n;body:end" -o got -w '%{http_code}') == 502 ]]
        jq -e '.error | .type == "upstream_error" and (.message | test("head"))' got
        [[ $(scripted "bigline:$n;body:end" -o got -w '%{http_code}') == 502 ]]
        jq -e '.error | .code == "upstream_bad_answer" and (.message | test("head"))' got
    done
    # in between it is one or the other, and never silence
    for ((n = 16500; n < 60000; n += 500)); do
        scripted "bighead:$n;body:end" -o got -w '%{http_code}\n'
    done >codes
    not grep -Evx '200|502' codes
    expect_stat in_flight = 0
}

@test "an answer says who passed it on, and whether it came from the cache" {
    proxy
    scripted 'body:{}' -i >got
    grep -Eq $'^X-Proxy: goproxyai/[0-9]+\\.[0-9.]+\r$' got
    grep -q $'^X-Cache: MISS\r$' got
    grep -Eq $'^Cache-Status: goproxyai; fwd=miss; stored; key="[0-9a-f]{12}"\r$' got
    scripted 'body:no JSON' -i >got
    grep -q $'^X-Cache: MISS\r$' got
    grep -Eq $'^Cache-Status: goproxyai; fwd=miss; key="[0-9a-f]{12}"\r$' got
    scripted 'status:500' -i >got
    grep -q $'^X-Cache: MISS\r$' got
    grep -Eq $'^Cache-Status: goproxyai; fwd=miss; key="[0-9a-f]{12}"\r$' got
    scripted body:x -i -H 'Cache-Control: no-store' >got
    grep -q $'^X-Cache: BYPASS\r$' got
    grep -q $'^Cache-Status: goproxyai; fwd=bypass\r$' got
    scripted 'header:X-Cache=HIT from x;header:X-Proxy=other;body:x' -i >got
    [[ $(grep -ci '^x-cache:' got) -eq 1 && $(grep -ci '^x-proxy:' got) -eq 1 ]]
    client -i "$PROXY/health" >got
    grep -q '^X-Proxy: goproxyai/' got
    not grep -qi '^x-cache' got
    client -i "$PROXY/nowhere" >got
    grep -q '^X-Proxy: goproxyai/' got
}

@test "the upstream's x-request-id is untouched; where there is none stands the proxy's, and both are one in number" {
    proxy
    scripted 'body:x' -i >got
    [[ $(grep -i '^x-request-id' got | tr -d '\r') == 'x-request-id: req_up_1' ]]
    scripted 'drop:x-request-id;body:x' -i >got
    [[ $(grep -ci '^x-request-id: req_' got) -eq 1 ]]
    scripted 'drop:x-request-id;body:x' -i >other
    [[ $(grep -i '^x-request-id' got) != "$(grep -i '^x-request-id' other)" ]]
    client -i "$PROXY/nowhere" | grep -qi '^x-request-id: req_'
    client -i "$PROXY/health" | grep -qi '^x-request-id: req_'
}

@test "what is neither /v1 nor the proxy's own is a 404 in OpenAI's shape" {
    proxy
    local path
    for path in / /v2/x /v1x /V1/models /healthz /health/ /favicon.ico; do
        [[ $(client -o got -w '%{http_code} %{content_type}' "$PROXY$path") == '404 application/json' ]]
        jq -e '.error | .type == "invalid_request_error" and has("code") and has("param") and (.message | length > 10)' got
    done
    [[ $(client -o got -w '%{http_code}' -d '{}' "$PROXY/v2/x") == 404 ]]
    [[ $(client -o got -w '%{http_code}' -X DELETE "$PROXY/health") == 405 ]]
    expect_stat requests = 0
}

# ---- connections ----

@test "requests follow one another on one client connection, whatever their kind" {
    proxy
    client -o /dev/null "$PROXY/v1/models" --next -q -sS -o /dev/null -d '{}' "$PROXY/v1/x" --next -q -sS -o /dev/null -I "$PROXY/v1/models" \
        --next -q -sS -o /dev/null -H 'X-Script: sse:3,0' "$PROXY/v1/x?1" --next -q -sS -o /dev/null "$PROXY/nowhere" \
        --next -q -sS -o /dev/null -H 'X-Script: status:204;body:' "$PROXY/v1/x?2" \
        --next -q -sS -o /dev/null -H 'X-Script: status:304;body:' "$PROXY/v1/x?3" \
        --next -q -sS -o /dev/null -H 'Transfer-Encoding: chunked' -d '{}' "$PROXY/v1/x" \
        --next -q -sS -o /dev/null -H 'X-Script: size:300000' "$PROXY/v1/x?4" --next -q -sS -o /dev/null "$PROXY/health" \
        --next -q -sS -o /dev/null "$PROXY/v1/models?5" --next -q -sS -o /dev/null -w '%{num_connects}' "$PROXY/v1/models" >got
    [[ $(<got) == 0 ]]
    expect_stat requests = 9 # the last one was there already
}

@test "pipelined requests are answered in order" {
    proxy
    local i
    for i in 1 2 3 4 5 6 7 8; do
        printf 'POST /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nX-Script: delay:%d;body:answer%d\r\nContent-Length: 5\r\n\r\nhello' \
            "$PROXY_PORT" $(((9 - i) * 5)) "$i"
    done >bytes
    printf 'GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-Script: body:last\r\n\r\n' "$PROXY_PORT" >>bytes
    raw "127.0.0.1:$PROXY_PORT" <bytes >got
    [[ $(grep -a -o 'answer[0-9]\|last' got | tr '\n' ' ') == 'answer1 answer2 answer3 answer4 answer5 answer6 answer7 answer8 last ' ]]
    expect_stat requests = 9
}

@test "an HTTP/1.0 client gets the body until the close, never chunks" {
    proxy
    local script
    for script in 'chunk:hello;chunk:world' 'body:helloworld' 'close;body:helloworld' 'chunked;flush;delay:50;chunk:helloworld'; do
        printf 'GET /v1/x HTTP/1.0\r\nHost: localhost:%s\r\nX-Script: %s\r\n\r\n' "$PROXY_PORT" "$script" |
            raw "127.0.0.1:$PROXY_PORT" --report >got 2>report
        grep -q 'end=fin' report
        not grep -qi '^transfer-encoding' got
        [[ $(tail -n 1 got) == helloworld ]]
    done
    printf 'GET /v1/x HTTP/1.0\r\nHost: localhost:%s\r\nConnection: keep-alive\r\nX-Script: body:one\r\n\r\n' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" --until one >got
    [[ $(tail -n 1 got) == one ]]
    [[ $(upstream_get last/line) == 'GET /v1/x HTTP/1.1' ]]
}

@test "an HTTP/1.0 client gets a long body in large pieces, and a reset where it breaks" {
    proxy
    local script code
    # of a length that nobody knows, plain and unpacked on the way; byte by byte this would take a minute
    for script in 'chunked;size:10000000' 'close;size:10000000' 'gzip;size:10000000'; do
        client --http1.0 --max-time 20 -o got -H "X-Script: $script" "$PROXY/v1/x?$(fresh)"
        "$test_bin/upstream" --expect-size 10000000 | cmp - got
    done
    for script in 'chunked;size:100000;reset' 'data:1;fin' 'chunked;size:100000;badchunk'; do
        code=0
        client --http1.0 -o got -H "X-Script: $script" -H 'Cache-Control: no-store' "$PROXY/v1/x" 2>err || code=$?
        [[ $code -eq 56 ]] # it would take a FIN for the end
    done
}

@test "Connection: close is obeyed, and a close-delimited answer closes" {
    proxy
    printf 'GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\nX-Script: body:one\r\n\r\n' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" --report >got 2>report
    grep -q 'end=fin' report
    grep -qi '^connection: close' got
    printf 'GET /v1/x HTTP/1.1\r\nHost: localhost:%s\r\nX-Script: close;body:one\r\n\r\n' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" --report >got 2>report
    grep -q 'end=fin' report
}

@test "connections to the upstream are used again" {
    proxy --workers 1
    local i
    for i in {1..30}; do
        client -o /dev/null "$PROXY/v1/models?$i"
    done
    client -o /dev/null -d '{}' "$PROXY/v1/x"
    client -o /dev/null -H 'X-Script: sse:3,0' "$PROXY/v1/x?1"
    client -o /dev/null -H 'X-Script: status:500' "$PROXY/v1/x?2"
    client -o /dev/null -I "$PROXY/v1/x"
    client -o /dev/null -H 'X-Script: size:300000' "$PROXY/v1/x?3"
    expect_stat requests = 35
    [[ $(upstream_get counters/connections) -eq 1 ]]
}

@test "an upstream connection that died while idle is no error for the client" {
    proxy --workers 1
    local i
    for i in {1..10}; do
        client --fail -o /dev/null -H 'X-Script: hangup' "$PROXY/v1/models?h=$i"
        client --fail -o /dev/null "$PROXY/v1/models?n=$i"
        client --fail -o /dev/null -H 'X-Script: hangup' -d "{\"h\":$i}" "$PROXY/v1/chat/completions"
        client --fail -o /dev/null -d "{\"n\":$i}" "$PROXY/v1/chat/completions"
    done
    expect_stat requests = 40
    # the whole upstream restarted
    client --fail -o /dev/null "$PROXY/v1/models"
    local port=$UPSTREAM_PORT
    kill "$UPSTREAM_PID"
    pid_ends "$UPSTREAM_PID" 30
    server --port "$port"
    client --fail -o /dev/null -d '{"a":1}' "$PROXY/v1/chat/completions"
    head -c 100000 /dev/zero >body
    client --fail -o /dev/null -H 'X-Script: body:x' --data-binary @body "$PROXY/v1/x"
}

@test "a POST whose kept-alive connection dies after it was read is sent once, not twice" {
    proxy --workers 1
    client --fail -o /dev/null "$PROXY/v1/models"
    [[ $(client -o got -w '%{http_code}' -H 'X-Script: fin' -d '{"a":1}' "$PROXY/v1/chat/completions") == 502 ]]
    [[ $(upstream_get counters/requests) -le 3 ]] # curl itself tries a dead connection once more
    [[ $(client -o got -w '%{http_code}' -H 'X-Script: barrier:b;fin' -d '{"a":1}' "$PROXY/v1/chat/completions" --max-time 0.5 || true) == 000 ]]
}

@test "many requests at once over few client connections all get their own answers" {
    proxy
    local i
    for i in {1..400}; do
        echo "url = \"$PROXY/v1/x?$i\""
        echo "header = \"X-Script: size:$((i * 37))\""
        echo "output = \"answer.$i\""
        echo "header = \"X-Number: $i\""
        echo next
    done | sed '$d' >many.conf
    curl -q -sS --parallel --parallel-max 40 -K many.conf 2>progress
    for i in 1 57 133 399 400; do
        pseudo $((i * 37)) >expected
        expect_same expected "answer.$i"
    done
    for i in {1..400}; do
        [[ $(stat -c %s "answer.$i") -eq $((i * 37)) ]]
    done
    expect_stat requests = 400
}

# ---- what is refused, and settings ----

@test "a WebSocket upgrade is answered 426 at once, says what would be upgraded, and goes nowhere" {
    proxy
    local target
    for target in /v1/realtime?model=m /v1/responses; do
        printf '%s\r\n' "GET $target HTTP/1.1" "Host: localhost:$PROXY_PORT" 'Connection: Upgrade' 'Upgrade: websocket' \
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' 'Sec-WebSocket-Version: 13' \
            'Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-secret7' '' |
            raw "127.0.0.1:$PROXY_PORT" --report >got 2>report
        head -n 1 got | grep -q '^HTTP/1.1 426'
        grep -qi $'^upgrade: websocket\r$' got
        grep -q 'end=fin' report
        grep -q '"error":{"message":".*WebSocket' got
    done
    expect_stat requests = 0
    not grep -q secret7 "$PROXY_LOG"
    # without Connection: Upgrade the field asks for nothing
    [[ $(client -o got -w '%{http_code}' -H 'Upgrade: websocket' "$PROXY/v1/models") == 200 ]]
}

@test "the upstream's base path comes before the client's path, with and without /v1" {
    local base
    for base in /openai /openai/ /openai/v1 /openai/v1/; do
        proxy --upstream "$UPSTREAM$base"
        client -o /dev/null "$PROXY/v1/models?a=%2F"
        [[ $(upstream_get last/line) == 'GET /openai/v1/models?a=%2F HTTP/1.1' ]]
    done
    for base in '' / /v1 /v1/; do
        proxy --upstream "$UPSTREAM$base"
        client -o /dev/null "$PROXY/v1/models"
        [[ $(upstream_get last/line) == 'GET /v1/models HTTP/1.1' ]]
    done
    proxy --upstream "$UPSTREAM/a/myv1"
    client -o /dev/null "$PROXY/v1/models"
    [[ $(upstream_get last/line) == 'GET /a/myv1/v1/models HTTP/1.1' ]]
}

@test "--forwarded adds the client's address and a request id, and only then" {
    proxy
    client -o /dev/null "$PROXY/v1/models"
    not grep -Eqi '^(x-forwarded|x-request-id|forwarded|via)' <(upstream_get last/headers)
    proxy --forwarded
    client -o /dev/null "$PROXY/v1/models"
    [[ $(upstream_get last/header/x-forwarded-for) == 127.0.0.1 ]]
    [[ $(upstream_get last/header/x-request-id) == req_* ]]
    client -o /dev/null -H 'X-Forwarded-For: 10.0.0.1' -H 'X-Request-ID: mine' "$PROXY/v1/models?2"
    [[ $(upstream_get last/header/x-forwarded-for) == '10.0.0.1, 127.0.0.1' ]]
    [[ $(upstream_get last/header/x-request-id) == mine ]]
    [[ $(grep -ci '^x-forwarded-for' <(upstream_get last/headers)) -eq 1 ]]
    client -o /dev/null -H 'X-Forwarded-For: 10.0.0.1' -H 'X-Forwarded-For: 10.0.0.2' "$PROXY/v1/models?3"
    [[ $(upstream_get last/header/x-forwarded-for) == '10.0.0.1, 10.0.0.2, 127.0.0.1' ]]
}

#!/usr/bin/env bats
# The upstream proxy: real squid, tinyproxy and a SOCKS server (microsocks) in front of a real nginx with TLS and HTTP/2.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# secure: nginx with TLS and HTTP/2 in front of the upstream; it calls itself by every name that the certificate has
secure() {
    need nginx openssl
    make_ca
    start_nginx 'server {
        listen 127.0.0.1:@PORT@ ssl http2; ssl_certificate @CERT@; ssl_certificate_key @KEY@;
        location / { proxy_pass http://@UPSTREAM@; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
                     client_max_body_size 0; proxy_set_header X-Protocol $server_protocol; }
    }'
}

# shared_file NAME TEXT: a file that a daemon which gave up root can read; its path in $shared
shared_file() {
    local dir
    dir=$(mktemp -d "$BATS_RUN_TMPDIR/../goproxyai-shared.XXXXXX")
    chmod 755 "$dir"
    tracked_dirs+=("$dir")
    shared=$(cd "$dir" && pwd)/$1
    printf '%s' "$2" >"$shared"
    chmod 644 "$shared"
}

ncsa_auth() {
    local path
    for path in /usr/lib/squid /usr/lib64/squid /usr/libexec/squid /usr/lib/squid3; do
        [[ ! -x $path/basic_ncsa_auth ]] || {
            echo "$path/basic_ncsa_auth"
            return
        }
    done
}

# locked_squid: squid that asks for user:secret7, and alone knows the name upstream.test
locked_squid() {
    need squid openssl
    local helper hosts
    helper=$(ncsa_auth)
    [[ -n $helper ]] || skip "squid's basic_ncsa_auth is not installed"
    shared_file hosts $'127.0.0.1 upstream.test\n'
    hosts=$shared
    shared_file passwd "user:$(openssl passwd -apr1 secret7)"$'\n'
    start_squid "hosts_file $hosts
auth_param basic program $helper $shared
auth_param basic realm squid
auth_param basic children 2 startup=1
acl known proxy_auth REQUIRED
http_access deny !known
${1:-}"
}

works() {
    local got
    got=$(client -o got -w '%{http_code}' "$PROXY/v1/models")
    [[ $got == 200 ]] || {
        echo "status $got"
        cat got
        return 1
    }
    jq -e '.object == "list"' got
}

# ---- squid, with Basic authentication ----

@test "squid carries https by CONNECT with the right credentials, HTTP/2 within" {
    secure
    locked_squid
    proxy --http2 --upstream "https://upstream.test:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "http://user:secret7@127.0.0.1:$SQUID_PORT"
    works
    [[ $(upstream_get last/header/x-protocol) == HTTP/2.0 ]]
    not grep -Eqi '^(proxy-|via:|x-forwarded)' <(upstream_get last/headers)
    client -o got -d '{"model":"m","stream":true}' "$PROXY/v1/chat/completions"
    grep -q DONE got
    truncate -s 20000000 big
    client -H 'X-Script: echo' -H 'Expect:' -T big "$PROXY/v1/files" | jq -e '.body_bytes == 20000000'
    not grep -q secret7 "$PROXY_LOG"
}

@test "squid carries plain http in absolute form with the right credentials" {
    locked_squid
    proxy --upstream "http://upstream.test:$UPSTREAM_PORT/base" --proxy "http://user:secret7@127.0.0.1:$SQUID_PORT"
    client --fail -o got --request-target '/v1/a%2Fb;c?d=%20&e' "$PROXY/" || true
    [[ $(upstream_get last/line) == 'GET /base/v1/a%2Fb;c?d=%20&e HTTP/1.1' ]]
    works
    upstream_get last/headers >seen
    grep -qi '^via:.*squid' seen
    not grep -qi '^proxy-authorization' seen
    grep -qi "^host: upstream.test:$UPSTREAM_PORT" seen
    client -H 'X-Script: echo' -d '{"a":1}' "$PROXY/v1/x" | jq -e '.body == "{\"a\":1}"'
}

@test "wrong or missing credentials are a 502 that names the proxy's authentication, not the upstream's 407" {
    secure
    locked_squid
    local where
    for where in user:wrong7@ wrong:secret7@ ''; do
        proxy --upstream "https://upstream.test:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "http://${where}127.0.0.1:$SQUID_PORT"
        ours 502 upstream_proxy_authentication_failed "127.0.0.1:$SQUID_PORT.*authenticat"
        not grep -q wrong7 got
        proxy --upstream "http://upstream.test:$UPSTREAM_PORT" --proxy "http://${where}127.0.0.1:$SQUID_PORT"
        ours 502 upstream_proxy_authentication_failed "127.0.0.1:$SQUID_PORT.*authenticat"
        not grep -qi 'proxy-authenticate' <(client -i "$PROXY/v1/models")
    done
    expect_stat requests = 0
}

@test "the client's own Proxy-Authorization never reaches the upstream proxy or the upstream" {
    secure
    locked_squid
    proxy --upstream "https://upstream.test:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "http://127.0.0.1:$SQUID_PORT"
    [[ $(client -o got -w '%{http_code}' -H "Proxy-Authorization: Basic $(printf user:secret7 | base64)" "$PROXY/v1/models") == 502 ]]
    proxy --upstream "http://upstream.test:$UPSTREAM_PORT" --proxy "http://127.0.0.1:$SQUID_PORT"
    [[ $(client -o got -w '%{http_code}' -H "Proxy-Authorization: Basic $(printf user:secret7 | base64)" "$PROXY/v1/models") == 502 ]]
}

@test "characters that a URL must escape may be in the credentials" {
    secure
    need squid openssl
    local helper
    helper=$(ncsa_auth)
    [[ -n $helper ]] || skip "squid's basic_ncsa_auth is not installed"
    shared_file passwd "us@er:$(openssl passwd -apr1 'p:a/s%s')"$'\n'
    start_squid "auth_param basic program $helper $shared
acl known proxy_auth REQUIRED
http_access deny !known"
    proxy --upstream "https://127.0.0.1:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "http://us%40er:p%3Aa%2Fs%25s@127.0.0.1:$SQUID_PORT"
    works
}

@test "a proxy that refuses is a 502 that names it and what it said; one that cannot reach the upstream too" {
    secure
    need squid
    start_squid 'acl api port '"$NGINX_PORT"'
http_access deny api'
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "http://127.0.0.1:$SQUID_PORT"
    ours 502 upstream_proxy_failed "127.0.0.1:$SQUID_PORT.*403"
    proxy --upstream "https://127.0.0.1:$(free_port)" --ca-file "$CA_FILE" --proxy "http://127.0.0.1:$SQUID_PORT"
    ours 502 upstream_proxy_failed "127.0.0.1:$SQUID_PORT.*50[0-9]"
    expect_stat requests = 0
}

@test "a proxy that is down is a 502 that names it; one whose name does not exist too" {
    local nobody
    nobody=$(free_port)
    local upstream
    for upstream in https://upstream.test http://upstream.test; do
        proxy --upstream "$upstream" --proxy "http://user:secret7@127.0.0.1:$nobody"
        ours 502 upstream_connection_failed "upstream proxy.*127.0.0.1:$nobody"
        not grep -q secret7 got
        proxy --upstream "$upstream" --proxy http://nowhere.invalid:3128
        ours 502 upstream_name_lookup_failed 'upstream proxy.*nowhere.invalid'
        proxy --upstream "$upstream" --proxy "socks5h://127.0.0.1:$nobody"
        ours 502 upstream_connection_failed "upstream proxy.*127.0.0.1:$nobody"
    done
}

@test "what answers no proxy's words is a 502 that names the proxy" {
    local script port
    need python3
    spawn port.out port.err python3 -c '
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(8)
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept(); c.recv(4096); c.sendall(b"SSH-2.0-x\r\n"); c.close()'
    eventually test -s port.out
    proxy --upstream https://upstream.test --proxy "http://127.0.0.1:$(<port.out)"
    [[ $(client -o got -w '%{http_code}' "$PROXY/v1/models") == 502 ]]
    jq -e '.error.message | test("upstream proxy")' got
}

# ---- tinyproxy ----

@test "tinyproxy carries https by CONNECT and http in absolute form" {
    secure
    need tinyproxy
    start_tinyproxy 'BasicAuth user secret7'
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "http://user:secret7@127.0.0.1:$TINYPROXY_PORT"
    works
    grep -q "CONNECT localhost:$NGINX_PORT" "$TINYPROXY_DIR/tinyproxy.log"
    client -o got -d '{"model":"m","stream":true}' "$PROXY/v1/chat/completions"
    grep -q DONE got
    proxy --upstream "$UPSTREAM" --proxy "http://user:secret7@127.0.0.1:$TINYPROXY_PORT"
    works
    grep -q "GET http://127.0.0.1:$UPSTREAM_PORT/v1/models" "$TINYPROXY_DIR/tinyproxy.log"
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "http://user:wrong7@127.0.0.1:$TINYPROXY_PORT"
    [[ $(client -o got -w '%{http_code}' "$PROXY/v1/models") == 502 ]]
    # tinyproxy 1.11 says 401 where 407 is meant
    jq -e '.error.code | test("^upstream_proxy_(authentication_)?failed$")' got
}

@test "the upstream's own errors through a proxy stay as they are" {
    secure
    need tinyproxy
    start_tinyproxy
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "$TINYPROXY"
    local code
    for code in 401 403 407 429 502 504; do
        [[ $(client -o got -w '%{http_code}' -H "X-Script: status:$code;body:mine" "$PROXY/v1/x") == "$code" ]]
        [[ $(<got) == mine ]]
    done
}

# ---- which proxy ----

# through: does tinyproxy's log count one request more?
carried() {
    grep -c -E 'Request .*: (CONNECT|GET|POST) ' "$TINYPROXY_DIR/tinyproxy.log" || true
}

@test "HTTPS_PROXY, ALL_PROXY and NO_PROXY are honoured only where --proxy is unset" {
    secure
    need tinyproxy
    start_tinyproxy
    local nobody before variable
    nobody=http://127.0.0.1:$(free_port)
    local -a args=(--upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE")
    for variable in HTTPS_PROXY https_proxy ALL_PROXY all_proxy; do
        before=$(carried)
        export "$variable=$TINYPROXY"
        proxy "${args[@]}"
        works
        [[ $(carried) -eq $((before + 1)) ]]
        # what NO_PROXY names is reached directly
        NO_PROXY=localhost proxy "${args[@]}"
        works
        [[ $(carried) -eq $((before + 1)) ]]
        export "$variable=$nobody"
        # it is the environment's proxy that is down
        proxy "${args[@]}"
        [[ $(client -o got -w '%{http_code}' "$PROXY/v1/models") == 502 ]]
        # --proxy wins, over NO_PROXY too
        NO_PROXY='*' proxy "${args[@]}" --proxy "$TINYPROXY"
        works
        [[ $(carried) -eq $((before + 2)) ]]
        # none is direct
        proxy "${args[@]}" --proxy none
        works
        [[ $(carried) -eq $((before + 2)) ]]
        unset "$variable"
    done
}

@test "http_proxy is for http upstreams, HTTP_PROXY is for nobody, as curl reads them" {
    need tinyproxy
    start_tinyproxy
    http_proxy=$TINYPROXY proxy
    works
    [[ $(carried) -eq 1 ]]
    client -o got --request-target '/v1/a%2Fb?c=%20' "$PROXY/"
    [[ $(upstream_get last/line) == 'GET /v1/a%2Fb?c=%20 HTTP/1.1' ]]
    HTTP_PROXY=http://127.0.0.1:1 HTTPS_PROXY=http://127.0.0.1:1 proxy
    works
    http_proxy=http://127.0.0.1:1 NO_PROXY=127.0.0.1 proxy
    works
    ALL_PROXY=$TINYPROXY proxy
    works
    [[ $(carried) -eq 3 ]]
}

@test "a 407 of the upstream itself, which NO_PROXY has reached directly, is the client's" {
    local nobody where
    nobody=$(free_port)
    for where in 127.0.0.1 localhost 127.0.0.0/8 '*' ".test,127.0.0.1"; do
        http_proxy=http://127.0.0.1:$nobody NO_PROXY=$where proxy --upstream "http://127.0.0.1:$UPSTREAM_PORT"
        if [[ $where == localhost ]]; then # which is not how the upstream is named
            ours 502 upstream_connection_failed http_proxy
        else
            [[ $(client -o got -D head -w '%{http_code}' -H 'X-Script: status:407;header:Proxy-Authenticate=Basic;body:mine' "$PROXY/v1/x") == 407 ]]
            [[ $(<got) == mine ]]
            grep -q 'forwards /v1 to http://127.0.0.1:[0-9]*$' "$PROXY_LOG"
        fi
        proxy_stop
    done
    # and where --proxy none has, or there is none
    http_proxy=http://127.0.0.1:$nobody proxy --proxy none
    [[ $(client -o got -w '%{http_code}' -H 'X-Script: status:407;body:mine' "$PROXY/v1/x") == 407 ]]
    [[ $(<got) == mine ]]
}

@test "a 407 of the environment's proxy is a 502 that names the variable" {
    locked_squid
    http_proxy=http://user:wrong7@127.0.0.1:$SQUID_PORT proxy
    ours 502 upstream_proxy_authentication_failed "127.0.0.1:$SQUID_PORT.*authenticat.*http_proxy"
    not grep -q wrong7 got
    expect_stat requests = 0
}

@test "the environment's proxy is named with its variable, at the start and in errors, and its password is masked" {
    local nobody variable upstream
    nobody=$(free_port)
    for variable in http_proxy all_proxy ALL_PROXY https_proxy HTTPS_PROXY; do
        upstream=http://upstream.test
        [[ ${variable,,} != https_proxy ]] || upstream=https://upstream.test
        export "$variable=http://user:secret7@127.0.0.1:$nobody"
        proxy --upstream "$upstream"
        grep -q "forwards /v1 to $upstream through http://user:\*\*\*@127.0.0.1:$nobody.* (from $variable)" "$PROXY_LOG"
        ours 502 upstream_connection_failed "upstream proxy http://user:\\*\\*\\*@127.0.0.1:$nobody.*$variable"
        client "$PROXY/stats" | jq -e --arg port "$nobody" '.proxy_url | test("user:\\*\\*\\*@127.0.0.1:" + $port)'
        proxy_stop
        not grep -q secret7 "$PROXY_LOG" got
        unset "$variable"
    done
    # without a scheme, as curl takes it; and --proxy is named as such
    http_proxy=127.0.0.1:$nobody proxy --upstream http://upstream.test
    ours 502 upstream_connection_failed "127.0.0.1:$nobody.*http_proxy"
    http_proxy=http://127.0.0.1:9 proxy --upstream http://upstream.test --proxy "http://127.0.0.1:$nobody"
    ours 502 upstream_connection_failed "127.0.0.1:$nobody.*--proxy"
    not grep -q 'from http_proxy' "$PROXY_LOG"
}

@test "a proxy of the environment that is no URL exits 2 and names the variable" {
    local value
    for value in 'http://' 'http://a b/' http://127.0.0.1:99999; do
        http_proxy=$value gives 2 serve --port 0 --upstream http://upstream.test
        grep -q http_proxy err
    done
}

# ---- other kinds ----

@test "a SOCKS proxy looks the name up itself, with and without credentials" {
    secure
    need microsocks
    local port
    port=$(free_port)
    spawn socks.out socks.log microsocks -i 127.0.0.1 -p "$port"
    eventually port_answers "$port"
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "socks5h://127.0.0.1:$port"
    works
    grep -q "connected to localhost:$NGINX_PORT" socks.log
    proxy --upstream "http://localhost:$UPSTREAM_PORT" --proxy "socks5h://127.0.0.1:$port"
    client -o got --request-target '/v1/a%2Fb?c=%20' "$PROXY/"
    [[ $(upstream_get last/line) == 'GET /v1/a%2Fb?c=%20 HTTP/1.1' ]]
    proxy --upstream "http://nowhere.invalid" --proxy "socks5h://127.0.0.1:$port"
    [[ $(client -o got -w '%{http_code}' "$PROXY/v1/models") == 502 ]]
    jq -e '.error.message | test("upstream proxy")' got
    local locked
    locked=$(free_port)
    spawn locked.out locked.log microsocks -i 127.0.0.1 -p "$locked" -u user -P secret7
    eventually port_answers "$locked"
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "socks5h://user:secret7@127.0.0.1:$locked"
    works
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "socks5h://user:wrong7@127.0.0.1:$locked"
    [[ $(client -o got -w '%{http_code}' "$PROXY/v1/models") == 502 ]]
    jq -e '.error.message | test("upstream proxy.*127.0.0.1")' got
    not grep -q wrong7 got
}

@test "an https:// proxy is spoken to over TLS, and its certificate is checked" {
    secure
    need squid
    local port
    port=$(free_port)
    shared_file key "$(<"$KEY_FILE")"
    start_squid "https_port 127.0.0.1:$port tls-cert=$CERT_FILE tls-key=$shared" || skip "this squid has no https_port"
    eventually port_answers "$port" || skip "this squid has no https_port"
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "https://localhost:$port"
    works
    proxy --upstream "http://127.0.0.1:$UPSTREAM_PORT" --ca-file "$CA_FILE" --proxy "https://localhost:$port"
    works
    # another CA
    make_ca other
    proxy --upstream "http://127.0.0.1:$UPSTREAM_PORT" --ca-file "$CA_FILE" --proxy "https://localhost:$port"
    ours 502 upstream_tls_failed "upstream proxy.*localhost:$port"
}

@test "a broken answer through a proxy's tunnel is broken for the client" {
    secure
    need tinyproxy
    start_tinyproxy
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "$TINYPROXY"
    local script code
    for script in 'data:1;reset' 'data:1;fin' 'length:50;body:short'; do
        code=0
        client -o got -H "X-Script: $script" "$PROXY/v1/x" 2>err || code=$?
        [[ $code -eq 18 || $code -eq 56 || $code -eq 92 ]]
    done
    # the tunnel itself ends
    spawn out err curl -q -sSN --max-time 60 -H 'X-Script: data:1;barrier:b' "$PROXY/v1/x"
    barrier wait b
    eventually grep -q 1 out
    kill -KILL "$TINYPROXY_PID"
    pid_ends "$spawned" 30
    [[ ${ended[$spawned]} -eq 18 || ${ended[$spawned]} -eq 56 ]]
}

@test "a client that leaves cancels the call through a tunnel too" {
    secure
    need squid
    start_squid
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --proxy "$SQUID"
    spawn out err curl -q -sSN -H 'X-Script: data:1;barrier:b' "$PROXY/v1/x"
    barrier wait b
    kill -KILL "$spawned"
    expect_stat aborted = 1
}

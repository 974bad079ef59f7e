#!/usr/bin/env bats
# TLS and HTTP/2 to the upstream: a real nginx in front of the scripted one.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    need nginx openssl
    server
}

# secure [LISTEN-WORDS [REQUESTS [SECONDS]]]: nginx with TLS, and HTTP/2 unless LISTEN-WORDS say less; its log conn.log has the number of the
# connection, the protocol and the request. A connection ends after REQUESTS, and when it was idle for SECONDS.
secure() {
    start_nginx 'log_format conn "$connection $server_protocol $request_method $status";
    keepalive_requests '"${2:-100000}"'; keepalive_timeout '"${3:-75s}"'; send_timeout 300s;
    server {
        listen 127.0.0.1:@PORT@ '"${1-ssl http2}"'; ssl_certificate @CERT@; ssl_certificate_key @KEY@;
        access_log @DIR@/conn.log conn;
        location / { proxy_pass http://@UPSTREAM@; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
                     proxy_request_buffering off; client_max_body_size 0; proxy_set_header X-Protocol $server_protocol; }
    }'
}

works() {
    [[ $(client -o got -w '%{http_code}' "$PROXY/v1/models?$(fresh)") == 200 ]] || {
        cat got
        return 1
    }
}

# nginx_connections: how many different ones its log knows
nginx_connections() {
    cut -d ' ' -f 1 "$NGINX_DIR/conn.log" | sort -u | wc -l
}

# ---- verification ----

@test "a certificate of an unknown CA is a 502 that names TLS and --ca-file" {
    make_ca
    secure
    proxy --upstream "https://localhost:$NGINX_PORT"
    ours 502 upstream_tls_failed 'TLS.*ca-file'
    make_ca other
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE"
    ours 502 upstream_tls_failed 'TLS.*ca-file'
    expect_stat requests = 0
}

@test "--ca-file and SSL_CERT_FILE are trusted" {
    make_ca
    secure
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE"
    works
    SSL_CERT_FILE=$CA_FILE proxy --upstream "https://localhost:$NGINX_PORT"
    works
    # several in one file, with text between
    local first=$CA_FILE
    make_ca other
    { echo '# companies often do this'; cat "$CA_FILE"; echo; cat "$first"; } >bundle.pem
    proxy --upstream "https://127.0.0.1:$NGINX_PORT" --ca-file bundle.pem
    works
}

@test "--ca-file adds to the system's certificates and does not replace them" {
    make_ca
    secure
    local system=$CA_FILE
    make_ca other
    # a system whose certificates are ours, in a mount namespace of its own
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || skip "the system's certificates are elsewhere"
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    printf '#!/bin/sh\nexec unshare -m sh -c '\''mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"'\'' "%s" "%s" "$@"\n' \
        "$system" "$goproxyai_bin" >wrapper
    chmod +x wrapper
    goproxyai_bin=$PWD/wrapper
    proxy --upstream "https://localhost:$NGINX_PORT"
    works
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE"
    works
}

@test "a certificate for another name is a 502 that names TLS" {
    make_ca
    make_cert elsewhere DNS:other.test,IP:127.0.0.9
    secure
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE"
    ours 502 upstream_tls_failed TLS
    proxy --upstream "https://127.0.0.1:$NGINX_PORT" --ca-file "$CA_FILE"
    ours 502 upstream_tls_failed TLS
    expect_stat requests = 0
}

@test "an expired certificate is a 502 that names TLS" {
    make_ca
    make_cert late DNS:localhost,IP:127.0.0.1 0
    secure
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE"
    eventually ours 502 upstream_tls_failed 'TLS.*expired'
    expect_stat requests = 0
}

@test "a self-signed certificate is a 502, unless it is itself named as CA" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2 \
        -addext subjectAltName=DNS:localhost -keyout self.key -out self.pem 2>openssl.log
    CERT_FILE=$PWD/self.pem KEY_FILE=$PWD/self.key
    secure
    proxy --upstream "https://localhost:$NGINX_PORT"
    ours 502 upstream_tls_failed 'TLS.*ca-file'
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file self.pem
    works
}

@test "TLS to a plain port, and plain HTTP to a TLS port, are errors that say so" {
    make_ca
    start_nginx 'server { listen 127.0.0.1:@PORT@; location / { return 200; } }'
    proxy --upstream "https://127.0.0.1:$NGINX_PORT" --ca-file "$CA_FILE"
    ours 502 upstream_tls_failed TLS
    secure
    proxy --upstream "http://localhost:$NGINX_PORT"
    # nginx's own words, as directly
    [[ $(client -o got -w '%{http_code}' "$PROXY/v1/models") == 400 ]]
}

@test "an upstream with TLS and HTTP/1.1 alone works as well" {
    make_ca
    secure ssl
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --workers 1
    works
    works
    [[ $(upstream_get last/header/x-protocol) == HTTP/1.1 ]]
    [[ $(nginx_connections) -eq 1 ]]
    local code=0
    client -H 'X-Script: data:1;reset' "$PROXY/v1/x" >got 2>err || code=$?
    [[ $code -eq 18 || $code -eq 56 ]]
}

# bats test_tags=unsanitized
@test "the system's certificates are read once, not at each connection" {
    export OPENED=$PWD/opened
    preload opened <<'C'
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(const char *path)
{
    if (strncmp(path, "/etc/", 5) != 0)
        return;
    int fd = open(getenv("OPENED"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(fd, "%s\n", path);
    close(fd);
}

FILE *fopen(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");
    note(path);
    return real(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen64");
    note(path);
    return real(path, mode);
}
C
    make_ca
    secure ssl 1 # a connection for each request
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --workers 2
    local i
    for i in {1..10}; do
        works
    done
    [[ $(nginx_connections) -eq 10 ]]
    grep 'certs\|/pki/\|cert.pem\|ca-bundle' opened | sort | uniq -c >files
    [[ -s files ]] || skip "the system has no file of certificates"
    [[ -z $(awk '$1 > 1' files) ]]
}

@test "a POST after nginx has closed the idle connection goes out on a new one" {
    make_ca
    secure ssl 100000 1s
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --workers 1
    local i
    for i in 1 2 3; do
        [[ $(client -o got -w '%{http_code}' -d '{}' "$PROXY/v1/moderations") == 200 ]]
        [[ $(client -o got -w '%{http_code}' -d '{}' "$PROXY/v1/moderations") == 200 ]]
        [[ $(nginx_connections) -eq $i ]]
        sleep 1.5 # nginx sends close_notify, then FIN
    done
    expect_stat requests = 6
}

# ---- HTTP/2 ----

# offered [SERVE-ARGS]: one worker in front of nginx that offers HTTP/2
offered() {
    make_ca
    secure
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --workers 1 "$@"
}

h2() {
    offered --http2
}

@test "the upstream's side is HTTP/1.1, and HTTP/2 only with --http2" {
    local flag
    for flag in '' --http2=off --http2; do
        offered $flag
        works
        [[ $(upstream_get last/header/x-protocol) == "$([[ $flag == --http2 ]] && echo HTTP/2.0 || echo HTTP/1.1)" ]]
    done
}

@test "an early answer to a long upload gets through TLS" {
    offered
    truncate -s 3000000 big
    [[ $(client -o got -w '%{http_code}' -H 'Expect:' -H 'X-Script: earlyanswer;status:413;body:too large' -T big "$PROXY/v1/x") == 413 ]]
    [[ $(<got) == 'too large' ]]
}

# bats test_tags=threads
@test "many requests at once share one HTTP/2 connection" {
    h2
    works
    local i
    for i in {1..30}; do
        spawn "out.$i" "err.$i" curl -q -sSN --max-time 60 -H 'X-Script: data:1;barrier:all;data:2' "$PROXY/v1/x?$i"
    done
    barrier wait all 30
    barrier release all
    for i in {1..30}; do
        eventually grep -q 2 "out.$i"
    done
    eventually logged 31
    [[ $(nginx_connections) -eq 1 ]]
    not grep -v HTTP/2.0 "$NGINX_DIR/conn.log"
}

logged() {
    [[ $(wc -l <"$NGINX_DIR/conn.log") -ge $1 ]]
}

@test "method, path, query, headers and bodies are the same over TLS, with HTTP/1.1 and HTTP/2" {
    offered
    the_same
    proxy_stop
    offered --http2
    the_same
}

the_same() {
    client -o got --request-target '/v1/a%2Fb;c?d=%20&a=b&a=c' "$PROXY/"
    [[ $(upstream_get last/line) == 'GET /v1/a%2Fb;c?d=%20&a=b&a=c HTTP/1.1' ]]
    client -o got -X PATCH -H 'Accept:' -H 'User-Agent:' -H 'X-Two: 1' -H 'X-Two: 2' -H 'X-Empty;' -H 'Connection: X-Gone' -H 'X-Gone: 1' -d '{"a":1}' \
        -H 'Authorization: Bearer sk-1' "$PROXY/v1/x"
    upstream_get last/headers >seen
    [[ $(grep -ci '^x-two:' seen) -eq 2 ]]
    grep -qi '^authorization: Bearer sk-1' seen
    not grep -Eqi '^(accept|user-agent|x-gone|expect|transfer-encoding):' seen
    [[ $(upstream_get last/bytes) -eq 7 ]]
    local n how
    for n in 1 65536 3000000; do
        "$test_bin/upstream" --expect-size "$n" >body
        for how in 'X-A: b' 'Transfer-Encoding: chunked'; do
            client -H 'Expect:' -H "$how" -H 'X-Script: echo' --data-binary @body "$PROXY/v1/x" >got
            [[ $(jq -r .body_sha256 got) == "$(sha256sum body | cut -d ' ' -f 1)" ]]
        done
        client -H "X-Script: size:$n" "$PROXY/v1/x?$(fresh)" | cmp - body
        client -H "X-Script: chunked;size:$n" "$PROXY/v1/x?$(fresh)" | cmp - body
    done
    client -I -H 'X-Script: size:5000' "$PROXY/v1/x" | grep -qi '^content-length: 5000'
    [[ $(client -o got -w '%{http_code}' -H 'X-Script: status:204;body:' "$PROXY/v1/x?204") == 204 ]]
    [[ $(client -o got -w '%{http_code}' -H 'X-Script: status:429;header:Retry-After=3' "$PROXY/v1/x?429") == 429 ]]
}

@test "an upload of 100 MB over HTTP/2 has bounded memory" {
    h2
    truncate -s 100000000 big
    client -H 'X-Script: echo' -H 'Expect:' -T big "$PROXY/v1/files" | jq -e '.body_bytes == 100000000'
    peak_below 60000
}

works_and_ended() {
    works
    not kill -0 "$1" 2>/dev/null
}

# bats test_tags=threads
@test "a stream that breaks over HTTP/2 is broken for the client, and only that one" {
    h2
    spawn other err curl -q -sSN --max-time 60 -H 'X-Script: data:1;barrier:b;data:[DONE]' "$PROXY/v1/x?other"
    local other_pid=$spawned
    barrier wait b
    local script code # works() writes to `got`, so that is no place for what is looked at
    for script in 'data:1;reset' 'data:1;fin' 'length:50;body:short' 'chunked;size:300000;truncate:200000'; do
        spawn cut err curl -q -sSN --max-time 60 -H "X-Script: $script" "$PROXY/v1/x?$(fresh)"
        # nginx 1.22 keeps the RST_STREAM to itself until something else happens on the connection
        # (curl alone sees the same): requests that come and go make it happen
        eventually works_and_ended "$spawned"
        pid_ends "$spawned" 30
        code=${ended[$spawned]}
        # nginx may give up the stream before it has sent the head
        [[ $code -eq 18 || $code -eq 56 || $code -eq 92 ]] || grep -q upstream_connection_broken cut || {
            echo "$script: curl ended with $code: $(cat err)"
            cat cut
            false
        }
    done
    works
    barrier release b
    eventually grep -q DONE other
    pid_ends "$other_pid" 30
    [[ ${ended[$other_pid]} -eq 0 ]]
}

# hammer CLIENTS REQUESTS: so many clients at once, each with so many POSTs one after another, each of its own; the statuses in
# the files status.*
hammer() {
    local i k
    local -a pids=()
    for ((i = 1; i <= $1; i++)); do
        for ((k = 1; k <= $2; k++)); do
            printf 'url = "%s/v1/moderations"\ndata = "{\\"input\\":\\"%d-%d\\"}"\nheader = "Cache-Control: no-store"\noutput = "answer.%d.%d"\nwrite-out = "%%{http_code}\\n"\nnext\n' \
                "$PROXY" "$i" "$k" "$i" "$k"
        done | sed '$d' >"conf.$i"
        spawn "status.$i" "err.$i" curl -q -sS --noproxy '*' --max-time 60 -K "conf.$i"
        pids+=("$spawned")
    done
    for i in "${pids[@]}"; do
        pid_ends "$i" 60
    done
}

# each_served_once N: all N requests of hammer were answered 200, and the upstream got each of them once
each_served_once() {
    cat status.* | sort | uniq -c >statuses
    [[ $(tr -s ' ' <statuses) == " $1 200" ]] || {
        cat statuses
        grep -l '"error"' answer.* | head -n 1 | xargs -r cat
        return 1
    }
    expect_stat requests = "$1" || return 1
    upstream_get requests | jq -r '.[].body_sha256' | sort | uniq -d >twice
    [[ ! -s twice ]]
}

@test "connections that the server closes after a few requests (GOAWAY): all succeed, and nothing is sent twice" {
    make_ca
    secure 'ssl http2' 7
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --workers 1 --http2
    hammer 16 25
    each_served_once 400
    eventually logged 400
    [[ $(nginx_connections) -gt 40 ]]
    not grep -v HTTP/2.0 "$NGINX_DIR/conn.log"
}

@test "connections that serve one request each, and refuse all others that were sent on them: all succeed" {
    make_ca
    secure 'ssl http2' 1
    proxy --upstream "https://localhost:$NGINX_PORT" --ca-file "$CA_FILE" --workers 1 --http2
    hammer 40 3
    each_served_once 120
}

@test "an HTTP/2 connection that dies breaks its streams; the next request has a new one" {
    h2
    spawn out err curl -q -sSN --max-time 60 -H 'X-Script: data:1;barrier:b' "$PROXY/v1/x"
    barrier wait b
    eventually grep -q 1 out
    pkill -KILL -P "$NGINX_PID" # its worker; the master makes another
    pid_ends "$spawned" 30
    [[ ${ended[$spawned]} -eq 18 || ${ended[$spawned]} -eq 56 ]]
    eventually works
}

# h2_frame TYPE FLAGS STREAM PAYLOAD [LENGTH]: a frame (RFC 9113 section 4.1), whose PAYLOAD is printf's; LENGTH where its
# header lies about it
h2_frame() {
    local length
    length=${5:-$(printf "$4" | wc -c)}
    printf "$(printf '\\x%02x' $((length >> 16 & 255)) $((length >> 8 & 255)) $((length & 255)) "$1" "$2" 0 0 0 "$3")$4"
}

# raw_h2 FRAMES: an upstream that sends the file FRAMES once it has a request whose body ends in `asked`
raw_h2() {
    local port
    port=$(free_port)
    rm -f frames got.h2
    mkfifo frames
    spawn got.h2 err.h2 bash -c 'exec openssl s_server -alpn h2 -accept "127.0.0.1:$1" -cert "$2" -key "$3" <>frames' \
        bash "$port" "$CERT_FILE" "$KEY_FILE"
    h2_server=$spawned
    eventually port_answers "$port"
    proxy --upstream "https://localhost:$port" --ca-file "$CA_FILE" --workers 1 --http2 --request-timeout 20s
    exec 8<>frames
    h2_frame 4 0 0 '' >&8
}

# bats test_tags=threads
@test "an answer without a length is broken off where its HTTP/2 connection is, and whole where its stream ends" {
    make_ca
    local row client h2_server status
    h2_frame 1 4 1 '\x88' >head # :status 200
    h2_frame 0 0 1 'begun' >>head
    while read -r status row; do
        raw_h2
        spawn out err curl -q -sSN --noproxy '*' --max-time 60 -d '{"n":"asked"}' "$PROXY/v1/x"
        client=$spawned
        eventually grep -aq asked got.h2
        if [[ $row == *';shut' ]]; then
            kill -STOP "$PROXY_PID" # which reads all of it at once
            { cat head && eval "h2_frame ${row%;shut}"; } >&8
            sleep 0.3 # a command of s_server begins what it reads
            echo Q >&8 # it ends with a close_notify
            pid_ends "$h2_server" 30
            kill -CONT "$PROXY_PID"
        else
            cat head >&8
            eventually grep -q begun out
            eval "h2_frame $row" >&8
        fi
        pid_ends "$client" 50
        [[ ${ended[$client]} -eq $status ]] || {
            echo "$status $row"
            cat "$PROXY_LOG"
            return 1
        }
        exec 8>&-
        proxy_stop
    done <<'ROWS'
0 0 1 1 end
0 0 1 1 end;shut
18 0 0 99 zz
18 0 1 1 x 1000000
18 7 0 0 short
18 1 5 1 '\xff\xff\xff\xff\xff\xff\xff'
ROWS
}

# bats test_tags=threads
@test "a client that leaves cancels its HTTP/2 stream at once, before the head and after, and no other" {
    h2
    spawn stays err curl -q -sSN --max-time 60 -H 'X-Script: data:1;barrier:s;data:[DONE]' "$PROXY/v1/x?stays"
    local stays=$spawned script
    barrier wait s
    for script in 'barrier:a' 'data:1;barrier:b'; do
        spawn out err curl -q -sSN -H "X-Script: $script" "$PROXY/v1/x?$(fresh)"
        barrier wait "${script##*:}"
        [[ $script == barrier* ]] || eventually grep -q 1 out
        kill -KILL "$spawned"
        expect_stat in_flight = 1
    done
    expect_stat aborted = 2
    barrier release s
    eventually grep -q DONE stays
    pid_ends "$stays" 30
    [[ ${ended[$stays]} -eq 0 ]]
}

@test "a client that does not read stops the upstream over TLS, and holds up nobody" {
    offered
    slow_clients 60000
}

@test "a client that does not read stops the upstream over HTTP/2, and holds up nobody" {
    h2
    slow_clients 150000 # far from what the four would bring; libcurl's window is 32 MiB for each
}

# slow_clients KB: four clients that do not read cost less than that
slow_clients() {
    local i
    local -a slow=()
    for i in 1 2 3 4; do
        spawn "slow.$i" err curl -q -sSN --max-time 200 -H 'X-Script: body:start;barrier:go;size:300000000' "$PROXY/v1/x?$i"
        slow+=("$spawned")
    done
    barrier wait go 4
    for i in 1 2 3 4; do
        eventually test -s "slow.$i"
    done
    kill -STOP "${slow[@]}"
    barrier release go
    for i in {1..20}; do
        works
        client --fail -o got -H 'Cache-Control: no-store' -H 'X-Script: size:1000000' "$PROXY/v1/x?n=$i"
    done
    peak_below "$1"
    expect_stat in_flight = 4
    kill -CONT "${slow[0]}"
    pid_ends "${slow[0]}" 200
    [[ ${ended[${slow[0]}]} -eq 0 && $(stat -c %s slow.1) -eq 300000005 ]]
    kill -KILL "${slow[1]}" "${slow[2]}" "${slow[3]}"
    expect_stat in_flight = 0
}

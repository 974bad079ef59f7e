#!/usr/bin/env bats
# bats file_tags=threads
# GET /health and `goproxyai health`.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
}

@test "/health has the fields and figures that it promises" {
    server
    local before now
    before=$(date +%s)
    proxy --workers 2
    [[ $(client -o got -D head -w '%{http_code} %{content_type}' "$PROXY/health") == '200 application/json' ]]
    jq -e '.status == "healthy" and .service == "openai-proxy" and (.timestamp | type == "string" and test("^[0-9]+$"))' got
    jq -e '(.version | test("^[0-9]+\\.[0-9]+")) and (.uptime_seconds | type == "number" and . >= 0 and . < 60)' got
    jq -e '.memory.rss_bytes | type == "number" and . > 1000000' got
    jq -e '.threads >= 3 and .threads < 20 and .connections >= 1 and .in_flight >= 1' got
    jq -e '.endpoints | length == 1 and (.[0] | .name == "default" and .group == "default" and .state == "healthy")' got
    now=$(date +%s)
    jq -e --argjson before "$before" --argjson now "$now" '(.timestamp | tonumber) as $t | $t >= $before and $t <= $now' got
    [[ "goproxyai/$(jq -r .version got)" == "$(sed -n 's/^X-Proxy: //p' head | tr -d '\r')" ]]
    jq -e --argjson kb "$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$PROXY_PID/status")" \
        '.memory.rss_bytes / 1024 | . > $kb / 2 and . < $kb * 2' got
    [[ $(jq .threads got) -eq $(sed -n 's/^Threads:[[:space:]]*//p' "/proc/$PROXY_PID/status") ]]
    expect_stat requests = 0
}

@test "/health counts what is open and in flight" {
    server
    proxy
    local i
    for i in 1 2 3; do
        spawn "out.$i" err curl -q -sSN --max-time 60 -H 'X-Script: data:1;barrier:b' "$PROXY/v1/x?$i"
    done
    barrier wait b 3
    eventually figures_are 4 4
    barrier release b
    eventually figures_are 1 1
}

# figures_are CONNECTIONS IN_FLIGHT: with those of the question itself
figures_are() {
    client "$PROXY/health" | jq -e ".connections == $1 and .in_flight == $2"
}

@test "the figures are at most a second old, and not made anew for each question" {
    server
    proxy
    local i began
    for i in {1..50}; do
        echo "url = \"$PROXY/health\""
    done >many.conf
    began=$(now_ms)
    curl -q -sS -K many.conf | jq -s -c 'map([.uptime_seconds, .timestamp, .memory.rss_bytes, .connections]) | unique | length' >kinds
    [[ $(<kinds) -le $((2 + ($(now_ms) - began) / 1000)) ]] # a busy machine may take longer than a second for them
    client "$PROXY/health" | jq .uptime_seconds >first
    eventually older_than "$(<first)"
    client -o got "$PROXY/health"
    not grep -qi '^age:' got
}

older_than() {
    client "$PROXY/health" | jq -e ".uptime_seconds > $1"
}

@test "/health takes HEAD and a query, and no other method" {
    server
    proxy
    [[ $(client -I -o got -w '%{http_code}' "$PROXY/health") == 200 ]]
    [[ $(client -o got -w '%{http_code}' "$PROXY/health?x=1") == 200 ]]
    local method
    for method in POST PUT DELETE PATCH OPTIONS; do
        [[ $(client -o got -D head -w '%{http_code}' -X "$method" "$PROXY/health") == 405 ]]
        grep -qi '^allow: GET, HEAD' head
        jq -e '.error.code == "method_not_allowed"' got
    done
    [[ $(client -o got -w '%{http_code}' -d '{"a":1}' "$PROXY/health") == 405 ]]
}

@test "/health answers while the upstream does not" {
    proxy --upstream "http://127.0.0.1:$(free_port)"
    client --fail "$PROXY/health" | jq -e '.status == "healthy"'
}

@test "goproxyai health: 0 and one line where the proxy is healthy, its JSON with --json" {
    server
    proxy
    gives 0 health --port "$PROXY_PORT"
    [[ $(wc -l <out) -eq 1 && ! -s err ]]
    grep -q '^healthy' out
    gives 0 health --port "$PROXY_PORT" --json
    jq -e '.status == "healthy" and .service == "openai-proxy"' out
    gives 0 health --listen 127.0.0.1 --port "$PROXY_PORT"
    GOPROXYAI_PORT=$PROXY_PORT gives 0 health
    expect_stat requests = 0
}

@test "goproxyai health finds a proxy that listens on ::1 alone, or everywhere" {
    server
    if [[ -e /proc/net/if_inet6 ]] && grep -q ' lo$' /proc/net/if_inet6; then
        proxy --listen ::1
        gives 0 health --port "$PROXY_PORT" --listen ::1
        gives 0 health --port "$PROXY_PORT"
    fi
    proxy --listen 0.0.0.0 --allow-remote
    gives 0 health --port "$PROXY_PORT" --listen 0.0.0.0
}

@test "goproxyai health: 1 and one line that says what to do where nothing runs" {
    local port
    port=$(free_port)
    gives 1 health --port "$port"
    [[ ! -s out && $(wc -l <err) -eq 1 ]]
    grep -Eq "^goproxyai: .*$port: .*goproxyai serve" err
    gives 1 health --port "$port" --json
    [[ $(wc -l <err) -eq 1 ]]
}

@test "goproxyai health: 1 where another program has the port, whatever it says" {
    server
    gives 1 health --port "$UPSTREAM_PORT"
    [[ ! -s out && $(wc -l <err) -eq 1 ]]
    grep -Eq '^goproxyai: .*not goproxyai: ' err
    need python3
    local answer i=0
    for answer in 'SSH-2.0-x\r\n' 'HTTP/1.1 200 OK\r\n\r\n{"status":"healthy"}' '' 'HTTP/1.1 200 OK\r\nX-Proxy: goproxyai/1\r\n\r\nnot json' \
        'HTTP/1.1 503 No\r\nX-Proxy: goproxyai/1\r\n\r\n{"status":"unhealthy"}' 'HTTP/1.1 200 OK\r\nX-Proxy: goproxyai/1\r\n\r\n{"status":"degraded"}' \
        'HTTP/1.1 200 OK\r\nX-Proxy: goproxyai/1\r\n\r\n[1]' 'HTTP/1.1 200 OK\r\nX-Proxy: goproxyai/1\r\n\r\n{"status":7}'; do
        spawn "port.$((++i))" err.$i python3 -c '
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(8)
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept(); c.recv(4096); c.sendall(sys.argv[1].encode().decode("unicode_escape").encode()); c.close()' "$answer"
        eventually test -s "port.$i"
        gives 1 health --listen 127.0.0.1 --port "$(<"port.$i")"
        [[ ! -s out && $(wc -l <err) -eq 1 ]]
        grep -Eq '^goproxyai: .+: .+' err
    done
}

@test "goproxyai health does not wait for ever for a program that says nothing" {
    need python3
    spawn port err.py python3 -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(8)
print(s.getsockname()[1], flush=True)
time.sleep(60)'
    eventually test -s port
    local began
    began=$(now_ms)
    gives 1 health --listen 127.0.0.1 --port "$(<port)"
    [[ $(($(now_ms) - began)) -lt 10000 ]]
    grep -Eq '^goproxyai: .+' err
}

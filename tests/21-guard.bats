#!/usr/bin/env bats
# The guard of a running proxy: pages of other sites, other users of the machine, and the proxy itself as its upstream.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
}

# answers STATUS [CURL-ARGS…] PATH: the answer is in the files out and out.head
answers() {
    ask out "${@:2}"
    [[ $got == "$1" ]] || {
        echo "status $got, expected $1: ${*:2}"
        cat out.head out
        return 1
    }
}

# ---- pages of other sites ----

site=http://localhost:3000

# has_cors, has_no_cors: may the page of $site read the latest answer?
has_cors() {
    [[ $(field out access-control-allow-origin) == "$site" && $(field out access-control-expose-headers) == '*' ]] &&
        field out vary | grep -qi origin || {
        echo 'no CORS fields, or wrong ones:'
        cat out.head
        return 1
    }
}

has_no_cors() {
    not grep -qi '^access-control-' out.head
}

@test "a request from another site's page is 403 on every route, and nothing goes upstream" {
    proxy
    local path why
    for path in /v1/models /v1/chat/completions /health /stats /nowhere; do
        for why in 'Origin: http://page.test' "Origin: $site" 'Origin: null' 'Sec-Fetch-Site: cross-site' 'Sec-Fetch-Site: same-site'; do
            answers 403 -H "$why" "$path"
            jq -e '.error | .code == "origin_not_allowed" and (.message | test("--allow-origin"))' out
            has_no_cors
            answers 403 -H "$why" -d '{"model":"m"}' "$path"
        done
        # and what a browser asks before
        answers 403 -X OPTIONS -H "Origin: $site" -H 'Access-Control-Request-Method: POST' "$path"
        has_no_cors
    done
    answers 403 -X DELETE -H "Origin: $site" /cache
    expect_stat requests = 0
}

@test "a page of a site that --allow-origin names may read answers of every kind" {
    proxy --allow-origin "$site"
    local -a page=(-H "Origin: $site" -H 'Sec-Fetch-Site: same-site')
    answers 200 "${page[@]}" /v1/models
    [[ $(field out x-cache) == MISS ]]
    has_cors
    # two hits: the second comes from what the first made ready
    local i
    for i in 1 2; do
        answers 200 "${page[@]}" /v1/models
        [[ $(field out x-cache) == HIT ]]
        has_cors
    done
    answers 200 "${page[@]}" -H 'X-Script: sse:3,0' -d '{"model":"m","stream":true}' /v1/chat/completions
    grep -q DONE out
    has_cors
    answers 200 "${page[@]}" -H 'X-Script: size:300000' -d '{"big":1}' /v1/x
    has_cors
    answers 429 "${page[@]}" -H 'X-Script: status:429' -d '{"limited":1}' /v1/x
    has_cors
    # the proxy's own answers
    answers 404 "${page[@]}" /nowhere
    has_cors
    answers 405 "${page[@]}" -X PUT /cache
    has_cors
    answers 504 "${page[@]}" -H 'Cache-Control: only-if-cached' /v1/none
    has_cors
    answers 200 "${page[@]}" /health
    has_cors
    answers 200 "${page[@]}" /stats
    has_cors
}

@test "ready-made answers are for each page its own: with CORS fields, or without" {
    proxy --allow-origin "$site"
    local i
    for i in 1 2 3; do
        answers 200 /v1/models
        has_no_cors
    done
    for i in 1 2; do
        answers 200 -H "Origin: $site" /v1/models
        has_cors
        answers 200 /v1/models
        has_no_cors
        answers 403 -H 'Origin: http://page.test' /v1/models
        has_no_cors
    done
    expect_stat requests = 1
}

@test "a preflight is answered 204 with what was asked for, and goes nowhere" {
    proxy --allow-origin "$site"
    local path
    for path in /v1/chat/completions /v1/models /health /cache; do
        answers 204 -X OPTIONS -H "Origin: $site" -H 'Access-Control-Request-Method: POST' \
            -H 'Access-Control-Request-Headers: authorization,content-type,x-stainless-os' -H 'Sec-Fetch-Site: same-site' "$path"
        has_cors
        [[ ! -s out ]]
        [[ $(field out access-control-allow-headers) == authorization,content-type,x-stainless-os ]]
        [[ ,$(field out access-control-allow-methods | tr -d ' '), == *,POST,* ]]
        [[ -z $(field out access-control-allow-credentials) ]]
        [[ $path != /v1/* || $(field out x-cache) == BYPASS ]]
    done
    answers 204 -X OPTIONS -H "Origin: $site" -H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Private-Network: true' /v1/x
    [[ $(field out access-control-allow-private-network) == true ]]
    # an OPTIONS that is no preflight is the upstream's
    expect_stat requests = 0
    ask out -X OPTIONS -H "Origin: $site" /v1/x
    expect_stat requests = 1
    has_cors
}

@test "--allow-origin lets in that site only: no other one, no second Origin, no request that hides its site" {
    proxy --allow-origin "$site,HTTPS://App.Test/"
    answers 200 -H 'Origin: https://app.test' /v1/models
    [[ $(field out access-control-allow-origin) == https://app.test ]]
    local origin
    for origin in http://localhost:3001 https://localhost:3000 http://127.0.0.1:3000 http://localhost http://page.test null \
        http://localhost:3000.page.test http://app.test https://x.app.test; do
        answers 403 -H "Origin: $origin" /v1/models
        has_no_cors
        answers 403 -X OPTIONS -H "Origin: $origin" -H 'Access-Control-Request-Method: POST' /v1/models
        has_no_cors
    done
    answers 403 -H "Origin: $site" -H 'Origin: http://page.test' /v1/models
    answers 403 -H 'Sec-Fetch-Site: cross-site' /v1/models
    expect_stat requests = 1
}

@test "--allow-origin takes neither * nor null, nor what is no origin" {
    local origin
    for origin in '*' null localhost:3000 http:// 'http://*.test' '://x' "$site,*"; do
        gives 2 serve --port 0 --upstream "$UPSTREAM" --allow-origin "$origin"
        grep -q -- '--allow-origin' err
    done
}

# ---- other users of the machine ----

need_users() {
    [[ $(id -u) -eq 0 ]] || skip "this takes root"
    need setpriv
    id nobody >/dev/null || skip "there is no user nobody"
}

# as USER CURL-ARGS…: a request of that user; what comes back is in the file out, the status in $got
as() {
    local user=$1
    shift
    got=$(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups curl -q -sS --max-time 20 --noproxy '*' -w '\n%{http_code}' "$@" |
        tee out | tail -n 1)
}

# gets STATUS USER CURL-ARGS…
gets() {
    as "${@:2}"
    [[ $got == "$1" ]] || {
        echo "status $got, expected $1: ${*:2}"
        cat out
        return 1
    }
}

strangers_stay_out() {
    gets 403 "$1" "${@:2}"
    head -n -1 out | jq -e '.error.code == "user_not_allowed" and (.error.message | test("--allow-users"))'
}

@test "other users of the machine are 403 on every route, over IPv4 and IPv6, and nothing goes upstream" {
    need_users
    proxy
    answers 200 /v1/models
    local host
    for host in 127.0.0.1 localhost '[::1]'; do
        [[ $host != '[::1]' ]] || "$test_bin/rawclient" --probe "[::1]:$PROXY_PORT" || continue
        strangers_stay_out nobody "http://$host:$PROXY_PORT/v1/models"
        strangers_stay_out nobody -d '{"model":"m"}' "http://$host:$PROXY_PORT/v1/chat/completions"
        strangers_stay_out nobody "http://$host:$PROXY_PORT/stats"
        strangers_stay_out nobody "http://$host:$PROXY_PORT/health"
        strangers_stay_out nobody -X DELETE "http://$host:$PROXY_PORT/cache"
        strangers_stay_out nobody -T /etc/passwd "http://$host:$PROXY_PORT/v1/files"
    done
    expect_stat requests = 1
    client "$PROXY/stats" | jq -e '.cache.item_count == 1'
    eventually grep -q ' 403 ' "$PROXY_LOG"
}

@test "a client that has closed before the kernel is asked is refused, and the log says so" {
    proxy
    answers 200 /v1/models
    kill -STOP "$PROXY_PID"
    printf '%s\n' 'line DELETE /cache HTTP/1.1' 'line Host: localhost' 'line' 'close' |
        raw "127.0.0.1:$PROXY_PORT" --script
    kill -CONT "$PROXY_PID"
    eventually grep -q 'DELETE /cache 403 .*closed its connection before' "$PROXY_LOG"
    client "$PROXY/stats" | jq -e '.cache.item_count == 1'
}

@test "--allow-users lets in those that it names, by name or number, or all" {
    need_users
    id daemon >/dev/null || skip "there is no user daemon"
    local who
    for who in nobody "$(id -u nobody)" daemon,nobody; do
        proxy --allow-users "$who"
        gets 200 nobody "$PROXY/v1/models"
        gets 200 nobody "$PROXY/stats"
        [[ $who == daemon* ]] || strangers_stay_out daemon "$PROXY/v1/models"
        answers 200 /v1/models
        proxy_stop
    done
    proxy --allow-users all
    gets 200 nobody "$PROXY/v1/models"
    gets 200 daemon -X DELETE "$PROXY/cache"
    answers 200 /v1/models
}

@test "the user who runs the proxy and root get in, and others do not" {
    need_users
    id daemon >/dev/null || skip "there is no user daemon"
    # a place that this user can enter
    local dir
    dir=$(mktemp -d "$BATS_RUN_TMPDIR/../goproxyai-user.XXXXXX")
    tracked_dirs+=("$dir")
    dir=$(cd "$dir" && pwd) # its folder is not for others
    cp "$goproxyai_bin" "$dir/real"
    mkdir "$dir/home"
    printf '#!/bin/sh\nexec setpriv --reuid nobody --regid %s --clear-groups "%s/real" "$@"\n' "$(id -g nobody)" "$dir" >"$dir/goproxyai"
    chmod 755 "$dir" "$dir/real" "$dir/goproxyai"
    mkdir "$dir/home/"{cache,state,config}
    chown -R nobody "$dir/home"
    goproxyai_bin=$dir/goproxyai
    proxy --home "$dir/home"
    gets 200 nobody "$PROXY/v1/models"
    answers 200 /v1/models
    strangers_stay_out daemon "$PROXY/v1/models"
}

@test "--allow-users with a user that does not exist exits 2 and names it" {
    local who
    for who in no-such-user-7 nobody,no-such-user-7 99999999999 -1; do
        gives 2 serve --port 0 --upstream "$UPSTREAM" --allow-users="$who"
        grep -q -- '--allow-users' err
    done
}

# ---- the proxy as its own upstream ----

@test "an --upstream that is the proxy itself, by any of its names, exits 2 at the start" {
    local port host
    port=$(free_port)
    for host in localhost LOCALHOST 127.0.0.1 127.0.0.2 '[::1]' me.localhost localhost/v1; do
        gives 2 serve --port "$port" --upstream "http://${host/\/*/}:$port${host#"${host/\/*/}"}"
        grep -q 'is this proxy itself' err
    done
    gives 2 serve --port "$port" --upstream "http://me.test:$port" --allow-host me.test
    grep -q 'is this proxy itself' err
}

@test "a --proxy that is the proxy itself exits 2 at the start, and is a 508 where the start cannot tell" {
    local port
    port=$(free_port)
    gives 2 serve --port "$port" --upstream http://api.test --proxy "http://localhost:$port"
    grep -q -- '--proxy: .*is this proxy itself' err
    gives 2 serve --port "$port" --upstream https://api.test --proxy "http://user:secret@127.0.0.1:$port"
    grep -q 'is this proxy itself' err
    not grep -q secret err
    export http_proxy=http://localhost:$port
    gives 2 serve --port "$port" --upstream http://api.test
    grep -q '^goproxyai: http_proxy: ' err
    unset http_proxy
    proxy --upstream http://api.test --port "$port" --proxy "http://127.1:$port"
    [[ $(client -o got -w '%{http_code}' -d '{}' "$PROXY/v1/chat/completions") == 508 ]]
    jq -e '.error.code == "loop_detected"' got
    not client --fail -o got -H 'Cache-Control: only-if-cached' -d '{}' "$PROXY/v1/chat/completions"
}

# Names that the start does not know for the proxy's own.
@test "a request that comes round to the proxy is 508 at once" {
    local port host
    for host in 0.0.0.0 127.1; do
        port=$(free_port)
        proxy --port "$port" --upstream "http://$host:$port"
        answers 508 --max-time 2 /v1/models
        jq -e '.error | .code == "loop_detected" and (.message | test("--upstream"))' out
        answers 508 --max-time 2 -d '{"model":"m"}' /v1/chat/completions
        truncate -s 200000 big
        answers 508 --max-time 2 -H Expect: -T big /v1/files
        # nothing goes round and round
        eventually idle
        proxy_stop
    done
}

idle() {
    client "$PROXY/health" | jq -e '.in_flight == 1'
}

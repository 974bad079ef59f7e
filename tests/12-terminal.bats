#!/usr/bin/env bats
# What others say (clients, the upstream, file names) reaches a terminal as text: no control character does.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# on_terminal OUT ARGS…: a command of goproxyai on a terminal of its own; what stdout brings there in OUT
on_terminal() {
    local out=$1 words
    shift
    need script
    printf -v words ' %q' "$@"
    export -f goproxyai
    export goproxyai_bin PROXY_HOME
    SHELL=$BASH script -q -c "goproxyai$words 2>/dev/null" /dev/null </dev/null >"$out"
}

# harmless FILE: no C0 but LF, CR and TAB, no DEL, no C1 in either form, no bidirectional control
harmless() {
    not env LC_ALL=C grep -naP '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]' "$1"
    iconv -f UTF-8 -t UTF-8 "$1" >/dev/null
}

# What a client may call its model: clear the screen, set the title, forge a row, write over one, turn it round
evil='gpt\u001b[2J\u001b]0;owned\u0007\nffff  1 s  200  x\r\u007f\u009b31m\u202eabc'

kept_model() {
    server
    proxy
    ask got -d "{\"model\":\"$1\"}" /v1/chat/completions
    eventually is_listed
}

is_listed() {
    [[ $(goproxyai cache list | wc -l) -ge 1 ]]
}

@test "cache list: a model's name is text, in a terminal and in a pipe, and no row of its own" {
    kept_model "$evil"
    gives 0 cache list
    harmless out
    [[ $(wc -l <out) -eq 1 ]]
    grep -qF 'POST /v1/chat/completions  gpt\x1b[2J\x1b]0;owned\x07\x0afff' out
    grep -qF '\x0d\x7f\u{9b}31m\u{202e}abc' out
    on_terminal shown cache list
    harmless shown
    [[ $(wc -l <shown) -eq 1 ]]
    grep -qF 'gpt\x1b[2J' shown
}

@test "cache list: a name that people read stays readable" {
    kept_model 'gpt-4o-é-日本-🎉'
    gives 0 cache list
    grep -qF '  gpt-4o-é-日本-🎉' out
    on_terminal shown cache list
    grep -qF '  gpt-4o-é-日本-🎉' shown
}

@test "cache list --json: the name is whole, and DEL and C1 are escaped as C0 is" {
    kept_model "$evil"
    gives 0 cache list --json
    harmless out
    [[ $(wc -l <out) -eq 1 ]]
    grep -qF 'gpt\u001b[2J\u001b]0;owned\u0007\nfff' out
    grep -qF '\r\u007f\u009b31m\u202eabc' out
    [[ $(jq -r '.[0].model' out) == "$(jq -rn "\"$evil\"")" ]]
}

@test "cache show: a body on a terminal is escaped but for its lines, in a pipe it is the client's bytes" {
    server
    proxy
    ask got -H 'X-Script: header:Content-Type=text/plain;body:one\x1b[2J\ttwo\nthree\xc2\x9b\xffé' /v1/a
    eventually is_listed
    local key
    key=$(goproxyai cache list | cut -d ' ' -f 1)
    gives 0 cache show "$key"
    expect_same got out
    grep -qaP '\x1b' out
    on_terminal shown cache show "$key"
    harmless shown
    [[ $(tr -d '\r' <shown) == $'one\\x1b[2J\ttwo\nthree\\u{9b}\\xffé' ]]
}

@test "cache show --headers: fields are text, too" {
    server
    proxy
    ask got -H 'X-Script: header:X-Evil=a\x1b[2Jb\xc2\x9bc\xff;header:Content-Type=text/plain;body:plain' /v1/a
    eventually is_listed
    local key
    key=$(goproxyai cache list | cut -d ' ' -f 1)
    gives 0 cache show "$key" --headers
    harmless out
    grep -qiF 'x-evil: a\x1b[2Jb\u{9b}c\xff' out
    on_terminal shown cache show --headers "$key"
    harmless shown
}

@test "errors quote what was given as text, in one line" {
    local word=$'a\e[2J\nb\x9b'
    local -a args
    for args in 'WORD' 'cache WORD' 'cache show WORD' 'health WORD' 'health --WORD' 'health --port WORD' 'serve --listen WORD' \
        'stats --cache-dir WORD' 'cache clear --older-than WORD' 'serve --port 0 --ca-file WORD' 'help WORD'; do
        read -r -a args <<<"$args"
        not goproxyai "${args[@]/WORD/$word}" >out 2>err
        harmless err
        [[ $(wc -l <err) -eq 1 ]]
        grep -qF 'a\x1b[2J\x0ab\x9b' err
    done
    not env $'GOPROXYAI_A\e[2J=1' "$goproxyai_bin" health --port 9 2>err
    harmless err
    grep -qF 'warning: GOPROXYAI_A\x1b[2J is no setting' err
}

@test "the log: paths, methods and folders are text" {
    server
    proxy --cache-dir "$PWD"/$'dir\e[2J\n' --max-cache-size 1M
    proxy_stop
    mkdir $'open\e[2J'
    chmod 777 $'open\e[2J'
    proxy --cache-dir "$PWD"/$'open\e[2J'
    grep -qF '/open\x1b[2J may be written to' "$PROXY_LOG"
    # an address as a browser sends it, and bytes that are no UTF-8
    printf 'GET /v1/\xc3\xa9\xff\xc2\x9b HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n' "$PROXY_PORT" |
        raw "127.0.0.1:$PROXY_PORT" >got
    eventually grep -qF 'GET /v1/é\xff\u{9b} 404' "$PROXY_LOG"
    harmless "$PROXY_LOG"
}

@test "health and stats: the answer of what runs there is text on a terminal, its bytes in a pipe" {
    need python3 script
    spawn port err.py python3 -c '
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(8)
print(s.getsockname()[1], flush=True)
body = b"""{"status":"healthy","version":"1\\u001b[2J","cache":{"ttl":"5m\\u001b[2J"},"traffic":{}, "x":"\x1b[2J\xc2\x9b"}"""
body = body.replace(b"\x1b", b" ")
while True:
    c, _ = s.accept(); c.recv(4096)
    c.sendall(b"HTTP/1.1 200 OK\r\nX-Proxy: goproxyai/1\r\nContent-Length: %d\r\n\r\n" % len(body) + body); c.close()'
    eventually test -s port
    local command
    for command in health stats; do
        gives 0 "$command" --listen 127.0.0.1 --port "$(<port)"
        harmless out
        grep -qF '\x1b[2J' out
        gives 0 "$command" --listen 127.0.0.1 --port "$(<port)" --json
        LC_ALL=C grep -qaP '\xc2\x9b' out
        on_terminal shown "$command" --listen 127.0.0.1 --port "$(<port)" --json
        harmless shown
    done
}

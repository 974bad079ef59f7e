#!/usr/bin/env bats
# The command itself: what it says, where it says it, and its exit status.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# one_line: stderr is one line "goproxyai: what is wrong: what to do", stdout is empty
one_line() {
    [[ ! -s out && $(wc -l <err) -eq 1 ]] && grep -Eq '^goproxyai: .+: .+' err || {
        echo "not one line that says what is wrong and what to do:"
        cat out err
        return 1
    }
}

@test "version tells its own version and those of the libraries, and exits 0" {
    gives 0 version
    grep -Eq '^goproxyai [0-9]+\.[0-9]+' out
    grep -q '^libmicrohttpd [0-9].*libcurl/[0-9].*OpenSSL' out
    [[ ! -s err ]]
    cp out version
    gives 0 --version
    expect_same version out
}

@test "help names every command, and help COMMAND tells what --help tells" {
    gives 0 help
    cp out help
    [[ ! -s err ]]
    gives 0 --help
    expect_same help out
    gives 0 -h
    expect_same help out
    local command
    for command in serve health version help; do
        grep -Eq "^  $command +[^ ]" help
        gives 0 help "$command"
        cp out "$command"
        head -n 1 "$command" | grep -q "^Usage: goproxyai $command"
        gives 0 "$command" --help
        expect_same "$command" out
    done
}

@test "the help of serve names every setting with its default and variable" {
    gives 0 help serve
    local flag
    for flag in listen port allow-remote allow-host upstream proxy ca-file http2 forwarded request-timeout connect-timeout \
        total-timeout client-timeout drain-timeout workers help; do
        grep -Eq -- "^  --$flag( |$)" out
    done
    grep -q -- '--port N.*\[8080\].*PORT' out
    grep -q -- '--upstream URL.*\[https://api.openai.com\].*OPENAI_API_URL' out
    grep -q -- '--request-timeout TIME.*\[30s\].*REQUEST_TIMEOUT' out
}

@test "an unknown command is wrong usage: status 2 and one line on stderr" {
    local command
    for command in srve '' -x --nope 'serve ' $'a\nb'; do
        gives 2 "$command"
        one_line
    done
    gives 2 help nosuch
    one_line
}

@test "no command at all is wrong usage, and shows the commands" {
    gives 2
    grep -q serve out err
}

@test "an unknown option is wrong usage of every command: status 2 and one line on stderr" {
    local command
    for command in serve health version help; do
        gives 2 "$command" --nope
        one_line
        gives 2 "$command" --nope=1
        one_line
        gives 2 "$command" --hello
        one_line
        gives 2 "$command" -z
        one_line
    done
    gives 2 health --upstream http://127.0.0.1:1
    one_line
    gives 2 serve --json
    one_line
}

@test "words that a command does not take are wrong usage" {
    local command
    for command in serve health version; do
        gives 2 "$command" word
        one_line
    done
    gives 2 serve --port 0 word
    one_line
    gives 2 serve --port 0 -- word
    one_line
    gives 2 help serve health
    one_line
}

@test "an option without its value is wrong usage" {
    local flag
    for flag in port upstream proxy listen request-timeout; do
        gives 2 serve "--$flag"
        one_line
        grep -q -- "--$flag needs a value" err
    done
}

@test "what cannot be written to stdout is a failure: status 1 and a reason on stderr" {
    local args code
    for args in version help 'help serve' 'serve --help' 'health --help'; do
        code=0
        # shellcheck disable=SC2086
        goproxyai $args >/dev/full 2>err || code=$?
        [[ $code -eq 1 ]]
        grep -q '^goproxyai: .*standard output' err
        code=0
        # shellcheck disable=SC2086
        goproxyai $args >&- 2>err || code=$?
        [[ $code -eq 1 ]]
        grep -q '^goproxyai: .*standard output' err
    done
}

@test "health --json to a full disk is a failure too" {
    server
    proxy
    local code=0
    goproxyai health --port "$PROXY_PORT" >/dev/null
    goproxyai health --port "$PROXY_PORT" --json >/dev/full 2>err || code=$?
    [[ $code -eq 1 ]]
    grep -q '^goproxyai: .*standard output' err
}

@test "serve says on stderr where it listens and what to export, and nothing on stdout" {
    server
    proxy
    grep -Eq "^ *export OPENAI_BASE_URL=http://localhost:$PROXY_PORT/v1$" "$PROXY_LOG"
    grep -q "forwards /v1 to $UPSTREAM" "$PROXY_LOG"
    client -o /dev/null "$PROXY/v1/models"
    eventually grep -q 'GET /v1/models 200' "$PROXY_LOG"
    proxy_stop
    [[ $status -eq 0 ]]
    [[ ! -s $PROXY_OUT ]]
}

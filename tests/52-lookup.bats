#!/usr/bin/env bats
# Name lookups of the upstream that take long: how many at once, and how those that wait for one end.
# bats file_tags=unsanitized

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    need ss
    server
    # slow.test and gone.test take 2 s, and gone.test is unknown then; each lookup of theirs is a line in the file lookups
    LOOKUPS=$PWD/lookups preload lookup <<'C'
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    size_t len = name ? strlen(name) : 0;

    if (len < 5 || strcmp(name + len - 5, ".test") != 0)
        return real(name, port, hints, found);
    int fd = open(getenv("LOOKUPS"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)!write(fd, "lookup\n", 7);
    close(fd);
    sleep(2);
    return *name == 's' ? real("127.0.0.1", port, hints, found) : EAI_NONAME;
}
C
    export LOOKUPS=$PWD/lookups
}

# crowd N: so many clients at once, each with a question of its own; their answers in the files got.*
crowd() {
    local i
    rm -rf crowd
    mkdir crowd
    for ((i = 1; i <= $1; i++)); do
        printf 'url = "%s/v1/models?n=%d"\noutput = "crowd/%d"\nwrite-out = "%%{http_code} %%{time_total}\\n"\n' "$PROXY" "$i" "$i"
    done >crowd.conf
    spawn crowd.out crowd.err curl -q -sS --noproxy '*' -Z --parallel-immediate --parallel-max "$1" --max-time 60 -K crowd.conf
}

threads() {
    sed -n 's/^Threads:[[:space:]]*//p' "/proc/$PROXY_PID/status"
}

looked_up() {
    [[ -s lookups ]]
}

# asked N: the proxy has read the requests of so many connections
asked() {
    ss -HtniO state established "sport = :$PROXY_PORT" >sockets
    [[ $(grep -c 'bytes_received:[1-9]' sockets) -ge $1 && $(awk '$1 != 0' sockets | wc -l) -eq 0 ]] && at_rest "$PROXY_PID"
}

@test "a hundred misses whose upstream's name is long in being looked up: few threads, one lookup a worker, and all succeed" {
    proxy --workers 4 --upstream "http://slow.test:$UPSTREAM_PORT" --cache-dir "$PWD/cache"
    crowd 100
    eventually asked 100
    [[ $(threads) -lt 16 ]] || { threads; false; }
    pid_ends "$spawned" 30
    [[ $(grep -c '^200 ' crowd.out) -eq 100 ]]
    expect_stat requests = 100
    [[ $(wc -l <lookups) -le 4 ]]
    # the name is known now
    costs 1 gets MISS got '/v1/models?one-more'
    [[ $(wc -l <lookups) -le 4 ]]
}

@test "a lookup that fails: all who wait for it get the 502 that says so, in the time of one" {
    proxy --workers 4 --upstream "http://gone.test:$UPSTREAM_PORT"
    crowd 100
    eventually asked 100
    [[ $(threads) -lt 16 ]]
    pid_ends "$spawned" 30
    [[ $(grep -c '^502 ' crowd.out) -eq 100 ]]
    [[ $(jq -r '.error.code + " " + .error.message' crowd/* | sort -u | wc -l) -eq 1 ]]
    jq -e '.error | .code == "upstream_name_lookup_failed" and (.message | test("gone.test"))' crowd/1
    # one after another they would take 50 s
    not awk '$2 > 9 { bad = 1 } END { exit !bad }' crowd.out
    [[ $(wc -l <lookups) -le 8 ]]
    # the next one looks again
    rm lookups
    ours 502 upstream_name_lookup_failed gone.test
    looked_up
}

@test "who leaves while a name is looked up leaves nothing behind, and those behind it go on" {
    proxy --workers 1 --upstream "http://slow.test:$UPSTREAM_PORT"
    spawn first err curl -q -sS --noproxy '*' --max-time 60 "$PROXY/v1/models?first"
    local first=$spawned
    eventually looked_up
    crowd 20
    eventually asked 21
    kill -KILL "$first"
    pid_ends "$spawned" 30
    [[ $(grep -c '^200 ' crowd.out) -eq 20 ]]
    expect_stat requests = 20
}

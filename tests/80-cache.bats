#!/usr/bin/env bats
# What is kept, and what never is.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
    proxy
}

chunk='{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}'

# cut_short REASON: a Response that is incomplete
cut_short() {
    local whole
    whole=$(responded a)
    echo "${whole/completed\",/incomplete\",\"incomplete_details\":{\"reason\":\"$1\"\},}"
}

# chat SCRIPT [CURL-ARGS]: arguments of a request of its own with this script
chat() {
    args=(-H "X-Script: $1" -d "{\"model\":\"m\",\"n\":$((++chats))}" "${@:2}" /v1/chat/completions)
}

chat_kept() {
    chat "$@"
    kept "${args[@]}"
}

chat_unkept() {
    chat "$@"
    unkept MISS "${args[@]}"
}

# get_kept SCRIPT, get_unkept SCRIPT: a GET of its own
get_kept() {
    kept -H "X-Script: $1" "/v1/files/f$((++gets))"
}

get_unkept() {
    unkept MISS -H "X-Script: $1" "/v1/files/f$((++gets))"
}

@test "the answers of the four APIs are kept, streamed or not, byte for byte" {
    local stream
    for stream in false true; do
        kept -d '{"model":"m","messages":[],"stream":'$stream'}' /v1/chat/completions
        [[ $(field second content-type) == *$([[ $stream == true ]] && echo event-stream || echo json)* ]]
        kept -d '{"model":"m","prompt":"x","stream":'$stream'}' /v1/completions
        kept -d '{"model":"m","input":"x","stream":'$stream'}' /v1/responses
    done
    kept -d '{"model":"m","input":["a","b"]}' /v1/embeddings
    kept -d '{"model":"m","input":["a","b"],"encoding_format":"base64"}' /v1/embeddings
    grep -q '"embedding":"' second
}

@test "frames of a stream are replayed as they were: comments, line ends, what follows the end" {
    chat_kept 'eol:crlf;comment:hi;data:{"a":1};event:x={"a":2};sse:1,0'
    grep -q $': hi\r' second
    chat_kept 'eol:cr;data:{"a":1};sse:1,0'
    chat_kept 'chunkbytes:1;comment:keep-alive;data:{"a":"\xf0\x9f\x91\x8b"};sse:1,0'
    chat_kept 'data:1;sse:1,0;comment:bye;data:more'
    grep -q 'data: more' second
    chat_kept "header:Content-Type=text/event-stream;length;body:data: $chunk\n\ndata: [DONE]\n\n"
    chat_kept 'close;data:{"a":1};sse:1,0'
    local created='event:response.created={"type":"response.created"}'
    kept -H "X-Script: $created;data:{\"type\":\"response.completed\",\"response\":$(responded a)}" -d 1 /v1/responses
    kept -H "X-Script: $created;event:response.incomplete={\"response\":$(cut_short max_output_tokens)}" -d 2 /v1/responses
}

# key_of OUT: what that answer's Cache-Status says
key_of() {
    field "$1" cache-status | sed -n 's/.*; key="\([0-9a-f]\{12\}\)"$/\1/p'
}

@test "Cache-Status carries the key on miss, hit and join, and cache show takes it; none on a bypass" {
    local question='{"model":"m","k":"shown"}' key
    spawn join err curl -q -sS --noproxy '*' --max-time 60 -D join.head -H "X-Script: barrier:x;body:$(said shown)" -d "$question" "$PROXY/v1/chat/completions"
    barrier wait x
    spawn joined err curl -q -sS --noproxy '*' --max-time 60 -D joined.head -d "$question" "$PROXY/v1/chat/completions"
    local second=$spawned
    need ss
    eventually two_have_asked
    barrier release x
    pid_ends "$second" 30
    gets HIT hit -d "$question" /v1/chat/completions
    tells join 'fwd=miss; stored; key="[0-9a-f]{12}"'
    tells joined '(fwd=miss; collapsed|hit; ttl=[0-9]+); key="[0-9a-f]{12}"'
    tells hit 'hit; ttl=[0-9]+; key="[0-9a-f]{12}"'
    key=$(key_of hit)
    [[ ${#key} -eq 12 && $(key_of join) == "$key" && $(key_of joined) == "$key" ]]
    eventually shown "$key"
    expect_same hit out
    [[ $(goproxyai cache list | cut -c -12 | grep -c "$key") -eq 1 ]]
    # another question has another key, also one that misses again and is not kept
    gets MISS other -H 'X-Script: status:500' -d "${question/shown/other}" /v1/chat/completions
    tells other 'fwd=miss; key="[0-9a-f]{12}"'
    [[ $(key_of other) != "$key" ]]
    local way
    for way in '-H Cache-Control:no-store' '-X DELETE' '-I'; do
        # shellcheck disable=SC2086 # words
        gets BYPASS bypass $way /v1/files/x
        tells bypass 'fwd=bypass'
    done
}

two_have_asked() {
    [[ $(ss -HtniO state established "sport = :$PROXY_PORT" | grep -c 'bytes_received:[1-9]') -ge 2 ]] && at_rest
}

shown() {
    gives 0 cache show "$1"
}

@test "every GET under /v1 is kept, text and bytes too" {
    kept /v1/models
    kept /v1/models/gpt-4o
    kept '/v1/models?limit=2&after=x'
    kept /v1/files/file-size-300000/content
    kept -H 'X-Script: header:Content-Type=text/plain;body:hello' /v1/anything
    kept -H 'X-Script: header:Content-Type=text/plain;length;body:' /v1/nothing
    [[ ! -s second ]]
    kept -H 'X-Script: size:100000;chunked' /v1/noise
}

@test "other methods and paths pass" {
    local path
    unkept BYPASS -X PUT -d '{}' /v1/files/x
    unkept BYPASS -X PATCH -d '{}' /v1/files/x
    unkept BYPASS -X DELETE /v1/files/x
    unkept BYPASS -X OPTIONS -H 'X-Script: body:{}' /v1/models
    unkept BYPASS -I /v1/models
    for path in chat/completions/ chat/completions/x Chat/completions 'chat%2Fcompletions' moderations images/generations \
        audio/speech batches responses/resp_1/cancel embeddings/ /embeddings; do
        unkept BYPASS -d '{"model":"m","n":1}' "/v1/$path"
    done
    unkept BYPASS -F purpose=assistants -F file=@/etc/hostname /v1/files
}

@test "what is stateful passes: background, conversation" {
    local body
    for body in '{"background":true}' '{"background":1}' '{"a":[{"background":false}],"background" : true}' \
        '{"conversation":"conv_1"}' '{"conversation":{"id":"x"}}' '{"conversation":""}' '{"back\u0067round":true}'; do
        unkept BYPASS -d "$body" /v1/responses
    done
    # what is no strict JSON may be JSON for a server, and what is encoded is not looked into
    for body in '{"conversation":"c","input":"\ud83d"}' '{"background":true,"background":true}' '{"conversation":"c"} x' \
        '{"\u0063onversation":"c","input":"\ud83d"}'; do
        unkept BYPASS -d "$body" /v1/responses
    done
    unkept BYPASS -H 'Content-Encoding: zstd' -d '{"input":"x"}' /v1/responses
    kept -d '{"input":"\ud83d"}' /v1/responses
    kept -d '{"background":false,"n":1}' /v1/responses
    kept -d '{"background":null,"conversation":null}' /v1/responses
    kept -d '{"metadata":{"background":true}}' /v1/responses
    # they are the Responses API's words alone
    kept -d '{"background":true,"conversation":"x"}' /v1/chat/completions
}

@test "of the statuses 200, 201, 400 and 401 are kept" {
    local status
    for status in 200 201 400 401; do
        chat_kept "status:$status;body:$(said a)"
        [[ $got -eq $status ]]
        get_kept "status:$status;body:{\"a\":1}"
    done
    for status in 202 203 204 206 301 302 403 404 405 408 409 410 413 422 429 451 500 501 502 503 504 529; do
        chat_unkept "status:$status;body:$(said a)"
        [[ $got -eq $status ]]
    done
    for status in 404 410 429 500; do
        get_unkept "status:$status;body:{\"a\":1}"
    done
}

@test "a 400 or 401 that asks for another try is not kept" {
    chat_unkept 'status:400;header:x-should-retry=true'
    chat_unkept 'status:401;header:X-Should-Retry=TRUE'
    chat_kept 'status:400;header:x-should-retry=false'
    chat_kept 'status:200;header:x-should-retry=true'
    # an error that is no JSON may be a gateway's page, but it is whole
    chat_kept 'status:400;header:Content-Type=text/plain;body:no'
}

@test "what the upstream forbids to keep is not kept" {
    chat_unkept 'header:Set-Cookie=a=b'
    chat_unkept 'header:Cache-Control=no-store'
    chat_unkept 'header:Cache-Control=private, No-Store'
    chat_unkept 'header:Cache-Control=max-age=9;header:Cache-Control=no-cache'
    chat_unkept 'header:Vary=*'
    chat_unkept 'header:Vary=Accept, *'
    chat_unkept 'header:Content-Encoding=br'
    chat_unkept 'header:Content-Encoding=gzip, gzip'
    chat_unkept 'data:1;sse:1,0;header:Set-Cookie=a=b'
    get_unkept 'header:Set-Cookie=a=b'
    chat_kept 'header:Cache-Control=private'
    chat_kept 'header:Cache-Control=max-age=0'
    chat_kept 'header:Vary=Origin'
    chat_kept 'header:X-Note=no-store'
}

@test "an answer that was cut or broke is not kept" {
    local how
    local a
    a=$(said a)
    for how in "length:500;body:$a" "truncate:5;body:$a" "truncate:5,reset;body:$a" \
        "truncate:5;chunked;body:$a" "chunk:$a\n;fin" "chunk:$a;reset" "chunk:$a;badchunk" "chunk:$a;badchunk:2\\r\\n \\r\\n0\\r\\n\\r\\n" \
        'data:1;sse:1,0;fin' 'data:1;sse:1,0;reset' 'data:1;sse:1,0;badchunk' 'close;data:1;sse:1,0;reset' \
        "gzip;truncate:20;body:$a"; do
        chat_unkept "$how" -H 'Accept-Encoding: gzip'
        [[ $curl_status -ne 0 ]]
        get_unkept "$how"
    done
    # no head at all
    chat fin
    costs 2 eval 'ask first "${args[@]}"; ask second "${args[@]}"'
    [[ $got -eq 502 ]]
}

@test "JSON that does not parse is not kept, whatever its frame says" {
    local how a
    a=$(said a)
    for how in "body:${a%?}" "body:$a}" 'body:nothing' 'chunked;body:[1,2' "body:$a\x00" "close;body:${a%?}" \
        'close;body:[1,[2]' "header:Content-Type=application/problem+json;body:${a%?}"; do
        chat_unkept "$how"
        get_unkept "$how"
    done
    for how in close nolength 'http10;close' 'header:Content-Type=application/problem+json'; do
        chat_kept "$how;body:$a"
        get_kept "$how;body:$a"
    done
    # a number may be the beginning of a number
    get_unkept 'close;body:12'
    get_kept 'body:12'
    # nothing says that these are whole
    get_unkept 'close;header:Content-Type=text/plain;body:hello'
    get_unkept 'close;size:1000'
    get_unkept 'close;body:'
}

@test "a stream without its end is not kept, nor one that says that it failed" {
    local how
    local end='sse:1,0,nodone'
    for how in "$end;data:2" "$end;chunk:data: [DONE]" "$end;chunk:data: [DONE]\n" "$end;data:[done]" "$end;comment:[DONE]" \
        'event:error={"error":{"message":"x"}};sse:1,0' 'data:{"error":{"message":"x"}};sse:1,0' 'sse:3,0,nodone' \
        "close;$end" "event:response.created={};event:response.completed={\"response\":$(responded a)}"; do
        chat_unkept "$how"
    done
    local n=0
    end="event:response.completed={\"response\":$(responded a)}"
    for how in "event:response.failed={};$end" "data:{\"type\":\"response.failed\"};data:[DONE];$end" \
        'event:response.created={"type":"response.created"}' 'sse:1,0' "event:error={\"type\":\"error\"};$end"; do
        unkept MISS -H "X-Script: $how" -d $((++n)) /v1/responses
    done
    # embeddings have no streams: nobody knows what would end one
    unkept MISS -H "X-Script: data:$(embedded a);sse:1,0" -d 1 /v1/embeddings
    # a word of failure within the text is none
    chat_kept 'data:{"choices":[{"delta":{"content":"event: error {\"error\":1}"}}]};sse:1,0'
    chat_kept 'data:{"error":null};sse:1,0'
}

@test "an answer that says that it failed is not kept, though its status is 200" {
    local a n=0 status
    a=$(said a)
    chat_unkept "body:{\"error\":{\"message\":\"x\"},${a#?}"
    chat_kept "body:{\"error\":null,${a#?}"
    a=$(responded a)
    for status in failed cancelled queued in_progress; do
        unkept MISS -H "X-Script: body:${a/completed/$status}" -d $((++n)) /v1/responses
    done
    kept -H "X-Script: body:$a" -d $((++n)) /v1/responses
    kept -H "X-Script: body:$(cut_short max_output_tokens)" -d $((++n)) /v1/responses
}

@test "a GET whose status may change is not kept, one that is final is" {
    local status
    for status in queued in_progress validating finalizing cancelling uploaded running active requires_action tomorrow; do
        get_unkept "body:{\"status\":\"$status\"}"
    done
    for status in completed failed cancelled expired succeeded processed incomplete; do
        get_kept "body:{\"status\":\"$status\"}"
    done
    get_kept 'body:{"status":null}'
    get_unkept 'body:{"data":[{"status":"completed"},{"status":"in_progress"}]}'
    get_kept 'body:{"data":[{"status":"completed"},{"status":"failed"}]}'
    get_kept 'body:{"a":{"status":"queued"}}'
}

# a write drops what is stored of its collection: what follows tells which

# stale PATH, fresh PATH: a GET that was kept before is, or is not, a miss now
stale() {
    gets MISS again "$1"
}

fresh() {
    gets HIT again "$1"
}

@test "a write drops the GETs of its collection, and of no other" {
    local write path
    for write in '-X POST' '-X PUT' '-X PATCH' '-X DELETE'; do
        for path in /v1/files /v1/files?limit=2 /v1/files/a /v1/files/a/content /v1/batches; do
            client -o /dev/null "$PROXY$path"
            fresh "$path"
        done
        # shellcheck disable=SC2086 # two words
        client -o /dev/null $write -H 'X-Script: body:{}' -d '{}' "$PROXY/v1/%66iles/other?x"
        for path in /v1/files /v1/files?limit=2 /v1/files/a /v1/files/a/content; do
            stale "$path"
        done
        fresh /v1/batches
    done
    # an ordinary question is a write as well, of nothing that is stored
    client -o /dev/null "$PROXY/v1/models"
    client -o /dev/null -d '{"model":"m"}' "$PROXY/v1/chat/completions"
    fresh /v1/models
    gets HIT again -d '{"model":"m"}' /v1/chat/completions
    # the stored responses of GET /v1/responses/… are another matter than those of POST
    client -o /dev/null -d '{"input":"x"}' "$PROXY/v1/responses"
    client -o /dev/null "$PROXY/v1/responses/r1"
    client -o /dev/null -X DELETE "$PROXY/v1/responses/r1"
    stale /v1/responses/r1
    gets HIT again -d '{"input":"x"}' /v1/responses
}

@test "a write drops them whatever became of it" {
    local script
    for script in 'body:{}' 'status:202;body:{}' 'status:302;body:' status:500 status:503 fin reset garbage 'data:1;stall'; do
        client -o /dev/null "$PROXY/v1/files"
        fresh /v1/files
        if [[ $script == *stall ]]; then
            spawn part err curl -q -sSN --max-time 60 -H "X-Script: $script" -d '{}' "$PROXY/v1/files"
            eventually test -s part
            stale /v1/files # at its head, not only at its end
            kill -KILL "$spawned"
        else
            client -o /dev/null -H "X-Script: $script" -d '{}' "$PROXY/v1/files" 2>/dev/null || true
            stale /v1/files
        fi
    done
    expect_stat in_flight = 0
    eventually at_rest # it is a write until it ends
    for script in 400 401 403 404 409 429; do
        client -o /dev/null "$PROXY/v1/files"
        client -o /dev/null -H "X-Script: status:$script" -d '{}' "$PROXY/v1/files"
        stale /v1/files
    done
    # reading is no writing
    client -o /dev/null "$PROXY/v1/files"
    client -o /dev/null -I "$PROXY/v1/files"
    client -o /dev/null -H 'Cache-Control: no-store' "$PROXY/v1/files"
    fresh /v1/files
}

@test "a GET in flight while its collection is written to is answered, and not kept" {
    local who
    for who in files/x files/y batches/x; do
        spawn "got.${who%/*}.${who#*/}" err curl -q -sS --max-time 60 -H "X-Script: barrier:b;body:{\"old\":1}" "$PROXY/v1/$who"
    done
    barrier wait b 3
    client -o /dev/null -X DELETE "$PROXY/v1/files/x"
    # it is not joined either: what it brings may be from before
    costs 1 gets MISS new -H 'X-Script: body:{"new":1}' /v1/files/x
    barrier release b
    for who in files.x files.y batches.x; do
        eventually grep -q old "got.$who"
    done
    gets HIT new /v1/files/x
    [[ $(<new) == '{"new":1}' ]]
    stale /v1/files/y
    fresh /v1/batches/x
}

@test "a write that is still on its way does not let an older answer be kept" {
    # read before the write is done, answered to the client before it, and asked for again after it
    spawn write err curl -q -sS --max-time 60 -H 'X-Script: barrier:w;body:{}' -d '{}' "$PROXY/v1/files"
    barrier wait w
    client -o /dev/null "$PROXY/v1/files"
    barrier release w
    eventually test -s write
    stale /v1/files
}

# script_of HOW N: the answer $text of the type $type, of which only N bytes come. close: the connection ends there;
# chunked, length: in mid-air; early: HTTP says that this was all; gzip: as close, N of the packed bytes.
script_of() {
    local whole="header:Content-Type=$type;body:$escaped"
    case $1 in
    early) script="chunked;header:Content-Type=$type;body:${escaped:0:4*$2}" ;;
    gzip) script="close;gzip;$whole;truncate:$2" ;;
    *) script="$1;$whole;truncate:$2" ;;
    esac
}

# never_kept HOW N: cut at each byte before the N-th the answer is a miss, twice. One curl makes all the requests.
never_kept() {
    local n script
    for ((n = 0; n < $2; n++)); do
        script_of "$1" "$n"
        ((n == 0)) || echo next
        printf 'url = "%s%s?%s-%s"\nheader = "Accept-Encoding: gzip"\n%s\nheader = "X-Script: %s"\noutput = /dev/null\nsilent\n' \
            "$PROXY" "$path" "$1" "$n" "$data" "${script//\\/\\\\}"
        printf 'noproxy = "*"\nmax-time = 20\nwrite-out = "%%{http_code} %%header{x-cache}\\n"\n'
    done >requests.conf
    curl -q -K requests.conf >words 2>err || true
    costs "$2" eval 'curl -q -K requests.conf >>words 2>>err || true'
    [[ $(sort words | uniq -c | tr -s ' ') == " $((2 * $2)) 200 MISS" ]] || {
        echo "$path, $1:"
        sort words | uniq -c
        return 1
    }
}

@test "an answer that is cut at any byte is never kept" {
    local path type text escaped how method data packed
    while IFS='|' read -r path type text; do
        printf -v text %b "$text"
        escaped=$(printf %s "$text" | od -An -v -tx1 | tr -d '\n' | sed 's/ /\\x/g')
        data='data = "{}"' method=POST
        [[ $path != /v1/files ]] || data='' method=GET
        kept -X "$method" -H "X-Script: close;header:Content-Type=$type;body:$escaped" "$path"
        script_of close 100000
        client -H "X-Script: ${script/close/close;gzip}" -o packed "$UPSTREAM/v1/x"
        packed=$(stat -c %s packed)
        for how in close chunked length early; do
            never_kept "$how" ${#text}
        done
        never_kept gzip "$packed"
    done <<'TABLE'
/v1/chat/completions|text/event-stream|data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n
/v1/responses|text/event-stream|data:{}\n\ndata: {"type":"response.completed","response":{"status":"completed","output":[{"type":"x_call"}]}}\n\n
/v1/files|application/json|{"a":[1,"b"]}
TABLE
}

#!/usr/bin/env bats
# A success of a POST is stored only if it says something and ended well: a retry of a bad answer must not get it again.

load lib/vocabulary

setup() {
    cd "$BATS_TEST_TMPDIR"
    server
    proxy
}

# answers WORD PATH SCRIPT…: to a request of its own each of these scripts is kept (HIT), or not (MISS)
answers() {
    local word=$1 path=$2 script
    for script in "${@:3}"; do
        if [[ $word == HIT ]]; then
            kept -H "X-Script: $script" -d "{\"n\":$((++asked))}" "$path"
        else
            unkept MISS -H "X-Script: $script" -d "{\"n\":$((++asked))}" "$path"
        fi
    done
}

# choice MESSAGE REASON: a chat completion with this message and finish_reason, both JSON
choice() {
    echo "body:{\"choices\":[{\"index\":0,\"message\":$1,\"finish_reason\":$2}]}"
}

# delta DELTA REASON: an event of a stream with this delta and finish_reason
delta() {
    echo "data:{\"choices\":[{\"index\":0,\"delta\":$1,\"finish_reason\":$2}]}"
}

apis=(/v1/chat/completions /v1/completions /v1/embeddings /v1/responses)

@test "what says nothing is not kept, for any of the four APIs" {
    local path
    for path in "${apis[@]}"; do
        answers MISS "$path" 'drop:Content-Type;body:' 'body:{}' 'body:{"choices":[],"data":[],"output":[],"status":"completed"}' \
            'data:[DONE]' 'event:response.completed={"response":{"status":"completed","output":[]}}'
    done
    answers MISS /v1/chat/completions 'body:' 'drop:Content-Type;header:Content-Type=;body:' 'body:[]' 'body:null' 'status:201;body:{}' \
        'body:{"choices":null}' 'gzip;body:{}' 'close;body:{}' 'comment:hi;data:[DONE]' 'data:{};data:[DONE]' 'data:{"choices":[]};data:[DONE]'
}

@test "an answer of another type is not kept, whatever it says: a login page, an error in plain text" {
    local type path page='body:<!doctype html><title>Sign in</title>'
    for path in "${apis[@]}"; do
        answers MISS "$path" "header:Content-Type=text/html;$page" "header:Content-Type=text/plain;body:{\"error\":{\"message\":\"x\"}}"
    done
    answers MISS /v1/chat/completions "header:Content-Type=application/json;$page" "header:Content-Type=text/event-stream;$page"
    for type in text/plain application/jsonl ''; do
        answers MISS /v1/chat/completions "drop:Content-Type;header:Content-Type=$type;body:$(said a)" \
            "drop:Content-Type;header:Content-Type=$type;body:data: {}\\n\\ndata: [DONE]\\n\\n"
        answers MISS /v1/responses "drop:Content-Type;header:Content-Type=$type;body:$(responded a)"
    done
    for type in 'APPLICATION/JSON\; charset=utf-8' application/vnd.x+json; do
        answers HIT /v1/chat/completions "header:Content-Type=$type;body:$(said a)"
        answers HIT /v1/responses "header:Content-Type=$type;body:$(responded a)"
        answers HIT /v1/embeddings "header:Content-Type=$type;body:$(embedded a)"
        answers HIT /v1/completions "header:Content-Type=$type;body:{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\"}]}"
    done
    # a GET's may be a file of any type, but no API answers with a page
    kept -H 'X-Script: header:Content-Type=text/plain;body:<p>text' /v1/files/a/content
    unkept MISS -H "X-Script: header:Content-Type=text/html;$page" /v1/models
}

@test "a choice that a filter, an error or a lack of resources ended is not kept" {
    local reason message='{"content":"a"}'
    for reason in '"stop"' '"length"' '"tool_calls"' '"function_call"' '"eos_token"' '"stop_sequence"' '"end_turn"'; do
        answers HIT /v1/chat/completions "$(choice "$message" "$reason")" "$(delta "$message" null);$(delta '{}' "$reason");data:[DONE]"
    done
    answers HIT /v1/completions 'body:{"choices":[{"text":"a","finish_reason":"stop"}]}'
    for reason in '"content_filter"' '"error"' '"insufficient_system_resource"' null '""' '"tomorrow"' 1; do
        answers MISS /v1/chat/completions "$(choice "$message" "$reason")" "$(delta "$message" null);$(delta '{}' "$reason");data:[DONE]"
    done
    answers MISS /v1/completions 'body:{"choices":[{"text":"a","finish_reason":"error"}]}'
    # one of several choices is enough
    answers MISS /v1/chat/completions \
        'body:{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{"message":{"content":"a"},"finish_reason":"error"}]}' \
        "data:{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\"}}]};$(delta "$message" '"stop"');data:[DONE]"
}

@test "an answer without text, call, refusal or audio is not kept: reasoning that used up all tokens" {
    local message
    for message in '{"content":[{"type":"text","text":"a"}]}' '{"content":null,"tool_calls":[{"id":"c"}]}' '{"function_call":{"name":"f"}}' \
        '{"content":null,"refusal":"no"}' '{"audio":{"data":"AA=="}}'; do
        answers HIT /v1/chat/completions "$(choice "$message" '"stop"')" "$(delta "$message" null);$(delta '{}' '"stop"');data:[DONE]"
    done
    for message in '{}' '{"content":""}' '{"content":null,"refusal":null,"tool_calls":[]}' '{"content":"","reasoning_content":"let me see"}'; do
        answers MISS /v1/chat/completions "$(choice "$message" '"length"')" "$(delta "$message" null);$(delta '{}' '"length"');data:[DONE]"
    done
    answers MISS /v1/completions 'body:{"choices":[{"text":"","finish_reason":"length"}]}' \
        'data:{"choices":[{"text":"","finish_reason":"stop"}]};data:[DONE]'
    local reasoning='{"type":"reasoning","summary":[{"text":"let me see"}]}' part
    part="{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"output\":[$reasoning]}"
    answers MISS /v1/responses "body:$part" "event:response.created={};event:response.incomplete={\"response\":$part}"
    part="${part%]*},{\"type\":\"function_call\"}]}"
    answers HIT /v1/responses "body:$part" "event:response.created={};event:response.incomplete={\"response\":$part}"
    part=${part/max_output_tokens/content_filter}
    answers MISS /v1/responses "body:$part" "event:response.created={};event:response.incomplete={\"response\":$part}"
}

@test "a Response in a stream whose terminal event is bare is known by the events before it" {
    local text='event:response.output_text.delta={"delta":"a"}' bare='event:response.completed={"response":{"status":"completed","output":[]}}'
    answers HIT /v1/responses "$text;$bare" 'event:response.output_item.done={"item":{"type":"custom_tool_call"}};'"$bare" responses:3,0
    answers MISS /v1/responses "event:response.created={};$bare" "event:response.reasoning_text.delta={\"delta\":\"a\"};$bare"
}

# bats test_tags=threads
@test "the ordinary answers of models are kept: tools, formats, many words, several inputs" {
    local stream
    for stream in true false; do
        for body in '"model":"m"' '"model":"words-3000"' '"model":"m","tools":[{"type":"function","function":{"name":"f"}}]' \
            '"model":"m","response_format":{"type":"json_object"}' '"model":"m","stream_options":{"include_usage":true}'; do
            kept -d "{$body,\"stream\":$stream}" /v1/chat/completions
        done
        kept -d "{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],\"stream\":$stream}" /v1/responses
    done
    # a model that says nothing at all
    unkept MISS -d '{"model":"words-0"}' /v1/chat/completions
    unkept MISS -d '{"model":"words-0","stream":true}' /v1/chat/completions
    unkept MISS -d '{"model":"words-0"}' /v1/responses
    unkept MISS -d '{"model":"words-0"}' /v1/completions
}

@test "an answer that varies by a field is kept where that field is in the key" {
    local field
    for field in Origin Accept-Encoding 'accept-encoding, origin' Authorization 'OpenAI-Beta,OpenAI-Organization' Content-Type; do
        answers HIT /v1/chat/completions "header:Vary=$field"
    done
    for field in '*' User-Agent Accept 'Origin, Accept-Language' 'Authorization, *'; do
        answers MISS /v1/chat/completions "header:Vary=$field"
    done
    for field in '*' User-Agent 'Origin, Accept-Language' 'Accept, *'; do
        unkept MISS -H "X-Script: header:Vary=$field" "/v1/models?$((++asked))"
    done
    # of a GET, other than of a POST, Accept is in the key
    kept -H 'X-Script: header:Vary=Accept' "/v1/models?$((++asked))"
    answers MISS /v1/chat/completions 'status:400;header:Vary=User-Agent'
    # with --share-cache the credentials are not in the key
    proxy_stop
    proxy --share-cache
    answers MISS /v1/chat/completions header:Vary=Authorization
    answers HIT /v1/chat/completions header:Vary=OpenAI-Beta
}

@test "errors are kept as they are: they say enough" {
    local path
    for path in "${apis[@]}"; do
        answers HIT "$path" status:400 'status:401;body:{}'
    done
    answers HIT /v1/chat/completions 'status:400;header:Content-Type=text/html;body:<p>no'
    answers MISS /v1/chat/completions 'status:400;body:{'
}

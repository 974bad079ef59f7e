// Answers that break: the same exception as directly, never a clean end.
import { assert, scenario } from '../lib/harness.mjs';
import { ask, openai } from '../lib/openai.mjs';

const ended = (result) => result.at(-1)?.ended;

function breaks(name, script, threw) {
    scenario(
        `broken stream: ${name}`,
        {
            check(result, requests) {
                assert.equal(ended(result.raw)?.threw, threw);
                if (threw) assert.equal(result.helper.threw, 'OpenAIError');
                assert.equal(requests.length, 2, 'nothing of it is tried again');
            },
        },
        async (t) => {
            const { chat } = openai(t);
            const raw = await t.drain(
                chat.completions.create(ask('raw', { stream: true }), t.script(script)),
            );
            const stream = chat.completions.stream(ask('helper'), t.script(script));
            return { raw, helper: await t.attempt(() => stream.finalChatCompletion()) };
        },
    );
}

breaks('closed without the last chunk', 'sse:3,10,nodone;fin', 'TypeError');
breaks('reset', 'sse:3,10,nodone;delay:30;reset', 'TypeError');
breaks('no chunk size', 'sse:3,10,nodone;badchunk', 'TypeError');
breaks('closed behind [DONE], without the last chunk', 'sse:3,10;fin', undefined);
breaks(
    'shorter than it said',
    'length:5000;header:Content-Type=text/event-stream;body:data: {"id":"x"}\\n\\n',
    'TypeError',
);
breaks('within an event', 'sse:2,0,nodone;chunk:data: {"id":"ha;fin', 'TypeError');
breaks('ends before [DONE], but cleanly', 'sse:3,0,nodone', undefined);
breaks('ends with the connection, as it may', 'close;sse:3,0', undefined);

scenario(
    'broken stream: responses',
    { check: (result) => assert.equal(ended(result).threw, 'TypeError') },
    (t) =>
        t.drain(
            openai(t).responses.create(
                { model: 'm', input: 'x', stream: true },
                t.script('event:response.created={"type":"response.created"};delay:20;fin'),
            ),
        ),
);

for (const [name, script] of [
    ['cut off', 'truncate:50'],
    ['reset', 'truncate:50,reset'],
    ['chunked and cut off', 'chunk:{"id":;delay:20;fin'],
    ['gzip and cut off', 'gzip;truncate:40'],
])
    scenario(
        `broken answer: ${name}`,
        {
            check(result, requests) {
                assert.equal(result.threw, 'TypeError');
                assert.equal(requests.length, 1);
            },
        },
        (t) =>
            t.attempt(() => openai(t).chat.completions.create(ask('x'), t.script(script))),
    );

scenario(
    'broken download',
    { check: ({ threw }) => assert.equal(threw, 'TypeError') },
    async (t) => {
        const answer = await openai(t).files.content(
            'file-1',
            t.script('size:2000000;truncate:1500000'),
        );
        return t.attempt(() => answer.arrayBuffer());
    },
);

const error = { message: 'It broke', type: 'server_error', param: 'p', code: 'c' };

// A client leaves at an error. The upstream waits for that, since whether it would have been
// through with the rest of the stream by then is chance.
const leaves = 'delay:10000;data:[DONE]';

for (const [name, script, threw] of [
    ['an object', `data:${JSON.stringify({ error })}`, 'APIError'],
    ['an event of that name', `event:error=${JSON.stringify({ error })}`, 'APIError'],
    ['a string', 'data:{"error":"only text"}', 'APIError'],
    ['no JSON', 'data:<html>', 'SyntaxError'],
])
    scenario(
        `error within a stream: ${name}`,
        {
            check(result, requests) {
                assert.equal(ended(result).threw, threw);
                assert.equal(requests.length, 1);
                assert.equal(requests[0].finished, 'aborted');
            },
        },
        (t) =>
            t.drain(
                openai(t).chat.completions.create(
                    ask('x', { stream: true }),
                    t.script(`sse:2,10,nodone;${script};${leaves}`),
                ),
            ),
    );

scenario(
    'error within a stream: responses',
    {
        check(result, requests) {
            assert.equal(ended(result).threw, 'APIError');
            assert.equal(requests[0].finished, 'aborted');
        },
    },
    (t) =>
        t.drain(
            openai(t).responses.create(
                { model: 'm', input: 'x', stream: true },
                t.script(
                    'event:response.created={"type":"response.created","sequence_number":0};' +
                        `event:error=${JSON.stringify({ type: 'error', error })};${leaves}`,
                ),
            ),
        ),
);

// Chat completions, completions, embeddings, moderations, images: whole answers and streams.
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

import { assert, scenario } from '../lib/harness.mjs';
import { OpenAI, ask, openai, weather } from '../lib/openai.mjs';

scenario(
    'chat',
    {
        check(result, requests) {
            assert.equal(result.choices[0].message.content, 'Hello, Grüße 世界 👋!');
            assert.equal(result._request_id, 'req_up_#1');
            assert.equal(requests.length, 1);
        },
    },
    (t) => openai(t).chat.completions.create(ask('hello')),
);

scenario('chat: settings from the environment alone', async (t) => {
    Object.assign(process.env, { OPENAI_BASE_URL: t.baseURL, OPENAI_API_KEY: t.apiKey });
    const client = new OpenAI({ defaultHeaders: t.headers });
    delete process.env.OPENAI_BASE_URL;
    delete process.env.OPENAI_API_KEY;
    return client.chat.completions.create(ask('who set this?'));
});

scenario('chat: every spelling of a body arrives as it was', async (t) => {
    const client = openai(t);
    const texts = ['ä𝄞\u0000\u2028"\\/', '\ud800 alone', 'x'.repeat(300000), ''];
    const out = [];
    for (const text of texts)
        out.push(
            await client.chat.completions.create(
                ask(text, { seed: 9007199254740991, temperature: 0.1, n: 1, stop: null }),
            ),
        );
    return out;
});

scenario('chat: headers by withResponse and asResponse', async (t) => {
    const client = openai(t);
    const { data, response, request_id } = await client.chat.completions
        .create(ask('headers'))
        .withResponse();
    const bare = await client.chat.completions.create(ask('bare')).asResponse();
    return {
        data,
        request_id,
        status: response.status,
        statusText: response.statusText,
        headers: response.headers,
        bare: { status: bare.status, headers: bare.headers, text: await bare.text() },
    };
});

scenario('chat: unusual headers of an answer', async (t) => {
    const { data, response } = await openai(t)
        .chat.completions.create(
            ask('unusual'),
            t.script(
                'header:x-ratelimit-reset-requests=1m3.5s;header:openai-organization=org-1;' +
                    'header:x-empty=;header:set-cookie=a=1;header:set-cookie=b=2;' +
                    'header:X-Latin=gr\\xfcn;header:vary=Accept;header:etag="x"',
            ),
        )
        .withResponse();
    return { data, headers: response.headers, cookies: response.headers.getSetCookie?.() };
});

scenario('chat: organization, project, own headers and query', async (t) => {
    const client = openai(t, {
        organization: 'org-test',
        project: 'proj_test',
        defaultHeaders: { 'X-Own': 'yes, own', 'X-Null': null, 'OpenAI-Beta': 'assistants=v2' },
        defaultQuery: { 'api-version': '2024-05-01', 'a b': 'ä&=+/%' },
    });
    const echo = t.script('echo').headers;
    const one = await client.chat.completions.create(ask('own'), {
        headers: { ...echo, 'X-Own': 'for this one', 'User-Agent': 'own/1.0' },
        query: { more: ['1', '2'] },
    });
    const known = ['openai-organization', 'openai-project', 'x-own', 'openai-beta', 'user-agent'];
    return {
        line: one.line,
        body: one.body,
        headers: one.headers
            .map(([name, value]) => [name.toLowerCase(), value])
            .filter(([name]) => known.includes(name))
            .sort(),
    };
});

scenario('chat: gzip answers, whole and streamed', async (t) => {
    const client = openai(t);
    const { data, response } = await client.chat.completions
        .create(ask('zip'), t.script(`gzip;body:{"text":"${'zip '.repeat(900)}"}`))
        .withResponse();
    const stream = client.chat.completions.create(
        ask('zipped stream', { stream: true }),
        t.script('gzip;sse:5,10'),
    );
    return { data, headers: response.headers, chunks: await t.drain(stream) };
});

scenario('chat: an answer that is not JSON, one without a type, an empty one', async (t) => {
    const client = openai(t);
    const get = (text, script) =>
        t.attempt(() => client.chat.completions.create(ask(text), t.script(script)));
    return {
        text: await get('1', 'header:Content-Type=text/plain;body:just text'),
        untyped: await get('2', 'drop:Content-Type;body:{"id":"x"}'),
        empty: await get('3', 'body:'),
        none: await get('4', 'status:204'),
        bad: await get('5', 'body:{"id":'),
        plusJson: await get('6', 'header:Content-Type=application/x+json;body:{"id":"x"}'),
    };
});

scenario('chat: early hints before the answer', (t) =>
    openai(t).chat.completions.create(ask('hints'), t.script('early:103;early:102')),
);

scenario('chat: an answer of 5 MB', async (t) => {
    const text = 'x'.repeat(5000);
    const script = `chunked;chunk:{"id":"big","choices":["${`${text}","`.repeat(2)}"]}`;
    const small = await openai(t).chat.completions.create(ask('5 KB'), t.script(script));
    const big = await openai(t).chat.completions.create(ask('5 MB', { model: 'words-700000' }));
    return { small, length: big.choices[0].message.content.length, id: big.id };
});

scenario(
    'chat stream',
    {
        check(result) {
            assert.equal(result.length, 8);
            assert.equal(result[1].choices[0].delta.content, 'Hello');
        },
    },
    (t) => t.drain(openai(t).chat.completions.create(ask('stream', { stream: true }))),
);

scenario(
    'chat stream with usage',
    { check: (result) => assert.equal(result.at(-1).usage.total_tokens, 17) },
    (t) =>
        t.drain(
            openai(t).chat.completions.create(
                ask('usage', { stream: true, stream_options: { include_usage: true } }),
            ),
        ),
);

scenario('chat stream: headers, and the readable stream', async (t) => {
    const { data, response, request_id } = await openai(t)
        .chat.completions.create(ask('readable', { stream: true }))
        .withResponse();
    let text = '';
    for await (const part of data.toReadableStream()) text += Buffer.from(part).toString();
    return { request_id, status: response.status, headers: response.headers, text };
});

scenario('chat stream: the raw bytes', async (t) => {
    const client = openai(t);
    const response = await client.chat.completions
        .create(ask('raw', { stream: true }), t.script('eol:crlf;comment:hi;sse:3,0;comment:bye'))
        .asResponse();
    return { headers: response.headers, text: await response.text() };
});

for (const [name, script] of [
    ['CRLF', 'eol:crlf;sse:4,0'],
    ['CR', 'eol:cr;sse:4,0'],
    ['comments', 'comment:one;sse:2,0,nodone;comment:two;data:[DONE]'],
    ['byte by byte', 'chunkbytes:1;ordinary'],
    ['seven bytes at a time, slowly', 'chunkbytes:7;pace:1;sse:5,0'],
    ['events after the end', 'sse:2,0;data:{"id":"late"}'],
    ['no blank line at the end', 'sse:2,0,nodone;chunk:data: [DONE]'],
    ['1,000 events', 'sse:1000,0'],
]) {
    scenario(`chat stream: ${name}`, (t) =>
        t.drain(
            openai(t).chat.completions.create(ask(name, { stream: true }), t.script(script)),
        ),
    );
}

scenario(
    'chat stream: chunks come when they are sent',
    {
        check(result) {
            assert.equal(result.times.length, 6);
            assert(result.times.at(-1).ms >= 1000, 'the last chunk came too early');
        },
    },
    async (t) => {
        const times = [];
        const start = performance.now();
        const stream = openai(t).chat.completions.create(
            ask('cadence', { stream: true }),
            t.script('sse:6,220'),
        );
        await t.drain(stream, () => void times.push(t.took(performance.now() - start)));
        return { times };
    },
);

scenario(
    'chat stream: the helper, its events and what it has gathered',
    {
        check(result) {
            assert.equal(result.content, 'Hello, Grüße 世界 👋!');
            assert.equal(result.usage.total_tokens, 17);
        },
    },
    async (t) => {
        const events = [];
        const stream = openai(t).chat.completions.stream(
            ask('helper', { stream_options: { include_usage: true } }),
        );
        for (const name of ['connect', 'content', 'content.delta', 'chunk', 'message', 'end'])
            stream.on(name, (...seen) => events.push([name, seen.length]));
        return {
            final: await stream.finalChatCompletion(),
            content: await stream.finalContent(),
            usage: await stream.totalUsage(),
            events,
        };
    },
);

const withTool = { tools: [{ type: 'function', function: weather }] };

scenario(
    'tools: called, answered, whole and streamed',
    {
        idsInBodies: true,
        check: (result) => assert.equal(result.call.choices[0].finish_reason, 'tool_calls'),
    },
    async (t) => {
        const client = openai(t);
        const call = await client.chat.completions.create(ask('weather?', withTool));
        const { message } = call.choices[0];
        const answer = await client.chat.completions.create({
            ...ask('weather?', withTool),
            messages: [
                { role: 'user', content: 'weather?' },
                message,
                { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'sun' },
            ],
        });
        const deltas = await t.drain(
            client.chat.completions.create(ask('streamed?', { ...withTool, stream: true })),
        );
        return { call, answer, deltas };
    },
);

for (const stream of [false, true])
    scenario(
        `tools: runTools${stream ? ', streamed' : ''}`,
        {
            idsInBodies: true,
            check(result, requests) {
                assert.equal(result.final, 'Hello, Grüße 世界 👋!');
                assert.deepEqual(result.asked, [{ city: 'Paris' }]);
                assert.equal(requests.length, 2);
            },
        },
        async (t) => {
            const asked = [];
            const tool = {
                ...weather,
                parse: JSON.parse,
                function: (found) => {
                    asked.push(found);
                    return 'sun';
                },
            };
            const runner = openai(t).chat.completions.runTools(
                ask('weather?', { stream, tools: [{ type: 'function', function: tool }] }),
            );
            const final = await runner.finalContent();
            return { final, asked, messages: runner.messages };
        },
    );

const Answer = z.object({ answer: z.string() });

scenario(
    'structured answers: parse and the parsing stream',
    { check: (r) => assert.deepEqual(r.whole.choices[0].message.parsed, { answer: '42' }) },
    async (t) => {
        const client = openai(t);
        const response_format = zodResponseFormat(Answer, 'answer');
        const whole = await client.chat.completions.parse(ask('parse', { response_format }));
        const stream = client.chat.completions.stream(ask('parse on', { response_format }));
        return { whole, streamed: await stream.finalChatCompletion() };
    },
);

scenario('completions, whole and streamed', async (t) => {
    const { completions } = openai(t);
    return {
        whole: await completions.create({ model: 'm', prompt: 'once' }),
        stream: await t.drain(completions.create({ model: 'm', prompt: 'again', stream: true })),
    };
});

scenario(
    'embeddings: base64 unasked, floats, several inputs, dimensions',
    {
        check(result) {
            assert.equal(result.plain.data[0].embedding.length, 8);
            assert.deepEqual(
                result.floats.data[0].embedding,
                result.plain.data[0].embedding.Float32Array ?? result.plain.data[0].embedding,
            );
            assert.equal(result.many.data[2].embedding.length, 1536);
        },
    },
    async (t) => {
        const { embeddings } = openai(t);
        const model = 'text-embedding-3-small';
        return {
            plain: await embeddings.create({ model, input: 'one' }),
            floats: await embeddings.create({ model, input: 'one', encoding_format: 'float' }),
            text: await embeddings.create({ model, input: 'two', encoding_format: 'base64' }),
            many: await embeddings.create({ model, input: ['a', 'b', 'c'], dimensions: 1536 }),
            tokens: await embeddings.create({ model, input: [1, 2, 3] }),
        };
    },
);

scenario('moderations and images', async (t) => {
    const client = openai(t);
    return {
        moderation: await client.moderations.create({ input: 'kind words' }),
        image: await client.images.generate({ model: 'm', prompt: 'a proxy' }),
    };
});

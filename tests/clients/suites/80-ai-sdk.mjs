// The AI SDK (ai, @ai-sdk/openai): it does not use the openai package at all.
import { createOpenAI } from '@ai-sdk/openai';
import {
    Output,
    embed,
    embedMany,
    generateText,
    isStepCount,
    jsonSchema,
    streamText,
    tool,
} from 'ai';
import { z } from 'zod';

import { assert, scenario } from '../lib/harness.mjs';

const provider = (t) => createOpenAI({ apiKey: t.apiKey, baseURL: t.baseURL, headers: t.headers });
const apis = { responses: (t) => provider(t)('m'), chat: (t) => provider(t).chat('m') };
const text = 'Hello, Grüße 世界 👋!';

async function whole(t, options) {
    const made = await generateText(options);
    return {
        text: made.text,
        finishReason: made.finishReason,
        usage: made.usage,
        toolCalls: made.steps.flatMap((step) => step.toolCalls).map(({ input }) => input),
        id: made.response.id,
        headers: t.answerHeaders(made.response.headers),
        body: made.response.body,
    };
}

async function streamed(t, options) {
    const errors = [];
    const made = streamText({ ...options, onError: ({ error }) => errors.push(error) });
    const parts = [];
    const thrown = await t.attempt(async () => {
        for await (const part of made.fullStream)
            parts.push([part.type, part.text ?? part.input ?? part.finishReason ?? null]);
    });
    return {
        parts,
        thrown,
        errors,
        text: await t.attempt(() => made.text),
        usage: await t.attempt(() => made.usage),
    };
}

const weather = tool({
    description: 'The weather of a city',
    inputSchema: jsonSchema({
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
    }),
    execute: ({ city }) => `sun in ${city}`,
});

for (const [api, model] of Object.entries(apis)) {
    scenario(
        `AI SDK, ${api}: generateText`,
        { check: (result) => assert.equal(result.text, text) },
        (t) => whole(t, { model: model(t), prompt: 'hello' }),
    );
    scenario(
        `AI SDK, ${api}: streamText`,
        { check: (result) => assert.equal(result.text, text) },
        (t) => streamed(t, { model: model(t), prompt: 'hello' }),
    );
    scenario(
        `AI SDK, ${api}: tools`,
        {
            idsInBodies: true,
            check(result, requests) {
                assert.deepEqual(result.toolCalls, [{ city: 'Paris' }]);
                assert.equal(requests.length, 2);
            },
        },
        (t) =>
            whole(t, {
                model: model(t),
                prompt: 'weather?',
                tools: { weather },
                stopWhen: isStepCount(3),
            }),
    );
    scenario(
        `AI SDK, ${api}: an object`,
        { check: (result) => assert.deepEqual(result, { answer: '42' }) },
        async (t) => {
            const output = Output.object({ schema: z.object({ answer: z.string() }) });
            return (await generateText({ model: model(t), prompt: 'object', output })).output;
        },
    );
    scenario(
        `AI SDK, ${api}: errors`,
        {
            differs: ['the reason phrase behind the status code'],
            check: (result) => assert.equal(result.object.threw, 'APICallError'),
        },
        async (t) => {
            const get = (kind, script) =>
                t.attempt(() =>
                    whole(t, {
                        model: model(t),
                        prompt: kind,
                        maxRetries: 0,
                        ...t.script(script),
                    }),
                );
            return {
                object: await get('object', 'status:400'),
                string: await get('string', 'status:400;body:{"error":"only text"}'),
                html: await get('html', 'status:502;header:Content-Type=text/html;body:<p>no</p>'),
                busy: await get('busy', 'status:529;body:'),
            };
        },
    );
    scenario(
        `AI SDK, ${api}: a broken stream`,
        { check: (result) => assert.equal(result.thrown.threw, 'APICallError') },
        (t) =>
            streamed(t, {
                model: model(t),
                prompt: 'broken',
                ...t.script(api === 'chat' ? 'sse:3,10,nodone;fin' : 'responses:3,10;fin'),
            }),
    );
    scenario(
        `AI SDK, ${api}: abort in mid-stream`,
        { check: (result) => assert.equal(result.upstream.finished, 'aborted') },
        async (t) => {
            const stop = new AbortController();
            const made = streamText({
                model: model(t),
                prompt: 'endless',
                abortSignal: stop.signal,
                onError: () => {},
                ...t.script(api === 'chat' ? 'sse:400,50' : 'responses:400,50'),
            });
            const parts = [];
            for await (const part of made.fullStream) {
                parts.push(part.type);
                if (part.type === 'text-delta') stop.abort();
            }
            return { last: parts.at(-1), upstream: await t.aborted() };
        },
    );
}

scenario(
    'AI SDK: 429 is tried again',
    { check: (result, requests) => assert.equal(requests.length, 2) },
    (t) =>
        t.timed(() =>
            whole(t, {
                model: apis.chat(t),
                prompt: 'busy',
                ...t.sequence('status:429;header:retry-after-ms=100', ''),
            }),
        ),
);

scenario(
    'AI SDK: 500 for ever',
    { check: (result, requests) => assert.equal(requests.length, 2) },
    (t) =>
        t.timed(() =>
            whole(t, {
                model: apis.responses(t),
                prompt: 'broken',
                maxRetries: 1,
                ...t.script('status:500'),
            }),
        ),
);

scenario('AI SDK: embeddings', async (t) => {
    const model = provider(t).embedding('text-embedding-3-small');
    const one = await embed({ model, value: 'one' });
    const many = await embedMany({ model, values: ['a', 'b', 'c'] });
    return [one.embedding, one.usage, many.embeddings, many.usage];
});

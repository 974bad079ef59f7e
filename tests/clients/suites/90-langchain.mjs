// LangChain's client (@langchain/openai), which has the openai package inside.
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod';

import { assert, scenario } from '../lib/harness.mjs';
import { weather } from '../lib/openai.mjs';

function settings(t, more) {
    return {
        model: 'm',
        apiKey: t.apiKey,
        configuration: { baseURL: t.baseURL, defaultHeaders: t.headers, logLevel: 'off' },
        ...more,
    };
}

const chat = (t, more) => new ChatOpenAI(settings(t, more));
const message = ({ id, content, tool_calls, usage_metadata, response_metadata }) => ({
    id,
    content,
    tool_calls,
    usage_metadata,
    response_metadata,
});

for (const useResponsesApi of [false, true]) {
    const api = useResponsesApi ? 'responses' : 'chat';
    scenario(
        `LangChain, ${api}: invoke`,
        { check: (result) => assert.match(JSON.stringify(result.content), /Grüße/) },
        async (t) => message(await chat(t, { useResponsesApi }).invoke('hello')),
    );
    scenario(
        `LangChain, ${api}: stream`,
        { check: (result) => assert(result.length >= 6) },
        async (t) =>
            (await t.drain(chat(t, { useResponsesApi }).stream('hello'))).map((chunk) =>
                chunk.ended ? chunk : message(chunk),
            ),
    );
    scenario(
        `LangChain, ${api}: tools`,
        {
            idsInBodies: true,
            check: ([call]) => assert.deepEqual(call.tool_calls[0].args, { city: 'Paris' }),
        },
        async (t) => {
            const model = chat(t, { useResponsesApi }).bindTools([
                { type: 'function', function: weather },
            ]);
            const question = new HumanMessage('weather?');
            const call = await model.invoke([question]);
            const [{ id }] = call.tool_calls;
            const answer = await model.invoke([
                question,
                call,
                new ToolMessage({ tool_call_id: id, content: 'sun' }),
            ]);
            return [message(call), message(answer)];
        },
    );
}

scenario(
    'LangChain: structured output',
    { check: (result) => assert.deepEqual(result, { answer: '42' }) },
    (t) =>
        chat(t)
            .withStructuredOutput(z.object({ answer: z.string() }), { method: 'jsonSchema' })
            .invoke('structure'),
);

scenario(
    'LangChain: batch',
    { unordered: true, check: (result) => assert.equal(result.length, 4) },
    async (t) => (await chat(t).batch(['a', 'b', 'c', 'd'])).map(message),
);

scenario(
    'LangChain: embedDocuments and embedQuery',
    { check: (result) => assert.equal(result.documents.length, 3) },
    async (t) => {
        const embeddings = new OpenAIEmbeddings(settings(t, { model: 'text-embedding-3-small' }));
        return {
            documents: await embeddings.embedDocuments(['a', 'b', 'c']),
            query: await embeddings.embedQuery('a'),
        };
    },
);

for (const [name, attempts, make] of [
    ['400', 1, (t) => t.script('status:400')],
    ['401', 1, (t) => t.script('status:401')],
    ['429 without Retry-After', 1, (t) => t.script('status:429;header:retry-after=;body:{}')],
    ['500, then all is well', 2, (t) => t.sequence('status:500', '')],
    ['429 with Retry-After', 2, (t) => t.sequence('status:429;header:retry-after=1', '')],
])
    scenario(
        `LangChain: ${name}`,
        { check: (result, requests) => assert.equal(requests.length, attempts) },
        async (t) => {
            const made = await t.attempt(async () =>
                message(await chat(t).invoke('hello', { options: make(t) })),
            );
            return made;
        },
    );

scenario(
    'LangChain: abort in mid-stream',
    { check: (result) => assert.equal(result.upstream.finished, 'aborted') },
    async (t) => {
        const stream = await chat(t).stream('endless', t.script('sse:400,50'));
        const chunks = await t.drain(stream, (chunk, n) => (n === 3 ? 'break' : ''));
        return { n: chunks.length, upstream: await t.aborted() };
    },
);

scenario('LangChain: a broken stream', (t) =>
    t.drain(chat(t).stream('broken', t.script('sse:3,10,nodone;fin'))).then((chunks) =>
        chunks.map((chunk) => (chunk.ended ? { ended: chunk.ended.threw } : message(chunk))),
    ),
);

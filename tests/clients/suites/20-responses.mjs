// The Responses API: create, stream, parse, retrieve, cancel, poll.
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

import { assert, scenario } from '../lib/harness.mjs';
import { openai, weather } from '../lib/openai.mjs';

scenario(
    'responses',
    { check: (result) => assert.equal(result.output_text, 'Hello, Grüße 世界 👋!') },
    (t) => openai(t).responses.create({ model: 'm', input: 'hello' }),
);

scenario(
    'responses stream',
    {
        check(result) {
            assert.equal(result[0].type, 'response.created');
            assert.equal(result.at(-1).type, 'response.completed');
        },
    },
    (t) => t.drain(openai(t).responses.create({ model: 'm', input: 'stream', stream: true })),
);

scenario('responses stream: the helper', async (t) => {
    const events = [];
    const stream = openai(t).responses.stream({ model: 'm', input: 'helper' });
    stream.on('event', ({ type, sequence_number }) => events.push([sequence_number, type]));
    return { final: await stream.finalResponse(), events };
});

scenario('responses: tools, whole and streamed', { idsInBodies: true }, async (t) => {
    const { responses } = openai(t);
    const tools = [{ type: 'function', strict: true, ...weather }];
    const call = await responses.create({ model: 'm', input: 'weather?', tools });
    const { call_id } = call.output[0];
    return {
        call,
        answer: await responses.create({
            model: 'm',
            tools,
            input: [...call.output, { type: 'function_call_output', call_id, output: 'sun' }],
        }),
        stream: await t.drain(
            responses.create({ model: 'm', input: 'streamed?', tools, stream: true }),
        ),
    };
});

scenario(
    'responses: parse',
    { check: (result) => assert.deepEqual(result.output_parsed, { answer: '42' }) },
    (t) =>
        openai(t).responses.parse({
            model: 'm',
            input: 'parse',
            text: { format: zodTextFormat(z.object({ answer: z.string() }), 'answer') },
        }),
);

scenario(
    'responses: background, polled until it is done, cancelled, deleted',
    {
        check(result, requests) {
            assert.deepEqual(result.states, ['queued', 'in_progress', 'completed']);
            assert.equal(requests.length, 6);
        },
    },
    async (t) => {
        const { responses } = openai(t);
        const made = await responses.create({ model: 'm', input: 'later', background: true });
        const script = t.sequence(
            'body:{"id":"r1","object":"response","status":"queued","output":[]}',
            'body:{"id":"r1","object":"response","status":"in_progress","output":[]}',
            'body:{"id":"r1","object":"response","status":"completed","output":[]}',
        );
        const states = [];
        while (states.at(-1) !== 'completed' && states.length < 6)
            states.push((await responses.retrieve('r1', {}, script)).status);
        return {
            made,
            states,
            cancelled: await responses.cancel('r2'),
            deleted: await t.attempt(() => responses.delete('r3')),
        };
    },
);

scenario('responses stream: response.failed is an event, not an exception', (t) =>
    t.drain(
        openai(t).responses.create(
            { model: 'm', input: 'fail', stream: true },
            t.script(
                'event:response.failed={"type":"response.failed","sequence_number":0,' +
                    '"response":{"id":"r","status":"failed","error":{"code":"server_error"}}}',
            ),
        ),
    ),
);

scenario(
    'vector stores: createAndPoll obeys openai-poll-after-ms',
    {
        check(result, requests) {
            assert.equal(result.file.status, 'completed');
            assert.equal(requests.length, 4);
        },
    },
    async (t) => {
        const start = performance.now();
        const body = (status) => `body:{"id":"file-1","status":"${status}"}`;
        const wait = 'header:openai-poll-after-ms=150';
        const script = t.sequence(
            body('in_progress'),
            `${wait};${body('in_progress')}`,
            `${wait};${body('in_progress')}`,
            body('completed'),
        );
        const file = await openai(t).vectorStores.files.createAndPoll(
            'vs_1',
            { file_id: 'file-1' },
            script,
        );
        return { file, took: t.took(performance.now() - start) };
    },
);

// Many requests: side by side, one after the other, and the connections that they use.
import diagnostics from 'node:diagnostics_channel';

import { assert, scenario, sleep } from '../lib/harness.mjs';
import { ask, openai } from '../lib/openai.mjs';

scenario(
    '20 requests side by side',
    { unordered: true, alone: true, check: (r, requests) => assert.equal(requests.length, 20) },
    async (t) => {
        const { chat } = openai(t);
        return t.timed(() =>
            Promise.all(
                Array.from({ length: 20 }, (_, i) =>
                    chat.completions.create(
                        ask(`parallel ${i}`, { model: `m${i}` }),
                        t.script('delay:200'),
                    ),
                ),
            ),
        );
    },
);

scenario(
    '20 streams side by side',
    { unordered: true, alone: true, check: (r, requests) => assert.equal(requests.length, 20) },
    async (t) => {
        const { chat } = openai(t);
        return t.timed(() =>
            Promise.all(
                Array.from({ length: 20 }, (_, i) =>
                    t.drain(
                        chat.completions.create(
                            ask(`parallel ${i}`, { stream: true }),
                            t.script(`sse:${10 + i},20`),
                        ),
                    ),
                ),
            ),
        );
    },
);

// Connections that the clients of this process opened to an authority.
const opened = {};
diagnostics.channel('undici:client:connected').subscribe(({ connectParams }) => {
    opened[connectParams.port] = (opened[connectParams.port] ?? 0) + 1;
});

scenario(
    '200 requests one after the other keep their connections',
    {
        alone: true,
        seconds: 40,
        check(result, requests) {
            assert.equal(requests.length, 200);
            assert.equal(result.few, true);
            assert(Object.keys(opened).length, 'undici says nothing of its connections');
        },
    },
    async (t) => {
        const { chat } = openai(t);
        const { port } = new URL(t.baseURL);
        const before = opened[port] ?? 0;
        const { connections } = await t.upstream.counters();
        for (let i = 0; i < 200; i++) {
            const answer = await chat.completions.create(ask(`number ${i}`));
            assert.match(answer.id, /^chatcmpl-up/);
        }
        const made = {
            client: (opened[port] ?? 0) - before,
            upstream: (await t.upstream.counters()).connections - connections,
        };
        // Idle connections of earlier scenarios may end and be replaced meanwhile.
        return made.client <= 4 && made.upstream <= 4 ? { few: true } : { few: made };
    },
);

// All scenarios have the same connections: whoever takes one that was hung up a moment ago, without
// its client knowing it, tries twice. So it is left time to learn of it, and nobody is beside it.
scenario('an upstream that closes after every answer', { alone: true }, async (t) => {
    const { chat } = openai(t);
    const out = [];
    for (const script of ['hangup', 'hangup', 'close', 'close', 'nolength', 'http10', 'http10', '']) {
        out.push(await chat.completions.create(ask(`closing ${out.length}`), t.script(script)));
        if (script === 'hangup') await sleep(200);
    }
    return out;
});

scenario('an answer to each of whole, stream, list, bytes on one connection', async (t) => {
    const client = openai(t);
    const out = [];
    for (let i = 0; i < 5; i++) {
        out.push(await client.chat.completions.create(ask(`whole ${i}`)));
        out.push(
            await t.drain(client.chat.completions.create(ask(`stream ${i}`, { stream: true }))),
        );
        out.push(await client.models.list({ query: { i } }));
        const bytes = await client.files.content(`file-size-${i * 1000}`);
        out.push(await bytes.arrayBuffer());
        out.push(await t.attempt(() => client.models.retrieve(`error-404-${i}`)));
    }
    return out;
});

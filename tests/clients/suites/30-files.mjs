// Files and other bytes: uploads of every kind, downloads, lists, parts, speech.
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { toFile } from 'openai';

import { assert, scenario } from '../lib/harness.mjs';
import { openai } from '../lib/openai.mjs';
import { sha256 } from '../lib/plain.mjs';

const MB = 1024 * 1024;
const purpose = 'assistants';

// Bytes that repeat nowhere near a buffer's size.
function noise(length, seed = 1) {
    const words = new Uint32Array(Math.ceil(length / 4));
    let x = seed;
    for (let i = 0; i < words.length; i++) {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        words[i] = x;
    }
    return Buffer.from(words.buffer, 0, length);
}

const arrived = (bytes) => (result) => {
    assert.equal(result.bytes, bytes.length);
    assert.equal(result.sha256, sha256(bytes));
};

const little = noise(10000);
const big = noise(64 * MB, 7);

scenario('upload: a File', { check: arrived(little) }, (t) =>
    openai(t).files.create({ purpose, file: new File([little], 'dätä "1".bin') }),
);

scenario('upload: a Buffer', { check: arrived(little) }, async (t) =>
    openai(t).files.create({ purpose, file: await toFile(little, 'data.bin') }),
);

scenario('upload: nothing in the file', { check: arrived(Buffer.alloc(0)) }, (t) =>
    openai(t).files.create({ purpose, file: new File([], 'empty.txt') }),
);

scenario('upload: an answer of fetch', { check: arrived(little) }, async (t) =>
    openai(t).files.create({ purpose, file: await toFile(new Response(little), 'data.bin') }),
);

scenario('upload: a file that is read while it is sent', { check: arrived(little) }, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'goproxyai-clients.'));
    try {
        const path = join(dir, 'data.bin');
        writeFileSync(path, little);
        return await openai(t).files.create({ purpose, file: createReadStream(path) });
    } finally {
        rmSync(dir, { recursive: true });
    }
});

scenario(
    'upload: 64 MB from the disk, chunked',
    { alone: true, seconds: 40, check: arrived(big) },
    async (t) => {
        const { toStreamingFile } = await import('openai');
        const dir = mkdtempSync(join(tmpdir(), 'goproxyai-clients.'));
        try {
            const path = join(dir, 'big.bin');
            writeFileSync(path, big);
            const file = toStreamingFile(createReadStream(path), 'big.bin');
            return await openai(t).files.create({ purpose, file });
        } finally {
            rmSync(dir, { recursive: true });
        }
    },
);

scenario(
    'upload: 64 MB from memory',
    { alone: true, seconds: 40, check: arrived(big) },
    (t) => openai(t).files.create({ purpose, file: new File([big], 'big.bin') }),
);

scenario('upload: refused before it is whole', { partialBodies: true }, async (t) => {
    const file = new File([noise(4 * MB, 3)], 'much.bin');
    const script = t.script('status:413;earlyanswer;body:{"error":{"message":"too large"}}');
    return t.attempt(() => openai(t).files.create({ purpose, file }, script));
});

scenario(
    'upload: given up half way',
    { check: (r) => assert.deepEqual([r.thrown.threw, r.end], ['APIUserAbortError', 'aborted']) },
    async (t) => {
        const { toStreamingFile } = await import('openai');
        const stop = new AbortController();
        const drip = Readable.from(
            (async function* () {
                for (let i = 0; i < 200; i++) {
                    yield noise(16384, i);
                    await new Promise((done) => setTimeout(done, 25));
                }
            })(),
        );
        const going = t.attempt(() =>
            openai(t).files.create(
                { purpose, file: toStreamingFile(drip, 'drip.bin') },
                { signal: stop.signal },
            ),
        );
        await t.begun();
        stop.abort();
        const thrown = await going;
        const { finished, after } = await t.aborted();
        return { thrown, end: finished, after };
    },
);

scenario('files: list over pages, retrieve, delete', async (t) => {
    const { files } = openai(t);
    const page = (ids, more) =>
        `body:${JSON.stringify({
            object: 'list',
            data: ids.map((id) => ({ id, object: 'file' })),
            has_more: more,
        })}`;
    const script = t.sequence(page(['a', 'b'], true), page(['c', 'd'], true), page(['e'], false));
    const ids = [];
    for await (const file of files.list({ limit: 2 }, script)) ids.push(file.id);
    const first = await files.list({ limit: 3 });
    return {
        ids,
        first: first.data,
        more: first.hasNextPage(),
        one: await files.retrieve('file-1'),
        gone: await files.delete('file-1'),
    };
});

scenario('models: list by iteration, retrieve, one that is not there', async (t) => {
    const { models } = openai(t);
    const ids = [];
    for await (const model of models.list()) ids.push(model.id);
    return {
        ids,
        one: await models.retrieve('gpt-4o'),
        none: await t.attempt(() => models.retrieve('error-404')),
        slash: await models.retrieve('ft:a/b c'),
    };
});

scenario(
    'files: content',
    { check: (result) => assert.equal(result.big.bytes, 20 * MB) },
    async (t) => {
        const { files } = openai(t);
        const small = await files.content('file-1');
        const big = await files.content(`file-size-${20 * MB}`);
        return {
            headers: small.headers,
            small: await small.arrayBuffer(),
            big: await big.arrayBuffer(),
        };
    },
);

scenario('files: content read slowly', async (t) => {
    const answer = await openai(t).files.content(`file-size-${8 * MB}`);
    const parts = [];
    for await (const part of answer.body) {
        parts.push(Buffer.from(part));
        if (parts.length % 16 === 0) await new Promise((done) => setTimeout(done, 3));
    }
    return Buffer.concat(parts);
});

scenario(
    'files: a download that is given up',
    { check: (result) => assert.equal(result.finished, 'aborted') },
    async (t) => {
        const answer = await openai(t).files.content(`file-size-${100 * MB}`);
        const reader = answer.body.getReader();
        await reader.read();
        await reader.cancel();
        return t.aborted();
    },
);

scenario('speech, whole and as it comes', async (t) => {
    const { speech } = openai(t).audio;
    const make = (input) => speech.create({ model: 'tts-1', voice: 'alloy', input });
    const whole = await make('hello');
    const parts = [];
    for await (const part of (await make('goodbye')).body) parts.push(Buffer.from(part));
    return {
        headers: whole.headers,
        whole: await whole.arrayBuffer(),
        streamed: Buffer.concat(parts),
    };
});

scenario('transcriptions', async (t) =>
    openai(t).audio.transcriptions.create({
        model: 'whisper-1',
        file: new File([little], 'speech.mp3'),
    }),
);

scenario(
    'batches: create, cancel with no body at all',
    {
        check(result, [, cancel]) {
            assert.equal(result.cancelled.status, 'cancelling');
            assert.equal(cancel.headers['content-length'], '0');
        },
    },
    async (t) => {
        const { batches } = openai(t);
        return {
            made: await batches.create({
                input_file_id: 'file-1',
                endpoint: '/v1/chat/completions',
                completion_window: '24h',
            }),
            cancelled: await batches.cancel('batch_1'),
        };
    },
);

scenario('uploads: parts, complete, cancel', { idsInBodies: true }, async (t) => {
    const { uploads } = openai(t);
    const about = { bytes: 3 * MB, filename: 'x.jsonl', mime_type: 'text/jsonl', purpose: 'batch' };
    const upload = await uploads.create(about);
    const parts = [];
    for (let i = 0; i < 3; i++)
        parts.push(await uploads.parts.create(upload.id, { data: new File([noise(MB, i)], 'p') }));
    return {
        upload,
        parts,
        complete: await uploads.complete(upload.id, { part_ids: parts.map(({ id }) => id) }),
        cancelled: await uploads.cancel('upload_2'),
    };
});

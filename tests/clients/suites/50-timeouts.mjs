// Timeouts and aborts: the client's, felt by the upstream as soon as without a proxy.
import { Late, assert, scenario } from '../lib/harness.mjs';
import { ask, openai } from '../lib/openai.mjs';

function timesOut(name, attempts, ms, act) {
    scenario(
        `timeout: ${name}`,
        {
            check(result, requests) {
                assert.equal(result.result.threw, 'APIConnectionTimeoutError');
                assert.equal(requests.length, attempts);
                assert(requests.every((r) => r.finished === 'aborted'), 'not all were aborted');
                assert(result.took.ms >= ms * attempts, `gave up after ${result.took.ms} ms`);
            },
        },
        (t) => t.timed(() => act(t)),
    );
}

const once = { maxRetries: 1 };
const late = (t) => t.script('delay:9000').headers;

// Time enough for the upstream to see the request, also on a busy machine.
timesOut('of the client, before the head', 2, 800, (t) =>
    openai(t, { ...once, timeout: 800 }).chat.completions.create(ask('x'), { headers: late(t) }),
);
timesOut('of a request, before the head', 2, 800, (t) =>
    openai(t, once).chat.completions.create(ask('x'), { headers: late(t), timeout: 800 }),
);
timesOut('of a request, in whole seconds', 2, 1000, (t) =>
    openai(t, once).chat.completions.create(ask('x'), { headers: late(t), timeout: 1000 }),
);
timesOut('of a request, not in whole seconds', 2, 1700, (t) =>
    openai(t, once).chat.completions.create(ask('x'), { headers: late(t), timeout: 1700 }),
);
timesOut('of a stream, before the head', 2, 1000, (t) =>
    openai(t, once).chat.completions.create(ask('x', { stream: true }), {
        headers: late(t),
        timeout: 1000,
    }),
);
timesOut('of a GET', 2, 1000, (t) =>
    openai(t, once).models.list({ headers: late(t), timeout: 1000 }),
);
timesOut('within a whole answer', 2, 900, (t) =>
    openai(t, once).chat.completions.create(ask('x'), {
        headers: t.script('truncate:30,stall').headers,
        timeout: 900,
    }),
);
timesOut('within a whole answer, in whole seconds', 2, 1000, (t) =>
    openai(t, once).chat.completions.create(ask('x'), {
        headers: t.script('truncate:30,stall').headers,
        timeout: 1000,
    }),
);
timesOut('drips do not hold off the deadline of a whole answer', 1, 1000, (t) =>
    openai(t, { maxRetries: 0 }).chat.completions.create(ask('x'), {
        headers: t.script('chunkbytes:10;pace:200').headers,
        timeout: 1000,
    }),
);

// An answer in time, in spite of a deadline that is near: nobody on the way may be stricter.
function inTime(name, act, more) {
    scenario(
        `timeout: ${name}`,
        {
            check(result, requests) {
                assert.equal(requests.length, 1);
                assert.equal(result.result.threw, undefined);
                assert.equal(result.result.at?.(-1)?.ended, undefined);
            },
            ...more,
        },
        (t) => t.timed(() => act(t, openai(t, { maxRetries: 0 }).chat.completions)),
    );
}

inTime('1.99 s, and the answer comes after 1.1 s', (t, chat) =>
    chat.create(ask('x'), { headers: t.script('delay:1100').headers, timeout: 1990 }),
);
inTime('0.99 s, and the answer comes after 0.2 s', (t, chat) =>
    chat.create(ask('x'), { headers: t.script('delay:200').headers, timeout: 990 }),
);
inTime('1 s, and a stream that takes 2 s', (t, chat) =>
    t.drain(
        chat.create(ask('x', { stream: true }), {
            headers: t.script('sse:6,400').headers,
            timeout: 1000,
        }),
    ),
);
inTime('1 s, and a stream that is silent for 2.5 s', (t, chat) =>
    t.drain(
        chat.create(ask('x', { stream: true }), {
            headers: t.script('sse:2,0,nodone;delay:2500;data:[DONE]').headers,
            timeout: 1000,
        }),
    ),
);
inTime('1 s, and a speech that is silent for 2.5 s', async (t) => {
    const answer = await openai(t).audio.speech.create(
        { model: 'tts-1', voice: 'alloy', input: 'x' },
        { headers: t.script('chunk:first;delay:2500;chunk:last').headers, timeout: 1000 },
    );
    return answer.text();
});
inTime('a stream that is silent for 3 s', (t, chat) =>
    t.drain(
        chat.create(
            ask('x', { stream: true }),
            t.script('sse:2,0,nodone;delay:3000;data:[DONE]'),
        ),
    ),
);

// The upstream must feel it at once.
const soon = {
    check(result) {
        assert.equal(result.upstream.finished, 'aborted');
        if (result.upstream.after.ms >= 500) throw new Late(`after ${result.upstream.after.ms} ms`);
    },
};
const endless = 'sse:400,50';

scenario('abort: break out of a stream', soon, async (t) => {
    const stream = openai(t).chat.completions.create(
        ask('x', { stream: true }),
        t.script(endless),
    );
    const chunks = await t.drain(stream, (chunk, n) => (n === 3 ? 'break' : ''));
    return { chunks, upstream: await t.aborted() };
});

scenario('abort: AbortController in mid-stream', soon, async (t) => {
    const stop = new AbortController();
    const stream = openai(t).chat.completions.create(ask('x', { stream: true }), {
        ...t.script('sse:2,0,nodone;stall'),
        signal: stop.signal,
    });
    const chunks = await t.drain(stream, (chunk, n) => void (n === 2 && stop.abort()));
    return { chunks, upstream: await t.aborted() };
});

scenario("abort: the stream's own controller", soon, async (t) => {
    const stream = await openai(t).chat.completions.create(
        ask('x', { stream: true }),
        t.script(endless),
    );
    const chunks = await t.drain(stream, (chunk, n) => void (n === 3 && stream.controller.abort()));
    return { chunks: chunks.length, upstream: await t.aborted() };
});

scenario('abort: the helper', soon, async (t) => {
    const stream = openai(t).chat.completions.stream(ask('x'), t.script(endless));
    let seen = 0;
    stream.on('chunk', () => void (++seen === 3 && stream.abort()));
    const thrown = await t.attempt(() => stream.finalChatCompletion());
    return { thrown, aborted: stream.aborted, upstream: await t.aborted() };
});

scenario('abort: a stream of responses', soon, async (t) => {
    const stream = openai(t).responses.create(
        { model: 'm', input: 'x', stream: true },
        t.script('responses:400,50'),
    );
    const events = await t.drain(stream, (event, n) => (n === 6 ? 'break' : ''));
    return { events, upstream: await t.aborted() };
});

scenario('abort: before the head', soon, async (t) => {
    const stop = new AbortController();
    const going = t.attempt(() =>
        openai(t).chat.completions.create(ask('x'), {
            headers: late(t),
            signal: stop.signal,
        }),
    );
    await t.begun();
    stop.abort();
    return { thrown: await going, upstream: await t.aborted() };
});

scenario('abort: within a whole answer', soon, async (t) => {
    const stop = new AbortController();
    const fetchAndStop = async (...request) => {
        const answer = await fetch(...request); // the head is there
        setTimeout(() => stop.abort(), 50);
        return answer;
    };
    const going = t.attempt(() =>
        openai(t, { fetch: fetchAndStop }).chat.completions.create(ask('x'), {
            ...t.script('truncate:40,stall'),
            signal: stop.signal,
        }),
    );
    return { thrown: await going, upstream: await t.aborted() };
});

scenario(
    'abort: one of two identical streams leaves the other alone',
    { unordered: true, check: ({ other }) => assert.equal(other.length, 8) },
    async (t) => {
        const { chat } = openai(t);
        const make = () =>
            chat.completions.create(ask('x', { stream: true }), {
                headers: { ...t.script('sse:8,60').headers, 'Cache-Control': 'no-store' },
            });
        const [one, other] = await Promise.all([
            t.drain(make(), (chunk, n) => (n === 2 ? 'break' : '')),
            t.drain(make()),
        ]);
        return { one, other };
    },
);

// Errors: every class with every kind of body, and what is tried again, when, how often.
import { assert, scenario } from '../lib/harness.mjs';
import { ask, openai } from '../lib/openai.mjs';

const classes = {
    400: 'BadRequestError',
    401: 'AuthenticationError',
    403: 'PermissionDeniedError',
    404: 'NotFoundError',
    409: 'ConflictError',
    413: 'APIError',
    422: 'UnprocessableEntityError',
    429: 'RateLimitError',
    500: 'InternalServerError',
    503: 'InternalServerError',
    529: 'InternalServerError',
};

const object = { message: 'What is wrong', type: 'a_type', param: 'a.param', code: 'a_code' };
const bodies = {
    object: `body:${JSON.stringify({ error: object })}`,
    string: 'body:{"error":"only text"}',
    message: 'body:{"message":"at the top"}',
    html: 'header:Content-Type=text/html;body:<html><body>Bad things</body></html>',
    empty: 'body:',
    ordinary: 'ordinary',
    cut: 'body:{"error":',
};

for (const [status, name] of Object.entries(classes))
    scenario(
        `error ${status} with every kind of body`,
        {
            check(result, requests) {
                assert.equal(requests.length, Object.keys(bodies).length + 2);
                for (const got of Object.values(result)) {
                    assert.equal(got.threw, name);
                    assert.equal(got.status, Number(status));
                    assert.match(got.requestID, /^req_up_#/);
                }
                assert.equal(result.object.code, 'a_code');
                assert.equal(result.object.param, 'a.param');
                assert.equal(result.object.message, `${status} What is wrong`);
                assert.equal(result.empty.message, `${status} status code (no body)`);
            },
        },
        async (t) => {
            const { chat, models } = openai(t, { maxRetries: 0 });
            const result = {};
            for (const [kind, body] of Object.entries(bodies))
                result[kind] = await t.attempt(() =>
                    chat.completions.create(ask(kind), t.script(`status:${status};${body}`)),
                );
            result.stream = await t.attempt(() =>
                chat.completions.create(
                    ask('stream', { stream: true }),
                    t.script(`status:${status}`),
                ),
            );
            result.get = await t.attempt(() => models.list(t.script(`status:${status}`)));
            return result;
        },
    );

scenario('error: a wrong key', { check: (r) => assert.equal(r.code, 'invalid_api_key') }, (t) =>
    t.attempt(() => openai(t, { apiKey: 'sk-invalid' }).chat.completions.create(ask('let me in'))),
);

scenario('error: gzip, own headers, a reason of its own', (t) =>
    t.attempt(() =>
        openai(t).chat.completions.create(
            ask('gzip'),
            t.script('status:418 Short and stout;gzip;header:x-ratelimit-reset-tokens=6m0s'),
        ),
    ),
);

// Attempts, in all, and what comes of it.
function retried(name, attempts, threw, act, options = {}) {
    scenario(
        `retry: ${name}`,
        {
            ...options,
            check(result, requests) {
                assert.equal(requests.length, attempts);
                assert.equal(result.result.threw, threw);
                assert.equal(
                    requests.map((r) => r.headers['x-stainless-retry-count']).join(),
                    Array.from({ length: attempts }, (_, i) => i).join(),
                );
                options.check?.(result, requests);
            },
        },
        (t) => t.timed(() => act(t)),
    );
}

const create = (t, script, more) =>
    openai(t, more).chat.completions.create(ask(t.name), script(t));

retried('429 with retry-after-ms', 2, undefined, (t) =>
    create(t, () => t.sequence('status:429;header:retry-after-ms=100', '')),
);
retried(
    '429 with Retry-After in seconds',
    2,
    undefined,
    (t) => create(t, () => t.sequence('status:429;header:retry-after=2;body:{}', '')),
    { check: ({ took }) => assert(took.ms >= 1950, `retried after ${took.ms} ms`) },
);
retried('429 with Retry-After as a date', 2, undefined, (t) =>
    create(t, () =>
        t.sequence(
            `status:429;header:retry-after=${new Date(Date.now() + 2000).toUTCString()};body:{}`,
            '',
        ),
    ),
);
for (const status of [408, 409, 500, 502, 503, 529])
    retried(`${status}, then all is well`, 2, undefined, (t) =>
        create(t, () => t.sequence(`status:${status}`, '')),
    );
retried('500 twice, then all is well', 3, undefined, (t) =>
    create(t, () => t.sequence('status:500', 'status:500', '')),
);
retried('500 for ever', 3, 'InternalServerError', (t) => create(t, () => t.script('status:500')));
retried('500 for ever, four tries', 4, 'InternalServerError', (t) =>
    create(t, () => t.script('status:500;header:retry-after-ms=20'), { maxRetries: 3 }),
);
retried('400 never', 1, 'BadRequestError', (t) => create(t, () => t.script('status:400')));
retried('400 that says x-should-retry: true', 2, undefined, (t) =>
    create(t, () => t.sequence('status:400;header:x-should-retry=true', '')),
);
retried('400 that always says x-should-retry: true', 3, 'BadRequestError', (t) =>
    create(t, () => t.script('status:400;header:x-should-retry=true;header:retry-after-ms=20')),
);
retried('401 that says x-should-retry: true', 2, undefined, (t) =>
    create(t, () => t.sequence('status:401;header:x-should-retry=true', '')),
);
retried('500 that says x-should-retry: false', 1, 'InternalServerError', (t) =>
    create(t, () => t.script('status:500;header:x-should-retry=false')),
);
retried('a stream that is refused at first', 2, undefined, (t) =>
    openai(t)
        .chat.completions.create(
            ask('stream', { stream: true }),
            t.sequence('status:429;header:retry-after-ms=50', ''),
        )
        .then((stream) => t.drain(stream)),
);
retried('an embedding', 2, undefined, (t) =>
    openai(t).embeddings.create({ model: 'm', input: 'x' }, t.sequence('status:500', '')),
);
retried('a list', 2, undefined, (t) => openai(t).models.list(t.sequence('status:503', '')));
retried('an upload of a File', 2, undefined, (t) =>
    openai(t).files.create(
        { purpose: 'assistants', file: new File(['hello'], 'hello.txt') },
        t.sequence('status:500', ''),
    ),
);
retried('the connection is reset, then all is well', 2, undefined, (t) =>
    create(t, () => t.sequence('reset', '')),
);
retried('the connection is closed, then all is well', 2, undefined, (t) =>
    create(t, () => t.sequence('fin', '')),
);

// Each of them on a connection that has served before: nobody on the way may try again unasked.
for (const how of ['reset', 'fin'])
    scenario(
        `retry: ${how} on a warm connection`,
        {
            alone: true,
            differs: ['no answer at all is a connection error directly, and a 502 of the proxy'],
            check: (result, requests) => assert.equal(requests.length, 6),
        },
        async (t) => {
            const { chat } = openai(t);
            for (let i = 0; i < 3; i++) await chat.completions.create(ask(`warm ${i}`));
            return t.attempt(() => chat.completions.create(ask('cold'), t.script(how)));
        },
    );

for (const [name, script] of [
    ['a reset', 'reset'],
    ['a close', 'fin'],
    ['what is not HTTP', 'garbage:'],
    ['half a head', 'garbage:HTTP/1.1 200 OK\\r\\nContent-Ty'],
])
    scenario(
        `error: no answer at all but ${name}`,
        {
            differs: ['no answer at all is a connection error directly, and a 502 of the proxy'],
            check(result, requests) {
                assert.equal(result.whole.threw, 'APIConnectionError');
                assert.equal(result.stream.threw, 'APIConnectionError');
                assert.equal(requests.length, 2);
            },
        },
        async (t) => {
            const { chat } = openai(t, { maxRetries: 0 });
            const text = script === 'garbage:' ? 'garbage' : script;
            return {
                whole: await t.attempt(() =>
                    chat.completions.create(ask('whole'), t.script(text)),
                ),
                stream: await t.attempt(() =>
                    chat.completions.create(ask('stream', { stream: true }), t.script(text)),
                ),
            };
        },
    );

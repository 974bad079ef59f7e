// Runs every scenario twice, directly against the upstream and through goproxyai, and compares.
import assert from 'node:assert/strict';
import * as buffer from 'node:buffer';
import { webcrypto } from 'node:crypto';

import { Comparison, renumber } from './compare.mjs';
import { AnswerHeaders, Took, isHeaders, plain } from './plain.mjs';
import { Upstream, sleep } from './upstream.mjs';

// Node 18 has these, but not as globals: openai wants File for uploads, LangChain wants crypto.
globalThis.File ??= buffer.File;
globalThis.crypto ??= webcrypto;

const slow = Number(process.env.CLIENTS_SLOW || 1); // a proxy with sanitizers takes its time
const sides = {
    direct: {
        upstream: new Upstream(process.env.CLIENTS_UPSTREAM_DIRECT),
        baseURL: `http://${process.env.CLIENTS_UPSTREAM_DIRECT}/v1`,
    },
    proxied: {
        upstream: new Upstream(process.env.CLIENTS_UPSTREAM_PROXIED),
        baseURL: `http://${process.env.CLIENTS_PROXY}/v1`,
    },
};

// For a check: what is right, but came later than it should.
export class Late extends Error {}

const all = [];

// scenario(NAME, [OPTIONS,] RUN): RUN(t) returns what is to be the same on both sides. OPTIONS:
//   check(result, requests)  asserts on the direct result, so that two equal wrongs do not pass
//   differs   names of differences.mjs that are in order here
//   idsInBodies  the requests hold ids that the upstream made up
//   partialBodies  how much of the requests is read is chance
//   unordered the requests run side by side: their order is chance
//   alone     nothing else may run meanwhile
//   seconds   the longest it may take (20)
export function scenario(name, options, run) {
    if (typeof options === 'function') [options, run] = [{}, options];
    assert(!all.some((one) => one.name === name), `two scenarios are called ${name}`);
    all.push({ name, run, ...options });
}

class Trial {
    constructor(name, side, attempt) {
        Object.assign(this, sides[side]);
        this.name = attempt > 1 ? `${name} ${attempt}` : name;
        this.side = side;
        this.slow = slow;
        this.id = this.name.replace(/[^A-Za-z0-9]+/g, '-');
        // A key of its own: nothing another scenario, or attempt, has put in the cache concerns
        // this one.
        this.apiKey = `sk-test-${this.id}`;
        this.headers = { 'x-scenario': this.id };
    }

    // Request options by which the upstream plays SCRIPT; see tests/upstream.c.
    script(text) {
        return { headers: { 'X-Script': text } };
    }

    // The n-th request gets the n-th script, later ones the last.
    sequence(...scripts) {
        this.sequences = (this.sequences ?? 0) + 1;
        return this.script(`seq:${this.id}.${this.sequences};${scripts.join('||')}`);
    }

    // What ACTION returns or throws.
    async attempt(action) {
        try {
            return plain(await action());
        } catch (error) {
            return plain(error);
        }
    }

    // All that an iterable yields, and what it threw in the end, if it did.
    async drain(iterable, each) {
        const items = [];
        try {
            for await (const item of await iterable) {
                items.push(plain(item));
                if ((await each?.(item, items.length)) === 'break') break;
            }
        } catch (error) {
            items.push({ ended: plain(error) });
        }
        return items;
    }

    async timed(action) {
        const start = performance.now();
        const result = await this.attempt(action);
        return { result, took: new Took(performance.now() - start) };
    }

    took(ms) {
        return new Took(ms);
    }

    answerHeaders(headers) {
        return new AnswerHeaders(headers);
    }

    // Until the upstream has seen N requests of this scenario begin.
    async begun(n = 1) {
        const seen = await this.upstream.requestsWhen(this.id, (all) => all.length >= n);
        assert(seen.length >= n, `the upstream saw ${seen.length} requests, not ${n}`);
    }

    // Until the upstream has seen the N-th request break off; how long that took.
    async aborted(n = 1) {
        const start = performance.now();
        const over = (all) => all.length >= n && all[n - 1].finished !== 'running';
        const seen = await this.upstream.requestsWhen(this.id, over, 3000 * slow);
        return { finished: seen[n - 1]?.finished, after: this.took(performance.now() - start) };
    }
}

async function runSide(one, side, attempt) {
    const t = new Trial(one.name, side, attempt);
    const limit = (one.seconds ?? 20) * slow * 1000;
    const start = performance.now();
    const late = new AbortController();
    const raw = await Promise.race([
        one.run(t),
        sleepUnless(late.signal, limit).then(() => {
            throw new Error(`still not done after ${limit / 1000} s`);
        }),
    ]).finally(() => late.abort());
    const ms = performance.now() - start;
    const settled = (seen) => seen.every((request) => request.finished !== 'running');
    const requests = await t.upstream.requestsWhen(t.id, settled, 3000 * slow);
    const result = renumber(plain(raw), requests, one.unordered);
    const seen = renumber(requests, requests, one.unordered);
    if (one.unordered) seen.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    return { result, requests: seen, ms };
}

const key = ({ method, target, finished, body_sha256 }) =>
    `${method} ${target} ${finished} ${body_sha256}`;

function sleepUnless(signal, ms) {
    return new Promise((done) => {
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', () => clearTimeout(timer));
    });
}

async function tryScenario(one, attempt) {
    const found = [];
    const late = [];
    const done = {};
    const side = async (name) => {
        try {
            done[name] = await runSide(one, name, attempt);
        } catch (error) {
            found.push(`${name}: ${error.stack ?? error}`);
        }
    };
    if (one.alone) {
        await side('direct');
        await side('proxied');
    } else {
        await Promise.all([side('direct'), side('proxied')]);
    }
    const { direct, proxied } = done;
    if (direct) {
        try {
            one.check?.(direct.result, direct.requests);
        } catch (error) {
            const where = error instanceof Late ? late : found;
            where.push(`the direct result is not as expected: ${error.message}`);
        }
    }
    if (direct && proxied) {
        const upstreams = {
            direct: sides.direct.upstream.authority,
            proxied: sides.proxied.upstream.authority,
        };
        const ignored = [];
        if (one.idsInBodies) ignored.push('body_sha256');
        if (one.partialBodies) ignored.push('body_sha256', 'body_bytes');
        const settings = { differs: one.differs, ignored, slack: 350 * slow, upstreams };
        const comparison = new Comparison(settings);
        comparison.values(direct.result, proxied.result, '');
        comparison.requests(direct.requests, proxied.requests);
        found.push(...comparison.found);
        late.push(...comparison.late);
    }
    return { found, late, ms: [direct?.ms, proxied?.ms] };
}

function report(one, { found, ms }) {
    const times = ms.map((n) => (n === undefined ? '-' : Math.round(n))).join(' and ');
    console.log(`${found.length ? 'FAIL' : 'ok  '} ${one.name} (${times} ms)`);
    const indented = found.slice(0, 12).map((line) => `       ${line.replace(/\n/g, '\n       ')}`);
    if (indented.length) console.log(indented.join('\n'));
    if (found.length > 12) console.log(`       … and ${found.length - 12} more differences`);
}

export async function runAll(pattern, lanes = 6) {
    const chosen = all.filter((one) => !pattern || one.name.includes(pattern));
    const queue = chosen.filter((one) => !one.alone);
    await Promise.all([sides.direct, sides.proxied].map(({ upstream }) => upstream.count(1000)));
    const tally = { passed: 0, failed: 0 };
    const next = async (one) => {
        let outcome = await tryScenario(one, 1);
        // What was late, and only that, may have been so because the machine had other things to
        // do: a proxy that is late is so each time.
        for (let n = 2; n <= 4 && outcome.late.length && !outcome.found.length; n++)
            outcome = await tryScenario(one, n);
        outcome.found.push(...outcome.late);
        tally[outcome.found.length ? 'failed' : 'passed']++;
        report(one, outcome);
    };
    const lane = async () => {
        while (queue.length) await next(queue.shift());
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    for (const one of chosen.filter((it) => it.alone)) await next(one);
    return tally;
}

export { assert, isHeaders, sleep };

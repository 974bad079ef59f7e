// Compares what a scenario came to directly with what it came to through the proxy.
import { answerRules, requestRules, resultRules } from './differences.mjs';
import { AnswerHeaders, Took } from './plain.mjs';

// The upstream numbers all its requests and puts the number in ids. Here they get the number
// within the scenario instead: #1 is its first request.
export function renumber(value, requests, unordered) {
    const places = new Map(requests.map((one, i) => [String(one.number), `#${i + 1}`]));
    const fix = (text) =>
        text.replace(/\b((?:[a-z]+[-_])+up_?)(\d+)\b/g, (all, prefix, number) =>
            places.has(number) ? prefix + (unordered ? '#' : places.get(number)) : all,
        );
    const walk = (at) => {
        if (typeof at === 'string') return fix(at);
        if (at === null || typeof at !== 'object' || at instanceof Took) return at;
        if (Array.isArray(at)) return at.map(walk);
        const out = at instanceof AnswerHeaders ? new AnswerHeaders({}) : {};
        for (const [key, member] of Object.entries(at)) out[key] = walk(member);
        return out;
    };
    return walk(value);
}

const show = (value) => {
    const text = value === undefined ? 'nothing' : JSON.stringify(value);
    return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};

function judge(rules, direct, proxied, where, context) {
    const found = [];
    for (const rule of rules) {
        const wrong = rule.judge(direct, proxied, context);
        if (wrong) found.push(`${where}: ${wrong} (${rule.name})`);
    }
    return found;
}

export class Comparison {
    constructor({ differs = [], ignored = [], slack, upstreams }) {
        this.ignored = ignored;
        this.differs = differs.map((name) => {
            if (!resultRules[name]) throw new Error(`no such difference: ${name}`);
            return resultRules[name];
        });
        this.slack = slack;
        this.upstreams = upstreams;
        this.found = [];
        this.late = []; // differences of time alone
    }

    differ(where, direct, proxied) {
        this.found.push(`${where}: directly ${show(direct)}, through the proxy ${show(proxied)}`);
    }

    times(direct, proxied, where) {
        const bound = this.slack + 0.3 * Math.max(direct.ms, proxied.ms);
        if (Math.abs(direct.ms - proxied.ms) > bound)
            this.late.push(`${where}: directly ${direct.ms} ms, through the proxy ${proxied.ms} ms`);
    }

    objects(direct, proxied, where) {
        for (const key of new Set([...Object.keys(direct), ...Object.keys(proxied)]))
            this.values(direct[key], proxied[key], where ? `${where}.${key}` : key);
    }

    values(direct, proxied, where) {
        if (direct instanceof Took && proxied instanceof Took)
            return this.times(direct, proxied, where);
        for (const rule of this.differs) {
            const wrong = rule(direct, proxied);
            if (wrong) return void this.found.push(...wrong.map((what) => `${where}: ${what}`));
        }
        if (direct instanceof AnswerHeaders && proxied instanceof AnswerHeaders) {
            [direct, proxied] = [{ ...direct }, { ...proxied }];
            this.found.push(...judge(answerRules, direct, proxied, where, this));
            return this.objects(direct, proxied, where);
        }
        const both = [direct, proxied];
        if (both.every((v) => v !== null && typeof v === 'object')) {
            if (Array.isArray(direct) !== Array.isArray(proxied))
                return this.differ(where, direct, proxied);
            return this.objects(direct, proxied, where);
        }
        if (!Object.is(direct, proxied)) this.differ(where, direct, proxied);
        return undefined;
    }

    // What the upstream saw: as many requests, the same ones, ended alike.
    requests(direct, proxied) {
        if (direct.length !== proxied.length) {
            const list = (all) => all.map((r) => `${r.method} ${r.target} ${r.finished}`);
            this.differ(
                'requests at the upstream',
                [direct.length, ...list(direct).slice(0, 6)],
                [proxied.length, ...list(proxied).slice(0, 6)],
            );
            return;
        }
        direct.forEach((one, i) => {
            const [a, b] = [view(one), view(proxied[i])];
            for (const key of this.ignored) {
                delete a[key];
                delete b[key];
            }
            const where = `request ${i + 1} at the upstream`;
            this.found.push(...judge(requestRules, a.headers, b.headers, where, this));
            this.values(a, b, where);
        });
    }
}

// A multipart boundary is drawn by lot; those of Node's FormData are all of one length. How much
// of a body that was broken off (or not waited for) had arrived is chance.
function view({ method, target, headers, body_bytes, body_sha256, finished }) {
    const out = { method, target, finished, headers: { ...headers }, body_bytes, body_sha256 };
    const multipart = /^multipart\/form-data; boundary=/.exec(headers['content-type'] ?? '');
    if (multipart) {
        out.headers['content-type'] = `${multipart[0]}…`;
        delete out.body_sha256;
        if (!headers['content-length']) delete out.body_bytes;
    }
    if (finished !== 'complete' || !body_sha256) {
        delete out.body_bytes;
        delete out.body_sha256;
    }
    return out;
}

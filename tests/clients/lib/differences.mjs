// What may differ between an answer got directly and one got through goproxyai: these named
// things, each because the contract demands it, and nothing else. A rule looks at both sides,
// returns what is wrong (or nothing), and removes what it has judged.

const hopByHop = ['connection', 'keep-alive', 'transfer-encoding'];

function drop(headers, ...names) {
    for (const name of names) delete headers[name];
}

// Headers of an answer, as objects with names in lower case. `direct` is what the upstream said.
export const answerRules = [
    {
        name: 'X-Proxy: goproxyai/VERSION on every answer',
        judge(direct, proxied) {
            if (!/^goproxyai\/\d/.test(proxied['x-proxy'] ?? ''))
                return `X-Proxy is ${proxied['x-proxy']}`;
            drop(proxied, 'x-proxy');
        },
    },
    {
        name: 'X-Cache: HIT, MISS or BYPASS under /v1; a hit has X-Cache-Timestamp and Age',
        judge(direct, proxied) {
            const said = proxied['x-cache'];
            if (!['HIT', 'MISS', 'BYPASS'].includes(said)) return `X-Cache is ${said}`;
            drop(proxied, 'x-cache');
            if (said === 'HIT') drop(proxied, 'x-cache-timestamp', 'age');
        },
    },
    {
        name: 'Cache-Status (RFC 9211)',
        judge(direct, proxied) {
            if (!/^goproxyai(;|$)/.test(proxied['cache-status'] ?? ''))
                return `Cache-Status is ${proxied['cache-status']}`;
            drop(proxied, 'cache-status');
        },
    },
    {
        name: 'Date is the moment of the answer, but is always there if the upstream sends it',
        judge(direct, proxied) {
            if (direct.date && !proxied.date) return 'Date is missing';
            drop(direct, 'date');
            drop(proxied, 'date');
        },
    },
    {
        name: 'hop-by-hop headers are those of either hop',
        judge(direct, proxied) {
            drop(direct, ...hopByHop);
            drop(proxied, ...hopByHop);
        },
    },
    {
        name: 'the proxy may gzip what it got plain (--compress), and then there is another length',
        judge(direct, proxied) {
            if (direct['content-encoding'] || proxied['content-encoding'] !== 'gzip') return;
            drop(direct, 'content-length');
            drop(proxied, 'content-length', 'content-encoding', 'vary');
        },
    },
];

// Headers of a request as the upstream sees it.
export const requestRules = [
    {
        name: 'Host names the upstream, not the proxy',
        judge(direct, proxied, { upstreams }) {
            const said = `${direct.host} and ${proxied.host}`;
            drop(direct, 'host');
            drop(proxied, 'host');
            if (said !== `${upstreams.direct} and ${upstreams.proxied}`) return `Host is ${said}`;
        },
    },
    {
        name: 'hop-by-hop headers, but for the framing of the body, which stays as it was',
        judge(direct, proxied) {
            drop(direct, 'connection', 'keep-alive');
            drop(proxied, 'connection', 'keep-alive');
        },
    },
    {
        name: 'of a cacheable request, gzip at most is offered upstream',
        judge(direct, proxied) {
            const from = direct['accept-encoding'] ?? '';
            const to = proxied['accept-encoding'];
            if (to === 'gzip' && /\bgzip\b/.test(from)) {
                drop(direct, 'accept-encoding');
                drop(proxied, 'accept-encoding');
            }
        },
    },
];

// Differences of results, only in scenarios that name them in `differs`. A rule returns nothing
// when it does not apply, else the list of what is wrong.
export const resultRules = {
    'no answer at all is a connection error directly, and a 502 of the proxy'(direct, proxied) {
        if (direct?.threw !== 'APIConnectionError' || proxied?.status !== 502) return undefined;
        const { threw, message, type, requestID, headers = {} } = proxied;
        const wanted = {
            class: threw === 'InternalServerError',
            message: /^502 .{20}/.test(message),
            type: typeof type === 'string',
            'request id': typeof requestID === 'string',
            'X-Proxy': /^goproxyai\//.test(headers['x-proxy']),
            'X-Cache': ['MISS', 'BYPASS'].includes(headers['x-cache']),
        };
        return Object.keys(wanted)
            .filter((name) => !wanted[name])
            .map((name) => `the proxy's own 502 has a wrong ${name}, or none`);
    },
    // HTTP/2 and 3 have none, OpenAI's own front end speaks those, and libmicrohttpd lets
    // nobody choose. The AI SDK makes it the message of an error without a body.
    'the reason phrase behind the status code': (direct, proxied) =>
        direct === 'Status' && proxied === 'Non-Standard Status' ? [] : undefined,
};

// Which way a connection broke is no promise, only that it did.
export const brokenCodes = /^(ECONNRESET|EPIPE|UND_ERR_SOCKET|HPE_.*)$/;

// The control paths of a scripted upstream (tests/upstream.c), for one scenario at a time: its
// requests carry the header x-scenario, so scenarios may run side by side.
import http from 'node:http';

const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export class Upstream {
    constructor(authority) {
        this.authority = authority;
    }

    ask(path, method = 'GET') {
        return new Promise((resolve, reject) => {
            const request = http.request(
                `http://${this.authority}/_/${path}`,
                { method, agent },
                (answer) => {
                    const parts = [];
                    answer.on('data', (part) => parts.push(part));
                    answer.on('error', reject);
                    answer.on('end', () => resolve(Buffer.concat(parts).toString()));
                },
            );
            request.on('error', reject);
            request.end();
        });
    }

    // Makes the numbers that it puts in ids all of one length, since lengths are compared too.
    async count(to) {
        for (let i = 0; i < to; i++)
            await new Promise((resolve, reject) =>
                http
                    .get(`http://${this.authority}/?script=status:204`, { agent }, (answer) =>
                        answer.resume().on('end', resolve),
                    )
                    .on('error', reject),
            );
        await this.ask('reset', 'POST');
    }

    async counters() {
        return JSON.parse(await this.ask('counters'));
    }

    async requests(scenario) {
        const all = JSON.parse(await this.ask('requests'));
        for (const one of all) one.headers = headersOf(one.headers);
        return all.filter((one) => one.headers['x-scenario'] === scenario);
    }

    // Those of the scenario, when `ready` says that they are so; at the deadline, as they are.
    async requestsWhen(scenario, ready, ms = 5000) {
        for (const start = Date.now(); ; await sleep(15)) {
            const seen = await this.requests(scenario);
            if (ready(seen) || Date.now() - start > ms) return seen;
        }
    }
}

function headersOf(lines) {
    const headers = {};
    for (const line of lines) {
        const colon = line.indexOf(':');
        const name = line.slice(0, colon).toLowerCase();
        const value = line.slice(colon + 1).trim();
        headers[name] = name in headers ? `${headers[name]} | ${value}` : value;
    }
    return headers;
}

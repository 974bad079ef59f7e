// Turns whatever a client returned or threw into plain data that can be compared and printed.
import { createHash } from 'node:crypto';

import { brokenCodes } from './differences.mjs';

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

// A length of time: compared loosely.
export class Took {
    constructor(ms) {
        this.ms = Math.round(ms);
    }
}

export const isHeaders = (value) =>
    typeof value?.get === 'function' && value[Symbol.toStringTag] === 'Headers';

// The headers of an answer; the rules of differences.mjs apply to them.
export class AnswerHeaders {
    constructor(headers) {
        Object.assign(this, isHeaders(headers) ? Object.fromEntries(headers) : headers);
    }
}

function plainError(error, depth) {
    const out = { threw: error.constructor?.name ?? 'Error', name: error.name };
    out.message = error.message;
    for (const key of ['status', 'code', 'type', 'param', 'requestID', 'error', 'statusCode'])
        if (key in error) out[key] = plain(error[key]);
    for (const key of ['isRetryable', 'responseBody', 'reason', 'lc_error_code'])
        if (key in error) out[key] = plain(error[key]);
    if (isHeaders(error.headers)) out.headers = new AnswerHeaders(error.headers);
    if (error.responseHeaders) out.headers = new AnswerHeaders(error.responseHeaders);
    if (brokenCodes.test(out.code)) out.code = 'broken';
    if (error.cause instanceof Error && depth < 3) {
        out.cause = plainError(error.cause, depth + 1);
        if (out.cause.code === 'broken') out.cause = 'broken connection';
    }
    if (error.lastError instanceof Error) out.lastError = plainError(error.lastError, depth + 1);
    return out;
}

export function plain(value) {
    if (value === undefined) return 'undefined';
    if (typeof value === 'bigint' || typeof value === 'function') return String(value);
    if (value === null || typeof value !== 'object') return value;
    if (value instanceof Took || value instanceof AnswerHeaders) return value;
    if (isHeaders(value)) return new AnswerHeaders(value);
    if (value instanceof Error) return plainError(value, 0);
    if (value instanceof ArrayBuffer) return plain(Buffer.from(value));
    if (Buffer.isBuffer(value)) return { bytes: value.length, sha256: sha256(value) };
    if (ArrayBuffer.isView(value)) return { [value.constructor.name]: Array.from(value) };
    if (Array.isArray(value)) {
        const out = value.map(plain);
        return value._request_id ? { items: out, _request_id: value._request_id } : out;
    }
    const out = {};
    for (const key of Object.getOwnPropertyNames(value)) out[key] = plain(value[key]);
    return out;
}

// What the suites of the openai package share.
import OpenAI from 'openai';

export { OpenAI };

export function openai(t, options = {}) {
    const { defaultHeaders, ...rest } = options;
    return new OpenAI({
        apiKey: t.apiKey,
        baseURL: t.baseURL,
        defaultHeaders: { ...t.headers, ...defaultHeaders },
        logLevel: 'off',
        ...rest,
    });
}

export const ask = (text, more) => ({
    model: 'm',
    messages: [{ role: 'user', content: text }],
    ...more,
});

export const weather = {
    name: 'weather',
    description: 'The weather of a city',
    parameters: {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
    },
};

// node main.mjs [PATTERN]: the scenarios whose names contain PATTERN. `run` sets the stage.
import { readdirSync, writeFileSync } from 'node:fs';

import { runAll } from './lib/harness.mjs';

// No client may be steered by the settings of the developer's environment.
for (const name of Object.keys(process.env))
    if (/^(OPENAI|LANGCHAIN|LANGSMITH|AI_SDK|VERCEL|AZURE)_/.test(name)) delete process.env[name];
globalThis.AI_SDK_LOG_WARNINGS = false;

let stray = 0;
process.on('unhandledRejection', (error) => {
    stray++;
    console.log(`FAIL a promise was rejected and nobody looked: ${error?.stack ?? error}`);
});

const suites = new URL('./suites/', import.meta.url);
for (const file of readdirSync(suites).sort())
    if (file.endsWith('.mjs')) await import(new URL(file, suites));

const { passed, failed } = await runAll(process.argv[2]);
writeFileSync(process.env.CLIENTS_TALLY, `${passed} ${failed + stray}\n`);
process.exit(failed + stray ? 1 : 0);

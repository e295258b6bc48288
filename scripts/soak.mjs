// `npm run soak`: the long versions of the tests, and those in test/soak. Arguments go to vitest.
import { main } from './run.mjs';
import { test } from './test.mjs';

// One file at a time: two floods beside each other measure each other.
await main(import.meta, (args) => test(['--no-file-parallelism', ...args], { BINNACLE_SOAK: '1' }));

// `npm run soak`: the long versions of the tests, and those in test/soak. Arguments go to vitest.
import { main } from './run.mjs';
import { test } from './test.mjs';

await main(import.meta, (args) => test(args, { BINNACLE_SOAK: '1' }));

// `npm run test:all`: `npm test`, and what needs minutes or half a gigabyte for one answer (test/live). Arguments go to vitest.
import { main } from './run.mjs';
import { test } from './test.mjs';

await main(import.meta, (args) => test(args, { BINNACLE_ALL: '1' }));

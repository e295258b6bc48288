// How the tests run. Knows no test.

import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

const source = (name: string): string => fileURLToPath(new URL(`packages/${name}/src/index.ts`, import.meta.url));
/** Set by `npm run soak`: the long versions. */
const soak = process.env.BINNACLE_SOAK === '1';

export default defineConfig({
  resolve: {
    alias: {
      '@binnacle/protocol': source('protocol'),
      '@binnacle/client/emit': fileURLToPath(new URL('packages/client/src/emit/index.ts', import.meta.url)),
      '@binnacle/client/react': fileURLToPath(new URL('packages/client/src/react/index.ts', import.meta.url)),
      '@binnacle/client': source('client'),
      '@binnacle/mock-llm': source('mock-llm'),
    },
  },
  test: {
    environment: 'node',
    include: ['packages/*/{src,test}/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(soak ? [] : ['test/soak/**'])],
    // Forks: the tests start programs, load native code and are killed; a thread would take the others along.
    pool: 'forks',
    // Two at a time: most tests wait for processes of their own, and a small machine has two cores.
    maxWorkers: 2,
    testTimeout: soak ? 3_600_000 : 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
  },
});

// How the tests run. Knows no test.

import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

const source = (name: string): string => fileURLToPath(new URL(`packages/${name}/src/index.ts`, import.meta.url));
/** Set by `npm run soak`: the long versions. */
const soak = process.env.BINNACLE_SOAK === '1';

/** Set by `npm run test:all`: adds real agents and foreign conformance suites, which are hundreds of megabytes to install. */
const live = process.env.BINNACLE_ALL === '1';

const ALL = ['packages/*/{src,test}/**/*.test.ts', 'test/**/*.test.ts'];
/** A process of their own for each file: they change what a process has once, or count what it holds. */
const ISOLATED: string[] = [];
const LIVE = ['test/live/**/*.test.ts'];
const SOAK = ['test/soak/**/*.test.ts'];
/** Tests that cannot be made small: for `npm run test:all` alone. */
const LARGE = ['**/*.all.test.ts'];
const EXCLUDED = [
  ...configDefaults.exclude,
  ...(live || soak ? [] : LARGE),
  ...(live ? [] : LIVE),
  ...(soak ? [] : SOAK),
];
/** Most tests wait for processes of their own more than they work: three at a time fill the two cores of a small machine. */
const MAX_WORKERS = 3;

export default defineConfig({
  resolve: {
    alias: {
      '@binnacle/protocol': source('protocol'),
      '@binnacle/emit': source('emit'),
      '@binnacle/client/react': fileURLToPath(new URL('packages/client/src/react/index.ts', import.meta.url)),
      '@binnacle/client/terminal': fileURLToPath(new URL('packages/client/src/react/terminal.ts', import.meta.url)),
      '@binnacle/client': source('client'),
      '@binnacle/mock-llm': source('mock-llm'),
    },
  },
  test: {
    environment: 'node',
    // Forks: the tests start programs, load native code and are killed; a thread would take the others along.
    pool: 'forks',
    setupFiles: [fileURLToPath(new URL('test/support/setup.ts', import.meta.url))],
    // The built gateway that test/support/gateway.ts runs is loaded as it is.
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
    maxWorkers: MAX_WORKERS,
    // One after the other in the same process, which leaves out a quarter of the work: imports.
    projects: [
      project('isolated', { include: ISOLATED, exclude: EXCLUDED, isolate: true }),
      project('tests', { include: ALL, exclude: [...EXCLUDED, ...ISOLATED], isolate: false }),
    ],
    testTimeout: soak ? 3_600_000 : 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
  },
});

function project(name: string, test: { include: string[]; exclude: string[]; isolate: boolean }) {
  return { extends: true as const, test: { name, ...test } };
}

// How the tests run. Knows no test.

import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

const source = (name: string): string => fileURLToPath(new URL(`packages/${name}/src/index.ts`, import.meta.url));
/** Set by `npm run soak`: the long versions. */
const soak = process.env.BINNACLE_SOAK === '1';

/** Set by `npm run test:all`: adds real agents and foreign conformance suites, which are hundreds of megabytes to install. */
const live = process.env.BINNACLE_ALL === '1';

const ALL = ['packages/*/{src,test}/**/*.test.ts', 'test/**/*.test.ts'];
/** They leave nothing behind: one after the other in the same process. */
const UNITS = ['packages/{client,emit,mock-llm,plugin,protocol,viewer}/{src,test}/**/*.test.ts'];
const LIVE = ['test/live/**/*.test.ts'];
/** Tests that cannot be made small: for `npm run test:all` alone. */
const LARGE = ['**/*.all.test.ts'];
const EXCLUDED = [...configDefaults.exclude, ...(live || soak ? [] : LARGE)];
/** They measure how late something comes, or kill and flood for it: what runs beside them would be measured as well. */
const MEASURING = [
  'test/{crash,slow,steering,soak}/**/*.test.ts',
  'test/traffic/storm.test.ts',
  'test/plugins/{hostile*,orphans,too-much}.test.ts',
  'packages/server/src/runner/runs.test.ts',
];

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
    projects: [
      // Most tests wait for processes of their own more than they work: three at a time fill the two cores of a small machine.
      group('tests', 0, 3, { include: ALL, exclude: [...EXCLUDED, ...UNITS, ...MEASURING, ...LIVE] }),
      group('measuring', 1, 2, {
        include: MEASURING,
        exclude: [...EXCLUDED, ...(soak ? [] : ['test/soak/**'])],
      }),
      group('units', 2, 3, { include: UNITS, exclude: EXCLUDED, isolate: false }),
      ...(live ? [group('live', 3, 1, { include: LIVE, exclude: configDefaults.exclude })] : []),
    ],
    testTimeout: soak ? 3_600_000 : 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
  },
});

/** Groups run one after the other. */
function group(
  name: string,
  groupOrder: number,
  maxWorkers: number,
  files: { include: string[]; exclude: string[]; isolate?: boolean },
) {
  return { extends: true as const, test: { name, ...files, maxWorkers, sequence: { groupOrder } } };
}

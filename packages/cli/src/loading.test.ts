// Tests the files that a command loads. The source map of a bundle names the sources of each file.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Commands } from '../../../test/support/commands.ts';
import { some } from '../../../test/support/count.ts';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { TestGateway } from '../../client/test/test-gateway.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const BINARY = join(ROOT, 'packages/cli/dist/binnacle.mjs');
const PRELOAD = join(import.meta.dirname, 'loaded-files.mjs');

interface Loaded {
  /** Entry points of the server. */
  readonly entryPoints: readonly string[];
  /** True if the global `fetch` was loaded, which takes longer than the rest of a small command. */
  readonly hasFetch: boolean;
  /** Third-party packages, bundled or not. */
  readonly packages: readonly string[];
  /** Sources of the server, but for the lists of exports in packages/server/src/entry-points. */
  readonly server: readonly string[];
}

let dir: string;
let gateway: TestGateway;
beforeAll(async () => {
  dir = tempDir();
  gateway = await TestGateway.start();
  gateway.session();
});
afterAll(() => gateway.stop());

/** The sources in a file: those of its source map, else itself. */
function sourcesOf(path: string): string[] {
  if (!existsSync(`${path}.map`)) return [path];
  const { sources } = JSON.parse(readFileSync(`${path}.map`, 'utf8')) as { readonly sources: readonly string[] };
  return sources.map((source) => resolve(dirname(path), source));
}

function read(log: string): Loaded {
  const files = [
    ...new Set(
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((path) => path !== ''),
    ),
  ];
  const hasFetch = files.includes('fetch');
  const sources = files.flatMap((path) => sourcesOf(path)).map((path) => relative(ROOT, path));
  const unique = (found: readonly (string | undefined)[]): string[] =>
    [...new Set(found.filter((one) => one !== undefined))].sort();
  const isPart = (name: string): boolean => name.startsWith('part-');
  return {
    hasFetch,
    entryPoints: unique(
      files.map((path) => /packages\/server\/dist\/([\w-]+)\.mjs$/.exec(path)?.[1]).filter((one) => !isPart(one ?? '')),
    ),
    packages: unique(sources.map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])),
    server: unique(sources.filter((path) => /^packages\/server\/src\/(?!entry-points)/.test(path))),
  };
}

let count = 0;
async function loadedBy(args: readonly string[], code = 0): Promise<Loaded> {
  count += 1;
  const log = join(dir, `${count}.log`);
  const commands = new Commands(BINARY, {
    BINNACLE_URL: gateway.url,
    BINNACLE_TOKEN: 'bn_test_token_of_the_test_gateway_000000',
    NODE_OPTIONS: `--import ${PRELOAD}`,
    LOADED_FILES: log,
  });
  const result = await commands.run(args);
  expect(result, result.err).toMatchObject({ code });
  return read(log);
}

describe('a command', () => {
  const ABOUT = [
    { args: ['--version'] },
    { args: ['--help'] },
    { args: ['ls', '--help'] },
    { args: ['serve', '--help'] },
  ];
  it.each(some(ABOUT, 2))('that says something of itself loads nothing of the server: $args', async ({ args }) => {
    expect(await loadedBy(args)).toEqual({ hasFetch: false, entryPoints: [], packages: ['commander'], server: [] });
  });

  it.each(some([{ args: ['ls'] }, { args: ['send', 'test', 'x'] }, { args: ['signal', 'test', 'INT'] }], 1))(
    'for a gateway loads what finds it and speaks to it: $args',
    async ({ args }) => {
      expect(await loadedBy(args)).toEqual({
        hasFetch: false,
        entryPoints: ['data-directory'],
        packages: ['commander', 'ws'],
        server: [
          'packages/server/src/data-dir/admin-token.ts',
          'packages/server/src/data-dir/data-dir.ts',
          'packages/server/src/data-dir/gateway-file.ts',
          'packages/server/src/process/session-processes.ts',
          'packages/server/src/runner/directory-identity.ts',
        ],
      });
    },
  );

  it('that works without a gateway loads the part of the server that it needs', async () => {
    const { entryPoints, packages, server } = await loadedBy(['config', 'check', join(dir, 'none.jsonc')], 1);
    expect(entryPoints).toEqual(['config', 'data-directory']);
    expect(packages).not.toEqual(expect.arrayContaining([expect.stringMatching(/hono|sqlite|node-pty|pino|xterm/)]));
    expect(server).toContain('packages/server/src/config/config.ts');
    expect(server.filter((path) => /src\/(api|gateway)\//.test(path))).toEqual([]);
  });
});

describe('serve', () => {
  let child: ChildProcess | undefined;
  afterEach(async () => {
    child?.kill('SIGTERM');
    if (child !== undefined) await once(child, 'exit');
  });

  it('loads the gateway: the files that the other tests exclude are visible here', async () => {
    const log = join(dir, 'serve.log');
    const env = { ...process.env, BINNACLE_TOKEN: '', NODE_OPTIONS: `--import ${PRELOAD}`, LOADED_FILES: log };
    const args = [BINARY, 'serve', '--json', '--port', '0', '--data', join(dir, 'data')];
    child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child?.stdout?.once('data', resolve));
    const { entryPoints, packages, server } = read(log);
    expect(entryPoints).toContain('server');
    expect(packages).toEqual(expect.arrayContaining(['commander', 'hono', 'pino', 'ws', 'zod']));
    expect(server).toContain('packages/server/src/gateway/gateway.ts');
  });
});

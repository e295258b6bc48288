// What docs/traffic.md tells people to type is run as it is written, against a real gateway. Only addresses and tokens are
// put in where it has examples.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SessionInfo } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const DOCS = readFileSync(join(REPOSITORY, 'docs/traffic.md'), 'utf8');
const BUILD = '#!/bin/sh\necho "built $*"\necho "warned $*" >&2\n';

let gateway: Gateway;
let token: string;
let dir: string;

beforeAll(async () => {
  gateway = await openGateway();
  token = (await gateway.client.tokens.create({ name: 'emitter', scope: 'ingest' })).token;
  // As in a project that has it installed, with something to build.
  dir = mkdtempSync(join(tmpdir(), 'binnacle-emit-docs-'));
  symlinkSync(join(REPOSITORY, 'node_modules'), join(dir, 'node_modules'));
  writeFileSync(join(dir, 'package.json'), '{"private": true}');
  writeFileSync(join(dir, 'build.log'), 'said before\n');
  mkdirSync(join(dir, 'bin'));
  writeFileSync(join(dir, 'bin/make'), BUILD);
  chmodSync(join(dir, 'bin/make'), 0o755);
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The fenced blocks of a language below a heading, and above the next. */
function blocks(heading: string, language: string): readonly string[] {
  const from = DOCS.indexOf(heading);
  expect(from, heading).toBeGreaterThanOrEqual(0);
  const section = DOCS.slice(from + heading.length).split(/^#+ /m, 1)[0] ?? '';
  return [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, kind, text]) =>
    kind === language && text !== undefined ? [text] : [],
  );
}

async function run(program: string, args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const child = spawn(program, args, {
    cwd: dir,
    env: {
      ...process.env,
      PATH: `${join(dir, 'bin')}:${join(REPOSITORY, 'node_modules/.bin')}:${process.env.PATH}`,
      BINNACLE_DATA: gateway.dir,
      ...more,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (bytes) => {
    out += String(bytes);
  });
  child.stderr.on('data', (bytes) => {
    err += String(bytes);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  // npm speaks of the settings of whoever runs this.
  return { code, out, err: err.replaceAll(/^npm .*\n/gm, '') };
}

/** In one shell, which ends where one of them fails. */
const typed = (block: string) =>
  run('sh', [
    '-ec',
    block.replaceAll(/https?:\/\/(127\.0\.0\.1:7117|binnacle\.example\.org)/g, gateway.url).replaceAll('…', token),
  ]);

const foreign = async (): Promise<readonly SessionInfo[]> =>
  (await gateway.client.sessions.all()).filter((session) => session.foreign !== null);

async function outputOf({ id }: SessionInfo): Promise<string> {
  return await (await gateway.fetch(`/v1/sessions/${id}/output?since=0`)).text();
}

it('shows a program and a pipe with the commands at its beginning', async () => {
  const [block = '', ...others] = blocks('# Traffic', 'sh');
  expect(others).toEqual([]);
  const before = new Set((await foreign()).map(({ id }) => id));
  const { code, out, err } = await typed(block);
  expect([code, err]).toEqual([0, expect.stringMatching(/^Token \S+ for ci \(ingest, .*\nwarned all\n$/)]);
  expect(out).toMatch(/^bn\S+\nbuilt all\nbuilt all\nwarned all\n$/);
  const sessions = (await foreign()).filter(({ id }) => !before.has(id));
  expect(sessions.map(({ name }) => name).sort()).toEqual(['make all', 'stdin']);
  for (const session of sessions)
    expect((await outputOf(session)).split('\n').sort()).toEqual(['', 'built all', 'warned all']);
});

it('shows labels, sources and files with the commands of its part on emitting', async () => {
  const [block = '', ...others] = blocks('### A command: `binnacle emit`', 'sh');
  expect(others).toEqual([]);
  const before = new Set((await foreign()).map(({ id }) => id));
  const { code, err } = await typed(block);
  expect([code, err]).toEqual([0, 'warned -j4\n']);
  const sessions = (await foreign()).filter(({ id }) => !before.has(id));
  expect(sessions.map(({ name }) => name).sort()).toEqual(['build', 'make', 'make -j4']);
  expect(sessions.find(({ name }) => name === 'make -j4')).toMatchObject({ foreign: { labels: { job: '42' } } });
  const [build] = sessions.filter(({ name }) => name === 'build');
  expect(build === undefined ? undefined : await outputOf(build)).toBe('said before\n');
});

it('shows a program that another program starts with its example of the library', async () => {
  const [block = '', ...others] = blocks('### A library: `@binnacle/emit`', 'js');
  expect(others).toEqual([]);
  writeFileSync(join(dir, 'watched.mjs'), block);
  const before = new Set((await foreign()).map(({ id }) => id));
  const env = { BINNACLE_URL: gateway.url, BINNACLE_TOKEN: token };
  expect(await run(process.execPath, ['watched.mjs'], env)).toEqual({ code: 0, out: '', err: '' });
  const sessions = (await foreign()).filter(({ id }) => !before.has(id));
  expect(sessions).toMatchObject([
    {
      name: 'make all',
      state: 'closed',
      exitCode: 0,
      mode: 'pipe',
      cwd: dir,
      foreign: { source: 'mcp_core', labels: { job: '42' } },
    },
  ]);
  const [session] = sessions;
  const output = session === undefined ? '' : await outputOf(session);
  expect(output.split('\n').sort()).toEqual(['', 'built all', 'warned all']);
});

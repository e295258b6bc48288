// Folders that were made to cost whoever looks at them: nobody has agreed to anything yet.

import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAll } from '../../../../../test/support/count.ts';
import { Installations } from './installation.ts';
import type { ScanBounds } from './scan-limits.ts';

const MIB = 1024 * 1024;
/** A thread that never says that it is done. */
const HANGS = 'setInterval(() => {}, 1000);';

let root: string;
let data: string;
let script: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-hostile-')));
  data = join(root, 'data', 'plugins');
  mkdirSync(join(root, 'data'), { mode: 0o700 });
  script = join(root, 'types.mjs');
  writeFileSync(script, HANGS);
});
afterEach(() => rmSync(root, { recursive: true }));

const open = (bounds: Partial<ScanBounds> = {}): Installations => new Installations(data, { script }, bounds);

function source(files: Readonly<Record<string, string>> = {}, entry = 'index.mjs'): string {
  const dir = mkdtempSync(join(root, 'source-'));
  const manifest = JSON.stringify({ id: 'hello', version: '1.0.0', entry });
  for (const [path, text] of Object.entries({ 'binnacle.plugin.json': manifest, [entry]: '', ...files })) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

const needing = (names: readonly string[]): string =>
  JSON.stringify({ dependencies: Object.fromEntries(names.map((name) => [name, '1'])) });
const many = (count: number, prefix = 'n'): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

async function refusal(promise: Promise<unknown>): Promise<BinnacleError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof BinnacleError)) throw error ?? new Error('It was not refused.');
  return error;
}

const messageOf = async (promise: Promise<unknown>): Promise<string> => {
  const { code, message } = await refusal(promise);
  return `${code}: ${message}`;
};
const left = (): string[] => readdirSync(data);
const hanging = (): string => source({ 'index.ts': '' }, 'index.ts');
const until = async (condition: () => boolean): Promise<void> => {
  while (!existsSync(data) || !condition()) await new Promise((resolve) => setImmediate(resolve));
};
/** It has been copied: what comes next is the thread. */
const begun = async (): Promise<void> => {
  const isThere = (): boolean =>
    readdirSync(data).some(
      (name) => existsSync(join(data, name, 'binnacle.plugin.json')) && existsSync(join(data, name, 'index.ts')),
    );
  await until(isThere);
};

describe('a folder that is looked at', () => {
  it('may name 10,000 packages that it needs, and no more', async () => {
    await open().preview(source({ 'package.json': needing(many(10_000)) }));
    expect(await messageOf(open().preview(source({ 'package.json': needing(many(10_001)) })))).toMatch(
      /^unsafe_plugin: .* needs more than 10000 packages\.$/,
    );
    const spread = Object.fromEntries(
      many(11).map((name, n) => [`node_modules/${name}/package.json`, needing(many(1000, `of-${n}-`))]),
    );
    expect(await messageOf(open().preview(source({ 'package.json': needing(many(11)), ...spread })))).toMatch(
      /^unsafe_plugin: .* needs more than 10000 packages\.$/,
    );
    expect(left()).toEqual([]);
  });

  it('may have 32 MiB of package.json to be read in its packages, and no more', async () => {
    const whole = `{"a": "${'x'.repeat(MIB - 100)}"}`;
    const files = Object.fromEntries(many(34).map((name) => [`node_modules/${name}/package.json`, whole]));
    expect(await messageOf(open().preview(source({ 'package.json': needing(many(34)), ...files })))).toMatch(
      /^unsafe_plugin: .* has more than 33554432 bytes of package\.json to read\.$/,
    );
    if (!isAll) return;
    const flat = Object.fromEntries(many(34).map((name) => [`lib/${name}/package.json`, whole]));
    expect(await messageOf(open().preview(source(flat)))).toMatch(
      /more than 33554432 bytes of package\.json to read\.$/,
    );
    expect(left()).toEqual([]);
  });

  it('may have so many folders of packages and so many names, and no more', async () => {
    const dir = source({ 'package.json': needing(['a']), 'node_modules/a/package.json': '{}' });
    for (const name of many(20)) mkdirSync(join(dir, 'node_modules/a/node_modules', name), { recursive: true });
    await open({ maxFolders: 21 }).preview(dir);
    expect(await messageOf(open({ maxFolders: 20 }).preview(dir))).toMatch(/has more than 20 folders of packages\.$/);
    expect(await messageOf(open({ maxEntries: 20 }).preview(dir))).toMatch(/has more than 20 entries\.$/);
    // Those that are left out are looked at, too.
    const dotted = source(Object.fromEntries(many(50, '.dot').map((name) => [name, ''])));
    expect(await messageOf(open({ maxEntries: 50 }).preview(dotted))).toMatch(/has more than 50 entries\.$/);
    await open({ maxEntries: 52 }).preview(dotted);
  });

  it('has no link followed, to a package or to what it needs', async () => {
    const big = join(root, 'big.json');
    writeFileSync(big, needing(many(60_000)));
    const dir = source({ 'package.json': needing(['a', 'b', 'c']), 'node_modules/c/package.json': '{}' });
    for (const name of many(200)) {
      mkdirSync(join(dir, 'node_modules/c/node_modules', name), { recursive: true });
      symlinkSync(big, join(dir, 'node_modules/c/node_modules', name, 'package.json'));
    }
    mkdirSync(join(dir, 'node_modules/a'));
    linkSync(big, join(dir, 'node_modules/a/package.json'));
    symlinkSync(root, join(dir, 'node_modules/b'));
    writeFileSync(join(root, 'package.json'), needing(many(60_000)));
    expect(await messageOf(open().preview(dir))).toMatch(/^unsafe_plugin: .*(?:another name elsewhere|is a link)\.$/);
    rmSync(join(dir, 'node_modules/a/package.json'));
    expect(await messageOf(open().preview(dir))).toMatch(/^unsafe_plugin: .*is a link\.$/);
  });

  it('is given up when it takes too long, with words', async () => {
    expect(await messageOf(open({ timeoutMs: 200 }).preview(hanging()))).toMatch(
      /^unsafe_plugin: .* takes longer than 0\.2 s to be looked at\.$/,
    );
    const wide = source({ 'package.json': needing(many(5000)) });
    expect(await messageOf(open({ timeoutMs: 1 }).preview(wide))).toMatch(/takes longer than 0\.001 s/);
    expect(left()).toEqual([]);
  });

  it('is let go of when whoever asked has gone, and when the gateway stops', async () => {
    const installations = open();
    const caller = new AbortController();
    const looking = refusal(installations.preview(hanging(), { by: 'ada', signal: caller.signal }));
    await begun();
    caller.abort();
    expect((await looking).code).toBe('client_closed');
    expect(left()).toEqual([]);
    const disconnected = { by: 'ada', signal: AbortSignal.abort() };
    expect((await refusal(installations.preview(source(), disconnected))).code).toBe('client_closed');

    const stopped = refusal(installations.preview(hanging(), { by: 'ada' }));
    await begun();
    await installations.close();
    expect(left()).toEqual([]);
    expect((await stopped).code).toBe('going_away');
    expect((await refusal(installations.preview(source()))).code).toBe('going_away');
  });

  it('is one of two of the same caller and of four in all, and others wait; beyond eight of one, or 32, it is refused', async () => {
    const installations = open();
    const callers: AbortController[] = [];
    const begin = (by: string) => {
      const caller = new AbortController();
      callers.push(caller);
      return refusal(installations.preview(hanging(), { by, signal: caller.signal }));
    };
    const looking = Array.from({ length: 8 }, () => begin('ada'));
    expect(await begin('ada')).toMatchObject({ code: 'too_many_installs', status: 429, details: { limit: 8 } });
    await until(() => left().length === 2);
    // Nobody waits for all of somebody else's.
    await installations.preview(source(), { by: 'bob' });
    looking.push(...['cy', 'dora', 'eve'].map(begin));
    await until(() => left().length === 4);
    for (const caller of callers) caller.abort();
    expect((await Promise.all(looking)).map(({ code }) => code)).toEqual(Array(11).fill('client_closed'));
    expect(left()).toEqual([]);
    await installations.preview(source(), { by: 'ada' });
    const all = Array.from({ length: 32 }, (_, n) => refusal(installations.preview(hanging(), { by: `${n}` })));
    expect(await begin('last')).toMatchObject({ code: 'too_many_installs', details: { limit: 32 } });
    await installations.close();
    expect((await Promise.all(all)).map(({ code }) => code)).toEqual(Array(32).fill('going_away'));
  });

  it('comes to its turn when one before it is done, also where many are asked for at once', async () => {
    const installations = open();
    const dirs = Array.from({ length: 8 }, () => source());
    const found = await Promise.all(dirs.map((dir) => installations.preview(dir)));
    expect(new Set(found.map(({ digest }) => digest)).size).toBe(1);
  });
});

// An installation without the optional native part of terminals: what npm install --omit=optional leaves.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';

const REPOSITORY = resolve(import.meta.dirname, '../..');
/** Copied instead of linked. */
const INSTALLED = ['@binnacle/server', '@binnacle/cli'];
const NATIVE = `@lydell/node-pty-${process.platform}-${process.arch}`;

let root: string;
let installed: string;
let gateway: GatewayProcess;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'binnacle-installed-'));
  installed = install(root);
  gateway = await openGatewayProcess({
    assetsDir: join(root, 'none'),
    library: join(installed, '@binnacle/server/dist/server.mjs'),
  });
});
afterAll(async () => {
  await gateway.close();
  rmSync(root, { recursive: true, force: true });
});

/** All that is installed, but for the packages with the native part: what loads it is copied, so that it looks for it here. */
function install(into: string): string {
  const there = join(into, 'node_modules');
  for (const from of [join(REPOSITORY, 'node_modules'), join(REPOSITORY, 'packages/server/node_modules')]) {
    for (const name of readdirSync(from)) {
      const isScope = name.startsWith('@');
      const packages = isScope ? readdirSync(join(from, name)).map((one) => `${name}/${one}`) : [name];
      for (const one of packages.filter((one) => !one.startsWith('@lydell/node-pty-') && !INSTALLED.includes(one))) {
        mkdirSync(join(there, one, '..'), { recursive: true });
        rmSync(join(there, one), { recursive: true, force: true });
        if (one === '@lydell/node-pty') cpSync(join(from, one), join(there, one), { recursive: true });
        else symlinkSync(join(from, one), join(there, one));
      }
    }
  }
  for (const name of INSTALLED) {
    const from = join(REPOSITORY, 'packages', name.replace('@binnacle/', ''));
    for (const part of readdirSync(from).filter((one) => !['src', 'test', 'node_modules'].includes(one)))
      cpSync(join(from, part), join(there, name, part), { recursive: true, filter: isLoaded });
  }
  return there;
}

/** Neither a type nor a source map, which are most of the bytes. */
function isLoaded(path: string): boolean {
  return !/\.(map|d\.ts)$/.test(path);
}

function binnacle(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, BINNACLE_URL: gateway.url, BINNACLE_TOKEN: gateway.token };
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(installed, '@binnacle/cli/bin/binnacle.js'), ...args],
      { env },
      (error, out, err) => done({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

describe('without the native part of terminals', () => {
  it('programs run on pipes, shells that take runs as well', async () => {
    const { id } = await gateway.create({ command: 'echo out; echo err >&2; exit 3', mode: 'pipe' });
    expect(await gateway.closed(id)).toMatchObject({ mode: 'pipe', exitCode: 3 });
    expect((await gateway.output(id)).split('\n').sort()).toEqual(['', 'err', 'out']);
    const shell = await gateway.create({ runs: true, mode: 'pipe' });
    const run = await gateway.ask(`/v1/sessions/${shell.id}/runs?wait=10000`, { body: { command: 'exit 4' } });
    expect(run.json).toMatchObject({ exitCode: 4 });
    expect((await binnacle('run', '--pipe', '--', 'echo', 'by hand')).out).toContain('by hand');
  });

  it('a terminal is refused for good, with the reason and the way out', async () => {
    for (const body of [{}, { command: 'true' }, { runs: true, mode: 'pty' }]) {
      const { status, json } = await gateway.ask('/v1/sessions', { body });
      expect(status).toBe(501);
      expect(json.error).toMatchObject({ code: 'pty_unavailable', retryable: false });
      expect(json.error.message).toBe(`No terminal can be opened: the package ${NATIVE} is not installed.`);
      expect(json.error.hint).toContain('"mode": "pipe"');
    }
    const { code, err } = await binnacle('run', '--', 'true');
    expect(code).not.toBe(0);
    expect(err).toContain(NATIVE);
    expect(err).toContain('--pipe');
    // The refused session leaves nothing behind.
    const { sessions } = (await gateway.ask('/v1/sessions?limit=1000')).json as { sessions: { mode: string }[] };
    expect(sessions.every(({ mode }) => mode === 'pipe')).toBe(true);
  });

  it('GET /v1/info and doctor say so', async () => {
    const { json } = await gateway.ask('/v1/info');
    expect(json.terminals).toMatchObject({ available: false, code: 'pty_unavailable' });
    expect(json.terminals.message).toContain(NATIVE);
    const { out } = await binnacle('doctor', '--json', '--data', gateway.dir);
    const { findings } = JSON.parse(out) as { findings: { name: string; state: string; detail: string }[] };
    const finding = findings.find(({ name }) => name === 'native terminal');
    expect(finding).toMatchObject({ state: 'warn', detail: expect.stringContaining('Programs on pipes run.') });
  });

  it('POST /session?pty=1 degrades to pipes, as its protocol has it, and says that it did', async () => {
    const { status, json } = await gateway.ask('/session?pty=1', { method: 'POST' });
    expect([status, json]).toEqual([200, { session_id: expect.any(String), mode: 'pipe' }]);
    expect(await gateway.info(json.session_id)).toMatchObject({ mode: 'pipe', running: true });
  });

  it('terminals open once it is installed, without a restart', async () => {
    cpSync(join(REPOSITORY, 'node_modules', NATIVE), join(root, 'node_modules', NATIVE), { recursive: true });
    const { id } = await gateway.create({ command: 'test -t 1 && echo a terminal' });
    await gateway.closed(id);
    expect(await gateway.output(id)).toBe('a terminal\r\n');
    expect((await gateway.ask('/v1/info')).json.terminals).toEqual({ available: true });
  });
});

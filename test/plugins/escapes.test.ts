// The escape suite: every probe, behind every kind of wall, on the Node that runs the tests and on those that
// BINNACLE_PLUGIN_NODES names (paths, separated by colons). BINNACLE_PLUGIN_TABLE=FILE writes the table of results.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { hostname, networkInterfaces, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLUGIN_LIMITS } from '../../packages/server/src/plugins/host/limits.ts';
import { type Sandbox, sandboxCommand } from '../../packages/server/src/plugins/host/sandbox.ts';
import { inAll, isAll } from '../support/count.ts';
import { PROBES, type Probe } from './escapes.mjs';
import { Plugins, RUNTIME_SCRIPT, sandboxOf } from './plugin.fixture.ts';

const NODES = [process.execPath, ...(process.env.BINNACLE_PLUGIN_NODES ?? '').split(':').filter(Boolean)];
const TABLE = process.env.BINNACLE_PLUGIN_TABLE;
const isLong = process.env.BINNACLE_SOAK === '1';
const CANARY = 'canary-5f1c9a';

type Outcome = { readonly open: boolean; readonly note: string };

/** The world outside, full of what a plugin must not get at, and watched. */
class Outside {
  readonly plugins = new Plugins();
  readonly dir = join(this.plugins.root, 'outside');
  readonly #servers: Server[] = [];
  readonly #children: ChildProcess[] = [];
  #udp: UdpSocket | undefined;
  #held = -1;
  facts: Record<string, unknown> = {};

  async open(node: string): Promise<void> {
    mkdirSync(this.dir);
    this.#restore();
    this.#held = openSync(join(this.dir, 'held.txt'), 'r');
    const { dev, ino } = fstatSync(this.#held, { bigint: true });
    this.#udp = createSocket('udp4');
    this.#udp.on('message', (query, from) => {
      // A DNS answer that refuses, to whatever was asked.
      const answer = Buffer.from(query);
      if (answer.length > 4) answer.writeUInt16BE(0x8185, 2);
      this.#udp?.send(answer, from.port, from.address);
    });
    this.#udp.bind(0, '127.0.0.1');
    await once(this.#udp, 'listening');
    const unix = join(this.plugins.root, 'gateway.sock');
    await this.#listen(createServer(), unix);
    const abstract = `binnacle-escape-${process.pid}`;
    const listener = spawn(node, [
      '-e',
      `require('node:net').createServer().listen('\\0${abstract}', () => console.log('listening'))`,
    ]);
    this.#children.push(listener);
    await Promise.race([once(listener.stdout, 'data'), once(listener, 'exit')]);
    this.facts = {
      token: CANARY,
      canary: CANARY,
      outside: this.dir,
      secret: join(this.dir, 'secret.json'),
      precious: join(this.dir, 'precious.txt'),
      script: join(this.dir, 'script.cjs'),
      envFile: join(this.dir, 'outside.env'),
      sibling: join(this.plugins.root, 'plugin-sibling.txt'),
      heldFile: `${dev}:${ino}`,
      gateway: process.pid,
      tcp: await this.#listen(
        createServer((socket) => socket.resume()),
        0,
      ),
      http: await this.#listen(
        createHttp((_, response) => response.end('x')),
        0,
      ),
      knock: await freePort(),
      udp: this.#udp.address().port,
      unix,
      abstract,
      address:
        Object.values(networkInterfaces())
          .flat()
          .find((at) => at?.family === 'IPv4' && !at.internal)?.address ?? '127.0.0.1',
      user: userInfo().username,
      uid: process.getuid?.(),
      hostname: hostname(),
    };
  }

  /** A hostile plugin's folder, with links in it that no installed plugin may have. */
  folder(name: string): string {
    const dir = this.plugins.folder(name, { 'nothing.mjs': '' });
    copyFileSync(resolve(import.meta.dirname, 'escapes.mjs'), join(dir, 'plugin.mjs'));
    const alone = `import { attempt } from './plugin.mjs';
      const { name, facts } = JSON.parse(process.argv.at(-1));
      console.log('RESULT ' + JSON.stringify(await attempt(name, facts)));
      process.exit(0);`;
    writeFileSync(join(dir, 'alone.mjs'), alone);
    symlinkSync(join(this.dir, 'secret.json'), join(dir, 'link-out'));
    symlinkSync(this.dir, join(dir, 'folder-out'));
    copyFileSync(addon(), join(dir, 'addon.node'));
    return dir;
  }

  /** Processes that nobody will miss. */
  async victims(): Promise<void> {
    Object.assign(this.facts, { victim: await this.#victim(), victim2: await this.#victim() });
  }

  /** Somebody who would like to talk to a plugin that listens. */
  knock(): NodeJS.Timeout {
    return setInterval(() => {
      const socket = connect(Number(this.facts.knock), '127.0.0.1');
      socket.on('connect', () => socket.destroy()).on('error', () => undefined);
    }, 50);
  }

  /** What the last probe has changed out here, in words; and all is as it was again. */
  changes(dir: string): string | undefined {
    const found: string[] = [];
    for (const name of readdirSync(this.dir)) {
      if (KEPT.has(name)) continue;
      found.push(`${name} (${lstatSync(join(this.dir, name)).size} bytes)`);
    }
    for (const name of ['own.txt', 'made-link', 'hard-link']) {
      if (readdirSync(dir).includes(name)) found.push(name);
      rmSync(join(dir, name), { force: true });
    }
    const precious = lstatSync(join(this.dir, 'precious.txt'), { throwIfNoEntry: false });
    if (precious === undefined || (precious.mode & 0o777) !== 0o600) found.push('precious.txt');
    // Where a plugin is that could not go elsewhere.
    if (existsSync('/node_trace.1.log')) {
      found.push('/node_trace.1.log');
      rmSync('/node_trace.1.log');
    }
    this.#restore();
    return found.length === 0 ? undefined : `left ${found.join(', ')}`;
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const server of this.#servers) server.close();
    this.#udp?.close();
    if (this.#held >= 0) closeSync(this.#held);
    await this.plugins.close();
  }

  #restore(): void {
    for (const name of readdirSync(this.dir)) {
      if (!KEPT.has(name)) rmSync(join(this.dir, name), { recursive: true });
    }
    const secret = JSON.stringify({ text: 'SECRET' });
    writeFileSync(join(this.dir, 'secret.json'), secret);
    writeFileSync(join(this.dir, 'held.txt'), 'SECRET');
    writeFileSync(join(this.dir, 'outside.env'), 'OUTSIDE_ENV=SECRET\n');
    writeFileSync(join(this.dir, 'script.cjs'), 'console.log("SCRIPT"); module.exports = "SECRET";');
    rmSync(join(this.dir, 'precious.txt'), { force: true });
    writeFileSync(join(this.dir, 'precious.txt'), 'SECRET', { mode: 0o600 });
    writeFileSync(join(this.plugins.root, 'plugin-sibling.txt'), 'SECRET');
  }

  async #victim(): Promise<number> {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    this.#children.push(child);
    await once(child, 'spawn');
    return child.pid ?? 0;
  }

  async #listen(server: Server, at: number | string): Promise<number> {
    this.#servers.push(server);
    await new Promise<void>((done) => {
      if (typeof at === 'string') server.listen(at, done);
      else server.listen(at, '0.0.0.0', done);
    });
    return typeof at === 'string' ? 0 : (server.address() as AddressInfo).port;
  }
}

const KEPT = new Set(['secret.json', 'held.txt', 'outside.env', 'script.cjs', 'precious.txt']);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A native library that this installation has anyway. */
function addon(): string {
  const require = createRequire(resolve(import.meta.dirname, '../../packages/server/package.json'));
  const folder = resolve(require.resolve('@lydell/node-pty'), '..');
  const found = execFileSync('find', [resolve(folder, '..'), '-name', '*.node'], { encoding: 'utf8' }).split('\n')[0];
  if (found === undefined || found === '') throw new Error('no addon to try');
  return found;
}

/** All probes through a host, as a plugin would: one process for those that leave it whole. */
async function throughHost(
  outside: Outside,
  sandbox: Sandbox,
  dir: string,
  { trusted = false, probes = PROBES }: { readonly trusted?: boolean; readonly probes?: readonly Probe[] } = {},
): Promise<Map<string, Outcome>> {
  const results = new Map<string, Outcome>();
  await outside.victims();
  let used: Awaited<ReturnType<Plugins['host']>> | undefined;
  for (const { name, mayDie } of probes) {
    if (used === undefined) {
      used = await outside.plugins.host({
        dir,
        sandbox,
        policy: { mayUseAnyHost: false, allowRestricted: true, trusted },
      });
      await used.host.start();
    }
    const { host, stops } = used;
    let outcome: Outcome;
    const knocking = outside.knock();
    try {
      const result = (await host.invoke('attempt', { name, facts: outside.facts }, 10_000)) as Result;
      outcome = result.open ? { open: true, note: result.got } : { open: false, note: result.why };
    } catch (error) {
      const note = `its process ended: ${stops[0]?.reason.message ?? error}`;
      outcome = { open: mayDie !== true, note };
    } finally {
      clearInterval(knocking);
    }
    const changes = outside.changes(dir);
    results.set(name, changes === undefined ? outcome : { open: true, note: changes });
    if (mayDie === true || stops.length > 0) {
      await host.stop();
      used = undefined;
    }
  }
  return results;
}

/** bubblewrap without Node's flags: each layer is to hold by itself. */
async function throughBubblewrapAlone(outside: Outside, sandbox: Sandbox, dir: string): Promise<Map<string, Outcome>> {
  const results = new Map<string, Outcome>();
  await outside.victims();
  const inmate = {
    level: 'sealed',
    dir,
    entry: 'plugin.mjs',
    runtimeScript: RUNTIME_SCRIPT,
    memoryBytes: PLUGIN_LIMITS.memoryBytes,
  } as const;
  const command = sandboxCommand(sandbox, inmate);
  const node = command.args.lastIndexOf(sandbox.node.path);
  const run = async (name: string): Promise<void> => {
    const words = ['/plugin/alone.mjs', JSON.stringify({ name, facts: outside.facts })];
    const stdout = await new Promise<string>((done) => {
      const args = [...command.args.slice(0, node + 1), ...words];
      execFile(command.file, args, { env: {}, cwd: '/', timeout: 8000 }, (_, out) => done(out));
    });
    const line = /^RESULT (.*)$/m.exec(stdout)?.[1];
    const result: Result = line === undefined ? { open: false, why: 'its process ended' } : JSON.parse(line);
    const changes = outside.changes(dir);
    if (changes !== undefined) results.set(name, { open: true, note: changes });
    else results.set(name, result.open ? { open: true, note: result.got } : { open: false, note: result.why });
  };
  // A process for each: as the first one in its world, it is not to leave others behind for the next probe.
  for (const { name } of PROBES) await run(name);
  return results;
}

type Result = { open: true; got: string } | { open: false; why: string };

const openOnes = (results: ReadonlyMap<string, Outcome>): Record<string, string> =>
  Object.fromEntries([...results].filter(([, { open }]) => open).map(([name, { note }]) => [name, note]));

const expectedOpen = (isOpen: (probe: Probe) => boolean, probes: readonly Probe[] = PROBES): string[] =>
  probes
    .filter(isOpen)
    .map(({ name }) => name)
    .sort();

function note(title: string, results: ReadonlyMap<string, Outcome>): void {
  if (TABLE === undefined) return;
  const rows = PROBES.map(({ name, row }) => {
    const { open = false, note = '' } = results.get(name) ?? {};
    return `| ${row} | ${name} | ${open ? '**open**' : 'denied'} | ${note.replaceAll(/[|\n]/g, ' ').slice(0, 90)} |`;
  });
  appendFileSync(TABLE, `\n### ${title}\n\n| row | probe | result | how |\n|---|---|---|---|\n${rows.join('\n')}\n`);
}

it('has every row of the table that it is made from, and names that are unique', () => {
  expect(PROBES.length).toBeGreaterThanOrEqual(40);
  expect(new Set(PROBES.map(({ name }) => name)).size).toBe(PROBES.length);
});

for (const node of NODES) {
  const sandbox = await sandboxOf(node);
  const { version } = sandbox.node;
  const major = Number(version.split('.')[0]);
  const noWrap = sandbox.bwrap.works ? undefined : sandbox.bwrap.why;
  if (noWrap !== undefined)
    console.warn(`sealed is NOT tested on Node ${version}: bubblewrap does not work here: ${noWrap}.`);

  const untried = noWrap === undefined ? '' : ` (not tried: bubblewrap does not work here: ${noWrap})`;

  describe(`a hostile plugin on Node ${version}`, () => {
    const outside = new Outside();
    const before = { ...process.env };
    beforeAll(async () => {
      // What a careless gateway would pass on.
      process.env.BINNACLE_CANARY = CANARY;
      process.env.NODE_OPTIONS = '--allow-child-process --allow-worker';
      process.env.NODE_OPTIONS = '--no-deprecation';
      await outside.open(node);
      process.env.NODE_OPTIONS = '--allow-child-process --allow-worker';
    });
    afterAll(async () => {
      process.env = before;
      await outside.close();
    });

    it.skipIf(noWrap !== undefined)(
      `gets at nothing where it is sealed${untried}`,
      async () => {
        const dir = outside.folder('plugin');
        const results = await throughHost(outside, sandbox, dir);
        note(`sealed, Node ${version}`, results);
        expect(openOnes(results)).toEqual({});
      },
      120_000,
    );

    it('gets at exactly what is documented where it is restricted', async () => {
      const dir = outside.folder('plugin-restricted');
      // In `npm test` those that take a process each are tried sealed alone.
      const probes = PROBES.filter(({ mayDie }) => isAll || TABLE !== undefined || mayDie !== true);
      const walls = { ...sandbox, bwrap: { works: false, why: 'a test' } } as const;
      const results = await throughHost(outside, walls, dir, { probes });
      note(`restricted, Node ${version}`, results);
      const open = openOnes(results);
      expect(Object.keys(open).sort(), JSON.stringify(open, null, 1)).toEqual(
        expectedOpen((probe) => probe.open === 'all' || (probe.open === 'network' && !sandbox.closesNetwork), probes),
      );
    }, 120_000);

    inAll(
      'gets at all of it where it is trusted, so the probes are no blanks',
      async () => {
        const dir = outside.folder('plugin-trusted');
        const results = await throughHost(outside, sandbox, dir, { trusted: true });
        note(`trusted, Node ${version}`, results);
        const blanks = Object.fromEntries(
          [...results].filter(([, { open }]) => !open).map(([name, { note }]) => [name, note]),
        );
        expect(Object.keys(blanks).sort(), JSON.stringify(blanks, null, 1)).toEqual(
          expectedOpen(({ blank, since = 0 }) => blank === true || since > major),
        );
      },
      120_000,
    );

    // A process for each probe: long, and about one of two layers that both hold by themselves.
    if (isLong) {
      it.skipIf(noWrap !== undefined)(
        `gets at nothing outside even where Node’s own flags are missing${untried}`,
        async () => {
          const dir = outside.folder('plugin-alone');
          const results = await throughBubblewrapAlone(outside, sandbox, dir);
          note(`bubblewrap alone, Node ${version}`, results);
          const open = openOnes(results);
          const bad = Object.fromEntries(
            Object.entries(open).filter(([name]) => PROBES.find((probe) => probe.name === name)?.alone !== 'open'),
          );
          expect(bad).toEqual({});
        },
        180_000,
      );
    }
  });
}

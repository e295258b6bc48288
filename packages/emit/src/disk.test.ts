import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { rolldown } from 'rolldown';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { count } from '../../../test/support/count.ts';
import { until } from '../../../test/support/until.ts';
import { EmitGateway, type Failure } from './emit-gateway.fixture.ts';
import { createEmitter, type EmitDiagnostic, type Emitter, type EmitterOptions } from './index.ts';
import { Journal } from './journal.ts';
import { Lives } from './lives.ts';

let base: string;
let bundle: string;
let dir: string;
let gateway: EmitGateway;
let emitters: Emitter[];
let children: ChildProcess[];
let diagnostics: EmitDiagnostic[];

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'binnacle-emit-'));
  const made = await rolldown({
    input: { emit: resolve(import.meta.dirname, 'index.ts') },
    platform: 'node',
    resolve: { alias: { '@binnacle/protocol': resolve(import.meta.dirname, '../../protocol/src/index.ts') } },
  });
  await made.write({ dir: base, format: 'esm', entryFileNames: '[name].mjs' });
  await made.close();
  bundle = join(base, 'emit.mjs');
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

beforeEach(async () => {
  dir = mkdtempSync(join(base, 'buffer-'));
  gateway = await EmitGateway.start();
  emitters = [];
  children = [];
  diagnostics = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const emitter of emitters) await emitter.close(0);
  await gateway.stop();
});

function emitterWith(options: Partial<EmitterOptions> = {}): Emitter {
  const emitter = createEmitter({
    url: gateway.url,
    token: 't',
    buffer: { dir },
    retry: { baseMs: 5, capMs: 50 },
    onDiagnostic: (diagnostic) => diagnostics.push(diagnostic),
    ...options,
  });
  emitters.push(emitter);
  return emitter;
}

const lives = (): string[] => readdirSync(dir).filter((name) => /^\d+$/.test(name));
const segments = (): string[] =>
  lives().flatMap((life) =>
    readdirSync(join(dir, life))
      .filter((name) => name.endsWith('.log'))
      .map((name) => join(dir, life, name)),
  );

describe('a buffer on disk', () => {
  it('keeps the producer and takes a higher epoch at each start', async () => {
    const seen: (readonly [string, number])[] = [];
    for (let n = 0; n < 3; n += 1) {
      const { own } = new Lives(dir, undefined, Date.now());
      seen.push([own.producer, own.epoch]);
    }
    expect(new Set(seen.map(([producer]) => producer)).size).toBe(1);
    expect(seen.map(([, epoch]) => epoch)).toEqual([0, 1, 2]);
  });

  it('is private to its user', () => {
    emitterWith().session().output('secret');
    expect(statSync(dir).mode & 0o077).toBe(0);
    for (const path of segments()) expect(statSync(path).mode & 0o077).toBe(0);
  });

  it('holds what was not delivered, and the next emitter sends it first, under its old epoch', async () => {
    await gateway.stop();
    const before = emitterWith();
    const old = before.session({ id: 'build' });
    for (let n = 0; n < 30; n += 1) old.output(`${n},`);
    expect(await before.close(0)).toMatchObject({ events: 31, isOnDisk: true });
    await gateway.listen();
    const after = emitterWith();
    const same = after.session({ id: 'build' });
    same.output('later');
    expect(await after.flush()).toMatchObject({ events: 0 });
    expect(gateway.output('build')).toBe(`${Array.from({ length: 30 }, (_, n) => `${n},`).join('')}later`);
    expect(gateway.sessions.get('build')?.epoch).toBe(1);
    expect(gateway.events('build').map(({ seq }) => seq)).toEqual([...Array(31).keys(), 0, 1]);
    expect(after.stats).toMatchObject({ adopted: 31, stored: 33, refused: 0 });
    expect(diagnostics.filter(({ kind }) => kind !== 'unreachable')).toEqual([]);
    expect(lives()).toHaveLength(1);
  });

  it('does not overtake what is left of the same session, which would shut it out', async () => {
    await gateway.stop();
    const before = emitterWith();
    for (const text of ['old 1,', 'old 2,']) before.session({ id: 'build' }).output(text);
    await before.close(0);
    gateway.refuse = (event) =>
      event.response?.startsWith('old') && gateway.requests < 4 ? new BinnacleError('too_many_foreign') : undefined;
    await gateway.listen();
    const after = emitterWith();
    after.session({ id: 'build' }).output('new');
    after.session({ id: 'other' }).output('not held up');
    expect(await after.flush()).toMatchObject({ events: 0 });
    expect(gateway.output('build')).toBe('old 1,old 2,new');
    expect(gateway.output('other')).toBe('not held up');
    expect(after.stats.refused).toBe(0);
  });

  it('does not send again what was answered, but for what it could not note', async () => {
    const before = emitterWith({ batch: { events: 5 } });
    const session = before.session();
    for (let n = 0; n < 20; n += 1) session.output(`${n},`);
    await before.flush();
    await gateway.stop();
    for (let n = 20; n < 30; n += 1) session.output(`${n},`);
    await before.close(0);
    await gateway.listen();
    const after = emitterWith();
    expect(await after.flush()).toMatchObject({ events: 0 });
    expect(after.stats).toMatchObject({ adopted: 10, stored: 10, duplicates: 0 });
    expect(gateway.output(session.id)).toBe(Array.from({ length: 30 }, (_, n) => `${n},`).join(''));
  });

  it('is given back when all is delivered, and stays small while it flows', async () => {
    const emitter = emitterWith({ buffer: { dir, bytes: 2 * 1024 * 1024 } });
    const session = emitter.session();
    let largest = 0;
    for (let n = 0; n < 40; n += 1) {
      for (let m = 0; m < 10; m += 1) session.output(Buffer.alloc(10_000, 66));
      await emitter.flush();
      largest = Math.max(
        largest,
        segments().reduce((sum, path) => sum + statSync(path).size, 0),
      );
    }
    expect(emitter.stats).toMatchObject({ lostBytes: 0, stored: 401 });
    expect(largest).toBeLessThan(1024 * 1024);
    await emitter.close();
    expect(segments()).toEqual([]);
    expect(lives()).toHaveLength(1);
  });

  it('does not grow while one session waits and others flow past it', async () => {
    gateway.refuse = (event) => (event.session_id === 'waits' ? new BinnacleError('too_many_foreign') : undefined);
    const emitter = emitterWith({ buffer: { dir, bytes: 512 * 1024 }, batch: { lingerMs: 1 } });
    const waits = emitter.session({ id: 'waits' });
    const flows = emitter.session({ id: 'flows' });
    for (let n = 0; n < 100; n += 1) {
      waits.output(`${n},`);
      for (let m = 0; m < 4; m += 1) flows.output(Buffer.alloc(20_000, 67));
      await until('it is stored', () => gateway.events('flows').length === 1 + (n + 1) * 4);
    }
    await until('it is answered', () => emitter.stats.buffered === 101);
    expect(segments().reduce((sum, path) => sum + statSync(path).size, 0)).toBeLessThan(2 * 1024 * 1024);
    await emitter.close(0);
    gateway.refuse = () => undefined;
    const after = emitterWith();
    expect(await after.flush()).toMatchObject({ events: 0 });
    expect(gateway.output('waits')).toBe(Array.from({ length: 100 }, (_, n) => `${n},`).join(''));
  });

  it('loses only a last record that is torn', async () => {
    await gateway.stop();
    const before = emitterWith();
    const session = before.session();
    for (let n = 0; n < 10; n += 1) session.output(`${n},`);
    await before.close(0);
    const [path = ''] = segments();
    truncateSync(path, statSync(path).size - 3);
    await gateway.listen();
    expect(await emitterWith().flush()).toMatchObject({ events: 0 });
    expect(gateway.output(session.id)).toBe('0,1,2,3,4,5,6,7,8,');
    expect(diagnostics.map(({ kind }) => kind)).not.toContain('damaged');
  });

  it('says so where a record in the middle is damaged, and sends what stands before it', async () => {
    await gateway.stop();
    const before = emitterWith();
    const session = before.session();
    for (let n = 0; n < 10; n += 1) session.output(`number ${n},`);
    await before.close(0);
    const [path = ''] = segments();
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('number 5')] = 0;
    writeFileSync(path, bytes);
    await gateway.listen();
    expect(await emitterWith().flush()).toMatchObject({ events: 0 });
    expect(gateway.output(session.id)).toBe('number 0,number 1,number 2,number 3,number 4,');
    expect(diagnostics.map(({ kind }) => kind)).toContain('damaged');
  });

  it('takes any bytes for what they are: a segment of garbage is no crash', () => {
    const path = mkdtempSync(join(base, 'journal-'));
    appendFileSync(join(path, '0000000001.log'), Buffer.from('ffffffff00000000', 'hex'));
    appendFileSync(join(path, '0000000002.log'), 'not a segment at all, whatever it says');
    appendFileSync(join(path, 'readme.log'), 'x');
    const journal = new Journal(path, 1024 * 1024);
    expect(journal.recover().events.size).toBe(0);
    const place = journal.append({ id: 'a', seq: 0, head: {}, output: Buffer.from('b') });
    expect(Buffer.from(journal.read(place)?.output ?? []).toString()).toBe('b');
  });

  it('that cannot be made is replaced by memory, with one warning', async () => {
    const file = join(dir, 'file');
    writeFileSync(file, '');
    const emitter = emitterWith({ buffer: { dir: join(file, 'below') } });
    const session = emitter.session();
    session.output('x');
    expect(await emitter.flush()).toEqual({ events: 0, bytes: 0, isOnDisk: false });
    expect(gateway.output(session.id)).toBe('x');
    expect(diagnostics.map(({ kind }) => kind)).toEqual(['disk']);
  });

  // A FIFO that is opened holds up its reader for ever, so a process of its own opens it.
  const emitInChild = async (): Promise<string> => {
    const code = `
      const { createEmitter } = await import(${JSON.stringify(bundle)});
      const options = { url: ${JSON.stringify(gateway.url)}, token: 't', buffer: { dir: ${JSON.stringify(dir)} } };
      const emitter = createEmitter(options);
      emitter.session({ id: 'build' }).output('hello');
      await emitter.close();
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    let err = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      err += bytes.toString();
    });
    const deadline = setTimeout(() => child.kill('SIGKILL'), 5000);
    const [exitCode] = await once(child, 'close');
    clearTimeout(deadline);
    expect(exitCode, 'it has not ended by itself').toBe(0);
    expect(gateway.output('build')).toBe('hello');
    return err;
  };

  it('whose producer is a FIFO is replaced by memory, and nobody waits for it', async () => {
    execFileSync('mkfifo', [join(dir, 'producer')]);
    expect(await emitInChild()).toMatch(/The buffer on disk cannot be used.* \[disk\]/);
  });

  it('holds up nobody with a FIFO where an earlier process was', async () => {
    const { own } = new Lives(dir, undefined, Date.now());
    const earlier = join(dir, '0000000007');
    mkdirSync(earlier);
    execFileSync('mkfifo', [join(earlier, 'owner')]);
    const left = join(dir, '0000000008');
    mkdirSync(left);
    const owner = { producer: own.producer, pid: 2 ** 22 + 1, started: '1', where: '' };
    writeFileSync(join(left, 'owner'), JSON.stringify(owner));
    utimesSync(join(left, 'owner'), 0, 0);
    execFileSync('mkfifo', [join(left, '0000000001.log')]);
    expect(await emitInChild()).toMatch(/The buffer of an earlier process cannot be read.* \[damaged\]/);
  });

  it('leaves a folder alone whose number is no epoch, says so, and takes one that can be counted on from', async () => {
    const { own } = new Lives(dir, undefined, Date.now());
    for (const name of ['9007199254740991', '9999999999999999']) mkdirSync(join(dir, name));
    const emitter = emitterWith();
    const session = emitter.session();
    session.output('x');
    expect(await emitter.flush()).toMatchObject({ events: 0 });
    expect(gateway.sessions.get(session.id)?.epoch).toBe(own.epoch + 1);
    expect(diagnostics.map(({ kind, message }) => [kind, message.includes('9007199254740991')])).toEqual([
      ['damaged', true],
    ]);
    expect(lives()).toContain('9007199254740991');
  });

  it('tells the living from the dead: by process, or by a sign of life where that has no number here', () => {
    const owned = (owner: object, beatMsAgo: number): boolean => {
      const { own } = new Lives(dir, undefined, Date.now());
      const path = join(own.path, 'owner');
      const now = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...now, ...owner }));
      const beat = (Date.now() - beatMsAgo) / 1000;
      utimesSync(path, beat, beat);
      const later = new Lives(dir, undefined, Date.now());
      const isLeft = later.left(() => false).some(({ epoch }) => epoch === own.epoch);
      later.release();
      return !isLeft;
    };
    expect(owned({}, 3_600_000)).toBe(true);
    expect(owned({ started: '1' }, 0)).toBe(false);
    expect(owned({ pid: 2 ** 22 + 1 }, 0)).toBe(false);
    expect(owned({ where: 'another container' }, 1000)).toBe(true);
    expect(owned({ where: 'another container' }, 60_000)).toBe(false);
  });

  it('is shared by two emitters at once, each with an epoch of its own', async () => {
    const [a, b] = [emitterWith(), emitterWith()];
    const [one, two] = [a.session(), b.session()];
    one.output('of a');
    two.output('of b');
    await Promise.all([a.close(), b.close()]);
    expect([gateway.output(one.id), gateway.output(two.id)]).toEqual(['of a', 'of b']);
    expect([one, two].map(({ id }) => gateway.sessions.get(id)?.epoch)).toEqual([0, 1]);
    expect(new Set([one, two].map(({ id }) => gateway.sessions.get(id)?.producer)).size).toBe(1);
  });
});

describe('an emitter that is killed', () => {
  interface Run {
    readonly child: ChildProcess;
    readonly out: () => string;
  }
  function start(id: string, count: number): Run {
    const script = resolve(import.meta.dirname, 'killed.mjs');
    const child = spawn(process.execPath, [script, bundle, gateway.url, dir, id, String(count)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let out = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    return { child, out: () => out };
  }
  const numbersOf = (id: string): number[] => (gateway.output(id).match(/\d+(?=;)/g) ?? []).map(Number);

  it('at any moment has lost nothing that `output` took, and nothing is stored twice', async () => {
    const failures: readonly Failure[] = ['lost_answer', 'half_answer', 'reset', 503, 'half_stored'];
    gateway.fail = () => (Math.random() < 0.4 ? failures[Math.floor(Math.random() * failures.length)] : undefined);
    const taken = new Map<string, number>();
    for (let round = 0; round < count({ quick: 2, all: 12 }); round += 1) {
      const { child, out } = start('', 100_000);
      const most = Math.floor(Math.random() * 400);
      await until('it has emitted some', () => out().split('\n').length > 2 + most);
      child.kill('SIGKILL');
      await once(child, 'close');
      const lines = out().trim().split('\n');
      taken.set((lines[0] ?? '').replace('session ', ''), Number(lines.at(-1)));
    }
    const last = emitterWith();
    expect(await last.flush(20_000)).toMatchObject({ events: 0 });
    for (const [id, upTo] of taken) {
      const numbers = numbersOf(id);
      expect(numbers).toEqual(numbers.map((_, n) => n));
      // The one on its way when it was killed may be there, too.
      expect(numbers.length - 1).toBeGreaterThanOrEqual(upTo);
      expect(numbers.length - 1).toBeLessThanOrEqual(upTo + 1);
    }
    expect([...gateway.times.values()].every((times) => times === 1)).toBe(true);
    expect(last.stats.refused).toBe(0);
    expect(lives()).toHaveLength(1);
  }, 60_000);

  it('and goes on in a session of the same name loses and doubles nothing', async () => {
    let expected = 0;
    const rounds = count({ quick: 2, all: 5 });
    for (let round = 0; round < rounds; round += 1) {
      const { child, out } = start('the-build', 100_000);
      await until('it has emitted some', () => out().split('\n').length > 100 + round * 40);
      child.kill('SIGKILL');
      await once(child, 'close');
      expected += Number(out().trim().split('\n').at(-1)) + 1;
    }
    const last = emitterWith();
    expect(await last.flush(20_000)).toMatchObject({ events: 0 });
    const numbers = numbersOf('the-build');
    expect(numbers.length).toBeGreaterThanOrEqual(expected);
    expect(numbers.length).toBeLessThanOrEqual(expected + rounds);
    for (const [n, number] of numbers.entries()) expect([0, (numbers[n - 1] ?? -1) + 1]).toContain(number);
    expect([...gateway.times.values()].every((times) => times === 1)).toBe(true);
  }, 60_000);

  it('does not keep its process alive: without a flush it ends at once, and says what is left', async () => {
    await gateway.stop();
    const code = `
      const { createEmitter } = await import(${JSON.stringify(bundle)});
      const emitter = createEmitter({ url: ${JSON.stringify(gateway.url)}, token: 't' });
      emitter.session().output('hello');
    `;
    const began = performance.now();
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      err += bytes.toString();
    });
    const [exitCode] = await once(child, 'close');
    expect(exitCode).toBe(0);
    expect(performance.now() - began).toBeLessThan(3000);
    expect(err).toMatch(/5 bytes of output of 1 session are not delivered: lost/);
  });
});

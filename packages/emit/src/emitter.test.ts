import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count } from '../../../test/support/count.ts';
import { until } from '../../../test/support/until.ts';
import { EmitGateway, type Failure } from './emit-gateway.fixture.ts';
import { createEmitter, type EmitDiagnostic, type Emitter, type EmitterOptions } from './index.ts';

let gateway: EmitGateway;
let emitters: Emitter[];
let diagnostics: EmitDiagnostic[];

beforeEach(async () => {
  gateway = await EmitGateway.start();
  emitters = [];
  diagnostics = [];
});
afterEach(async () => {
  for (const emitter of emitters) await emitter.close(0);
  await gateway.stop();
});

function emitterWith(options: Partial<EmitterOptions> = {}): Emitter {
  const emitter = createEmitter({
    url: gateway.url,
    token: 'bn_of_the_test',
    source: 'test',
    retry: { baseMs: 5, capMs: 50 },
    onDiagnostic: (diagnostic) => diagnostics.push(diagnostic),
    ...options,
  });
  emitters.push(emitter);
  return emitter;
}
const kinds = (): string[] => diagnostics.map(({ kind, code }) => (code === undefined ? kind : `${kind} ${code}`));

describe('what is emitted', () => {
  it('arrives once, in order, with its command, streams, exit code and end', async () => {
    const emitter = emitterWith({ labels: { team: 'red' } });
    const session = emitter.session({ command: 'make all', cwd: '/srv', cols: 80, rows: 24, labels: { job: '7' } });
    session.output('one\n', { stream: 'stdout' });
    session.output('two\n', { stream: 'stdout' });
    session.output('oh\n', { stream: 'stderr' });
    session.event({ command: 'second', response: 'three', exit_code: 0 });
    session.end({ exitCode: 3 });
    expect(await emitter.flush()).toEqual({ events: 0, bytes: 0, isOnDisk: false });
    const events = gateway.events(session.id);
    expect(events[0]).toMatchObject({
      seq: 0,
      command: 'make all',
      cwd: '/srv',
      cols: 80,
      rows: 24,
      source: 'test',
      labels: { team: 'red', job: '7' },
    });
    expect(events.slice(1)).toMatchObject([
      { stream: 'stdout', response: 'one\ntwo\n' },
      { stream: 'stderr', response: 'oh\n' },
      { command: 'second', response: 'three', exit_code: 0 },
      { is_final: true, exit_code: 3 },
    ]);
    expect(gateway.tokens).toEqual(new Set(['Bearer bn_of_the_test']));
    expect(emitter.stats).toMatchObject({ offered: 5, stored: 5, sent: 5, duplicates: 0, buffered: 0, lostBytes: 0 });
    expect(diagnostics).toEqual([]);
  });

  it('goes to the stream that its session names, which the opening event tells', async () => {
    const emitter = emitterWith();
    const session = emitter.session({ stream: 'stdout' });
    session.output('one');
    session.output('two', { stream: 'stderr' });
    await emitter.flush();
    expect(gateway.events(session.id).map(({ stream, response }) => [stream, response])).toEqual([
      ['stdout', undefined],
      ['stdout', 'one'],
      ['stderr', 'two'],
    ]);
  });

  it('keeps bytes of every kind as they are, however they are cut', async () => {
    const emitter = emitterWith();
    const session = emitter.session();
    const all = Buffer.concat([randomBytes(300_000), Buffer.from('ä\0\u{1F600}\x1b[0m'.repeat(20_000))]);
    for (let at = 0, size = 1; at < all.length; at += size, size = (size * 7 + 3) % 9973)
      session.output(all.subarray(at, at + size));
    await emitter.flush();
    expect(gateway.output(session.id)).toBe(all.toString('latin1'));
  });

  it('is cut where it is large: the first part says what it was, the last how it ended', async () => {
    const emitter = emitterWith();
    const session = emitter.session();
    const response = 'z'.repeat(300_000);
    session.event({ command: 'big', response, exit_code: 2 });
    await emitter.flush();
    const parts = gateway.events(session.id).slice(1);
    expect(parts.map(({ command }) => command)).toEqual(['big', undefined, undefined]);
    expect(parts.map(({ exit_code }) => exit_code)).toEqual([undefined, undefined, 2]);
    expect(gateway.output(session.id)).toBe(response);
  });

  it('does not change when the caller uses its buffer again', async () => {
    const emitter = emitterWith();
    const session = emitter.session();
    const buffer = Buffer.from('first');
    session.output(buffer);
    buffer.fill('x');
    await emitter.flush();
    expect(gateway.output(session.id)).toBe('first');
  });

  it('goes in few requests that are not over the limits, one at a time', async () => {
    const emitter = emitterWith({ batch: { events: 100, bytes: 256 * 1024 } });
    const sessions = Array.from({ length: 50 }, () => emitter.session());
    for (let n = 0; n < 40; n += 1) for (const session of sessions) session.event({ response: `${n} `.repeat(100) });
    await emitter.flush();
    expect(gateway.requests).toBeGreaterThanOrEqual(21);
    expect(gateway.requests).toBeLessThan(40);
    expect(gateway.largest).toBeLessThan(256 * 1024 + 1000);
    expect(gateway.mostConcurrent).toBe(1);
    for (const { id } of sessions) expect(gateway.events(id)).toHaveLength(41);
  });

  it('is brought within the limits of the protocol, and said so once', async () => {
    const emitter = emitterWith();
    const session = emitter.session({
      id: '../../etc/passwd',
      command: 'x'.repeat(100_000),
      source: `\x1b]0;${'s'.repeat(100)}`,
      cwd: '/a\0b\x07',
      labels: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, 'v'.repeat(1000)])),
      cols: 80,
    });
    session.event({ timestamp: 'yesterday', exit_code: 1.5, stream: 'stdin' as never });
    session.output(17 as never);
    await emitter.flush();
    const [first] = gateway.events(session.id);
    expect(first?.command).toHaveLength(65_536);
    expect(first?.source).toBe(`]0;${'s'.repeat(61)}`);
    expect(first?.cwd).toBe('/ab');
    expect(Object.keys(first?.labels ?? {})).toHaveLength(16);
    expect(gateway.events(session.id)[1]).toEqual({ session_id: session.id, seq: 1 });
    expect(kinds()).toEqual(['clipped']);
  });

  it('is one session for one id that is open, and none for one that has ended', async () => {
    const emitter = emitterWith();
    const session = emitter.session({ id: 'build' });
    expect(emitter.session({ id: 'build' })).toBe(session);
    session.end();
    session.output('late');
    emitter.session({ id: 'build' }).output('again');
    await emitter.flush();
    expect(gateway.events('build')).toHaveLength(2);
    expect(kinds()).toEqual(['after_end', 'session_refused session_exited']);
    expect(emitter.stats).toMatchObject({ stored: 2, lostBytes: 9 });
  });
});

describe('a gateway that fails', () => {
  const FAILURES: readonly Failure[] = [
    'lost_answer',
    'half_answer',
    'reset',
    'garbage',
    'silent',
    429,
    503,
    507,
    413,
    'half_stored',
    'first_of_each',
  ];
  for (const failure of FAILURES) {
    it(`with ${failure} for a while gets everything once, in order`, async () => {
      gateway.fail = (n) => (n % 3 < 2 && n < 6 ? failure : undefined);
      const emitter = emitterWith({ requestTimeoutMs: 300, batch: { lingerMs: 1 } });
      const sessions = Array.from({ length: 4 }, () => emitter.session());
      const expected = sessions.map(() => '');
      for (let n = 0; n < 50; n += 1)
        for (const [at, session] of sessions.entries()) {
          session.event({ response: `${n},` });
          expected[at] += `${n},`;
        }
      for (const session of sessions) session.end({ exitCode: 0 });
      expect(await emitter.flush(8000)).toMatchObject({ events: 0 });
      for (const [at, { id }] of sessions.entries()) {
        expect(gateway.output(id)).toBe(expected[at]);
        expect(gateway.isFinal(id)).toBe(true);
      }
      expect([...gateway.times.values()].every((times) => times === 1)).toBe(true);
      expect(emitter.stats).toMatchObject({ offered: 208, buffered: 0, refused: 0, lostBytes: 0 });
      expect(emitter.stats.stored + emitter.stats.duplicates).toBe(208);
      expect(emitter.stats.retries).toBeGreaterThan(0);
    });
  }

  it('and is not there yet gets all of it when it comes, after one warning', async () => {
    await gateway.stop();
    const emitter = emitterWith();
    const session = emitter.session();
    for (let n = 0; n < 100; n += 1) session.event({ response: `${n},` });
    expect(await emitter.flush(100)).toMatchObject({ events: 101 });
    await until('it was tried more often', () => emitter.stats.retries > 3);
    await gateway.listen();
    expect(await emitter.flush()).toMatchObject({ events: 0 });
    expect(gateway.events(session.id)).toHaveLength(101);
    expect(kinds()).toEqual(['unreachable']);
  });

  it('gets no request before the time in Retry-After', async () => {
    const at: number[] = [];
    gateway.retryAfter = '1';
    gateway.fail = (n) => {
      at.push(performance.now());
      return n === 0 ? 429 : undefined;
    };
    const emitter = emitterWith();
    emitter.session().end();
    await emitter.flush();
    expect(at).toHaveLength(2);
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(990);
  });

  for (const failure of [401, 403] as const) {
    it(`and answers ${failure} is left alone for long, and a flush does not wait for it`, async () => {
      gateway.fail = () => failure;
      const emitter = emitterWith();
      emitter.session().output('kept');
      const began = performance.now();
      expect(await emitter.flush(5000)).toEqual({ events: 2, bytes: 4, isOnDisk: false });
      expect(performance.now() - began).toBeLessThan(2000);
      expect(gateway.requests).toBe(1);
      expect(kinds()).toEqual([`not_allowed ${failure === 401 ? 'unauthorized' : 'forbidden'}`]);
    });
  }

  for (const code of [
    'session_taken',
    'stale_epoch',
    'session_gone',
    'session_exited',
    'bad_event',
    'unauthorized',
  ] as const) {
    it(`and refuses a session as ${code} loses that one alone, and says so once`, async () => {
      gateway.refuse = (event) =>
        event.session_id === 'bad' && (event.seq ?? 0) > 0 ? new BinnacleError(code) : undefined;
      const emitter = emitterWith();
      const bad = emitter.session({ id: 'bad' });
      const good = emitter.session({ id: 'good' });
      for (let n = 0; n < 20; n += 1) for (const session of [bad, good]) session.event({ response: 'x' });
      expect(await emitter.flush()).toMatchObject({ events: 0 });
      bad.output('more');
      bad.end();
      good.end();
      expect(await emitter.flush()).toMatchObject({ events: 0 });
      expect(gateway.events('bad')).toHaveLength(1);
      expect(gateway.events('good')).toHaveLength(22);
      expect(kinds()).toEqual([`session_refused ${code}`]);
      expect(diagnostics[0]?.hint).not.toBe('');
      expect(emitter.stats).toMatchObject({ offered: 45, stored: 23, refused: 22, lostBytes: 24, dropped: 0 });
    });
  }

  it('and has no place for a session now gets it later, and others meanwhile', async () => {
    let isFull = true;
    gateway.refuse = (event) =>
      isFull && event.session_id === 'waits' ? new BinnacleError('too_many_foreign') : undefined;
    const emitter = emitterWith();
    const waits = emitter.session({ id: 'waits' });
    waits.end();
    const goes = emitter.session({ id: 'goes' });
    goes.end();
    await until('the other is stored', () => gateway.isFinal('goes'));
    expect(gateway.events('waits')).toHaveLength(0);
    isFull = false;
    expect(await emitter.flush()).toMatchObject({ events: 0 });
    expect(gateway.isFinal('waits')).toBe(true);
  });

  it('and has more than we know is not sent it again', async () => {
    gateway.refuse = (event) =>
      event.session_id === 's' && (event.seq ?? 0) < 3 && gateway.requests > 1
        ? new BinnacleError('seq_gap', { details: { expected: 3, received: event.seq } })
        : undefined;
    gateway.fail = (n) => (n === 0 ? 'lost_answer' : undefined);
    const emitter = emitterWith();
    const session = emitter.session({ id: 's' });
    session.event({ response: 'a' });
    session.event({ response: 'b' });
    session.event({ response: 'c' });
    expect(await emitter.flush()).toMatchObject({ events: 0 });
    expect(gateway.output('s')).toBe('abc');
    expect(emitter.stats).toMatchObject({ stored: 0, duplicates: 4, refused: 0 });
  });

  it('and has lost what it had gets nothing wrong: the session is given up', async () => {
    const emitter = emitterWith();
    const session = emitter.session({ id: 's' });
    session.output('a');
    await emitter.flush();
    gateway.sessions.clear();
    session.output('b');
    await emitter.flush();
    expect(gateway.events('s')).toEqual([]);
    expect(kinds()).toEqual(['session_refused seq_gap']);
  });

  it('and does not believe our clock gets events without a time', async () => {
    gateway.refuse = (event) => (event.timestamp === undefined ? undefined : new BinnacleError('bad_time'));
    const emitter = emitterWith();
    const session = emitter.session();
    session.output('a');
    session.end();
    expect(await emitter.flush()).toMatchObject({ events: 0 });
    expect(gateway.output(session.id)).toBe('a');
    expect(gateway.isFinal(session.id)).toBe(true);
    expect(kinds()).toEqual(['clock']);
  });
});

describe('a buffer that is full', () => {
  it('drops output, counts it, tells viewers with the next event, and always takes the end', async () => {
    await gateway.stop();
    const emitter = emitterWith({ buffer: { bytes: 64 * 1024 } });
    const session = emitter.session({ command: 'flood' });
    for (let n = 0; n < 1000; n += 1) session.output(Buffer.alloc(1000, 65));
    session.end({ exitCode: 0 });
    const { lostBytes, bufferedBytes, dropped } = emitter.stats;
    expect(lostBytes).toBeGreaterThan(900_000);
    expect(lostBytes + bufferedBytes).toBe(1_000_000);
    expect(dropped).toBeGreaterThan(0);
    await gateway.listen();
    expect(await emitter.flush()).toMatchObject({ events: 0 });
    const events = gateway.events(session.id);
    expect(events.at(-1)).toMatchObject({ is_final: true, exit_code: 0, lost_bytes: lostBytes });
    expect(gateway.output(session.id)).toHaveLength(bufferedBytes);
    expect(kinds()).toContain('buffer_full');
  });

  it('tells the command of a session later whose beginning found no room', async () => {
    await gateway.stop();
    const emitter = emitterWith({ buffer: { bytes: 64 * 1024 } });
    const flood = emitter.session();
    for (let n = 0; n < 100; n += 1) flood.event({ response: 'y'.repeat(1000) });
    const late = emitter.session({ command: 'late'.repeat(1000) });
    late.output('gone');
    late.end({ exitCode: 1 });
    await gateway.listen();
    await emitter.flush();
    expect(gateway.events(late.id)).toMatchObject([
      { seq: 0, command: 'late'.repeat(1000), is_final: true, exit_code: 1, lost_bytes: 4 },
    ]);
  });

  it('keeps within its bound when sessions are begun without end', async () => {
    await gateway.stop();
    const emitter = emitterWith({ buffer: { bytes: 64 * 1024 } });
    for (let n = 0; n < 20_000; n += 1) emitter.session().end();
    expect(emitter.stats.buffered).toBeLessThan(3000);
    expect(emitter.stats.offered).toBe(emitter.stats.buffered + emitter.stats.dropped);
  });

  it('takes small outputs joined, so that many of them need little room', async () => {
    await gateway.stop();
    const emitter = emitterWith({ buffer: { bytes: 256 * 1024 } });
    const session = emitter.session();
    for (let n = 0; n < 100_000; n += 1) session.output('.');
    expect(emitter.stats).toMatchObject({ lostBytes: 0, bufferedBytes: 100_000 });
    expect(emitter.stats.buffered).toBeLessThan(5);
  });
});

describe('random failures', () => {
  it('leave every event stored once and in order, or counted as lost', async () => {
    const failures: readonly Failure[] = [
      'lost_answer',
      'half_answer',
      'reset',
      'garbage',
      429,
      503,
      507,
      'half_stored',
      'first_of_each',
      'slow',
    ];
    const base = mkdtempSync(join(tmpdir(), 'binnacle-emitter-'));
    for (let round = 0; round < count({ quick: 5, all: 16 }); round += 1) {
      let seed = round * 7919 + 104_729;
      const random = (): number => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return seed / 2 ** 32;
      };
      gateway.fail = () => (random() < 0.45 ? failures[Math.floor(random() * failures.length)] : undefined);
      const emitter = emitterWith({
        buffer: { bytes: 64 * 1024, ...(round % 2 === 0 ? {} : { dir: join(base, String(round)) }) },
        batch: { events: 1 + Math.floor(random() * 40), lingerMs: 0 },
        retry: { baseMs: 1, capMs: 5 },
        requestTimeoutMs: 2000,
      });
      const sessions = Array.from({ length: 1 + Math.floor(random() * 6) }, () => emitter.session());
      const offered = sessions.map(() => 0);
      for (let n = 0; n < 300; n += 1) {
        const at = Math.floor(random() * sessions.length);
        // Each number is four digits, so that what is missing can be counted.
        const text = String(n)
          .padStart(4, '0')
          .repeat(1 + Math.floor(random() * 300));
        offered[at] = (offered[at] ?? 0) + text.length;
        if (random() < 0.5) sessions[at]?.output(text);
        else sessions[at]?.event({ response: text });
        if (random() < 0.1) await new Promise((resolve) => setImmediate(resolve));
      }
      for (const session of sessions) session.end({ exitCode: 0 });
      expect(await emitter.flush(20_000), `round ${round}`).toMatchObject({ events: 0 });
      let lostOfAll = 0;
      for (const [at, { id }] of sessions.entries()) {
        const events = gateway.events(id);
        expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n));
        expect(gateway.isFinal(id)).toBe(true);
        const lost = events.reduce((sum, { lost_bytes = 0 }) => sum + lost_bytes, 0);
        lostOfAll += lost;
        expect(gateway.output(id).length + lost, `round ${round}`).toBe(offered[at]);
        const numbers = (gateway.output(id).match(/.{4}/g) ?? []).map(Number);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      }
      expect([...gateway.times.values()].every((times) => times === 1)).toBe(true);
      const { stats } = emitter;
      expect(stats.lostBytes).toBe(lostOfAll);
      expect(stats.offered).toBe(stats.stored + stats.duplicates + stats.refused + stats.dropped);
      await emitter.close();
    }
    rmSync(base, { recursive: true });
  }, 60_000);
});

it('throws where the options are wrong, as that shows at the start', () => {
  expect(() => createEmitter({ url: 'ftp://x', token: 't' })).toThrow(TypeError);
  expect(() => createEmitter({ url: gateway.url, token: 't', producer: 'a b' })).toThrow(TypeError);
  expect(() => createEmitter({ url: gateway.url, token: 't', buffer: { bytes: -1 } })).toThrow(TypeError);
  const unset = undefined as unknown as string;
  expect(() => createEmitter({ url: unset, token: 't' })).toThrow(/^url is missing/);
  expect(() => createEmitter({ url: gateway.url, token: unset })).toThrow(/^token is missing/);
});

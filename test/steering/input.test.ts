// Input: all or none of a message, in order, once, and never in the way of anything else.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inAll } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
let gateway: GatewayProcess;
let dir: string;
beforeAll(async () => {
  gateway = await openGatewayProcess({ maxInputBytes: MIB });
  dir = mkdtempSync(join(tmpdir(), 'binnacle-input-'));
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const recorder = () => gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const numbered = (client: string, n: number) => ({ 'binnacle-client': client, 'binnacle-message': String(n) });

describe('input', () => {
  it('answers with a receipt: how much was taken, and how much waits', async () => {
    const { id } = await recorder();
    expect((await gateway.input(id, 'hello\n')).json).toEqual({ accepted: 6, duplicate: false, queued: 0 });
    expect((await gateway.input(id, '')).json).toEqual({ accepted: 0, duplicate: false, queued: 0 });
    expect(await gateway.seen(id, '\n')).toBe('hello\n');
  });

  it('of 1 MiB arrives byte for byte', async () => {
    const file = join(dir, 'large');
    const { id } = await gateway.create({ command: `cat > ${file}`, mode: 'pipe' });
    const bytes = randomBytes(MIB);
    const { json } = await gateway.input(id, bytes);
    expect(json).toMatchObject({ accepted: MIB, duplicate: false });
    await gateway.ask(`/v1/sessions/${id}/close-stdin`, { method: 'POST' });
    expect(await gateway.closed(id)).toMatchObject({ exitCode: 0 });
    expect(sha256(readFileSync(file))).toBe(sha256(bytes));
  });

  it('of one byte more than fits is refused whole, and not with "try again"', async () => {
    const { id } = await recorder();
    const { status, code, json } = await gateway.input(id, Buffer.alloc(MIB + 1));
    expect({ status, code, retryable: json.error.retryable }).toEqual({
      status: 413,
      code: 'body_too_large',
      retryable: false,
    });
    const frames = await gateway.frames();
    const base64 = Buffer.alloc(MIB + 1).toString('base64');
    expect((await frames.ask({ t: 'input', session: id, base64 })).error.code).toBe('body_too_large');
    expect(await gateway.output(id)).toBe('');
  });

  it('keeps the order of 1,000 small messages of one connection', async () => {
    const { id } = await recorder();
    const frames = await gateway.frames();
    const lines = Array.from({ length: 1_000 }, (_, n) => `line ${n}\n`);
    for (const text of lines) frames.send({ t: 'input', session: id, text });
    expect(await gateway.seen(id, 'line 999\n')).toBe(lines.join(''));
    await until('all are answered', () => frames.all.filter(({ t }) => t === 'ok').length === 1_000);
  });

  it('never mixes the messages of writers that write at once', async () => {
    const { id } = await recorder();
    const messages = Array.from({ length: 40 }, (_, n) => `${String.fromCharCode(65 + (n % 26)).repeat(3_000)}${n}\n`);
    const answers = await Promise.all(messages.map((text) => gateway.input(id, text)));
    expect(answers.map(({ status }) => status)).toEqual(messages.map(() => 200));
    const length = messages.join('').length;
    await until('all has come', async () => (await gateway.info(id)).outputOffset === length);
    expect((await gateway.output(id)).split('\n').sort()).toEqual(messages.join('').split('\n').sort());
  });

  it('with a client and a number acts once, over HTTP and WebSocket alike', async () => {
    const { id } = await recorder();
    const frames = await gateway.frames();
    expect((await gateway.input(id, 'a', numbered('c', 1))).json.duplicate).toBe(false);
    for (let again = 0; again < 5; again++) {
      expect((await gateway.input(id, 'a', numbered('c', 1))).json).toMatchObject({ accepted: 1, duplicate: true });
      const { result } = await frames.ask({ t: 'input', session: id, text: 'a', client: 'c', n: 1 });
      expect(result).toMatchObject({ accepted: 1, duplicate: true });
    }
    expect((await frames.ask({ t: 'input', session: id, text: 'b', client: 'c', n: 2 })).result.duplicate).toBe(false);
    expect((await gateway.input(id, 'b', numbered('c', 2))).json.duplicate).toBe(true);
    // Ten at once of the same number: one acts.
    const answers = await Promise.all(Array.from({ length: 10 }, () => gateway.input(id, 'c', numbered('c', 3))));
    expect(answers.filter(({ json }) => json.duplicate === false)).toHaveLength(1);
    expect(await gateway.seen(id, 'abc')).toBe('abc');
  });

  it('names the number that is missing when one was skipped', async () => {
    const { id } = await recorder();
    await gateway.input(id, 'a', numbered('c', 1));
    const { status, json } = await gateway.input(id, 'c', numbered('c', 3));
    expect({ status, code: json.error.code, details: json.error.details }).toEqual({
      status: 409,
      code: 'input_gap',
      details: { expected: 2 },
    });
    expect(await gateway.seen(id, 'a')).toBe('a');
  });

  it('remembers the numbers through a kill -9 of the gateway: what is sent again acts once', async () => {
    const { id } = await recorder();
    await gateway.input(id, 'once\n', numbered('c', 1));
    await gateway.kill();
    await gateway.start();
    expect((await gateway.input(id, 'once\n', numbered('c', 1))).json).toMatchObject({ duplicate: true });
    expect((await gateway.input(id, 'twice\n', numbered('c', 2))).json).toMatchObject({ duplicate: false });
    expect(await gateway.seen(id, 'twice\n')).toBe('once\ntwice\n');
  });

  it('whose client or number makes no sense is refused', async () => {
    const { id } = await recorder();
    const bad: Record<string, string>[] = [
      { 'binnacle-client': 'c' },
      { 'binnacle-message': '1' },
      ...['0', '-1', '1.5', '1e3', 'x', ''].map((n) => ({ 'binnacle-client': 'c', 'binnacle-message': n })),
    ];
    for (const headers of bad) {
      const { status } = await gateway.input(id, 'x', headers);
      expect({ headers, status }).toEqual({ headers, status: 400 });
    }
    const frames = await gateway.frames();
    const wrong = [
      { client: 'c' },
      { n: 1 },
      { client: 'c', n: 0 },
      { client: '', n: 1 },
      { text: undefined },
      { base64: 'eA==' },
      { text: undefined, base64: '***' },
      { text: 5 },
    ];
    for (const fields of wrong) {
      const { error } = await frames.ask({ t: 'input', session: id, text: 'x', ...fields });
      expect({ fields, code: error?.code }).toEqual({ fields, code: 'protocol_error' });
    }
    expect(await gateway.output(id)).toBe('');
  });

  it('passes bracketed paste and every other byte through untouched', async () => {
    const script = 'stty raw -echo; echo ready; head -c 22 | od -An -v -tx1 -w22';
    const { id } = await gateway.create({ command: script });
    await gateway.seen(id, 'ready');
    const paste = '\x1b[200~a\rb\nc\x03d\x04\xff\x1b[201~';
    const bytes = Buffer.from(paste, 'latin1');
    expect(bytes).toHaveLength(21);
    await gateway.input(id, Buffer.concat([bytes, Buffer.of(0)]));
    const hex = [...bytes, 0].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    await gateway.seen(id, hex);
  });

  it('to a program that has ended says so, and so does input after close-stdin', async () => {
    const { id } = await gateway.create({ command: 'cat; sleep 30', mode: 'pipe' });
    await gateway.input(id, 'last words\n');
    expect((await gateway.ask(`/v1/sessions/${id}/close-stdin`, { method: 'POST' })).status).toBe(204);
    expect((await gateway.input(id, 'x')).code).toBe('stdin_closed');
    expect((await gateway.ask(`/v1/sessions/${id}/close-stdin`, { method: 'POST' })).status).toBe(204);
    expect(await gateway.seen(id, '\n')).toBe('last words\n');
    await gateway.ask(`/v1/sessions/${id}/signal`, { body: { signal: 'TERM' } });
    await gateway.closed(id);
    for (const path of ['input', 'close-stdin']) {
      expect((await gateway.ask(`/v1/sessions/${id}/${path}`, { method: 'POST' })).code).toBe('session_exited');
    }
  });

  it('says session_exited, and nothing else, from the moment of the exit on', async () => {
    // A child that holds the terminal: exited, not closed. Asked without a pause, so that no moment is missed.
    for (const mode of ['pty', 'pipe']) {
      const { id } = await gateway.create({ command: "trap '' HUP; sleep 30 & read -r line; exit 3", mode });
      await gateway.input(id, 'go\n');
      const codes = new Set<string>();
      await until('it has exited', async () => {
        const { code, status } = await gateway.input(id, 'x');
        codes.add(code ?? String(status));
        return code !== undefined;
      });
      for (let n = 0; n < 20; n++) codes.add((await gateway.input(id, 'x')).code ?? 'taken');
      codes.delete('200');
      expect([...codes]).toEqual(['session_exited']);
      expect(await gateway.info(id)).toMatchObject({ state: 'exited', exitCode: 3 });
    }
  });

  it('ends with end-of-file in a terminal too, behind what was written', async () => {
    const { id } = await gateway.create({ command: 'cat; echo "status $?"' });
    await gateway.input(id, 'line\n');
    await gateway.ask(`/v1/sessions/${id}/close-stdin`, { method: 'POST' });
    await gateway.seen(id, 'status 0');
    expect(await gateway.closed(id)).toMatchObject({ exitCode: 0 });
  });
});

inAll(
  'a program that does not read fills its queue and no more; everything else goes on; nothing spins',
  { timeout: 20_000 },
  async () => {
    const { id } = await gateway.create({ command: 'stty raw -echo; echo ready; sleep 0.1; kill -STOP $$; exec cat' });
    await gateway.seen(id, 'ready');
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id, from: 'now' });
    // More than the terminal (some 22 KB) and the queue (1 MiB) can hold, in one go.
    const chunk = 'y'.repeat(64 * 1024);
    const answers = await Promise.all(
      Array.from({ length: 24 }, () => frames.ask({ t: 'input', session: id, text: chunk })),
    );
    const taken = answers.filter(({ t }) => t === 'ok');
    const refused = answers.filter(({ t }) => t === 'error');
    expect(taken.length).toBeGreaterThanOrEqual(15);
    expect(taken.length).toBeLessThanOrEqual(17);
    for (const { error } of refused) {
      expect(error).toMatchObject({ code: 'input_full', retryable: true, details: { limit: MIB } });
      expect(error.details.queued).toBeGreaterThan(MIB - 64 * 1024);
    }
    expect(taken.at(-1).result.queued).toBeGreaterThan(MIB - 128 * 1024);
    // The queue is one message of bytes, not a gate: all else is answered at once.
    const begun = performance.now();
    expect((await frames.ask({ t: 'ping', time: 5 })).t).toBe('pong');
    expect((await frames.ask({ t: 'resize', session: id, cols: 90, rows: 20 })).t).toBe('ok');
    expect((await frames.ask({ t: 'lease', session: id, action: 'take' })).result.fence).toBe(1);
    expect(performance.now() - begun).toBeLessThan(500);
    const runner = runnerOf(gateway, id);
    const before = cpuTicks(runner);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const ticks = cpuTicks(runner) - before;
    // 100 ticks a second: less than 5 % of a core.
    expect(ticks).toBeLessThanOrEqual(10);
    // When it reads again, it gets what was taken, and nothing of what was refused.
    expect((await frames.ask({ t: 'signal', session: id, signal: 'CONT' })).t).toBe('ok');
    const expected = taken.length * chunk.length;
    const start = 'ready\n'.length; // raw: nothing is added to the line feed
    await until('all has come', async () => (await gateway.info(id)).outputOffset === start + expected, 15_000);
    expect((await gateway.output(id)).slice(start)).toBe(chunk.repeat(taken.length));
  },
);

/** The runner that hosts a session: it has its log open. */
function runnerOf({ dir: data }: GatewayProcess, session: string): number {
  for (const name of readdirSync(join(data, 'runners'))) {
    const { pid } = JSON.parse(readFileSync(join(data, 'runners', name, 'runner.json'), 'utf8')) as { pid: number };
    const log = statSync(join(data, 'sessions', session, 'log'));
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const found = statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false });
      const folder = join(data, 'sessions', session, 'log');
      const inLog = readdirSync(folder).some((file) => statSync(join(folder, file)).ino === found?.ino);
      if (found?.ino === log.ino || inLog) return pid;
    }
  }
  throw new Error('No runner has its log open.');
}

function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

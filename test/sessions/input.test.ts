// Cases 25 to 33 of docs/sessions.md, as far as no other test crosses them: what goes into a program.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess({ maxInputBytes: MIB });
});
afterAll(() => gateway.close());

const bash = (command: string, mode = 'pty') => gateway.create({ command, mode, env: { SHELL: '/bin/bash' } });
const closeStdin = (id: string) => gateway.ask(`/v1/sessions/${id}/close-stdin`, { method: 'POST' });

describe('a program that does not read, on /ws/session (no. 25)', () => {
  it('takes what its queue holds and no more; sizes, signals and pings go on, and nothing that was taken is lost', async () => {
    const { id, pid } = await bash('stty raw -echo; echo ready; kill -STOP $$; exec cat');
    await gateway.seen(id, 'ready');
    await until('it is stopped', () => readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') T '));
    const frames = await gateway.frames(`/ws/session/${id}?since=0`);
    await frames.next(({ type }) => type === 'connected');
    const chunk = 'y'.repeat(64 * 1024);
    for (let n = 0; n < 24; n += 1) frames.send({ type: 'stdin', data: chunk });
    frames.send({ type: 'ping' });
    await frames.next(({ type }) => type === 'pong');
    await until('some were refused', () => frames.all.some(({ code }) => code === 'INPUT_FULL'));
    frames.send({ type: 'resize', cols: 90, rows: 20 });
    await until('it has the size', async () => (await gateway.info(id)).cols === 90);
    frames.send({ type: 'ping' });
    await frames.next(({ type }) => type === 'pong');
    // Requests are answered in order: all that is refused was refused before the size.
    const refused = frames.all.filter(({ type }) => type === 'error');
    expect(refused.map(({ code }) => code)).toEqual(refused.map(() => 'INPUT_FULL'));
    expect(refused.length).toBeGreaterThanOrEqual(7);
    expect(refused.length).toBeLessThanOrEqual(9);
    frames.send({ type: 'signal', signal: 'SIGCONT' });
    const total = (24 - refused.length) * chunk.length;
    await until('all has come', () => frames.text('stdout').length === total, 15_000);
    expect(frames.text('stdout')).toBe('y'.repeat(total));
  }, 30_000);
});

describe('a line of 6,000 bytes (no. 26)', () => {
  const line = `${'x'.repeat(6_000)}\n`;

  it('is cut to 4,095 by a terminal that edits lines: the kernel does that, and nobody can ask it', async () => {
    const { id } = await bash('stty -echo; echo ready; head -n 1 | wc -c');
    await gateway.seen(id, 'ready');
    expect((await gateway.input(id, line)).json).toMatchObject({ accepted: 6_001 });
    expect(await gateway.seen(id, /ready\r\n\d+\r\n/)).toContain('\r\n4096\r\n');
  });

  it.each([
    ['a raw terminal', 'pty', 'stty raw -echo; echo ready; head -c 6001 | wc -c'],
    ['pipes', 'pipe', 'echo ready; head -n 1 | wc -c'],
  ])('arrives whole on %s', async (_, mode, command) => {
    const { id } = await bash(command, mode);
    await gateway.seen(id, 'ready');
    await gateway.input(id, line);
    await gateway.seen(id, '6001');
  });
});

describe('input that is echoed (no. 28)', () => {
  it('does not wait for its echo to be read: 512 KiB through a terminal that echoes, with nobody watching', async () => {
    const { id } = await bash('stty raw echo; echo ready; exec dd bs=1024 conv=ucase 2>/dev/null');
    await gateway.seen(id, 'ready');
    const block = Buffer.alloc(32 * 1024, 'abcdefgh');
    const blocks = 16;
    for (let n = 0; n < blocks; n += 1) {
      await until('it is taken', async () => (await gateway.input(id, block)).status === 200);
    }
    const wanted = 'ABCDEFGH'.repeat((blocks * block.length) / 8);
    // Each byte comes twice: small as the echo of the terminal, of which the kernel may drop some, large from the program.
    let text = '';
    await until(
      'all of it is back',
      async () => {
        if ((await gateway.info(id)).outputOffset < wanted.length) return false;
        text = (await gateway.output(id)).slice('ready\n'.length);
        return text.replaceAll(/[a-h]/g, '').length === wanted.length;
      },
      20_000,
    );
    expect(text.replaceAll(/[a-h]/g, '')).toBe(wanted);
    expect(text.replaceAll(/[A-H]/g, '').length).toBeGreaterThan(0);
  }, 40_000);
});

describe('two who write at once (no. 29, 30)', () => {
  it('are never mixed within a message, however large, and neither cuts the other inside a character', async () => {
    const { id } = await bash('exec cat', 'pipe');
    const [one, other] = [await gateway.frames(), await gateway.frames()];
    const message = (mark: string, n: number) => `\x1b[200~${mark.repeat(20_000)}${n}\x1b[201~`;
    const asked = Array.from({ length: 10 }, (_, n) => [
      one.ask({ t: 'input', session: id, text: message('é', n), client: 'one', n: n + 1 }),
      other.ask({ t: 'input', session: id, text: message('€', n), client: 'other', n: n + 1 }),
    ]).flat();
    expect((await Promise.all(asked)).map(({ t }) => t)).toEqual(asked.map(() => 'ok'));
    const bytes = Array.from({ length: 10 }, (_, n) => Buffer.byteLength(message('é', n) + message('€', n)));
    const total = bytes.reduce((sum, count) => sum + count, 0);
    await until('all has come', async () => (await gateway.info(id)).outputOffset === total);
    const end = '\x1b[201~';
    const pastes = (await gateway.output(id)).split(end).map((paste) => paste + end);
    for (const mark of ['é', '€']) {
      expect(pastes.filter((paste) => paste.includes(mark))).toEqual(
        Array.from({ length: 10 }, (_, n) => message(mark, n)),
      );
    }
  });
});

describe('input that nobody reads any more (no. 31)', () => {
  it('is refused on /ws/session by its code when the program has ended, and the connection goes on to its end', async () => {
    const { id } = await bash("trap '' HUP; sleep 600 & read -r; exit 3", 'pipe');
    const frames = await gateway.frames(`/ws/session/${id}`);
    frames.send({ type: 'stdin', data: '\n' });
    await until('it has exited', async () => (await gateway.info(id)).state === 'exited');
    frames.send({ type: 'stdin', data: 'too late\n' });
    expect(await frames.next(({ type }) => type === 'error')).toMatchObject({ code: 'SESSION_EXITED' });
    expect(await frames.closing()).toEqual({ code: 1000, reason: 'exit' });
  });

  it('harms nobody when the program has closed its own end: no error on the stream ends its runner', async () => {
    const { id } = await bash('exec 0<&-; echo closed; sleep 600', 'pipe');
    const beside = await bash('exec cat', 'pipe');
    await gateway.seen(id, 'closed');
    for (let n = 0; n < 5; n += 1) {
      // The pipe and then the queue take it: they cannot know that nobody will come.
      expect((await gateway.input(id, Buffer.alloc(32 * 1024))).status).toBe(200);
    }
    expect((await closeStdin(id)).status).toBe(204);
    await gateway.input(beside.id, 'alive\n');
    await gateway.seen(beside.id, 'alive');
    expect(await gateway.info(id)).toMatchObject({ state: 'running' });
    expect(gateway.stderr).toBe('');
  });
});

describe('the end of input in a terminal (no. 32)', () => {
  it('is Ctrl-D: in the middle of a line it hands the line over, at the start of one it is the end', async () => {
    const { id } = await bash('stty -echo; echo ready; cat; echo "[end $?]"');
    await gateway.seen(id, 'ready');
    await gateway.input(id, 'half');
    await closeStdin(id);
    // Handed over, not ended.
    expect(await gateway.seen(id, 'half')).not.toContain('[end');
    await gateway.input(id, ' line\n');
    expect(await gateway.seen(id, ' line')).not.toContain('[end');
    await closeStdin(id);
    await gateway.seen(id, 'half line\r\n[end 0]');
  });

  it('is a byte like others for a program that has set it raw', async () => {
    const { id } = await bash('stty raw -echo; echo ready; head -c 3 | od -An -tx1');
    await gateway.seen(id, 'ready');
    await gateway.input(id, 'a');
    await closeStdin(id);
    await gateway.input(id, 'b');
    await gateway.seen(id, '61 04 62');
  });
});

describe('input that is there before its reader (no. 33)', () => {
  it.each(['pty', 'pipe'])('waits for it on a %s: sent at once, read late, nothing is lost', async (mode) => {
    const lines = Array.from({ length: 50 }, (_, n) => `line ${n}\n`);
    await Promise.all(
      Array.from({ length: count({ quick: 3, all: 10 }) }, async () => {
        const { id } = await bash(
          'sleep 0.2; stty -echo 2>/dev/null; for i in $(seq 50); do read -r l; echo "got $l"; done',
          mode,
        );
        for (const line of lines) await gateway.input(id, line);
        const text = await gateway.seen(id, 'got line 49');
        expect(text.match(/got line \d+/g)).toEqual(lines.map((line) => `got ${line.trim()}`));
      }),
    );
  });

  it('is kept by a session that is just being started', async () => {
    const wanted = count({ quick: 4, all: 10 });
    let met = 0;
    for (let n = 0; n < 200 && met < wanted; n += 1) {
      let hasStarted = false;
      const starting = gateway.create({ argv: ['/bin/cat'], mode: n % 2 === 0 ? 'pty' : 'pipe' }).finally(() => {
        hasStarted = true;
      });
      // Whoever lists sessions can know of it before it runs.
      let found: string | undefined;
      while (found === undefined && !hasStarted) {
        const { sessions } = (await gateway.ask('/v1/sessions?limit=5')).json;
        found = sessions.find(({ state }: { state: string }) => state === 'starting')?.id;
      }
      if (found !== undefined) {
        met += 1;
        expect(await gateway.input(found, 'early\n')).toMatchObject({ status: 200, json: { accepted: 6 } });
        await gateway.seen(found, 'early');
      }
      const { id } = await starting;
      await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    }
    expect(met).toBe(wanted);
  }, 60_000);

  it('is refused by code for a session that there is not, and is not kept for later', async () => {
    expect(await gateway.input('01890000-0000-7000-8000-000000000000', 'x')).toMatchObject({
      status: 404,
      code: 'session_not_found',
    });
  });
});

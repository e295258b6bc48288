// Signals and sizes: they reach the job and leave the shell alone.

import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

const signal = (id: string, name: string) => gateway.ask(`/v1/sessions/${id}/signal`, { body: { signal: name } });
const resize = (id: string, body: unknown) => gateway.ask(`/v1/sessions/${id}/resize`, { body });
const shell = (mode: string) => gateway.create({ mode, env: { SHELL: '/bin/bash', PS1: '$ ' } });

describe('a signal', () => {
  it('interrupts the foreground job in a terminal; the shell lives and knows (130)', async () => {
    const { id } = await shell('pty');
    await gateway.input(id, 'echo begun-$((1+1)); sleep 60\n');
    await gateway.seen(id, 'begun-2');
    await until('sleep is in the foreground', async () => {
      await signal(id, 'SIGINT');
      await gateway.input(id, 'echo "status=$?"\n');
      return (await gateway.output(id)).includes('status=130');
    });
    expect(await gateway.info(id)).toMatchObject({ state: 'running' });
  });

  it('stops a foreground job, which the shell can go on with', async () => {
    const { id } = await shell('pty');
    await gateway.input(id, 'echo begun-$((1+1)); sleep 60\n');
    await gateway.seen(id, 'begun-2');
    await until('it is stopped', async () => {
      await signal(id, 'TSTP');
      return /Stopped\s+sleep 60/.test(await gateway.output(id));
    });
    await gateway.input(id, 'jobs; kill %1; echo still-$((40+2))\n');
    await gateway.seen(id, 'still-42');
  });

  it('interrupts the job of an interactive shell on pipes; the shell goes on', async () => {
    const { id } = await shell('pipe');
    await gateway.input(id, 'echo begun; sleep 60; echo "status=$?"\n');
    await gateway.seen(id, 'begun');
    await until('the job is interrupted', async () => (await signal(id, 'INT')).status === 204);
    await gateway.seen(id, 'status=130');
    await gateway.input(id, 'echo still-$((40+2))\n');
    await gateway.seen(id, 'still-42');
    // Nothing runs now: an interrupt has nobody to go to, and must not take the shell.
    for (const name of ['INT', 'QUIT', 'TSTP']) expect((await signal(id, name)).code).toBe('no_job');
    expect((await signal(id, 'TERM')).status).toBe(204);
    expect(await gateway.closed(id)).toMatchObject({ signal: 'SIGTERM', exitCode: null });
  });

  it('reaches a command on pipes as a group: all that it started', async () => {
    const command = 'sleep 61 | sleep 62; echo never';
    const { id, pid } = await gateway.create({ command, mode: 'pipe' });
    const group = () => groupOf(pid ?? -1);
    await until('both run', async () => (await group()).length === 3);
    expect((await signal(id, 'SIGINT')).status).toBe(204);
    expect(await gateway.closed(id)).toMatchObject({ signal: 'SIGINT', exitCode: null });
    expect(await group()).toEqual([]);
    expect(await gateway.output(id)).toBe('');
  });

  it.each(['INT', 'int', 'SIGINT', 'sigint'])('may be spelt %s', async (name) => {
    const { id } = await gateway.create({ argv: ['/bin/sleep', '60'], mode: 'pipe' });
    expect((await signal(id, name)).status).toBe(204);
    expect(await gateway.closed(id)).toMatchObject({ signal: 'SIGINT' });
  });

  it.each(['SIGFOO', '', '9', 'SIGSIGINT', 'SIG', 'SIGKILL; rm', 'A'.repeat(100)])('is unknown: %j', async (name) => {
    const { id } = await gateway.create({ argv: ['/bin/sleep', '60'], mode: 'pipe' });
    const { status, code } = await signal(id, name);
    expect({ status, code }).toEqual({ status: 400, code: 'unknown_signal' });
    const frames = await gateway.frames();
    expect((await frames.ask({ t: 'signal', session: id, signal: name })).error.code).toBe('unknown_signal');
    frames.ws.close();
    expect((await gateway.info(id)).state).toBe('running');
  });

  it('to a program that has ended is refused, from the moment of the exit on', async () => {
    for (const mode of ['pty', 'pipe']) {
      const { id } = await gateway.create({ command: "trap '' HUP; sleep 30 & exit 3", mode });
      const codes = new Set<string>();
      await until('it has exited', async () => {
        const { code, status } = await signal(id, 'CONT');
        codes.add(code ?? String(status));
        return code !== undefined;
      });
      for (let n = 0; n < 10; n++) codes.add((await signal(id, 'CONT')).code ?? 'sent');
      codes.delete('204');
      expect([...codes]).toEqual(['session_exited']);
      await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    }
  });
});

describe('a size', () => {
  const bad = [
    { cols: 0, rows: 24 },
    { cols: 80, rows: 0 },
    { cols: -1, rows: 24 },
    { cols: 65_536, rows: 24 },
    { cols: 1.5, rows: 24 },
    { cols: Number.NaN, rows: 24 },
    { cols: 80, rows: Number.POSITIVE_INFINITY },
    { cols: '80', rows: 24 },
    { cols: 80, rows: '24' },
    { cols: true, rows: 24 },
    { cols: [80], rows: 24 },
    { rows: 24 },
    { cols: 80 },
    {},
  ];

  it('that is none is refused with bad_size, everywhere it can be said', async () => {
    const { id } = await gateway.create({ argv: ['/bin/cat'] });
    const frames = await gateway.frames();
    for (const size of bad) {
      const { code, status } = await resize(id, size);
      const isMissing = size.cols === undefined || size.rows === undefined;
      expect.soft({ size, code, status }).toEqual({ size, code: isMissing ? 'bad_request' : 'bad_size', status: 400 });
      const { error } = await frames.ask({ t: 'resize', session: id, ...size });
      expect.soft({ size, code: error?.code }).toEqual({ size, code: 'bad_size' });
      if (isMissing) continue;
      const created = await gateway.ask('/v1/sessions', { body: { ...size, argv: ['/bin/cat'] } });
      expect.soft({ size, code: created.code }).toEqual({ size, code: 'bad_size' });
    }
    expect(await gateway.info(id)).toMatchObject({ cols: 80, rows: 24 });
  });

  it('reaches the program, the record and the log; the same again is no signal', async () => {
    // Not a shell: bash drops a signal that comes while it still runs the trap of the one before.
    const script = `const size = () => console.log('winch ' + process.stdout.rows + ' ' + process.stdout.columns);
      process.on('SIGWINCH', () => setImmediate(size)); setInterval(() => {}, 1000); console.log('ready');`;
    const { id } = await gateway.create({ argv: [process.execPath, '-e', script], cols: 100, rows: 30 });
    await gateway.seen(id, 'ready');
    expect((await resize(id, { cols: 100, rows: 30 })).status).toBe(204);
    expect((await resize(id, { cols: 65_535, rows: 1 })).status).toBe(204);
    await gateway.seen(id, 'winch 1 65535');
    expect((await resize(id, { cols: 65_535, rows: 1 })).status).toBe(204);
    expect((await resize(id, { cols: 101, rows: 31 })).status).toBe(204);
    await gateway.seen(id, 'winch 31 101');
    expect((await gateway.output(id)).match(/winch/g)).toHaveLength(2);
    expect(await gateway.info(id)).toMatchObject({ cols: 101, rows: 31 });
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id });
    await frames.next((frame) => frame.kind === 'resize' && frame.data.cols === 101);
    const sizes = frames.all.filter(({ kind }) => kind === 'resize').map(({ data }) => `${data.cols}x${data.rows}`);
    expect(sizes).toEqual(['100x30', '65535x1', '101x31']);
  });

  it('is the business of the holder alone', async () => {
    const { id } = await gateway.create({ argv: ['/bin/cat'] });
    const { json: grant } = await gateway.ask(`/v1/sessions/${id}/lease`, {
      body: { action: 'acquire', holder: 'ada' },
    });
    const { status, json } = await resize(id, { cols: 90, rows: 20 });
    expect({ status, code: json.error.code, holder: json.error.details.holder }).toEqual({
      status: 409,
      code: 'lease_held',
      holder: 'ada',
    });
    expect((await signal(id, 'INT')).code).toBe('lease_held');
    expect((await gateway.ask(`/v1/sessions/${id}/close-stdin`, { method: 'POST' })).code).toBe('lease_held');
    const headers = { 'binnacle-lease': grant.lease };
    const resized = await gateway.ask(`/v1/sessions/${id}/resize`, { body: { cols: 90, rows: 20 }, headers });
    expect(resized.status).toBe(204);
    expect(await gateway.info(id)).toMatchObject({ cols: 90, rows: 20, lease: { holder: 'ada' } });
  });

  it('is nothing that pipes have', async () => {
    const { id } = await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
    expect((await resize(id, { cols: 90, rows: 20 })).code).toBe('not_a_tty');
  });
});

describe('the answers of a terminal', () => {
  it('are taken from the connection that holds the lease, and dropped from all others', async () => {
    const { id } = await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
    const [viewer, holder] = await Promise.all([gateway.frames(), gateway.frames()]);
    const auto = (text: string) => ({ t: 'input', session: id, text, auto: true });
    // Nobody holds it: an answer of somebody's terminal is still nothing that somebody typed.
    expect((await viewer.ask(auto('\x1b[?62c'))).result).toEqual({ accepted: 0, duplicate: false, queued: 0 });
    await holder.ask({ t: 'lease', session: id, action: 'acquire' });
    expect((await viewer.ask(auto('\x1b]11;rgb:0/0/0\x07'))).result.accepted).toBe(0);
    expect((await holder.ask(auto('\x1b[1;1R'))).result.accepted).toBe(6);
    expect(await gateway.seen(id, 'R')).toBe('\x1b[1;1R');
  });
});

async function groupOf(leader: number): Promise<number[]> {
  const { readdirSync, readFileSync } = await import('node:fs');
  return readdirSync('/proc').flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(fields[2]) === leader && fields[0] !== 'Z' ? [Number(name)] : [];
    } catch {
      return []; // Not a process, or one that has just ended.
    }
  });
}

import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Epoch } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AT_ONCE, everyMs, type Head } from '../log/log.ts';
import { MemoryLog } from '../log/memory-log.fixture.ts';
import { Fifos } from '../process/fifos.ts';
import type { ProgramEvents, StartProgram } from '../process/program.ts';
import { RunnerLink } from './client/link.ts';
import { identityOf } from './directory-identity.ts';
import { HostedProgram } from './hosted-program.ts';
import { Runner } from './runner.ts';
import { encodeRunnerFrame, type HostedSpec, type HostedStatus, type RunnerReceipt, type ToRunner } from './wire.ts';

const TOKEN = 'a token of this runner';
let dir: string;
let path: string;
let runner: Runner;
let links: RunnerLink[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-runner-'));
  path = join(dir, 'r.sock');
  links = [];
  // This process is the one of the tests: a runner without a gateway would end it a minute later.
  runner = new Runner({ token: TOKEN, root: dir, dir, syncMs: 0, orphanMs: 0, exit: () => undefined });
  await runner.listen(path);
  // It makes FIFOs ahead: until they are there the directory cannot be removed again.
  const made = () => readdirSync(dir).filter((name) => name.startsWith('fifo-')).length;
  await expect.poll(made, { timeout: 10_000 }).toBe(12);
});
afterEach(async () => {
  await runner.endAll();
  for (const link of links) link.close();
  // Programs that ended by themselves are just being closed: their logs are synced before.
  await expect.poll(() => openBelow(dir), { timeout: 10_000 }).toEqual([]);
  rmSync(dir, { recursive: true, force: true });
});

function specOf(argv: [string, ...string[]]): HostedSpec {
  const id = uuidv7();
  const home = join(dir, id);
  mkdirSync(home);
  return {
    id,
    dir: home,
    mode: 'pipe',
    argv,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', BINNACLE_SESSION: id },
    cols: 80,
    rows: 24,
    isShell: false,
    segmentBytes: 1024 * 1024,
    retainBytes: 16 * 1024 * 1024,
    retainMs: 3600_000,
    maxInputBytes: 1024,
  };
}

/** A gateway's end, with the statuses and the growth that the runner reported. `isBusy`: it has not read the hello yet. */
async function gateway(isBusy = false, directory = identityOf(dir)) {
  const statuses: HostedStatus[] = [];
  const grown: { offset: number; left: number }[] = [];
  let onLost: () => void = () => undefined;
  const lost = new Promise<void>((resolve) => {
    onLost = resolve;
  });
  const events = {
    grew: (_: string, { offset }: Head, _oldest: Head, left: number) => void grown.push({ offset, left }),
    changed: (status: HostedStatus) => void statuses.push(status),
    ran: () => undefined,
    lost: onLost,
  };
  const { link, programs } = await RunnerLink.open(
    path,
    directory === '' ? { token: TOKEN } : { token: TOKEN, directory },
    events,
  );
  links.push(link);
  if (!isBusy) link.attend();
  return { link, programs, statuses, grown, lost };
}

const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? String(error),
  );

describe('one lease at the runner', () => {
  it('every way of steering is refused with an older fence, from the moment that a newer one is known', async () => {
    const { link } = await gateway();
    const spec = specOf(['/bin/cat']);
    await link.request({ t: 'start', spec });
    const { id } = spec;
    const write = (fence: number, text: string) =>
      link.request({ t: 'input', id, writer: { fence, by: 'x' } }, Buffer.from(text));
    expect(await write(5, 'five')).toEqual({ accepted: 4, duplicate: false, queued: 0 } satisfies RunnerReceipt);
    expect(await codeOf(write(4, 'four'))).toBe('lease_lost');
    await link.request({ t: 'fence', id, fence: 7 });
    // Two gateways, or one whose old request comes late: the number decides, not the order of the requests.
    const writer = { fence: 6, by: 'stale' };
    expect(await codeOf(write(6, 'six'))).toBe('lease_lost');
    expect(await codeOf(link.request({ t: 'signal', id, writer, signal: 'SIGKILL' }))).toBe('lease_lost');
    expect(await codeOf(link.request({ t: 'close_input', id, writer }))).toBe('lease_lost');
    // A lower one never comes back.
    await link.request({ t: 'fence', id, fence: 3 });
    expect(await codeOf(write(6, 'six'))).toBe('lease_lost');
    expect(await codeOf(write(7, 'seven'))).toBe('done');
    const status = (await link.request({ t: 'status', id })) as HostedStatus;
    expect(status.fence).toBe(7);
    const echoed = async () => ((await link.request({ t: 'status', id })) as HostedStatus).head.offset;
    await expect.poll(echoed, { timeout: 10_000 }).toBe(9);
  });

  it('a new gateway learns the fence, and the old one is cut off', async () => {
    const first = await gateway();
    const spec = specOf(['/bin/cat']);
    await first.link.request({ t: 'start', spec });
    await first.link.request({ t: 'fence', id: spec.id, fence: 9 });
    const second = await gateway();
    expect(second.programs).toMatchObject([{ id: spec.id, fence: 9, state: 'running' }]);
    await first.lost;
    const late = { t: 'input', id: spec.id, writer: { fence: 9, by: 'the old gateway' } } as const;
    expect(await codeOf(first.link.request(late, Buffer.from('x')))).toBe('runner_unavailable');
  });
});

describe('growth of a log', () => {
  it('is reported as often as a watch asks, and no more until the next watch', async () => {
    const { link, grown } = await gateway();
    const spec = specOf(['/bin/cat']);
    const { head } = (await link.request({ t: 'start', spec })) as HostedStatus;
    const echo = async (): Promise<number> => {
      const offset = async () => ((await link.request({ t: 'status', id: spec.id })) as HostedStatus).head.offset;
      const before = await offset();
      await link.request({ t: 'input', id: spec.id, writer: { fence: 1, by: 'ada' } }, Buffer.from('x'));
      await expect.poll(offset, { timeout: 10_000 }).toBe(before + 1);
      return before + 1;
    };
    link.watch(spec.id, head.place, AT_ONCE, 3);
    for (let keys = 0; keys < 4; keys += 1) await echo();
    expect(grown).toEqual([
      { offset: 1, left: 2 },
      { offset: 2, left: 1 },
      { offset: 3, left: 0 },
    ]);
    link.watch(spec.id, 0, everyMs(1), 1);
    await expect.poll(() => grown.at(-1), { timeout: 10_000 }).toEqual({ offset: 4, left: 0 });
    // A watch of more bytes than ever come is replaced by one of any.
    link.watch(spec.id, 0, everyMs(3_600_000), 1);
    await echo();
    expect(grown).toHaveLength(4);
    link.watch(spec.id, 0, AT_ONCE, 1);
    await expect.poll(() => grown.at(-1), { timeout: 10_000 }).toEqual({ offset: 5, left: 0 });
  });
});

describe('a gateway that was killed and comes back', () => {
  it('hears of a program that ends right behind the hello, which still said that it runs, once it has heard that', async () => {
    const first = await gateway();
    const spec = specOf(['/bin/cat']);
    const { pid } = (await first.link.request({ t: 'start', spec })) as HostedStatus;
    const { link, programs, statuses } = await gateway(true);
    expect(programs).toMatchObject([{ id: spec.id, state: 'running' }]);
    process.kill(pid ?? Number.NaN, 'SIGKILL');
    await expect.poll(() => link.request({ t: 'list' }), { timeout: 10_000 }).toEqual([]);
    expect(statuses).toEqual([]);
    link.attend();
    expect(statuses.at(-1)).toMatchObject({ id: spec.id, state: 'closed', signal: 'SIGKILL' });
  });
});

describe('the socket of a runner', () => {
  it('is for its owner alone, and answers nobody without the token', async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    for (const first of [
      encodeRunnerFrame({ t: 'hello', token: 'wrong', protocol: 1 }),
      encodeRunnerFrame({ t: 'hello', token: '', protocol: 1 }),
      encodeRunnerFrame({ t: 'hello', protocol: 1 } as unknown as ToRunner),
      encodeRunnerFrame({ t: 'list', ref: 1 }),
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.from([0, 0, 0, 8, 0, 0, 0, 99, 1, 2, 3, 4]),
    ]) {
      expect(await answerTo(first)).toBe('');
    }
    expect((await gateway()).programs).toEqual([]);
  });

  it('is not for a gateway of another data directory: whoever is attached stays', async () => {
    const { link, lost } = await gateway();
    let isLost = false;
    void lost.then(() => {
      isLost = true;
    });
    await expect(gateway(false, identityOf('/'))).rejects.toThrow(`started in the data directory ${identityOf(dir)}`);
    expect(await link.request({ t: 'list' })).toEqual([]);
    expect(isLost).toBe(false);
    // An older gateway names no directory.
    await gateway(false, '');
    await lost;
  });

  it('takes frames that come in any pieces', async () => {
    const socket = connect(path);
    const bytes = Buffer.concat([
      encodeRunnerFrame({ t: 'hello', token: TOKEN, protocol: 1 }),
      encodeRunnerFrame({ t: 'list', ref: 7 }),
    ]);
    for (const byte of bytes) {
      socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    let got = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (data) => {
        got += data.toString('latin1');
        if (got.includes('"ref":7')) resolve();
      });
    });
    expect(got).toContain('"result":[]');
    socket.destroy();
  });

  it('says of what it does not know that it is older than the gateway', async () => {
    const { link } = await gateway();
    expect(await codeOf(link.request({ t: 'dance' } as never))).toBe('bad_request');
    expect(await codeOf(link.request({ t: 'status', id: 'nobody' }))).toBe('session_exited');
  });
});

describe('a hosted program', () => {
  it('takes nothing any more once it has ended, though its exit is not on the disk yet', async () => {
    const spec = specOf(['/bin/true']);
    let events: ProgramEvents | undefined;
    const written: string[] = [];
    const startProgram: StartProgram = (_spec, options) => {
      events = options;
      return Promise.resolve({
        pid: process.pid,
        write: (bytes) => written.push(Buffer.from(bytes).toString()) && bytes.length,
        closeInput: () => void written.push('closed'),
        pause: () => undefined,
        resume: () => undefined,
        resize: () => void written.push('resized'),
        settle: (done) => done(),
        abandon: () => undefined,
      });
    };
    const log = new MemoryLog({ epoch: 'e1' as Epoch });
    const hosted = new HostedProgram(spec, log, {
      grew: () => undefined,
      changed: () => undefined,
      ran: () => undefined,
    });
    await hosted.start(startProgram, new Fifos(dir));
    const writer = { fence: 1, by: 'ada' };
    hosted.write(Buffer.from('before'), writer);
    events?.exited({ exitCode: 0, signal: null });
    const failure = (act: () => unknown) => expect(act).toThrow(expect.objectContaining({ code: 'session_exited' }));
    failure(() => hosted.write(Buffer.from('after'), writer));
    failure(() => hosted.closeInput(writer));
    // This process stands in for whoever got the program's number after it: it must not be signalled.
    failure(() => hosted.signal('SIGCONT', writer));
    hosted.resize(90, 20, writer);
    expect(written).toEqual(['before']);
    events?.ended();
    await hosted.closed;
    expect(hosted.status).toMatchObject({ state: 'closed', exitCode: 0 });
  });

  it('whose number belongs to another process by now gets no signal', async () => {
    const startProgram: StartProgram = () =>
      Promise.resolve({
        pid: 2 ** 22 + 1, // Beyond pid_max: nobody has it, as after a reaping.
        write: (bytes) => bytes.length,
        closeInput: () => undefined,
        pause: () => undefined,
        resume: () => undefined,
        resize: undefined,
        settle: (done) => done(),
        abandon: () => undefined,
      });
    const log = new MemoryLog({ epoch: 'e1' as Epoch });
    const hosted = new HostedProgram(specOf(['/bin/true']), log, {
      grew: () => undefined,
      changed: () => undefined,
      ran: () => undefined,
    });
    await hosted.start(startProgram, new Fifos(dir));
    const act = () => hosted.signal('SIGTERM', { fence: 1, by: 'ada' });
    expect(act).toThrow(expect.objectContaining({ code: 'session_exited' }));
  });
});

/** What comes back until the runner closes. */
function answerTo(first: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path, () => socket.write(first));
    let got = '';
    socket.on('data', (bytes) => {
      got += String(bytes);
    });
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
    // It may wait for the rest of what never comes: then we hang up, and nothing was sent.
    if (first.readUInt32BE(0) < 1000) return;
    setTimeout(() => socket.end(), 50);
  });
}

describe('retention of a hosted program that writes fast', () => {
  it('keeps its log within --retain-bytes all the while, and at its end', async () => {
    const { link } = await gateway();
    const [segmentBytes, retainBytes] = [64 * 1024, 256 * 1024];
    // Writes 20 MB, and on until there were enough looks at its log.
    const enough = join(dir, 'enough');
    const write = 'head -c 1000000 /dev/zero';
    const program = `for n in $(seq 20); do ${write}; done; until [ -e '${enough}' ]; do ${write}; done`;
    const spec = {
      ...specOf(['/bin/sh', '-c', program]),
      segmentBytes,
      retainBytes,
    };
    const bytes = () =>
      readdirSync(join(spec.dir, 'log')).reduce((sum, name) => sum + sizeOf(join(spec.dir, 'log', name)), 0);
    await link.request({ t: 'start', spec });
    let most = 0;
    let checks = 0;
    const isOver = async () => (await codeOf(link.request({ t: 'status', id: spec.id }))) === 'session_exited';
    do {
      most = Math.max(most, bytes());
      checks += 1;
      if (checks === 12) writeFileSync(enough, '');
    } while (!(await isOver()));
    expect(checks).toBeGreaterThan(10);
    // A header for each segment, and an index of some bytes for each 64 KiB.
    expect(most).toBeLessThan(retainBytes + 4096);
    expect(bytes()).toBeLessThan(retainBytes + 4096);
    expect(bytes()).toBeGreaterThan(retainBytes / 2);
  });
});

/** Files below a directory that this process has open. */
function openBelow(below: string): string[] {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // The descriptor that lists the others.
    }
  });
  return targets.filter((target) => target.startsWith(`${below}/`));
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { comparePositions, parsePosition, type RunInfo } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, inAll, some } from '../support/count.ts';
import { openGateway } from '../support/gateway.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { allOf, bytesOf, eventsOf, Gate, hasWritten, Shell, type SseEvent, textOf } from './runs.fixture.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess();
});
afterAll(() => gateway.close());

const names = (events: readonly SseEvent[]): string[] => events.map(({ event }) => event);
const endOf = (events: readonly SseEvent[]): RunInfo => {
  const last = events.at(-1);
  if (last?.event !== 'end') throw new Error(`It ended with ${last?.event}.`);
  return last.data.run as RunInfo;
};

describe('a run as a stream', () => {
  it('comes as it is written, without waiting for a line, and its end comes behind the last byte', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'stream');
    const command = `printf one; ${gate.wait}; printf '\\n\\n'; printf two >&2; (exit 3)`;
    const response = await shell.stream({ command }, {}, '');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const events: SseEvent[] = [];
    for await (const event of eventsOf(response)) {
      events.push(event);
      if (event.event === 'output' && event.data.text === 'one') gate.open();
    }
    expect(textOf(events.filter(({ data }) => data.kind === 'stdout'))).toBe('one\n\n');
    expect(textOf(events.filter(({ data }) => data.kind === 'stderr'))).toBe('two');
    expect(events[0]?.event).toBe('run');
    expect(names(events).filter((name) => name !== 'run' && name !== 'output')).toEqual(['end']);
    const { state, outcome, exitCode, startOffset, endOffset, durationMs } = endOf(events);
    expect({ state, outcome, exitCode, length: (endOffset ?? 0) - (startOffset ?? 0) }).toEqual({
      state: 'ended',
      outcome: 'exited',
      exitCode: 3,
      length: 8,
    });
    expect(durationMs).toBeGreaterThan(0);
    const places = events.map(({ id }) => parsePosition(id));
    for (const [i, at] of places.entries()) {
      const before = places[i - 1];
      if (before !== undefined) expect(comparePositions(before, at)).toBeLessThanOrEqual(0);
    }
  });

  it('says that it took the shell with it, and the next one has a fresh one', async () => {
    const shell = await Shell.open(gateway);
    const events = await allOf(await shell.stream({ command: 'echo bye; exit 7' }));
    expect(names(events).slice(-2)).toEqual(['reset', 'end']);
    expect(events.at(-2)?.data).toEqual({ exitCode: 7 });
    expect(endOf(events)).toMatchObject({ exitCode: 7, outcome: 'exited', reset: true });
    expect(await shell.isUsable()).toBe(true);
  });

  it('never breaks a character in text, and has every byte in base64', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'characters');
    const { id } = await shell.start({ command: `printf 'a\\303'; ${gate.wait}; printf '\\251z\\377\\342\\202'` });
    await hasWritten(shell, 2);
    const text = gateway.fetch(`${shell.path}/runs/${id}/output?format=sse`);
    gate.open();
    expect(textOf(await allOf(await text))).toBe('a\u00e9z\ufffd\ufffd');
    const bytes = Buffer.from([0x61, 0xc3, 0xa9, 0x7a, 0xff, 0xe2, 0x82]);
    expect(bytesOf(await allOf(await shell.events(id)))).toEqual(bytes);
  });

  it('in a terminal is what the terminal shows', async () => {
    const shell = await Shell.open(gateway, 'pty');
    const events = await allOf(await shell.stream({ command: '[ -t 0 ] && [ -t 1 ] && echo tty' }));
    expect(bytesOf(events, 'tty').toString()).toBe('tty\r\n');
    expect(endOf(events).exitCode).toBe(0);
  });
});

describe('a run as JSON', () => {
  it('has an address, is accepted at once and waited for on demand', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'json');
    const response = await shell.post({ id: 'mine', command: `${gate.wait}; echo done` });
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe(`${shell.path}/runs/mine`);
    expect((await response.json()) as RunInfo).toMatchObject({ id: 'mine', exitCode: null, outcome: null });
    expect((await shell.run('mine', 'wait=30')).state).not.toBe('ended');
    const [waited] = await Promise.all([shell.ended('mine'), gate.open()]);
    expect(waited).toMatchObject({ id: 'mine', state: 'ended', exitCode: 0, startOffset: 0, endOffset: 5 });
    expect(await shell.start({ command: 'false' }, 'wait=20000')).toMatchObject({ state: 'ended', exitCode: 1 });
    expect((await shell.runs()).map(({ exitCode }) => exitCode)).toEqual([0, 1]);
  });

  it('that is sent twice acts once', async () => {
    const shell = await Shell.open(gateway);
    const sent = Array.from({ length: 5 }, () => shell.start({ id: 'once', command: 'echo once' }, 'wait=20000'));
    for (const { state, exitCode } of await Promise.all(sent)) expect([state, exitCode]).toEqual(['ended', 0]);
    expect(textOf(await allOf(await shell.stream({ id: 'once', command: 'echo once' }, {}, '')))).toBe('once\n');
    expect(await shell.runs()).toHaveLength(1);
    expect((await shell.log()).toString()).toBe('once\n');
  });

  it('leaves jobs in the background that are listed with their session and end with it', async () => {
    const shell = await Shell.open(gateway);
    const { endedAt } = await shell.start({ command: 'sleep 1007 & disown' }, 'wait=20000');
    expect(endedAt).not.toBeNull();
    let processes: readonly { readonly pid: number; readonly command: string }[] = [];
    // The shell does not wait until what it has forked is the program.
    await until('the job is listed, and nothing else', async () => {
      processes = (await (await gateway.fetch(`${shell.path}/processes`)).json()).processes;
      return processes.map(({ command }) => command).join() === 'sleep 1007';
    });
    await gateway.client.sessions.delete(shell.id);
    const pid = processes[0]?.pid ?? 0;
    await until('it is gone', () => !isAlive(pid));
  });
});

describe('exact-resume: a run that somebody comes back to by its id', () => {
  const TEXT = 'abcdefghij';

  it('goes on at every since, while it runs and after its end, raw and as events', async () => {
    const shell = await Shell.open(gateway);
    await shell.start({ command: 'printf before' }, 'wait=20000');
    const gate = new Gate(gateway, 'since');
    const { id } = await shell.start({ command: `printf ${TEXT}; ${gate.wait}` });
    await hasWritten(shell, 16);
    const { startOffset } = await shell.run(id);
    expect(startOffset).toBe(6);
    const check = async (follow: string) => {
      for (let at = 0; at <= TEXT.length; at++) {
        const raw = await shell.raw(id, `since=${6 + at}`);
        expect(await raw.text()).toBe(TEXT.slice(at));
        expect(raw.headers.get('binnacle-next-offset')).toBe('16');
        const events = await allOf(await shell.events(id, `since=${6 + at}&follow=${follow}`));
        expect(bytesOf(events).toString()).toBe(TEXT.slice(at));
        expect(names(events).at(-1)).toBe('end');
      }
    };
    await check('0');
    const following = [0, 5, 10].map(async (at) => bytesOf(await allOf(await shell.events(id, `since=${6 + at}`))));
    const raw = shell.raw(id, 'follow=1').then((response) => response.text());
    gate.open();
    expect((await Promise.all(following)).map(String)).toEqual([TEXT, TEXT.slice(5), '']);
    expect(await raw).toBe(TEXT);
    await shell.ended(id);
    await shell.start({ command: 'printf behind' }, 'wait=20000');
    await check('1');
    expect((await shell.raw(id)).headers.get('binnacle-closed')).toBe('1');
  });

  it('goes on behind each event that it has had, by Last-Event-ID and by position', async () => {
    const shell = await Shell.open(gateway);
    const command = 'for i in 1 2 3 4 5 6; do echo $i; echo e$i >&2; sleep 0.01; done; exit 4';
    const events = await allOf(await shell.stream({ id: 'steps', command }));
    await shell.start({ command: 'printf behind' }, 'wait=20000');
    expect(bytesOf(events).length).toBe(12 + 18 + 'exit\n'.length);
    for (const [i, { id }] of events.entries()) {
      const rest = bytesOf(events.slice(i + 1));
      for (const response of [
        shell.events('steps', '', { 'last-event-id': id }),
        shell.events('steps', `position=${id}`),
      ]) {
        const resumed = await allOf(await response);
        expect(bytesOf(resumed)).toEqual(rest);
        expect(endOf(resumed)).toEqual(endOf(events));
      }
    }
  });

  it('outlives-us: after a kill -9 of the gateway, running, ended and queued', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'kill');
    const done = await allOf(await shell.stream({ id: 'done', command: 'echo over; exit 9' }));
    const command = `for i in 1 2 3; do echo $i; done; ${gate.wait}; echo 4; (exit 8)`;
    const stream = eventsOf(await shell.stream({ id: 'running', command }));
    const seen: SseEvent[] = [];
    while (bytesOf(seen).length < 6) seen.push((await stream.next()).value);
    await shell.start({ id: 'queued', command: 'echo later' });
    const cut = stream.next().catch(() => ({ done: true }));
    await gateway.kill();
    expect((await cut).done).toBe(true);
    await gateway.restart();

    const ended = await allOf(await shell.events('done'));
    expect(bytesOf(ended)).toEqual(bytesOf(done));
    expect(endOf(ended)).toEqual(endOf(done));
    const waiting = shell.events('queued').then(allOf);
    const resumed = eventsOf(await shell.events('running', '', { 'last-event-id': seen.at(-1)?.id ?? '' }));
    const rest: SseEvent[] = [(await resumed.next()).value];
    gate.open();
    for await (const event of resumed) rest.push(event);
    expect(bytesOf([...seen, ...rest]).toString()).toBe('1\n2\n3\n4\n');
    expect(endOf(rest)).toMatchObject({ exitCode: 8, outcome: 'exited' });
    const late = await waiting;
    expect(bytesOf(late).toString()).toBe('later\n');
    expect(late.filter(({ event }) => event === 'run').map(({ data }) => data.state as string)).toEqual([
      'queued',
      'running',
    ]);
  });

  it('that waits for its turn is followed from its beginning, and is empty until then', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'turn');
    await shell.start({ command: `${gate.wait}; echo first` });
    const { id, state } = await shell.start({ command: 'echo second' });
    expect(state).toBe('queued');
    const now = await shell.raw(id);
    expect([now.status, await now.text(), now.headers.get('binnacle-next-offset')]).toEqual([200, '', null]);
    const glance = await allOf(await shell.events(id, 'follow=0'));
    expect(names(glance)).toEqual(['run', 'end']);
    expect(endOf(glance).state).toBe('queued');
    const raw = shell.raw(id, 'follow=1').then((response) => response.text());
    const stream = shell.events(id).then(allOf);
    gate.open();
    expect(await raw).toBe('second\n');
    expect(bytesOf(await stream).toString()).toBe('second\n');
  });
});

describe('a run whose client goes away', () => {
  /** Starts it as a stream and leaves when its first output has come. */
  async function leave(shell: Shell, id: string, onDisconnect: string, command: string): Promise<void> {
    const abort = new AbortController();
    const response = await shell.stream({ id, command, onDisconnect }, { signal: abort.signal });
    for await (const { event } of eventsOf(response)) if (event === 'output') break;
    abort.abort();
  }

  it('goes on with onDisconnect detach', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'detach');
    await leave(shell, 'left', 'detach', `echo 1; ${gate.wait}; echo 2`);
    await until('nobody reads it', async () => (await shell.run('left')).state === 'running');
    gate.open();
    expect(await shell.ended('left')).toMatchObject({ outcome: 'exited', exitCode: 0 });
    expect(await (await shell.raw('left')).text()).toBe('1\n2\n');
  });

  it('is cancelled with onDisconnect cancel, and its session stays usable', async () => {
    const shell = await Shell.open(gateway);
    await leave(shell, 'left', 'cancel', 'echo 1; sleep 1008');
    expect(await shell.ended('left')).toMatchObject({ state: 'ended', outcome: 'cancelled' });
    expect(await shell.isUsable()).toBe(true);
    expect(await (await gateway.fetch(`${shell.path}/processes`)).json()).toEqual({ processes: [] });
  });

  it('is cancelled while it waits for its turn, or for the end that its client waits for', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'cancel-turn');
    await shell.start({ command: gate.wait });
    const abort = new AbortController();
    const { signal } = abort;
    const stream = await shell.stream({ id: 'stream', command: 'echo never', onDisconnect: 'cancel' }, { signal });
    expect((await eventsOf(stream).next()).value?.data.state).toBe('queued');
    const waiting = shell.post({ id: 'json', command: 'echo never', onDisconnect: 'cancel' }, 'wait=20000', { signal });
    const refused = expect(waiting).rejects.toThrow();
    await until('it waits', async () => (await shell.runs()).length === 3);
    abort.abort();
    await refused;
    for (const id of ['stream', 'json']) {
      expect(await shell.ended(id)).toMatchObject({ outcome: 'cancelled', startedAt: null, exitCode: null });
    }
    gate.open();
    expect(await shell.isUsable()).toBe(true);
  });

  inAll('is cancelled as well when its client is there and takes nothing', async () => {
    const hasty = await openGatewayProcess({ livenessTimes: { heartbeatMs: 1000, stallMs: 300 } });
    try {
      const stall = async (onDisconnect: string) => {
        const { id } = await hasty.create({ runs: true, mode: 'pipe' });
        const path = `/v1/sessions/${id}/runs`;
        const headers = { authorization: `Bearer ${hasty.token}`, 'content-type': 'application/json' };
        // More than sockets hold, so what is full stays full; then quiet, to leave the machine to the other one.
        const command = `yes | head -c ${16 * 1024 * 1024}; sleep 1009`;
        const body = JSON.stringify({ id: 'flood', command, onDisconnect });
        const stream = await fetch(`${hasty.url}${path}?format=sse`, { method: 'POST', headers, body });
        return { id, stream, run: `${path}/flood` };
      };
      const kept = await stall('detach');
      await until('it takes no more', async () => (await hasty.info(kept.id)).outputOffset >= 16 * 1024 * 1024);
      // This one may be cancelled before all of its output is there.
      const cancelled = await stall('cancel');
      const { json } = await hasty.ask(`${cancelled.run}?wait=20000`);
      expect(json).toMatchObject({ state: 'ended', outcome: 'cancelled' });
      // This one has been cut before, for the same reason.
      expect((await hasty.ask(kept.run)).json.state).toBe('running');
      for (const { stream } of [kept, cancelled]) await expect(stream.text()).rejects.toThrow();
    } finally {
      await hasty.close();
    }
  });

  inAll('is not cancelled by the end of the gateway itself, killed or stopped', async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const shell = await Shell.open(gateway);
      const gate = new Gate(gateway, signal);
      const command = `echo 1; ${gate.wait}; echo 2`;
      const stream = allOf(await shell.stream({ id: 'kept', command, onDisconnect: 'cancel' }));
      const cut = expect(stream).rejects.toThrow();
      await hasWritten(shell, 2);
      const waiting = gateway.fetch(`${shell.path}/runs/kept?wait=20000`).then(
        async (response) => ((await response.json()) as { error: { code: string } }).error.code,
        () => 'cut',
      );
      await gateway.fetch('/v1/me');
      const { pid } = gateway;
      process.kill(pid, signal);
      expect(await waiting).toBe(signal === 'SIGTERM' ? 'going_away' : 'cut');
      await until('it is gone', () => !isAlive(pid));
      await cut;
      await gateway.restart();
      gate.open();
      expect(await shell.ended('kept')).toMatchObject({ outcome: 'exited', exitCode: 0 });
    }
  });
});

describe('a run that is ended by others', () => {
  it('is cancelled by DELETE, however it defends itself, and its session stays usable', async () => {
    const shell = await Shell.open(gateway);
    const deaf = `bash -c 'trap "" INT TERM; while :; do sleep 0.05; done'`;
    for (const command of some(['sleep 1009', deaf], 1)) {
      const stream = shell.stream({ id: `c${command.length}`, command }).then(allOf);
      await until('it runs', async () => (await shell.info()).runs?.current === `c${command.length}`);
      const response = await shell.cancel(`c${command.length}`);
      expect(response.status).toBe(200);
      expect((await response.json()) as RunInfo).toMatchObject({ state: 'ended', outcome: 'cancelled' });
      expect(endOf(await stream)).toMatchObject({ outcome: 'cancelled' });
      expect(await shell.isUsable()).toBe(true);
    }
    expect((await shell.cancel('c10')).status).toBe(200);
  });

  it('and had not begun: its readers are told so', async () => {
    const shell = await Shell.open(gateway);
    const gate = new Gate(gateway, 'unbegun');
    await shell.start({ command: gate.wait });
    const { id } = await shell.start({ command: 'echo never' });
    const stream = shell.events(id).then(allOf);
    const raw = shell.raw(id, 'follow=1');
    expect((await shell.cancel(id)).status).toBe(200);
    const events = await stream;
    expect(names(events)).toEqual(['run', 'end']);
    expect(endOf(events)).toMatchObject({ outcome: 'cancelled', position: null, startOffset: null, exitCode: null });
    expect([(await raw).headers.get('binnacle-closed'), await (await raw).text()]).toEqual(['1', '']);
    gate.open();
  });

  it('takes too long: it is interrupted, said to have timed out, and its session stays usable', async () => {
    const shell = await Shell.open(gateway);
    const events = await allOf(await shell.stream({ command: 'echo 1; sleep 1010', timeoutMs: 200 }));
    expect(endOf(events)).toMatchObject({ outcome: 'timed_out', state: 'ended' });
    expect(await shell.isUsable()).toBe(true);
  });

  it('with its session: running and queued, the readers get the end', async () => {
    const shell = await Shell.open(gateway);
    const running = shell.stream({ id: 'running', command: 'echo 1; sleep 1011' }).then(allOf);
    const queued = shell.stream({ id: 'queued', command: 'echo never' }).then(allOf);
    await hasWritten(shell, 2);
    await gateway.client.sessions.delete(shell.id);
    expect(endOf(await running).outcome).toBe('session_ended');
    expect(endOf(await queued)).toMatchObject({ outcome: 'session_ended', startedAt: null });
    expect((await shell.raw('running')).status).toBe(410);
  });

  it('with the process that owned it: nobody knows how it ended, and none is made up', async () => {
    const shell = await Shell.open(gateway);
    const running = shell.stream({ id: 'running', command: 'echo 1; sleep 1012' }).then(allOf);
    const queued = shell.stream({ id: 'queued', command: 'echo never' }).then(allOf);
    await hasWritten(shell, 2);
    for (const pid of runnerPids()) process.kill(pid, 'SIGKILL');
    const events = await running;
    expect(bytesOf(events).toString()).toBe('1\n');
    expect(endOf(events)).toMatchObject({ state: 'ended', outcome: 'lost', exitCode: null });
    expect(endOf(await queued)).toMatchObject({ state: 'ended', outcome: 'lost', exitCode: null });
    expect(bytesOf(await allOf(await shell.events('running'))).toString()).toBe('1\n');
    expect(endOf(await allOf(await shell.events('running', 'since=2')))).toMatchObject({ outcome: 'lost' });
  });
});

describe('a run whose output retention removed', () => {
  it('is a gap and the rest as events, and 410 as bytes; behind its end nothing is missing', async () => {
    const small = await openGateway({ retainBytes: 256 * 1024 });
    try {
      const shell = await Shell.open(small);
      const first = await shell.start({ command: `printf ${'x'.repeat(200)}` }, 'wait=50000');
      const flood = `for ((i = 0; i < ${count({ quick: 12_000, all: 20_000 })}; i++)); do printf '%063d\\n' $i; done`;
      const part = await shell.start({ command: flood }, 'wait=50000');
      const end = part.endOffset ?? 0;
      const oldest = async () => (await shell.info()).oldestOffset;
      await until('the old segments are gone', async () => (await oldest()) > end - 384 * 1024, 20_000);
      const oldestOffset = await oldest();
      expect(oldestOffset).toBeLessThan(end);

      const events = await allOf(await shell.events(part.id));
      expect(names(events).slice(0, 2)).toEqual(['run', 'gap']);
      expect(events[1]?.data).toEqual({ from: 200, to: oldestOffset, reason: 'retention' });
      expect(bytesOf(events).length).toBe(end - oldestOffset);
      expect(endOf(events).exitCode).toBe(0);
      const raw = await shell.raw(part.id);
      expect(raw.status).toBe(410);
      expect(((await raw.json()) as { error: object }).error).toMatchObject({ code: 'gap', details: { oldestOffset } });
      const rest = await shell.raw(part.id, `since=${oldestOffset}`);
      expect((await rest.arrayBuffer()).byteLength).toBe(end - oldestOffset);

      const gone = await allOf(await shell.events(first.id, 'since=100'));
      expect(names(gone)).toEqual(['run', 'gap', 'end']);
      expect(gone[1]?.data).toEqual({ from: 100, to: 200, reason: 'retention' });
      expect(endOf(gone)).toEqual(first);
      // A client that lost the connection between the gap and the end comes back with this.
      const back = await allOf(await shell.events(first.id, '', { 'last-event-id': gone[1]?.id ?? '' }));
      expect(names(back)).toEqual(['run', 'end']);
      expect((await shell.raw(first.id, 'since=100')).status).toBe(410);
      const behind = await shell.raw(first.id, 'since=200');
      expect([behind.status, await behind.text()]).toEqual([200, '']);
    } finally {
      await small.close();
    }
  });
});

function runnerPids(): number[] {
  const folder = join(gateway.dir, 'runners');
  return readdirSync(folder).flatMap((id) => {
    try {
      const { pid } = JSON.parse(readFileSync(join(folder, id, 'runner.json'), 'utf8')) as { pid: number };
      return isAlive(pid) ? [pid] : [];
    } catch {
      return []; // not ready yet, or gone
    }
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/test-gateway.ts';
import { type TestRun, TestRuns } from '../../test/test-runs.ts';
import { Binnacle } from '../client.ts';
import type { ClientOptions } from '../transport/options.ts';
import type { RunStreamEvent } from './stream.ts';

let server: TestRuns;
let clients: Binnacle[];

beforeEach(async () => {
  server = new TestRuns();
  await server.listen();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  await server.stop();
});

function open(more: Partial<ClientOptions> = {}): Binnacle {
  const client = new Binnacle({ url: server.url, token: 'secret', backoff: { baseMs: 2, capMs: 10 }, ...more });
  clients.push(client);
  return client;
}

async function all(events: AsyncIterable<RunStreamEvent>): Promise<RunStreamEvent[]> {
  const list: RunStreamEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

const bytesOf = (events: readonly RunStreamEvent[]): Buffer =>
  Buffer.concat(events.map((event) => (event.type === 'output' ? event.bytes : new Uint8Array())));
const types = (events: readonly RunStreamEvent[]): string[] => events.map(({ type }) => type);
const requests = (): string[] => server.seen.map(({ method, path }) => `${method} ${path}`);
const RUNS = '/v1/sessions/s/runs';

const hello = (run: TestRun): void => {
  run.write('stdout', 'hello ');
  run.write('stderr', Buffer.from([0, 255]));
  run.write('stdout', 'world');
  run.end(3);
};

/** The same numbers every time: a failure can be run again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a run', () => {
  it('that is looped over is started and read with one request', async () => {
    server.script = hello;
    const client = open();
    const run = client.session('s').run('say hello', { cwd: '/tmp', timeoutMs: 500, onDisconnect: 'cancel' });
    const events = await all(run);
    expect(types(events)).toEqual(['run', 'output', 'output', 'output', 'end']);
    expect(bytesOf(events)).toEqual(Buffer.from('hello \0\u00ffworld', 'latin1'));
    expect(events[2]).toMatchObject({ type: 'output', kind: 'stderr', offset: 6 });
    expect((await run.ended).exitCode).toBe(3);
    expect((await run.accepted).id).toBe(run.id);
    expect(requests()).toEqual([`POST ${RUNS}`]);
    const [{ body, headers } = { body: {}, headers: {} }] = server.seen;
    expect(body).toEqual({ id: run.id, command: 'say hello', cwd: '/tmp', timeoutMs: 500, onDisconnect: 'cancel' });
    expect(headers).toMatchObject({ authorization: 'Bearer secret', accept: 'text/event-stream' });
  });

  it('that nobody reads is started all the same, and found again by its id', async () => {
    const client = open();
    const { id } = client.session('s').run('sleep 5', { id: 'mine' });
    await until('the start', () => server.runs.has('mine'));
    expect(requests()).toEqual([`POST ${RUNS}`]);
    expect(server.seen[0]?.query.get('format')).toBeNull();
    const run = server.runs.get(id);
    run?.write('stdout', 'late');
    run?.end();
    const found = client.runs.resume('s', id);
    expect(bytesOf(await all(found)).toString()).toBe('late');
    expect((await client.session('s').runs()).map((one) => one.id)).toEqual(['mine']);
    expect(await client.session('s').processes()).toEqual([{ pid: 1, parent: 0, command: 'sleep 9' }]);
    expect((await client.runs.get('s', id)).state).toBe('ended');
  });

  it('is waited for without its output, over as many polls as it takes', async () => {
    const client = open();
    const run = client.session('s').run('sleep 5');
    const { ended } = run;
    await run.accepted;
    await until('the poll', () => server.seen.length === 2);
    server.runs.get(run.id)?.end(7);
    server.flush();
    expect((await ended).exitCode).toBe(7);
    expect(requests()).toEqual([`POST ${RUNS}`, `GET ${RUNS}/${run.id}`]);
    expect(Number(server.seen[1]?.query.get('wait'))).toBeGreaterThan(10_000);
  });

  it('is waited for over a restart of the gateway', async () => {
    const run = open().session('s').run('sleep 5');
    const { ended } = run;
    await until('the poll', () => server.seen.length === 2);
    const { port } = server;
    await server.stop();
    server.runs.get(run.id)?.end(0);
    const { runs } = server;
    server = new TestRuns();
    for (const [id, one] of runs) server.runs.set(id, one);
    await server.listen(port);
    expect((await ended).state).toBe('ended');
  });

  it('is cancelled, and tells how it ended', async () => {
    const client = open();
    const run = client.session('s').run('sleep 5');
    const reading = all(run);
    expect((await run.cancel()).exitCode).toBe(130);
    expect(types(await reading).at(-1)).toBe('end');
    expect((await run.ended).exitCode).toBe(130);
    expect(requests()).toContain(`DELETE ${RUNS}/${run.id}`);
  });

  it('is started, read and cancelled with the lease of its session', async () => {
    const { runs } = open();
    const read = runs.start('s', 'sleep 5', {}, 'secret');
    await read[Symbol.asyncIterator]().next();
    const started = runs.start('s', 'sleep 5', {}, 'secret');
    await started.accepted;
    await started.cancel();
    const leases = server.seen.map(({ method, headers }) => [method, headers['binnacle-lease']]);
    expect(leases).toEqual([
      ['POST', 'secret'],
      ['POST', 'secret'],
      ['DELETE', 'secret'],
    ]);
  });

  it('acts once, however often the answer to its start is lost', async () => {
    server.script = hello;
    let losses = 0;
    server.refuse = () => {
      losses += 1;
      return losses % 3 === 0 ? undefined : 'lose answer';
    };
    const client = open();
    for (const read of [true, false]) {
      const run = client.session('s').run('once');
      if (read) expect(bytesOf(await all(run)).length).toBe(13);
      else await run.accepted;
      expect(server.runs.size).toBe(read ? 1 : 2);
    }
    expect(server.seen.length).toBe(6);
  });

  it.each(['bad_cwd', 'shell_busy', 'too_many_runs', 'no_runs', 'lease_held', 'session_not_found'] as const)(
    'that is refused with %s is not asked for again',
    async (code) => {
      server.refuse = () => code;
      const session = open().session('s');
      const read = session.run('ls');
      await expect(all(read)).rejects.toMatchObject({ code });
      await expect(read.accepted).rejects.toMatchObject({ code });
      await expect(read.ended).rejects.toMatchObject({ code });
      await expect(session.run('ls').accepted).rejects.toMatchObject({ code });
      await expect(session.run('ls').ended).rejects.toMatchObject({ code });
      expect(server.seen).toHaveLength(3);
    },
  );

  it('that is refused while no loop reads it is reported as an error', async () => {
    server.refuse = () => 'bad_cwd';
    const client = open();
    const errors: string[] = [];
    client.on('error', (error) => errors.push(error.code));
    client.session('s').run('ls');
    await until('the error', () => errors.length > 0);
    expect(errors).toEqual(['bad_cwd']);
  });

  it('throws unreachable when there is no gateway for as long as a request may take', async () => {
    const client = open({ url: 'http://127.0.0.1:1', requestTimeoutMs: 50 });
    await expect(client.session('s').run('ls').accepted).rejects.toMatchObject({ code: 'unreachable' });
    await expect(all(client.session('s').run('ls'))).rejects.toMatchObject({ code: 'unreachable' });
  });
});

describe('exact-resume: reading a run', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'random output over a connection that is cut at random comes whole, once and in order (seed %i)',
    async (seed) => {
      const random = randomFrom(seed);
      const parts = Array.from({ length: 300 }, () =>
        Buffer.from(Array.from({ length: Math.floor(random() * 200) + 1 }, () => Math.floor(random() * 256))),
      );
      server.script = (run) => {
        for (const part of parts) run.write(random() < 0.5 ? 'stdout' : 'stderr', part);
        run.end(5);
      };
      server.mangle = () => (random() < 0.03 ? 'cut' : 'send');
      const run = open().session('s').run('flood');
      const events = await all(run);
      expect(bytesOf(events).equals(Buffer.concat(parts))).toBe(true);
      expect(types(events).filter((type) => type !== 'output')).toEqual(['run', 'end']);
      expect((await run.ended).exitCode).toBe(5);
      expect(server.runs.size).toBe(1);
      expect(server.seen.length).toBeGreaterThan(1);
    },
  );

  it.each(['drop', 'double'] as const)(
    'an event that the gateway did %s is neither missing nor shown twice',
    async (fault) => {
      server.script = (run) => {
        for (let i = 0; i < 100; i += 1) run.write('tty', `line ${i}\n`);
        run.end();
      };
      let sent = 0;
      server.mangle = ({ event }) => {
        if (event !== 'output') return 'send';
        sent += 1;
        return sent % 30 === 0 ? fault : 'send';
      };
      const client = open();
      const errors: string[] = [];
      client.on('error', (error) => errors.push(error.code));
      const events = await all(client.session('s').run('lines'));
      expect(bytesOf(events).toString()).toBe(Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join(''));
      expect(errors).toContain('connection_lost');
      expect(server.seen.length).toBeGreaterThan(2);
    },
  );

  it('gives up with protocol_error when the same wrong thing comes again and again', async () => {
    server.script = (run) => {
      for (const text of ['first', 'second', 'third']) run.write('tty', text);
      run.end();
    };
    server.mangle = ({ data }) => ((data as { offset?: number }).offset === 5 ? 'drop' : 'send');
    await expect(all(open().session('s').run('x'))).rejects.toMatchObject({ code: 'protocol_error' });
    expect(server.seen).toHaveLength(3);
  });

  it('goes on at a position and at a since', async () => {
    server.script = hello;
    const client = open();
    const run = client.session('s').run('hello', { id: 'r' });
    const events = await all(run);
    for (const [i, { position }] of events.entries()) {
      const rest = await all(client.runs.resume('s', 'r', { position }));
      expect(bytesOf(rest)).toEqual(bytesOf(events.slice(i + 1)));
    }
    expect(bytesOf(await all(client.runs.resume('s', 'r', { since: 6 })))).toEqual(bytesOf(events.slice(2)));
    expect(() => client.runs.resume('s', 'r', { since: 6, position: 'e1.0.0' })).toThrow('one of');
  });

  it('tells what is gone, and that the shell went along', async () => {
    server.script = (run) => {
      run.push('gap', { from: 0, to: 90, reason: 'retention' }, 90);
      run.write('stdout', 'rest');
      run.push('reset', { exitCode: 7 });
      run.end(7);
    };
    const events = await all(open().session('s').run('x'));
    expect(types(events)).toEqual(['run', 'gap', 'output', 'reset', 'end']);
    expect(events[1]).toMatchObject({ from: 0, to: 90, reason: 'retention' });
  });

  it('is reported once as waiting, and once as running', async () => {
    server.script = (run) => {
      run.events.length = 0;
      run.push('run', { ...run.info, state: 'queued', position: null });
      // Others write meanwhile.
      run.offset = 1000;
      run.push('run', run.info);
      run.write('stdout', 'mine');
      run.end();
    };
    let cuts = 0;
    server.mangle = ({ event }) => {
      cuts += 1;
      return event === 'output' && cuts < 5 ? 'cut' : 'send';
    };
    const events = await all(open().session('s').run('x'));
    expect(types(events)).toEqual(['run', 'run', 'output', 'end']);
    expect(events[2]).toMatchObject({ offset: 1000 });
    expect(server.seen.length).toBeGreaterThan(1);
  });

  it.each(['run_not_found', 'session_gone', 'offset_ahead', 'unauthorized'] as const)(
    'ends with %s, and does not try again',
    async (code) => {
      server.refuse = () => code;
      await expect(all(open().runs.resume('s', 'r'))).rejects.toMatchObject({ code });
      expect(server.seen).toHaveLength(1);
    },
  );

  it('tries again while the gateway says that it may, and after an error inside of the stream', async () => {
    let refusals = 3;
    server.script = hello;
    const client = open();
    await client.session('s').run('x', { id: 'r' }).accepted;
    server.refuse = () => {
      refusals -= 1;
      return refusals < 0 ? undefined : 'runner_unavailable';
    };
    let faults = 0;
    server.mangle = ({ event }) => {
      if (event === 'output') faults += 1;
      return faults === 2 ? 'cut' : 'send';
    };
    expect(bytesOf(await all(client.runs.resume('s', 'r'))).length).toBe(13);
  });

  it('throws wrong_epoch when the log lost its history meanwhile', async () => {
    const client = open();
    const stream = client.session('s').run('x', { id: 'r' })[Symbol.asyncIterator]();
    await stream.next();
    const run = server.runs.get('r');
    if (run !== undefined) run.epoch = 'e2';
    run?.write('stdout', 'of another life');
    server.flush();
    await expect(stream.next()).rejects.toMatchObject({ code: 'wrong_epoch' });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });
});

describe('who reads a run', () => {
  it('slow-alone: slowly, makes the gateway wait and loses nothing', async () => {
    const parts = Array.from({ length: 400 }, (_, i) => Buffer.alloc(50_000, i));
    server.script = (run) => {
      for (const part of parts) run.write('stdout', part);
      run.end();
    };
    const client = open({ bufferBytes: 100_000 });
    const stream = client.session('s').run('flood')[Symbol.asyncIterator]();
    await stream.next();
    // feed/event-stream.test.ts counts what is kept.
    expect([...server.streams][0]?.writableLength).toBeGreaterThan(5_000_000);
    expect(bytesOf(await all(stream)).equals(Buffer.concat(parts))).toBe(true);
  });

  it('and leaves early, lets go of the connection', async () => {
    server.script = (run) => run.write('stdout', 'x');
    const client = open();
    for await (const event of client.session('s').run('x')) if (event.type === 'output') break;
    await until('the end of the stream', () => server.streams.size === 0);
    expect(server.seen).toHaveLength(1);
  });

  it('ends quietly when the client is closed, and the run goes on', async () => {
    const client = open();
    const run = client.session('s').run('x');
    const ended = expect(run.ended).rejects.toMatchObject({ code: 'client_closed' });
    const reading = all(run);
    await run.accepted;
    client.close();
    expect(types(await reading)).toEqual(['run']);
    await ended;
    await until('the end of the stream', () => server.streams.size === 0);
    expect(server.runs.get(run.id)?.info.state).toBe('running');
  });

  it('has a client that was closed: no request is sent', async () => {
    const client = open();
    client.close();
    const started = client.session('s').run('x');
    for (const run of [started, client.runs.resume('s', 'r')]) {
      await expect(all(run)).rejects.toMatchObject({ code: 'client_closed' });
      await expect(run.ended).rejects.toMatchObject({ code: 'client_closed' });
    }
    await expect(started.accepted).rejects.toMatchObject({ code: 'client_closed' });
    expect(server.seen).toEqual([]);
  });

  it('uses a connection again when the run has ended', async () => {
    server.script = hello;
    const client = open();
    for (let i = 0; i < 10; i += 1) await all(client.session('s').run('x'));
    expect(server.connections).toBeLessThan(4);
  });
});

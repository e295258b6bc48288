import { createHash } from 'node:crypto';
import { BinnacleError, type Epoch, parsePosition } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TestGateway, type TestSession, until } from '../../test/test-gateway.ts';
import { Binnacle } from '../client.ts';
import type { ClientOptions } from '../transport/options.ts';
import type { Attachment, AttachmentEvent } from './attachment.ts';

let gateway: TestGateway;
let clients: Binnacle[];

beforeEach(async () => {
  gateway = await TestGateway.start();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  await gateway.stop();
});

function open(more: Partial<ClientOptions> = {}): Binnacle {
  const client = new Binnacle({
    url: gateway.url,
    token: 'secret',
    WebSocket,
    backoff: { baseMs: 2, capMs: 10 },
    ...more,
  });
  clients.push(client);
  return client;
}

async function all(events: AsyncIterable<AttachmentEvent>): Promise<AttachmentEvent[]> {
  const list: AttachmentEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

const bytesOf = (events: AttachmentEvent[]): Buffer =>
  Buffer.concat(events.map((event) => (event.type === 'output' ? event.bytes : new Uint8Array())));

const logBytes = (session: TestSession): Buffer => Buffer.concat(session.entries.map((entry) => entry.bytes));

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The same numbers every time: a failure can be run again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function nextOf(attachment: Attachment, type: AttachmentEvent['type']): Promise<AttachmentEvent> {
  for (;;) {
    const { value, done } = await attachment.next();
    if (done === true) throw new Error(`ended without ${type}`);
    if (value.type === type) return value;
  }
}

describe('an attachment', () => {
  it('gives the log from its start to its end, with every event typed and positioned', async () => {
    const session = gateway.session();
    session.append('tty', 'one ');
    session.append('resize', { cols: 100, rows: 30 });
    session.append('input', { by: 'me', bytes: 3 });
    session.append('tty', 'two');
    session.append('signal', { signal: 'SIGINT', by: 'me' });
    session.end();
    const events = await all(open().session(session.id).attach());
    expect(events.map((event) => event.type)).toEqual([
      'attached',
      'output',
      'resize',
      'input',
      'output',
      'signal',
      'exit',
      'closed',
      'end',
    ]);
    expect(bytesOf(events).toString()).toBe('one two');
    expect(events[2]).toMatchObject({ type: 'resize', offset: 4, data: { cols: 100, rows: 30 } });
    expect(events[6]).toMatchObject({ type: 'exit', data: { exitCode: 0, signal: null } });
  });

  it('sends the token in a header and never in the address', async () => {
    const session = gateway.session();
    session.end();
    await all(open().session(session.id).attach());
    expect(gateway.upgrades[0]?.headers.authorization).toBe('Bearer secret');
    expect(gateway.upgrades[0]?.url).toBe('/v1/ws');
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'exact-resume: random output over a connection that is cut at random comes whole, once and in order (seed %i)',
    async (seed) => {
      const random = randomFrom(seed);
      const session = gateway.session();
      gateway.frameBytes = 700;
      gateway.mangle = () => (random() < 0.05 ? 'cut' : 'send');
      const attachment = open({ bufferBytes: 20_000 }).session(session.id).attach();
      const writer = (async () => {
        for (let i = 0; i < 150; i += 1) {
          const size = Math.floor(random() * random() * 5_000);
          if (random() < 0.2) session.append('resize', { cols: i + 1, rows: 1 });
          session.append(random() < 0.5 ? 'stdout' : 'stderr', Buffer.alloc(size + 1, i));
          gateway.flush();
          if (random() < 0.05) gateway.cutAll();
          await new Promise((resolve) => setImmediate(resolve));
        }
        session.end();
        gateway.flush();
      })();
      const events = await all(attachment);
      await writer;
      expect(sha(bytesOf(events))).toBe(sha(logBytes(session)));
      const resizes = events.flatMap((event) => (event.type === 'resize' ? [event.data.cols] : []));
      expect(resizes).toEqual(
        session.entries.flatMap((e) => (e.kind === 'resize' ? [(e.data as { cols: number }).cols] : [])),
      );
      expect(events.filter((event) => event.type === 'end')).toHaveLength(1);
      expect(gateway.history.length).toBeGreaterThan(1);
    },
  );

  it.each(['drop', 'double'] as const)(
    'shows a frame that the server did %s neither missing nor twice',
    async (fault) => {
      const session = gateway.session();
      for (let i = 0; i < 100; i += 1) session.append('tty', `line ${i}\n`);
      session.end();
      let frames = 0;
      gateway.mangle = () => {
        frames += 1;
        return frames % 30 === 0 ? fault : 'send';
      };
      const client = open();
      const errors: string[] = [];
      client.on('error', (error) => errors.push(error.code));
      const events = await all(client.session(session.id).attach());
      expect(bytesOf(events).equals(logBytes(session))).toBe(true);
      expect(errors).toContain('protocol_error');
      expect(gateway.history.length).toBeGreaterThan(1);
    },
  );

  it('gives up with protocol_error when the server sends the same wrong thing again and again', async () => {
    const session = gateway.session();
    for (const text of ['first', 'second', 'third']) session.append('tty', text);
    let frames = 0;
    gateway.mangle = () => {
      frames += 1;
      return frames % 3 === 1 ? 'drop' : 'send';
    };
    const attachment = open().session(session.id).attach();
    await expect(all(attachment)).rejects.toMatchObject({ code: 'protocol_error' });
    expect(gateway.history).toHaveLength(3);
  });

  it('goes on from a position in the middle of an entry', async () => {
    const session = gateway.session();
    gateway.frameBytes = 10;
    session.append('tty', 'abcdefghijklmnopqrstuvwxyz');
    session.end();
    const client = open();
    const first = client.session(session.id).attach();
    const event = await nextOf(first, 'output');
    first.detach();
    const rest = await all(client.session(session.id).attach(event.type === 'output' ? event.position : 'start'));
    expect(bytesOf(rest).toString()).toBe('klmnopqrstuvwxyz');
    expect(rest[0]).toMatchObject({ type: 'attached' });
  });

  it('slow-alone: stops the server when the consumer is slow, keeps a bounded buffer, and loses nothing', async () => {
    const session = gateway.session();
    for (let i = 0; i < 400; i += 1) session.append('tty', Buffer.alloc(1_000, i));
    session.end();
    gateway.frameBytes = 1_000;
    const attachment = open({ bufferBytes: 30_000 }).session(session.id).attach();
    const unsubscribes = () => gateway.received.filter((frame) => frame.t === 'unsubscribe').length;
    await until('the first unsubscribe', () => unsubscribes() === 1);
    const events = await all(attachment);
    // The whole log was on its way, and nothing was taken: it goes on behind what was kept, which is what fits.
    const [, second] = gateway.received.filter((frame) => frame.t === 'subscribe');
    const { offset } = parsePosition(String(second?.from));
    expect(offset).toBeGreaterThan(0);
    expect(offset + (offset / 1_000) * 256).toBeLessThanOrEqual(30_000 + 1_256);
    expect(bytesOf(events).equals(logBytes(session))).toBe(true);
    expect(unsubscribes()).toBeGreaterThan(5);
    expect(gateway.history).toHaveLength(1);
  });

  it('moves with a buffer that is smaller than one frame', async () => {
    const session = gateway.session();
    for (let i = 0; i < 10; i += 1) session.append('tty', Buffer.alloc(1_000, i));
    session.end();
    const events = await all(open().session(session.id).attach('start', { bufferBytes: 1 }));
    expect(bytesOf(events).equals(logBytes(session))).toBe(true);
  });

  it('announces a gap with its numbers, and goes on behind it', async () => {
    const session = gateway.session();
    session.append('tty', 'gone!');
    session.append('tty', 'kept');
    session.end();
    session.oldestOffset = 5;
    const events = await all(open().session(session.id).attach(`${session.epoch}.0.0`));
    expect(events[1]).toMatchObject({ type: 'gap', from: 0, to: 5, reason: 'retention' });
    expect(bytesOf(events).toString()).toBe('kept');
  });

  it.each([
    ['e2.0.0', 'wrong_epoch'],
    ['e1.zz.zz', 'offset_ahead'],
  ])('throws %s as %s instead of guessing', async (from, code) => {
    const session = gateway.session();
    const attachment = open().session(session.id).attach(from);
    await expect(all(attachment)).rejects.toMatchObject({ code });
    expect(gateway.history).toHaveLength(1);
  });

  it('throws wrong_epoch when the log lost its history while the connection was gone', async () => {
    const session = gateway.session();
    session.append('tty', 'old');
    const attachment = open().session(session.id).attach();
    await nextOf(attachment, 'output');
    (session as { epoch: Epoch }).epoch = 'e2' as Epoch;
    gateway.cutAll();
    await expect(attachment.next()).rejects.toMatchObject({ code: 'wrong_epoch' });
    expect(await attachment.next()).toEqual({ done: true, value: undefined });
  });

  it('rejects a position that is none before anything is sent', () => {
    const session = gateway.session();
    expect(() => open().session(session.id).attach('nonsense')).toThrow(BinnacleError);
    expect(gateway.upgrades).toHaveLength(0);
  });

  it('never reconnects for a session that has ended', async () => {
    const session = gateway.session();
    session.append('tty', 'bye');
    session.end();
    const client = open();
    await all(client.session(session.id).attach());
    gateway.cutAll();
    await until('idle', () => client.state.kind === 'idle');
    client.wake();
    // Another session proves that time went by and that the client still works.
    const other = gateway.session();
    other.end();
    await all(client.session(other.id).attach());
    expect(gateway.history).toHaveLength(2);
    expect(gateway.received.filter((f) => f.t === 'subscribe' && f.session === session.id)).toHaveLength(1);
  });

  it('ends with session_gone when the session was deleted meanwhile, and does not try again', async () => {
    const session = gateway.session();
    session.append('tty', 'x');
    const client = open();
    const attachment = client.session(session.id).attach();
    await nextOf(attachment, 'output');
    gateway.refuse = (frame) => (frame.t === 'subscribe' ? 'session_gone' : undefined);
    gateway.cutAll();
    await expect(attachment.next()).rejects.toMatchObject({ code: 'session_gone' });
    gateway.cutAll();
    await until('idle', () => client.state.kind === 'idle');
    expect(gateway.history).toHaveLength(2);
  });

  it('tries again when the gateway says that it may', async () => {
    const session = gateway.session();
    session.append('tty', 'late');
    session.end();
    let refusals = 3;
    gateway.refuse = (frame) => {
      if (frame.t !== 'subscribe' || refusals === 0) return undefined;
      refusals -= 1;
      return 'runner_unavailable';
    };
    const events = await all(open().session(session.id).attach());
    expect(bytesOf(events).toString()).toBe('late');
    expect(gateway.history).toHaveLength(1);
  });

  it('unsubscribes on detach and when a loop is left early', async () => {
    const session = gateway.session();
    session.append('tty', 'x');
    const client = open();
    const first = client.session(session.id).attach();
    await nextOf(first, 'output');
    first.detach();
    expect(await first.next()).toEqual({ done: true, value: undefined });
    for await (const event of client.session(session.id).attach()) if (event.type === 'output') break;
    await until('both unsubscribes', () => gateway.received.filter((frame) => frame.t === 'unsubscribe').length === 2);
  });

  it('takes nothing of an earlier subscription for its own', async () => {
    const session = gateway.session();
    gateway.frameBytes = 1;
    session.append('tty', 'abcdefghijklmnopqrstuvwxyz');
    const client = open();
    for (let i = 0; i < 20; i += 1) {
      const attachment = client.session(session.id).attach({ offset: i });
      const { value } = await attachment.next();
      expect(value).toMatchObject({ type: 'attached' });
      const output = await nextOf(attachment, 'output');
      expect(output).toMatchObject({ offset: i });
      attachment.detach();
    }
    expect(gateway.history).toHaveLength(1);
  });

  it('follows a session once at a time, and says so', () => {
    const session = gateway.session();
    const client = open();
    client.session(session.id).attach();
    expect(() => client.session(session.id).attach()).toThrow(
      expect.objectContaining({ code: 'too_many_subscriptions' }),
    );
  });

  it('follows many sessions over one connection', async () => {
    const sessions = Array.from({ length: 20 }, (_, i) => {
      const session = gateway.session();
      session.append('tty', `session ${i}`);
      session.end();
      return session;
    });
    const client = open();
    const texts = await Promise.all(
      sessions.map(async (session) => bytesOf(await all(client.session(session.id).attach())).toString()),
    );
    expect(texts).toEqual(sessions.map((_, i) => `session ${i}`));
    expect(gateway.history).toHaveLength(1);
  });

  it('ends quietly when the client is closed', async () => {
    const session = gateway.session();
    const client = open();
    const attachment = client.session(session.id).attach();
    await nextOf(attachment, 'attached');
    const pending = attachment.next();
    client.close();
    expect(await pending).toEqual({ done: true, value: undefined });
    expect(client.state).toMatchObject({ kind: 'stopped', code: 'client_closed' });
  });
});

import { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TestGateway, until } from '../../test/test-gateway.ts';
import { Connection } from '../transport/connection.ts';
import { settle } from '../transport/options.ts';
import { Topic, type TopicDescription, type TopicPage } from './topic.ts';

interface Item {
  readonly n: number;
}

let gateway: TestGateway;
let connection: Connection;
let members: Set<{ readonly every: number }>;

beforeEach(async () => {
  gateway = await TestGateway.start();
  members = new Set();
  const options = { url: gateway.url, token: 't', WebSocket, backoff: { baseMs: 2, capMs: 10 } };
  connection = new Connection(settle(options), async () => undefined);
});

afterEach(async () => {
  connection.stop();
  await gateway.stop();
});

/** A watch whose changes are pings: each with its time as number and as bytes. */
function open(more: Partial<TopicDescription<Item, { readonly every: number }>> = {}, every = 50): Topic<Item> {
  return new Topic<Item, { readonly every: number }>(connection, {
    members,
    member: { every },
    request: (ref) => ({
      t: 'watch_conversations',
      ref,
      on: members.size > 0,
      deltaIntervalMs: Math.min(...[...members].map((one) => one.every)),
    }),
    fetch: async () => ({ item: { n: 0 }, next: null }),
    change: (frame) => (frame.t === 'deleted' ? { key: frame, item: { n: Number(frame.session) } } : undefined),
    ...more,
  });
}

const change = (n: number) => gateway.broadcast({ t: 'deleted', session: String(n) as never });
const requests = () => gateway.received.filter(({ t }) => t === 'watch_conversations');

async function take(topic: Topic<Item>): Promise<number> {
  const { value } = await topic.next();
  if (value === undefined) throw new Error('the topic ended');
  return value.n;
}

async function answered(): Promise<void> {
  const pongs = () => gateway.received.filter(({ t }) => t === 'pong').length;
  const before = pongs();
  gateway.broadcast({ t: 'ping', time: 1 });
  await until('the pong behind what was sent', () => pongs() > before);
}

it('a change that came while the list was on its way is not repeated if the list has it', async () => {
  let finish: (page: TopicPage<Item>) => void = () => undefined;
  const topic = open({
    fetch: () =>
      new Promise((resolve) => {
        finish = resolve;
      }),
  });
  await until('the request', () => requests().length === 1);
  await answered();
  for (const n of [1, 2, 3]) change(n);
  await answered();
  finish({ item: { n: 0 }, next: null, has: ({ n }) => n <= 2 });
  expect([await take(topic), await take(topic)]).toEqual([0, 3]);
});

it('a slow consumer loses the oldest changes beyond the maximum', async () => {
  const topic = open({ maxChanges: 2 });
  expect(await take(topic)).toBe(0);
  for (const n of [1, 2, 3, 4]) change(n);
  await answered();
  expect([await take(topic), await take(topic)]).toEqual([3, 4]);
});

it('the description is given the bytes of the changes that wait', async () => {
  const seen: number[] = [];
  const topic = open({
    change: (frame, buffered) => {
      if (frame.t !== 'deleted') return undefined;
      seen.push(buffered);
      // Every second one replaces the one before it.
      const n = Number(frame.session);
      return { key: Math.floor(n / 2), item: { n }, cost: n * 10 };
    },
  });
  await take(topic);
  for (const n of [1, 2, 3]) change(n);
  await answered();
  expect([await take(topic), await take(topic)]).toEqual([1, 3]);
  change(4);
  await answered();
  expect(seen).toEqual([0, 10, 30, 0]);
});

it('a page that failed is requested again where that may help, and else its error ends the iteration', async () => {
  const codes = ['unreachable', undefined] as const;
  let tries = 0;
  const topic = open({
    fetch: async () => {
      const code = codes[tries++];
      if (code !== undefined) throw new BinnacleError(code);
      return { item: { n: tries }, next: null };
    },
  });
  expect(await take(topic)).toBe(2);
  const refused = open({ fetch: () => Promise.reject(new BinnacleError('forbidden')) });
  await expect(refused.next()).rejects.toMatchObject({ code: 'forbidden' });
  expect(await refused.next()).toEqual({ done: true, value: undefined });
});

it('a watch that ends changes the request of the others only if they want something else', async () => {
  const [slow, same, fast] = [open({}, 50), open({}, 50), open({}, 10)];
  for (const topic of [slow, same, fast]) await take(topic);
  expect(requests().map((frame) => (frame as { deltaIntervalMs?: number }).deltaIntervalMs)).toHaveLength(3);
  same.stop();
  fast.stop();
  await answered();
  expect(requests().slice(3)).toMatchObject([{ on: true, deltaIntervalMs: 50 }]);
  slow.stop();
  await answered();
  expect(requests().slice(4)).toMatchObject([{ on: false }]);
});

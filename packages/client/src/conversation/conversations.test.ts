import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type TestConversation, TestConversations } from '../../test/test-conversations.ts';
import { until } from '../../test/test-gateway.ts';
import { Binnacle } from '../client.ts';
import type { ConversationChange, ConversationWatch } from './watch.ts';

let gateway: TestConversations;
let client: Binnacle;
let there: TestConversation;

beforeEach(async () => {
  gateway = await TestConversations.start();
  there = gateway.conversation();
  client = new Binnacle({
    url: gateway.url,
    token: 't',
    WebSocket,
    backoff: { baseMs: 2, capMs: 10 },
    bufferBytes: 20_000,
  });
});

afterEach(async () => {
  client.close();
  await gateway.stop();
});

async function take(watch: ConversationWatch): Promise<ConversationChange> {
  const { value, done } = await watch.next();
  if (done === true) throw new Error('the watch ended');
  return value;
}

const last = () => gateway.requests.at(-1);
const watchFrames = () => gateway.frames.filter((frame) => frame.t === 'watch_conversations');

describe('conversations', () => {
  it('are made, listed and looked at', async () => {
    expect(await client.conversations.create({ name: 'notes' })).toMatchObject({ key: 'agent:main:user:ada:notes' });
    expect((await client.conversations.list({ limit: 5 })).conversations).toHaveLength(2);
    expect(last()?.query.get('limit')).toBe('5');
    expect(await client.conversations.all()).toHaveLength(2);
    expect(await client.conversations.get(there.key)).toMatchObject({ key: there.key });
    expect(await client.conversations.agents()).toMatchObject([{ id: 'main', isDefault: true }]);
    await expect(client.conversations.get('agent:main:x')).rejects.toMatchObject({ code: 'conversation_not_found' });
  });

  it('are named by one segment of a path, whatever is in their key', async () => {
    const odd = gateway.conversation('agent:main:irc:#a/b?c%d ü');
    expect(await client.conversation(odd.key).info()).toMatchObject({ key: odd.key });
  });

  it('are changed, looked back upon and deleted by their handle', async () => {
    const conversation = client.conversation(there.key);
    there.send({ id: 'm1', text: 'go' });
    there.send({ id: 'm2', text: 'then' });
    expect((await conversation.history({ limit: 10 })).messages.map(({ id }) => id)).toEqual(['m1', 'm2']);
    expect(await conversation.edit('m2', 'other')).toMatchObject({ text: 'other' });
    expect(await conversation.cancel('m2')).toMatchObject({ state: 'cancelled' });
    expect(await conversation.message('m1')).toMatchObject({ state: 'delivered' });
    expect(await conversation.run('m1', { waitMs: 20 })).toMatchObject({ state: 'running' });
    expect(last()?.query.get('wait')).toBe('20');
    expect(await conversation.answer('a 1', 'yes')).toMatchObject({ option: 'yes' });
    expect(last()?.path).toContain('/approvals/a%201');
    expect(await conversation.update({ title: 'new' })).toMatchObject({ title: 'new' });
    expect(await conversation.abort('m1')).toEqual({ aborted: ['m1'] });
    expect(await conversation.abort()).toEqual({ aborted: [] });
    await conversation.delete();
    expect(last()?.method).toBe('DELETE');
  });

  it('are written to with the lease that is held', async () => {
    const conversation = client.conversation(there.key);
    await conversation.send('free').receipt;
    expect(last()?.headers['binnacle-lease']).toBeUndefined();
    expect(await conversation.lease.acquire({ ttlMs: 1_000 })).toMatchObject({ lease: 'secret' });
    expect(last()?.body).toEqual({ action: 'acquire', ttlMs: 1_000 });
    await conversation.send('held').receipt;
    expect(last()?.headers['binnacle-lease']).toBe('secret');
    await conversation.note('seen');
    expect(last()?.headers['binnacle-lease']).toBe('secret');
    await conversation.lease.renew();
    await conversation.lease.release();
    expect(last()?.body).toEqual({ action: 'release', lease: 'secret' });
    expect(conversation.lease.current).toBeNull();
    await expect(conversation.lease.renew()).rejects.toMatchObject({ code: 'lease_lost' });
  });

  it('know that a lease was lost when the gateway says so', async () => {
    const { lease } = client.conversation(there.key);
    await lease.acquire();
    gateway.deny = () => 'lease_lost';
    await expect(lease.renew()).rejects.toMatchObject({ code: 'lease_lost' });
    expect(lease.current).toBeNull();
  });
});

describe('a watch of conversations', () => {
  it('gives a list, then changes', async () => {
    const watch = client.conversations.watch();
    expect(await take(watch)).toMatchObject({ type: 'list', conversations: [{ key: there.key }] });
    expect(watchFrames()).toMatchObject([{ on: true }]);
    gateway.broadcast({ t: 'conversation', info: { ...there.info, title: 'new' } });
    expect(await take(watch)).toMatchObject({ type: 'conversation', info: { title: 'new' } });
    gateway.broadcast({ t: 'conversation_deleted', conversation: there.key });
    expect(await take(watch)).toEqual({ type: 'deleted', conversation: there.key });
  });

  it('gives a new list after a reconnect', async () => {
    const watch = client.conversations.watch();
    await take(watch);
    gateway.cutAll();
    gateway.conversation('agent:main:user:ada:later');
    const change = await take(watch);
    expect(change.type === 'list' && change.conversations).toHaveLength(2);
  });

  it('keeps the latest of each conversation for a slow consumer', async () => {
    const watch = client.conversations.watch();
    await take(watch);
    for (let n = 0; n < 500; n += 1) gateway.broadcast({ t: 'conversation', info: { ...there.info, title: `${n}` } });
    const other = { ...there.info, key: 'agent:main:other' as typeof there.key };
    gateway.broadcast({ t: 'conversation', info: other });
    gateway.broadcast({ t: 'ping', time: 1 });
    await until('the pong behind them', () => gateway.frames.some(({ t }) => t === 'pong'));
    expect(await take(watch)).toMatchObject({ info: { title: '499' } });
    expect(await take(watch)).toMatchObject({ info: { key: other.key } });
  });

  it('gives the events of runs to watches that request them, and reports when it dropped some', async () => {
    const plain = client.conversations.watch();
    const watch = client.conversations.watch({ runs: true, deltaIntervalMs: 100 });
    await take(watch);
    await take(plain);
    expect(watchFrames().at(-1)).toMatchObject({ on: true, runs: true, deltaIntervalMs: 100 });
    const events = [{ type: 'note' as const, at: 1, text: 'x'.repeat(5_000), by: { user: null, name: 'x' } }];
    const send = (place: number) =>
      gateway.broadcast({ t: 'events', conversation: there.key, position: there.at(place), events });
    send(1);
    expect(await take(watch)).toEqual({ type: 'events', conversation: there.key, position: there.at(1), events });
    for (let place = 2; place < 50; place += 1) send(place);
    gateway.broadcast({ t: 'conversation', info: there.info });
    expect(await take(plain)).toMatchObject({ type: 'conversation' });
    const changes: ConversationChange[] = [];
    while (changes.at(-1)?.type !== 'conversation') changes.push(await take(watch));
    const eventCount = changes.filter(({ type }) => type === 'events').length;
    expect(eventCount).toBeGreaterThan(0);
    expect(eventCount).toBeLessThan(5);
    expect(changes.filter(({ type }) => type === 'missed')).toEqual([{ type: 'missed', conversation: there.key }]);
    send(60);
    expect(await take(watch)).toMatchObject({ type: 'events', position: there.at(60) });
  });

  it('reports to the gateway what the remaining watches request, and their end', async () => {
    const [one, two] = [client.conversations.watch({ runs: true }), client.conversations.watch()];
    await take(one);
    await take(two);
    one.stop();
    await until('the change', () => watchFrames().length === 3);
    expect(watchFrames().at(-1)).not.toHaveProperty('runs');
    expect(watchFrames().at(-1)).toMatchObject({ on: true });
    await two.return();
    await until('the end', () => watchFrames().at(-1)?.t === 'watch_conversations' && watchFrames().length === 4);
    expect(watchFrames().at(-1)).toMatchObject({ on: false });
  });

  it('throws why the gateway refuses it', async () => {
    gateway.refuse = ({ t }) => (t === 'watch_conversations' ? 'forbidden' : undefined);
    await expect(client.conversations.watch().next()).rejects.toMatchObject({ code: 'forbidden' });
  });
});

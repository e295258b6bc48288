import type { BinnacleError, ConversationEvent } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { count } from '../../../../test/support/count.ts';
import { type TestConversation, TestConversations, textIn } from '../../test/test-conversations.ts';
import { until } from '../../test/test-gateway.ts';
import { Binnacle } from '../client.ts';
import type { Conversation } from './conversation.ts';

let gateway: TestConversations;
let client: Binnacle;
let there: TestConversation;
let conversation: Conversation;
let errors: BinnacleError[];

const open = (): Binnacle =>
  new Binnacle({
    url: gateway.url,
    token: 't',
    WebSocket,
    backoff: { baseMs: 2, capMs: 10 },
    requestTimeoutMs: 5_000,
  });

beforeEach(async () => {
  gateway = await TestConversations.start();
  there = gateway.conversation();
  client = open();
  errors = [];
  client.on('error', (error) => errors.push(error));
  conversation = client.conversation(there.key);
});

afterEach(async () => {
  client.close();
  await gateway.stop();
});

async function all(events: AsyncIterable<ConversationEvent>): Promise<ConversationEvent[]> {
  const list: ConversationEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

const types = (events: readonly ConversationEvent[]): string[] => events.map(({ type }) => type);

describe('a reply', () => {
  it('tells the run of its message from the beginning to the end, and nothing of others', async () => {
    const reply = conversation.send('hello', { id: 'm1' });
    const received = all(reply);
    expect(await reply.receipt).toMatchObject({ message: { id: 'm1', text: 'hello' }, duplicate: false });
    there.append({ type: 'note', at: 3, text: 'aside', by: { user: null, name: 'x' } });
    there.say('Hel');
    there.say('lo');
    there.end();
    const events = await received;
    expect(types(events)).toEqual(['run_started', 'delta', 'delta', 'final']);
    expect(textIn(events)).toBe('Hello');
    expect(await reply.ended).toMatchObject({ id: 'm1', state: 'final', text: 'Hello' });
  });

  it('is sent whether or not anybody reads it', async () => {
    const reply = conversation.send('hello');
    await until('the message', () => there.messages.has(reply.id));
    expect(gateway.streamCount).toBe(0);
    expect(errors).toEqual([]);
  });

  it('acts once when the answer is lost, however often', async () => {
    let lost = 0;
    gateway.beforeAnswer = ({ method }) => (method === 'POST' && lost++ < 3 ? 'cut' : 'send');
    const { duplicate } = await conversation.send('hello', { id: 'm1' }).receipt;
    expect(duplicate).toBe(true);
    expect(gateway.requests.filter(({ method }) => method === 'POST')).toHaveLength(4);
    expect([...there.messages.keys()]).toEqual(['m1']);
    expect(there.batches).toHaveLength(1);
  });

  it('comes in the order in which it was sent, also when the first is lost on its way', async () => {
    there.startsAtOnce = false;
    let lost = 0;
    gateway.deny = ({ method }) => (method === 'POST' && lost++ < 2 ? 'going_away' : undefined);
    const replies = ['a', 'b', 'c'].map((text) => conversation.send(text));
    await Promise.all(replies.map(({ receipt }) => receipt));
    expect([...there.messages.values()].map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  });

  it('throws what the gateway refuses, at once, and lets the next one through', async () => {
    gateway.deny = ({ body }) => (body?.text === 'bad' ? 'queue_full' : undefined);
    const bad = conversation.send('bad');
    const good = conversation.send('good');
    await expect(bad.receipt).rejects.toMatchObject({ code: 'queue_full' });
    await expect(all(bad)).rejects.toMatchObject({ code: 'queue_full' });
    await expect(bad.ended).rejects.toMatchObject({ code: 'queue_full' });
    expect((await good.receipt).message.text).toBe('good');
    expect(gateway.requests.filter(({ body }) => body?.text === 'bad')).toHaveLength(1);
  });

  it('reports to the errors of the client why nothing was sent, if no call waits', async () => {
    gateway.deny = () => 'message_too_large';
    conversation.send('bad');
    await until('the error', () => errors.length > 0);
    expect(errors[0]).toMatchObject({ code: 'message_too_large' });
  });

  it('goes on where it was after a lost connection: nothing twice, nothing missing', async () => {
    const reply = conversation.send('go', { id: 'm1' });
    const received: ConversationEvent[] = [];
    const reading = (async () => {
      for await (const event of reply) received.push(event);
    })();
    await reply.receipt;
    for (const word of ['one ', 'two ', 'three ', 'four']) {
      there.say(word);
      await until(word, () => textIn(received).endsWith(word));
      gateway.cutAll();
    }
    there.end();
    await reading;
    expect(textIn(received)).toBe('one two three four');
    expect(types(received).filter((type) => type === 'run_started')).toHaveLength(1);
  });

  it('is whole whatever happens to its connection, and yields once what is sent twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 12 }),
        fc.infiniteStream(fc.constantFrom('send' as const, 'send' as const, 'double' as const, 'cut' as const)),
        async (texts, fates) => {
          const place = gateway.conversation(`agent:main:user:ada:${texts.length}`);
          gateway.mangle = () => fates.next().value ?? 'send';
          const reply = client.conversation(place.key).send('go', { id: 'm1' });
          const received = all(reply);
          await reply.receipt;
          for (const word of texts) place.say(word);
          place.end();
          const events = await received;
          expect(textIn(events)).toBe(texts.join(''));
          expect(types(events).filter((type) => type !== 'delta')).toEqual(['run_started', 'final']);
        },
      ),
      { numRuns: count({ quick: 15, all: 40 }) },
    );
  });

  it('waits for its turn, and yields its run from the beginning', async () => {
    conversation.send('first', { id: 'm1' });
    const second = conversation.send('second', { id: 'm2' });
    expect(await second.receipt).toMatchObject({ run: { id: 'm2', state: 'queued', position: null } });
    const received = all(second);
    there.say('of the first', 'm1');
    there.end();
    there.start('m2');
    there.say('of the second', 'm2');
    there.end();
    expect(textIn(await received)).toBe('of the second');
    expect(await second.ended).toMatchObject({ id: 'm2', state: 'final' });
  });

  it('yields its whole run when that ended before the first read, and when another client sent it before', async () => {
    const reply = conversation.send('go', { id: 'm1' });
    await reply.receipt;
    there.say('done');
    there.end();
    expect(textIn(await all(reply))).toBe('done');
    const again = open();
    const same = again.conversation(there.key).send('go', { id: 'm1' });
    expect((await same.receipt).duplicate).toBe(true);
    expect(textIn(await all(same))).toBe('done');
    expect(await same.ended).toMatchObject({ text: 'done' });
    again.close();
  });

  it('ends with the message when that is cancelled while it waits', async () => {
    conversation.send('first', { id: 'm1' });
    const second = conversation.send('second', { id: 'm2' });
    await second.receipt;
    const received = all(second);
    await until('the stream', () => gateway.streamCount === 1);
    await conversation.cancel('m2');
    expect(types(await received)).toEqual(['message_cancelled']);
    expect(await second.ended).toBeNull();
    expect(await all(second)).toEqual([]);
  });

  it('tells the run that it was handed into', async () => {
    conversation.send('first', { id: 'm1' });
    const into = conversation.send('also this', { id: 'm2', steer: 'inject' });
    expect((await into.receipt).run).toBeNull();
    const received = all(into);
    const ended = into.ended;
    await until('both streams', () => gateway.streamCount === 2);
    there.append({ type: 'message_delivered', at: 3, id: 'm2', run: 'm1' });
    there.say('yes', 'm1');
    there.end();
    expect(types(await received)).toEqual(['message_delivered', 'delta', 'final']);
    expect(await ended).toMatchObject({ id: 'm1', state: 'final' });
  });

  it('is empty for a stop text, whose receipt says what it stopped', async () => {
    conversation.send('first', { id: 'm1' });
    const stop = conversation.send('/stop');
    expect(await stop.receipt).toMatchObject({ run: null, aborted: ['m1'] });
    expect(await all(stop)).toEqual([]);
    expect(await stop.ended).toBeNull();
  });

  it('aborts its run', async () => {
    const reply = conversation.send('go', { id: 'm1' });
    const received = all(reply);
    expect(await reply.abort()).toEqual({ aborted: ['m1'] });
    expect(types(await received)).toEqual(['run_started', 'aborted']);
    expect(await reply.ended).toMatchObject({ state: 'aborted' });
  });

  it('goes on when the loop over it is left, without keeping a connection', async () => {
    const reply = conversation.send('go', { id: 'm1' });
    await reply.receipt;
    there.say('one');
    for await (const event of reply) if (event.type === 'delta') break;
    await until('the end of the stream', () => gateway.streamCount === 0);
    expect(there.current?.id).toBe('m1');
    there.say(' two');
    there.end();
    expect(textIn(await all(reply))).toBe('one two');
  });

  it('ends when the client is closed, and what waits throws', async () => {
    const reply = conversation.send('go', { id: 'm1' });
    await reply.receipt;
    const ended = expect(reply.ended).rejects.toMatchObject({ code: 'client_closed' });
    const received: ConversationEvent[] = [];
    const reading = (async () => {
      for await (const event of reply) received.push(event);
    })();
    await until('the first event', () => received.length === 1);
    client.close();
    await reading;
    expect(types(received)).toEqual(['run_started']);
    await ended;
    await expect(conversation.send('late').receipt).rejects.toMatchObject({ code: 'client_closed' });
  });

  it('throws when the conversation is gone', async () => {
    const reply = conversation.send('go');
    await reply.receipt;
    const received = all(reply);
    await until('the stream', () => gateway.streamCount === 1);
    gateway.conversations.delete(there.key);
    gateway.cutAll();
    await expect(received).rejects.toMatchObject({ code: 'conversation_not_found' });
  });

  it('leaves what is not read with the gateway', async () => {
    const reply = conversation.send('go', { id: 'm1' });
    await reply.receipt;
    const loop = reply[Symbol.asyncIterator]();
    await loop.next();
    for (let n = 0; n < 300; n += 1) there.say('x'.repeat(100_000));
    there.append({ type: 'final', at: 4, run: 'm1', text: 'too long for here' });
    expect(await loop.next()).toMatchObject({ value: { type: 'delta' } });
    // Of 30 MB the kernel and fetch take a few; whoever reads on has all of it after so many round trips.
    for (let trips = 0; trips < 50; trips += 1) await client.me();
    expect(gateway.waitingBytes).toBeGreaterThan(15_000_000);
    const rest = await all({ [Symbol.asyncIterator]: () => loop });
    expect(textIn(rest)).toHaveLength(100_000 * 299);
    expect(rest.at(-1)?.type).toBe('final');
  });
});

import {
  answerOf,
  type ConversationEvent,
  type ConversationState,
  type ConversationStep,
  emptyConversation,
  reduceConversation,
} from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { count } from '../../../../test/support/count.ts';
import { type TestConversation, TestConversations, textIn } from '../../test/test-conversations.ts';
import { until } from '../../test/test-gateway.ts';
import { Binnacle } from '../client.ts';
import type { Conversation } from './conversation.ts';
import type { ConversationFeed } from './feed.ts';

let gateway: TestConversations;
let client: Binnacle;
let there: TestConversation;
let conversation: Conversation;

beforeEach(async () => {
  gateway = await TestConversations.start();
  there = gateway.conversation();
  client = new Binnacle({ url: gateway.url, token: 't', WebSocket, backoff: { baseMs: 2, capMs: 10 } });
  conversation = client.conversation(there.key);
});

afterEach(async () => {
  client.close();
  await gateway.stop();
});

async function take(feed: ConversationFeed): Promise<ConversationStep> {
  const { value, done } = await feed.next();
  if (done === true) throw new Error('the feed ended');
  return value;
}

/** Events until the end of the run. */
async function untilEnd(feed: ConversationFeed): Promise<ConversationEvent[]> {
  const events: ConversationEvent[] = [];
  while (events.at(-1)?.type !== 'final') {
    const step = await take(feed);
    if (step.type === 'events') events.push(...step.events);
  }
  return events;
}

const framesOf = (t: string) => gateway.frames.filter((frame) => frame.t === t);

describe('a feed', () => {
  it('begins now, says how things stand, then what happens', async () => {
    there.send({ id: 'm1', text: 'go' });
    there.say('Hel');
    const feed = conversation.subscribe();
    const first = await take(feed);
    expect(first).toMatchObject({ type: 'following', info: { run: { id: 'm1', text: 'Hel' } } });
    there.say('lo');
    const next = await take(feed);
    expect(next).toMatchObject({ type: 'events', events: [{ type: 'delta', text: 'lo' }] });
    expect(feed.position).toBe(there.info.position);
    expect(feed.info).toMatchObject({ key: there.key });
  });

  it('begins at a position, and requests the pacing of its options', async () => {
    there.send({ id: 'm1', text: 'go' });
    there.say('Hello');
    there.end();
    const feed = conversation.subscribe(there.at(0), { deltaIntervalMs: 200 });
    expect(textIn(await untilEnd(feed))).toBe('Hello');
    expect(framesOf('follow')).toMatchObject([{ from: there.at(0), deltaIntervalMs: 200 }]);
  });

  it('goes on at its position after a lost connection, and says so once', async () => {
    const feed = conversation.subscribe();
    await take(feed);
    there.send({ id: 'm1', text: 'go' });
    await take(feed);
    gateway.cutAll();
    there.say('in between');
    expect(await take(feed)).toMatchObject({ type: 'reconnected', info: { key: there.key } });
    expect(await take(feed)).toMatchObject({ type: 'events', events: [{ text: 'in between' }] });
    there.end();
    expect(await take(feed)).toMatchObject({ events: [{ type: 'final' }] });
  });

  it('gives the same state through lost connections and doubled frames', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 12 }),
        fc.infiniteStream(fc.constantFrom('send' as const, 'send' as const, 'double' as const, 'cut' as const)),
        async (texts, fates) => {
          const place = gateway.conversation(`agent:main:user:ada:${texts.length}`);
          gateway.mangle = () => fates.next().value ?? 'send';
          const feed = client.conversation(place.key).subscribe();
          let state: ConversationState | null = null;
          const reading = (async () => {
            for await (const step of feed) {
              if (step.type === 'following') state = emptyConversation(step.info, step.position);
              else if (state !== null) state = reduceConversation(state, step);
              if (step.type === 'events' && step.events.some(({ type }) => type === 'final')) return;
            }
          })();
          await until('the first step', () => state !== null);
          place.send({ id: 'm1', text: 'go' });
          for (const word of texts) place.say(word);
          place.end();
          await reading;
          if (state === null) throw new Error('no state');
          expect(answerOf(state, 'm1')).toMatchObject({ text: texts.join(''), state: 'final' });
          expect(answerOf(state, 'm1')?.parts).toHaveLength(texts.length === 0 ? 0 : 1);
        },
      ),
      { numRuns: count({ quick: 15, all: 40 }) },
    );
  });

  it('keeps no more than its buffer for a slow consumer, and misses nothing', async () => {
    there.send({ id: 'm1', text: 'go' });
    const feed = conversation.subscribe('now', { bufferBytes: 20_000 });
    await take(feed);
    const word = 'x'.repeat(1_000);
    for (let n = 0; n < 5; n += 1) there.say(word);
    for (let n = 0; n < 200; n += 1) there.say(word);
    await until('the pause', () => framesOf('unfollow').length === 1);
    for (let n = 0; n < 95; n += 1) there.say(word);
    there.end();
    const events = await untilEnd(feed);
    expect(textIn(events)).toBe(word.repeat(300));
    expect(framesOf('follow').length).toBe(framesOf('unfollow').length + 1);
    // A reconnect is news, a pause of our own is none.
    expect(framesOf('follow').length).toBeGreaterThan(2);
  });

  it('reports what is no longer stored', async () => {
    for (let n = 0; n < 3; n += 1) there.append({ type: 'note', at: 1, text: `${n}`, by: { user: null, name: 'x' } });
    there.oldest = 32;
    const feed = conversation.subscribe(there.at(0));
    expect(await take(feed)).toMatchObject({ type: 'following', position: there.at(0) });
    expect(await take(feed)).toEqual({ type: 'gap', position: there.at(32), reason: 'retention' });
    expect(await take(feed)).toMatchObject({ type: 'events', events: [{ text: '2' }] });
  });

  it('ends when the conversation is deleted', async () => {
    const feed = conversation.subscribe();
    await take(feed);
    gateway.broadcast({ t: 'conversation_deleted', conversation: there.key });
    expect(await take(feed)).toEqual({ type: 'deleted' });
    expect(await feed.next()).toEqual({ done: true, value: undefined });
  });

  it('throws why it is refused, and tries again where that may help', async () => {
    const missing = client.conversation('agent:main:user:ada:missing').subscribe();
    await expect(missing.next()).rejects.toMatchObject({ code: 'conversation_not_found' });
    let refusals = 0;
    gateway.refuse = ({ t }) => (t === 'follow' && refusals++ < 2 ? 'rate_limited' : undefined);
    const feed = conversation.subscribe();
    expect(await take(feed)).toMatchObject({ type: 'following' });
    expect(refusals).toBe(3);
  });

  it('throws when the log began anew, which no position can be resumed in', async () => {
    const feed = conversation.subscribe();
    await take(feed);
    there.epoch = 'e2';
    gateway.cutAll();
    await expect(feed.next()).rejects.toMatchObject({ code: 'wrong_epoch' });
  });

  it('is one for a conversation and client at a time', async () => {
    const feed = conversation.subscribe();
    expect(() => conversation.subscribe()).toThrow(expect.objectContaining({ code: 'too_many_subscriptions' }));
    feed.stop();
    expect(await feed.next()).toEqual({ done: true, value: undefined });
    expect(await take(conversation.subscribe())).toMatchObject({ type: 'following' });
  });

  it('tells the gateway when the loop over it is left, and keeps no connection', async () => {
    for await (const step of conversation.subscribe()) if (step.type === 'following') break;
    await until('the end', () => framesOf('unfollow').length === 1);
    await until('open', () => client.state.kind === 'open');
    gateway.cutAll();
    await until('idle', () => client.state.kind === 'idle');
  });

  it('ends when the client is closed', async () => {
    const feed = conversation.subscribe();
    await take(feed);
    client.close();
    expect(await feed.next()).toEqual({ done: true, value: undefined });
  });
});

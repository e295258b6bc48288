// The client's conversations against a real gateway: what its own tests say of a fake one holds here, too.

import {
  answerOf,
  type ConversationState,
  type ConversationStep,
  emptyConversation,
  reduceConversation,
  withHistory,
} from '@binnacle/client';
import type { ConversationEvent } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

let gateway: Gateway;

beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

async function all(events: AsyncIterable<ConversationEvent>): Promise<ConversationEvent[]> {
  const list: ConversationEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

const textIn = (events: readonly ConversationEvent[]): string =>
  events.map((event) => (event.type === 'delta' && event.stream === 'said' ? event.text : '')).join('');

async function fresh() {
  const { key } = await gateway.client.conversations.create();
  return gateway.client.conversation(key);
}

const words = (count: number): string => Array.from({ length: count }, (_, at) => `w${at}`).join(' ');

/** What a page shows that follows from the beginning, as it grows. */
function follow(feed: AsyncIterable<ConversationStep>) {
  const seen: { state: ConversationState | undefined; steps: string[] } = { state: undefined, steps: [] };
  const reading = (async () => {
    for await (const step of feed) {
      seen.steps.push(step.type);
      if (step.type === 'following') seen.state = emptyConversation(step.info, step.position);
      else if (seen.state !== undefined) seen.state = reduceConversation(seen.state, step);
    }
  })();
  return { seen, reading };
}

describe('a reply', () => {
  it('is told whole, and then is the run that the gateway has', async () => {
    const conversation = await fresh();
    const text = words(count({ quick: 5, all: 12 }));
    const reply = conversation.send(`/slow ${text}`);
    const events = await all(reply);
    expect(textIn(events)).toBe(text);
    expect(events.at(-1)).toMatchObject({ type: 'final', text });
    expect(await reply.receipt).toMatchObject({ duplicate: false, message: { id: reply.id } });
    expect(await reply.ended).toMatchObject({ id: reply.id, state: 'final', text });
  });

  it('is the same to who sends it again under its id, and refused with another text', async () => {
    const conversation = await fresh();
    await conversation.send('hello', { id: 'one' }).ended;
    const again = gateway.connect().conversation(conversation.key).send('hello', { id: 'one' });
    expect(await again.receipt).toMatchObject({ duplicate: true });
    expect(textIn(await all(again))).toBe('hello');
    await expect(conversation.send('other', { id: 'one' }).receipt).rejects.toMatchObject({ code: 'message_conflict' });
  });

  it('comes in turn, can be changed and taken back while it waits', async () => {
    const conversation = await fresh();
    const first = conversation.send(`/slow ${words(10)}`);
    const [second, third] = [conversation.send('second'), conversation.send('third')];
    expect(await second.receipt).toMatchObject({ run: { state: 'queued' } });
    await third.receipt;
    expect(await conversation.edit(second.id, 'second, changed')).toMatchObject({ text: 'second, changed' });
    expect(await third.abort()).toEqual({ aborted: [third.id] });
    expect(textIn(await all(second))).toBe('second, changed');
    expect(await third.ended).toBeNull();
    expect(await first.ended).toMatchObject({ state: 'final' });
    await expect(conversation.cancel(second.id)).rejects.toMatchObject({ code: 'message_delivered' });
  });

  it('is aborted, and keeps what was said until then', async () => {
    const conversation = await fresh();
    const reply = conversation.send(`/slow ${words(100)}`);
    let said = '';
    for await (const event of reply) {
      if (event.type === 'delta') said += event.text;
      if (event.type === 'delta' && said.length > 6) expect(await reply.abort()).toEqual({ aborted: [reply.id] });
      if (event.type === 'aborted') expect(event).toMatchObject({ via: 'run', text: said });
    }
    expect(await reply.ended).toMatchObject({ state: 'aborted', text: said });
    const { messages } = await conversation.history();
    expect(messages.at(-1)).toMatchObject({ role: 'assistant', text: said, ended: 'aborted' });
  });

  it('is empty for a stop text, which stops', async () => {
    const conversation = await fresh();
    const reply = conversation.send(`/slow ${words(100)}`);
    await reply.receipt;
    const stop = conversation.send('/stop');
    expect(await stop.receipt).toMatchObject({ run: null, aborted: [reply.id] });
    expect(await all(stop)).toEqual([]);
    expect(await reply.ended).toMatchObject({ end: { state: 'aborted', via: 'stop_text' } });
  });
});

describe('a feed', () => {
  it('shows the same as its history, and follows what others send', async () => {
    const conversation = await fresh();
    const info = await conversation.info();
    const feed = gateway.connect().conversation(conversation.key).subscribe(info.position);
    const { seen, reading } = follow(feed);
    await conversation.send('one').ended;
    await conversation.send('/tool two').ended;
    await until('both runs are seen', () => seen.state?.items.filter(({ kind }) => kind === 'answer').length === 2);
    await until('the second has ended', () => seen.state?.run === null);
    feed.stop();
    await reading;
    const page = await conversation.history();
    const past = withHistory(emptyConversation(await conversation.info()), page);
    const texts = (state: ConversationState | undefined) =>
      state?.items.map((item) => (item.kind === 'message' ? item.message.text : item.kind === 'answer' && item.text));
    expect(texts(seen.state)).toEqual(texts(past));
    const answer = seen.state?.items.at(-1);
    expect(answer?.kind === 'answer' && answer.parts.map(({ kind }) => kind)).toEqual(['said', 'tool', 'said']);
  });

  it('shows who comes late what was said so far, and the rest', async () => {
    const conversation = await fresh();
    const reply = conversation.send(`/slow ${words(15)}`);
    let said = '';
    for await (const event of reply) {
      if (event.type === 'delta') said += event.text;
      if (said.length > 8) break;
    }
    const { seen, reading } = follow(gateway.connect().conversation(conversation.key).subscribe());
    await until('it follows', () => seen.state !== undefined);
    const first = seen.state === undefined ? undefined : answerOf(seen.state, reply.id);
    expect(first?.text.length).toBeGreaterThan(8);
    await reply.ended;
    await until('the end is seen', () => seen.state?.run === null);
    expect(seen.state && answerOf(seen.state, reply.id)).toMatchObject({ text: words(15), state: 'final' });
    expect(seen.state && answerOf(seen.state, reply.id)?.parts).toHaveLength(1);
    await conversation.delete();
    await reading;
    expect(seen.steps.at(-1)).toBe('deleted');
  });

  it('has the approvals that wait, until the first answer', async () => {
    const conversation = await fresh();
    const feed = conversation.subscribe();
    const { seen, reading } = follow(feed);
    await until('it follows', () => seen.state !== undefined);
    const reply = conversation.send('/ask to go');
    await until('it asks', () => seen.state?.approvals.length === 1);
    const approval = seen.state?.approvals[0];
    const option = approval?.options.find(({ kind }) => kind === 'allow_once');
    if (approval === undefined || option === undefined) throw new Error('no option');
    expect(await conversation.answer(approval.id, option.id)).toMatchObject({ option: option.id, reason: 'answered' });
    await expect(conversation.answer(approval.id, option.id)).rejects.toMatchObject({ code: 'approval_answered' });
    expect(await reply.ended).toMatchObject({ state: 'final' });
    await until('nothing waits', () => seen.state?.approvals.length === 0 && seen.state.run === null);
    feed.stop();
    await reading;
  });
});

describe('a conversation', () => {
  it('is made once by its name, listed, watched, renamed and deleted', async () => {
    const { conversations } = gateway.client;
    const info = await conversations.create({ name: 'notes', title: 'Notes' });
    expect((await conversations.create({ name: 'notes' })).key).toBe(info.key);
    expect((await conversations.agents()).map(({ id }) => id)).toContain('main');
    const watch = gateway.connect().conversations.watch();
    const first = await watch.next();
    expect(first.value?.type === 'list' && first.value.conversations.map(({ key }) => key)).toContain(info.key);
    const conversation = gateway.client.conversation(info.key);
    await conversation.update({ title: 'Renamed' });
    expect(await watch.next()).toMatchObject({ value: { type: 'conversation', info: { title: 'Renamed' } } });
    await conversation.delete();
    expect(await watch.next()).toMatchObject({ value: { type: 'deleted', conversation: info.key } });
    await watch.return();
    await expect(conversation.info()).rejects.toMatchObject({ code: 'conversation_not_found' });
  });

  it('is written to by who holds its lease, and by nobody else', async () => {
    const conversation = await fresh();
    const other = gateway.connect().conversation(conversation.key);
    expect(await conversation.lease.acquire({ holder: 'me' })).toMatchObject({ holder: 'me' });
    await expect(other.send('mine?').receipt).rejects.toMatchObject({ code: 'lease_held', details: { holder: 'me' } });
    await expect(other.lease.acquire()).rejects.toMatchObject({ code: 'lease_held' });
    expect(await other.lease.info()).toMatchObject({ holder: 'me' });
    expect(await conversation.send('hello').ended).toMatchObject({ state: 'final' });
    await conversation.note('seen');
    await conversation.lease.renew();
    await conversation.lease.release();
    expect(await other.send('now').ended).toMatchObject({ state: 'final' });
  });
});

describe('through a restart of the gateway', () => {
  it('a feed and a reply go on where they were: nothing twice, nothing missing', async () => {
    const own = await openGatewayProcess();
    try {
      const { key } = await own.client.conversations.create();
      const conversation = own.client.conversation(key);
      const { seen, reading } = follow(conversation.subscribe());
      await until('it follows', () => seen.state !== undefined);
      const reply = conversation.send(`/slow ${words(200)}`);
      const told = all(reply);
      await until(
        'it speaks',
        () => (seen.state && answerOf(seen.state, reply.id)?.text.length) !== 0 && seen.state?.run === reply.id,
      );
      await own.kill();
      await own.restart();
      // This agent ends with its gateway; the run has an end all the same, and what was said is kept.
      const events = await told;
      expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'agent_lost' }, text: textIn(events) });
      await until('the end is seen', () => seen.state !== undefined && seen.state.run === null);
      expect(seen.state && answerOf(seen.state, reply.id)).toMatchObject({ state: 'error', text: textIn(events) });
      expect(seen.steps).toContain('reconnected');
      expect(await conversation.send('still there?').ended).toMatchObject({ state: 'final', text: 'still there?' });
      own.client.close();
      await reading;
    } finally {
      await own.close();
    }
  });
});

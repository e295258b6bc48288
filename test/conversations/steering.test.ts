// Messages that are sent while a run is under way: in what order they come, where they go, and that none is lost.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inAll } from '../support/count.ts';
import { pathOf } from './conversation.fixture.ts';
import { type Core, gateIn, openCore, openGate, untilGate } from './core.fixture.ts';

let core: Core;
beforeAll(async () => {
  core = await openCore({ maxQueuedMessages: 4, agentGraceMs: 1500 });
});
afterAll(() => core.close());

let gates = 0;
/** A conversation with a shell that has said "busy" and waits; `openGate(gate)` lets it end. */
async function busy(): Promise<{ readonly key: string; readonly gate: string }> {
  gates += 1;
  const gate = gateIn(core, `gate${gates}`);
  const key = await core.make('shell');
  await core.send(key, 'm1', untilGate(gate, 'busy', 'done'));
  await core.said(key, 'busy');
  return { key, gate };
}
const queueOf = async (key: string): Promise<string[]> => (await core.info(key)).queue.map(({ id }) => id);

describe('queue', () => {
  test('lets messages wait behind the run, and takes them in order', async () => {
    const { key, gate } = await busy();
    for (const id of ['m2', 'm3', 'm4']) {
      const receipt = await core.send(key, id, `echo ${id}`);
      expect(receipt).toMatchObject({ duplicate: false, message: { state: 'queued', steer: 'queue', run: null } });
      expect(receipt.run).toMatchObject({ id, state: 'queued', startedAt: null });
    }
    expect(await queueOf(key)).toEqual(['m2', 'm3', 'm4']);
    expect((await core.history(key)).map(({ id }) => id)).toEqual(['m1']);
    openGate(gate);
    expect(await core.end(key, 'm4')).toMatchObject({ state: 'final', text: 'm4' });
    expect(await core.begun(key)).toEqual(['m1', 'm2', 'm3', 'm4']);
    expect((await core.history(key)).map(({ text }) => text.split(';')[0])).toEqual([
      'echo busy',
      'busy\ndone',
      'echo m2',
      'm2',
      'echo m3',
      'm3',
      'echo m4',
      'm4',
    ]);
  });

  test('tells when each message is kept and when the agent has it', async () => {
    const { key, gate } = await busy();
    const wire = await core.wire();
    await wire.ask({ t: 'follow', conversation: key, from: 'start' });
    const answer = await wire.ask({ t: 'send', conversation: key, id: 'm2', text: 'echo two' });
    expect(answer).toMatchObject({ t: 'ok', result: { message: { state: 'queued' }, run: { state: 'queued' } } });
    openGate(gate);
    await wire.untilSo(() => wire.of(key).end('m2'));
    const told = wire.of(key).events.flatMap((event) => {
      if (event.type === 'message') return [`message ${event.message.id} ${event.message.state}`];
      if (event.type === 'message_delivered') return [`delivered ${event.id} to ${event.run}`];
      if (event.type === 'run_started') return [`started ${event.run.id}`];
      return event.type === 'final' ? [`final ${event.run}`] : [];
    });
    expect(told).toEqual([
      'message m1 queued',
      'delivered m1 to m1',
      'started m1',
      'message m2 queued',
      'final m1',
      'delivered m2 to m2',
      'started m2',
      'final m2',
    ]);
    expect(await core.message(key, 'm2')).toMatchObject({ state: 'delivered', run: 'm2', steer: 'queue' });
  });

  test('has a limit, behind which a message is refused and can be sent again later', async () => {
    const { key, gate } = await busy();
    for (const id of ['m2', 'm3', 'm4', 'm5']) await core.send(key, id, `echo ${id}`);
    const refused = await core.trySend(key, { id: 'm6', text: 'echo m6' });
    expect(refused).toMatchObject({ status: 429, code: 'queue_full', json: { error: { details: { limit: 4 } } } });
    expect((await core.ask(`${pathOf(key)}/messages/m6`)).status).toBe(404);
    // Who sends one again that waits is not refused, and neither is who stops it all.
    expect(await core.send(key, 'm5', 'echo m5')).toMatchObject({ duplicate: true });
    openGate(gate);
    await core.end(key, 'm5');
    expect(await core.send(key, 'm6', 'echo m6')).toMatchObject({ duplicate: false });
    expect(await core.end(key, 'm6')).toMatchObject({ state: 'final', text: 'm6' });
  });

  test('survives a kill of the gateway, also of one whose agent was lost with it', async () => {
    const { key, gate } = await busy();
    const echo = await core.make('main');
    await core.send(echo, 'm1', `/slow ${'word '.repeat(100)}`);
    for (const id of ['m2', 'm3']) {
      await core.send(key, id, `echo ${id}`);
      await core.send(echo, id, `said ${id}`);
    }
    await core.restart();
    expect(await queueOf(key)).toEqual(['m2', 'm3']);
    openGate(gate);
    expect(await core.end(key, 'm3')).toMatchObject({ state: 'final', text: 'm3' });
    expect(await core.begun(key)).toEqual(['m1', 'm2', 'm3']);
    expect(await core.end(echo, 'm3')).toMatchObject({ state: 'final', text: 'said m3' });
    expect(await core.begun(echo)).toEqual(['m1', 'm2', 'm3']);
    expect(await core.end(echo, 'm1')).toMatchObject({ state: 'error', end: { error: { code: 'agent_lost' } } });
  });
});

describe('a message that waits', () => {
  test('can be changed and taken back, and stays so over a restart', async () => {
    const { key, gate } = await busy();
    for (const id of ['m2', 'm3', 'm4']) await core.send(key, id, `echo ${id}`);
    const path = `${pathOf(key)}/messages`;
    const edited = await core.must(200, `${path}/m2`, { method: 'PATCH', body: { text: 'echo changed' } });
    expect(edited).toMatchObject({ id: 'm2', text: 'echo changed', state: 'queued' });
    const cancelled = await core.must(200, `${path}/m3`, { method: 'DELETE' });
    expect(cancelled).toMatchObject({ id: 'm3', state: 'cancelled', run: null });
    await core.restart();
    expect((await core.info(key)).queue.map(({ text }) => text)).toEqual(['echo changed', 'echo m4']);
    // The first of what was asked for is what an id stands for.
    expect(await core.send(key, 'm2', 'echo m2')).toMatchObject({ duplicate: true, message: { text: 'echo changed' } });
    expect((await core.trySend(key, { id: 'm2', text: 'echo changed' })).code).toBe('message_conflict');
    expect(await core.send(key, 'm3', 'echo m3')).toMatchObject({
      duplicate: true,
      message: { state: 'cancelled' },
      run: null,
    });
    openGate(gate);
    expect(await core.end(key, 'm4')).toMatchObject({ text: 'm4' });
    expect(await core.run(key, 'm2')).toMatchObject({ state: 'final', text: 'changed' });
    expect(await core.begun(key)).toEqual(['m1', 'm2', 'm4']);
    expect((await core.ask(`${pathOf(key)}/runs/m3`)).code).toBe('run_not_found');
  });

  test('answers who waits for its run, when it is taken back', async () => {
    const { key, gate } = await busy();
    const sending = core.trySend(key, { id: 'm2', text: 'echo m2' }, {});
    await sending;
    const waiting = core.ask(`${pathOf(key)}/runs/m2?wait=20000`);
    const stream = core.ask(`${pathOf(key)}/messages?format=sse`, { body: { id: 'm2', text: 'echo m2' } });
    const sent = core.ask(`${pathOf(key)}/messages?wait=20000`, { body: { id: 'm2', text: 'echo m2' } });
    // Its connections are open when what was asked behind them is answered, in most cases; in all it must hold.
    await core.info(key);
    await core.must(200, `${pathOf(key)}/messages/m2`, { method: 'DELETE' });
    expect(await waiting).toMatchObject({ status: 404, code: 'run_not_found' });
    expect(await sent).toMatchObject({ status: 202, json: { run: null, message: { state: 'cancelled' } } });
    expect((await stream).text).toMatch(/message_cancelled|"state":"cancelled"/);
    openGate(gate);
  });

  test('cannot be changed any more when the agent has it, and not when there is none', async () => {
    const { key, gate } = await busy();
    const path = `${pathOf(key)}/messages`;
    for (const ask of [{ method: 'PATCH', body: { text: 'other' } }, { method: 'DELETE' }]) {
      expect(await core.ask(`${path}/m1`, ask)).toMatchObject({ status: 409, code: 'message_delivered' });
      expect(await core.ask(`${path}/m9`, ask)).toMatchObject({ status: 404, code: 'message_not_found' });
    }
    await core.send(key, 'm2', 'echo m2');
    expect((await core.ask(`${path}/m2`, { method: 'PATCH', body: { text: '  ' } })).code).toBe('bad_request');
    expect((await core.ask(`${path}/m2`, { method: 'PATCH', body: { text: 'x'.repeat(300 * 1024) } })).code).toBe(
      'message_too_large',
    );
    await core.must(200, `${path}/m2`, { method: 'DELETE' });
    expect((await core.ask(`${path}/m2`, { method: 'PATCH', body: { text: 'back' } })).status).toBe(404);
    openGate(gate);
    await core.end(key, 'm1');
    expect((await core.ask(`${path}/m1`, { method: 'DELETE' })).code).toBe('message_delivered');
  });
});

describe('inject', () => {
  test('hands a message into the turn, and the run is the one that was under way', async () => {
    const key = await core.make('claude');
    expect((await core.info(key)).steer).toEqual(['queue', 'inject', 'interrupt']);
    await core.send(key, 'm1', 'wait');
    await core.said(key, 'wait');
    const receipt = await core.send(key, 'm2', 'done', { steer: 'inject' });
    expect(receipt).toMatchObject({ run: null, message: { steer: 'inject' } });
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'wait\n\ndone' });
    expect(await core.message(key, 'm2')).toMatchObject({ state: 'delivered', run: 'm1', steer: 'inject' });
    expect(await core.begun(key)).toEqual(['m1']);
    expect((await core.log(key)).types.filter((type) => type === 'message_delivered')).toHaveLength(2);
  });

  test('of a message that the turn did not take makes it a run of its own, also over a restart', async () => {
    const key = await core.make('claude');
    await core.send(key, 'm1', 'deaf');
    await core.said(key, 'deaf');
    await core.send(key, 'm2', 'too late', { steer: 'inject' });
    await core.restart();
    expect((await core.message(key, 'm2')).state).toBe('queued');
    await core.abort(key, 'm1');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'too late' });
    expect(await core.message(key, 'm2')).toMatchObject({ state: 'delivered', run: 'm2' });
  });

  test('becomes queue, and says so, where the agent cannot, and where nothing is under way', async () => {
    const { key, gate } = await busy();
    const receipt = await core.send(key, 'm2', 'echo m2', { steer: 'inject' });
    expect(receipt).toMatchObject({ message: { steer: 'queue', state: 'queued' }, run: { id: 'm2', state: 'queued' } });
    openGate(gate);
    expect(await core.end(key, 'm2')).toMatchObject({ text: 'm2' });
    const idle = await core.make('claude');
    const first = await core.send(idle, 'm1', 'hello', { steer: 'inject' });
    expect(first).toMatchObject({ message: { steer: 'queue' }, run: { id: 'm1' } });
    expect(await core.end(idle, 'm1')).toMatchObject({ state: 'final', text: 'hello' });
  });
});

describe('interrupt', () => {
  test('aborts the run and is next; the others keep their order', async () => {
    const { key } = await busy();
    for (const id of ['m2', 'm3']) await core.send(key, id, `echo ${id}`);
    const receipt = await core.send(key, 'm4', 'echo m4', { steer: 'interrupt' });
    expect(receipt).toMatchObject({ message: { steer: 'interrupt' }, run: { id: 'm4' } });
    expect(await core.end(key, 'm3')).toMatchObject({ text: 'm3' });
    expect(await core.begun(key)).toEqual(['m1', 'm4', 'm2', 'm3']);
    const by = { user: 'admin', name: 'admin' };
    expect(await core.run(key, 'm1')).toMatchObject({ state: 'aborted', text: 'busy', end: { via: 'interrupt', by } });
    expect((await core.history(key)).map(({ id }) => id).filter((id) => id.startsWith('m'))).toEqual([
      'm1',
      'm4',
      'm2',
      'm3',
    ]);
  });

  inAll('is next also over a kill in the middle, and a second one comes behind the first', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm1', 'say on\nhang');
    await core.said(key, 'on');
    await core.send(key, 'm2', 'say m2');
    // The agent hangs, so that these wait until its grace is over.
    await core.send(key, 'm3', 'say m3', { steer: 'interrupt' });
    const second = await core.send(key, 'm4', 'say m4', { steer: 'interrupt' });
    expect(second.message.steer).toBe('interrupt');
    expect(await queueOf(key)).toEqual(['m3', 'm4', 'm2']);
    await core.restart();
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'm2' });
    expect(await core.begun(key)).toEqual(['m1', 'm3', 'm4', 'm2']);
    expect(await core.run(key, 'm1')).toMatchObject({ state: 'aborted', end: { via: 'interrupt' } });
  });

  test('of nothing just runs', async () => {
    const key = await core.make('main');
    const receipt = await core.send(key, 'm1', 'hello', { steer: 'interrupt' });
    expect(receipt.message.steer).toBe('queue');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'hello' });
  });
});

describe('one id', () => {
  test('acts once, however often and at once it is sent', async () => {
    const key = await core.make('main');
    const receipts = await Promise.all(Array.from({ length: 20 }, () => core.send(key, 'm1', 'just once')));
    expect(receipts.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(receipts.map(({ run }) => run?.id))).toEqual(new Set(['m1']));
    await core.end(key, 'm1');
    await core.restart();
    expect(await core.send(key, 'm1', 'just once')).toMatchObject({
      duplicate: true,
      run: { state: 'final', text: 'just once' },
    });
    expect(await core.begun(key)).toEqual(['m1']);
    expect((await core.history(key)).map(({ text }) => text)).toEqual(['just once', 'just once']);
  });

  test('with another text or another time limit is a conflict, in whatever state', async () => {
    const { key, gate } = await busy();
    await core.send(key, 'm2', 'echo m2', { timeoutMs: 60_000 });
    const conflict = { status: 409, code: 'message_conflict' };
    expect(await core.trySend(key, { id: 'm1', text: 'other' })).toMatchObject(conflict);
    expect(await core.trySend(key, { id: 'm2', text: 'other' })).toMatchObject(conflict);
    expect(await core.trySend(key, { id: 'm2', text: 'echo m2' })).toMatchObject(conflict);
    expect(await core.trySend(key, { id: 'm2', text: 'stop' })).toMatchObject(conflict);
    expect((await core.send(key, 'm2', 'echo m2', { timeoutMs: 60_000 })).duplicate).toBe(true);
    openGate(gate);
    await core.end(key, 'm2');
    expect(await core.trySend(key, { id: 'm2', text: 'other' })).toMatchObject(conflict);
    const wire = await core.wire();
    const answer = await wire.ask({ t: 'send', conversation: key, id: 'm2', text: 'other' });
    expect(answer).toMatchObject({ t: 'error', error: { code: 'message_conflict' } });
  });

  test('in two conversations is two messages', async () => {
    const [one, other] = [await core.make('main'), await core.make('main')];
    expect((await core.send(one, 'm1', 'here')).duplicate).toBe(false);
    expect((await core.send(other, 'm1', 'there')).duplicate).toBe(false);
    expect((await core.end(one, 'm1')).text).toBe('here');
    expect((await core.end(other, 'm1')).text).toBe('there');
  });
});

// A run that is aborted: by every road, by those who may, with what was said kept, and with nothing left running.

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ConversationRun } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inAll } from '../support/count.ts';
import type { Gateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { pathOf } from './conversation.fixture.ts';
import { AGENTS, type Core, gateIn, isAlive, openCore, openCoreHere, openGate, untilGate } from './core.fixture.ts';

const LATE_ACP = resolve(import.meta.dirname, 'late-acp.mjs');
const config = {
  agents: {
    entries: {
      ...AGENTS,
      impatient: { ...AGENTS.acp, timeoutMs: 400 },
      late: { driver: 'acp', command: [process.execPath, LATE_ACP] },
    },
  },
};
const ADMIN = { user: 'admin', name: 'admin' };

let core: Core<Gateway>;
beforeAll(async () => {
  core = await openCoreHere({}, config);
});
afterAll(() => core.close());

async function begin(agent: string, text: string, said: string): Promise<string> {
  const key = await core.make(agent);
  await core.send(key, 'm1', text);
  await core.said(key, said);
  return key;
}

const pidsIn = (file: string): number[] => readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);

describe('an abort', () => {
  test('by run ends it at once, tells who and by which road, and keeps what was said', async () => {
    const key = await begin('acp', 'say half a\nidle', 'half a');
    const wire = await core.wire();
    await wire.ask({ t: 'follow', conversation: key, from: 'start' });
    expect(await core.abort(key, 'm1')).toEqual({ aborted: ['m1'] });
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({ state: 'aborted', text: 'half a', end: { via: 'run', by: ADMIN } });
    const end = await wire.untilSo(() => wire.of(key).end('m1'));
    expect(end).toMatchObject({ type: 'aborted', text: 'half a', via: 'run', by: ADMIN });
    const history = await core.history(key);
    expect(history.map(({ role, text, ended }) => [role, text, ended])).toEqual([
      ['user', 'say half a\nidle', undefined],
      ['assistant', 'half a', 'aborted'],
    ]);
    expect(await core.abort(key, 'm1')).toEqual({ aborted: [] });
    // The agent had heard of it, and goes on in the same process.
    await core.send(key, 'm2', 'recall');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'say half a\nidle' });
  });

  test('by conversation takes what waits along, and what comes afterwards runs', async () => {
    const key = await begin('acp', 'say one\nidle', 'one');
    await core.send(key, 'm2', 'say two');
    await core.send(key, 'm3', 'say three');
    expect(await core.abortAll(key)).toEqual({ aborted: ['m1', 'm2', 'm3'] });
    await core.send(key, 'm4', 'say four');
    expect(await core.end(key, 'm4')).toMatchObject({ state: 'final', text: 'four' });
    expect(await core.begun(key)).toEqual(['m1', 'm4']);
    expect(await core.run(key, 'm1')).toMatchObject({ state: 'aborted', end: { via: 'conversation', by: ADMIN } });
    expect(await core.message(key, 'm2')).toMatchObject({ state: 'cancelled', run: null });
    expect(await core.abortAll(key)).toEqual({ aborted: [] });
  });

  test('of a message that waits is not one of the run before it', async () => {
    const key = await begin('acp', 'say one\nidle', 'one');
    await core.send(key, 'm2', 'say two');
    expect(await core.abort(key, 'm2')).toEqual({ aborted: ['m2'] });
    expect((await core.info(key)).run).toMatchObject({ id: 'm1', state: 'running' });
    expect((await core.info(key)).queue).toEqual([]);
    const unknown = await core.ask(`${pathOf(key)}/runs/nobody`, { method: 'DELETE' });
    expect(unknown).toMatchObject({ status: 404, code: 'run_not_found' });
  });

  test('in the moment of the start leaves no process behind', async () => {
    const key = await core.make('shell');
    const file = gateIn(core, 'started');
    await core.send(key, 'm1', `echo $$ > ${file}; sleep 1000`);
    await core.abort(key, 'm1');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'aborted', text: '' });
    await core.send(key, 'm2', 'echo next');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'next' });
    if (existsSync(file)) for (const pid of pidsIn(file)) expect(isAlive(pid)).toBe(false);
  });

  test('by a time limit of the message, or of the agent, says so', async () => {
    const asked = await core.make('acp');
    // The process of the agent runs already: its start would be a part of the 300 ms.
    await core.send(asked, 'm0', 'say zero');
    await core.end(asked, 'm0');
    await core.send(asked, 'm1', 'say before\nidle', { timeoutMs: 300 });
    const limit = { state: 'aborted', text: 'before', end: { via: 'timeout', by: { user: null, name: 'time limit' } } };
    expect(await core.end(asked, 'm1')).toMatchObject(limit);
    const impatient = await core.make('impatient');
    await core.send(impatient, 'm0', 'say zero');
    await core.end(impatient, 'm0');
    await core.send(impatient, 'm1', 'say before\nidle');
    expect(await core.end(impatient, 'm1')).toMatchObject(limit);
    // The time that it waited is not counted.
    await core.send(impatient, 'm2', 'say after');
    expect(await core.end(impatient, 'm2')).toMatchObject({ state: 'final', text: 'after' });
  });

  inAll('time limit goes on over a restart of the gateway', async () => {
    const own = await openCore({}, config);
    try {
      const key = await own.make('acp');
      await own.send(key, 'm1', 'say before\nidle', { timeoutMs: 1500 });
      await own.said(key, 'before');
      await own.restart();
      const run = await own.end(key, 'm1');
      expect(run).toMatchObject({ state: 'aborted', text: 'before', end: { via: 'timeout' } });
      expect((run.endedAt ?? 0) - (run.startedAt ?? 0)).toBeGreaterThanOrEqual(1499);
    } finally {
      await own.close();
    }
  });

  test('of an agent that does not let itself be cancelled ends its process after the grace, and another one goes on', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm0', 'say zero');
    await core.end(key, 'm0');
    await core.send(key, 'm1', 'say x\nhang');
    await core.said(key, 'x');
    await core.abort(key, 'm1');
    // Told at once, though it has not stopped.
    expect(await core.run(key, 'm1')).toMatchObject({ state: 'aborted', text: 'x' });
    await core.send(key, 'm2', 'recall');
    const run = await core.end(key, 'm2');
    expect(run).toMatchObject({ state: 'final', text: 'nothing' });
    expect((run.startedAt ?? 0) - run.queuedAt).toBeGreaterThan(100);
  });

  test('drops what the agent says of it later, and counts it', async () => {
    const key = await begin('late', 'go', 'in time');
    const before = await core.metric('binnacle_late_events_total');
    await core.abort(key, 'm1');
    await until('they are counted', async () => (await core.metric('binnacle_late_events_total')) > before);
    await core.send(key, 'm2', 'quick');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'in time' });
    const log = await core.log(key);
    expect(log.said('m1')).toBe('in time');
    expect(JSON.stringify(log.events)).not.toContain('late now');
    expect((await core.history(key)).map(({ text }) => text)).toEqual(['go', 'in time', 'quick', 'in time']);
  });

  test('ends the process of the agent and all that it has started', async () => {
    const file = gateIn(core, 'pids');
    const key = await begin(
      'shell',
      `sleep 900 & echo $$ $! > ${file}; setsid sleep 901 & echo $! >> ${file}; echo on; wait`,
      'on',
    );
    await until('its pids are known', () => existsSync(file) && pidsIn(file).length === 3);
    await core.abort(key, 'm1');
    await until('they have ended', () => pidsIn(file).every((pid) => !isAlive(pid)));
  });
});

describe('a stop text', () => {
  test.each(['/stop', 'STOP!', ' please   stop. ', 'Arrête', '停止', 'don’t do that', '/abort', 'esc'])(
    '%j aborts what runs and what waits, and is not sent to the agent',
    async (text) => {
      const key = await begin('main', '/slow one two three four five six seven', 'one');
      await core.send(key, 'm2', 'next');
      const receipt = await core.send(key, 'stopping', text);
      expect(receipt).toMatchObject({
        run: null,
        duplicate: false,
        aborted: ['m1', 'm2'],
        message: { state: 'cancelled' },
      });
      expect(await core.end(key, 'm1')).toMatchObject({ state: 'aborted', end: { via: 'stop_text', by: ADMIN } });
      expect(await core.begun(key)).toEqual(['m1']);
    },
  );

  test.each([
    'stop the server',
    'do not stop',
    '/stop the server',
    'please stop using tabs',
    'nonstop',
    'stop\nit later',
  ])('%j only contains one, and is sent to the agent', async (text) => {
    const key = await core.make('main');
    expect((await core.send(key, 'm1', text)).aborted).toBeUndefined();
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text });
  });

  test('acts once: sent again by who did not hear the answer, it spares what has begun since', async () => {
    const key = await begin('acp', 'idle', '').catch(() => '');
    await core.send(key, 'stopping', 'stop');
    await core.send(key, 'm2', 'say two\nidle');
    await core.said(key, 'two');
    expect(await core.send(key, 'stopping', 'stop')).toMatchObject({ duplicate: true, run: null });
    expect((await core.info(key)).run).toMatchObject({ id: 'm2', state: 'running' });
    const nothing = await core.send(await core.make('main'), 'm1', 'stop');
    expect(nothing).toMatchObject({ run: null, aborted: [] });
  });

  test('on the WebSocket answers with what it has aborted', async () => {
    const key = await begin('acp', 'say on\nidle', 'on');
    const wire = await core.wire();
    const answer = await wire.ask({ t: 'send', conversation: key, id: 's1', text: 'stop' });
    expect(answer).toMatchObject({ t: 'ok', result: { run: null, aborted: ['m1'] } });
  });
});

describe('who may abort', () => {
  test('is everybody who may send to it, and it is told who it was', async () => {
    const [alice, bob] = [await core.tokenOf('alice'), await core.tokenOf('bob')];
    const key = await core.make('acp', { visibility: { kind: 'shared', with: ['bob'] } }, alice);
    await core.send(key, 'm1', 'say hers\nidle', {}, alice);
    await core.said(key, 'hers');
    const { status } = await core.ask(`${pathOf(key)}/runs/m1`, { method: 'DELETE', token: bob });
    expect(status).toBe(200);
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({
      by: { user: 'alice' },
      end: { via: 'run', by: { user: 'bob', name: 'token of bob' } },
    });
  });

  test('is nobody with the scope view, and nobody who may not see it', async () => {
    const [carol, looks, dave] = [
      await core.tokenOf('carol'),
      await core.tokenOf('carol', 'view'),
      await core.tokenOf('dave'),
    ];
    const key = await core.make('acp', {}, carol);
    await core.send(key, 'm1', 'say hers\nidle', {}, carol);
    await core.said(key, 'hers');
    for (const [token, status, code] of [
      [looks, 403, 'forbidden'],
      [dave, 404, 'conversation_not_found'],
    ] as const) {
      expect(await core.ask(`${pathOf(key)}/runs/m1`, { method: 'DELETE', token })).toMatchObject({ status, code });
      expect(await core.ask(`${pathOf(key)}/abort`, { method: 'POST', token })).toMatchObject({ status, code });
      expect(await core.trySend(key, { text: 'stop' }, { token })).toMatchObject({ status, code });
      const wire = await core.wire(token);
      const abort = await wire.ask({ t: 'abort', conversation: key });
      expect(abort).toMatchObject({ t: 'error', error: { code } });
      const stop = await wire.ask({ t: 'send', conversation: key, id: 's1', text: 'stop' });
      expect(stop).toMatchObject({ t: 'error', error: { code } });
    }
    expect((await core.info(key)).run).toMatchObject({ id: 'm1', state: 'running' });
  });
});

describe('the end of', () => {
  test('a connection aborts nothing', async () => {
    const key = await core.make('shell');
    const gate = gateIn(core, 'lonely');
    const wire = await core.wire();
    await wire.ask({ t: 'send', conversation: key, id: 'm1', text: untilGate(gate, 'alone', 'still here') });
    await core.said(key, 'alone');
    wire.terminate();
    openGate(gate);
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'alone\nstill here' });
  });

  test('a conversation aborts its run, ends its agent and tells those who follow', async () => {
    const file = gateIn(core, 'deleted');
    const key = await begin('shell', `echo $$ > ${file}; echo on; sleep 900`, 'on');
    await core.send(key, 'm2', 'echo never');
    const wire = await core.wire();
    await wire.ask({ t: 'follow', conversation: key, from: 'start' });
    await wire.untilSo(() => wire.of(key).said('m1') === 'on');
    const waiting = core.ask(`${pathOf(key)}/runs/m1?wait=20000`);
    expect((await core.ask(pathOf(key), { method: 'DELETE' })).status).toBe(204);
    await wire.until((frame) => frame.t === 'conversation_deleted');
    expect(wire.of(key).end('m1')).toMatchObject({ type: 'aborted', via: 'deleted', by: ADMIN });
    expect((await waiting).json).toMatchObject({ state: 'aborted', text: 'on' });
    expect(await core.ask(pathOf(key))).toMatchObject({ status: 404, code: 'conversation_not_found' });
    await until('its process has ended', () => pidsIn(file).every((pid) => !isAlive(pid)));
  });

  test('the gateway aborts what cannot go on without it, leaves alone what can, and forgets nothing that waits', async () => {
    const local = await begin('main', `/slow ${'word '.repeat(200)}`, 'word');
    await core.send(local, 'm2', 'afterwards');
    const gate = gateIn(core, 'over');
    const outside = await begin('shell', untilGate(gate, 'before', 'after'), 'before');
    await core.stop();
    openGate(gate);
    await core.start();
    const run = await core.end(local, 'm1');
    expect(run).toMatchObject({ state: 'aborted', end: { via: 'shutdown', by: { user: null, name: 'gateway' } } });
    expect(run.text).toMatch(/^word /);
    expect((await core.log(local)).end('m1')).toMatchObject({ via: 'shutdown', text: run.text });
    expect(await core.end(local, 'm2')).toMatchObject({ state: 'final', text: 'afterwards' });
    expect(await core.end(outside, 'm1')).toMatchObject({ state: 'final', text: 'before\nafter' });
  });

  inAll('a gateway that is to abort all runs does that, and no process stays', async () => {
    const strict = await openCore({ runsAtStop: 'abort' }, config);
    try {
      const file = gateIn(strict, 'pid');
      const key = await strict.make('shell');
      await strict.send(key, 'm1', `echo $$ > ${file}; echo on; sleep 900`);
      await strict.said(key, 'on');
      await strict.stop();
      expect(pidsIn(file).filter(isAlive)).toEqual([]);
      await strict.start();
      const run: ConversationRun = await strict.run(key, 'm1');
      expect(run).toMatchObject({ state: 'aborted', text: 'on', end: { via: 'shutdown' } });
    } finally {
      await strict.close();
    }
  });
});

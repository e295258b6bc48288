// The life of an agent's process beside that of its conversation: idle, restarted, configured anew, deleted.

import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { pathOf } from './conversation.fixture.ts';
import { AGENTS, type Core, gateIn, isAlive, openCoreHere, openGate } from './core.fixture.ts';

const acp = AGENTS.acp.command.join(' ');
/** Writes its pid, and does not go when it is asked to. */
const stubborn = (file: string): readonly string[] => [
  'sh',
  '-c',
  `trap '' HUP TERM; echo $$ >> ${file}; ${acp}; echo $$ >> ${file}.asked; sleep 900`,
];

let core: Core<Gateway>;
beforeAll(async () => {
  core = await openCoreHere({ agentIdleMs: 300, agentGraceMs: 600 }, (dir: string) => ({
    agents: {
      entries: {
        ...AGENTS,
        stubborn: { driver: 'acp', command: stubborn(gateIn({ dir }, 'pids')) },
        kept: { driver: 'acp', command: [...AGENTS.acp.command, '--resume', '--dir', dir] },
      },
    },
  }));
});
afterAll(() => core.close());

const pids = (): number[] => readFileSync(gateIn(core, 'pids'), 'utf8').trim().split('\n').map(Number);

describe('an agent without work', () => {
  test('is ended after a while, and the next one remembers what it was told', async () => {
    const key = await core.make('kept');
    await core.send(key, 'm1', 'say one');
    await core.end(key, 'm1');
    await until('it is ended', async () => (await core.metric('binnacle_sessions{state="running"}')) === 0);
    await core.send(key, 'm2', 'recall');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'say one' });
  });

  test('that takes its time to end has no say in the turn of the next one', async () => {
    const key = await core.make('stubborn');
    await core.send(key, 'm1', 'say one');
    await core.end(key, 'm1');
    // Asked to end; it has ended 400 ms later.
    await until('it is asked to end', () => existsSync(`${gateIn(core, 'pids')}.asked`));
    await core.send(key, 'm2', 'say two\nidle');
    await core.said(key, 'two');
    const [first = 0, second = 0] = pids();
    expect(second).not.toBe(0);
    await until('the first has ended', () => !isAlive(first));
    await core.send(key, 'm3', 'say three');
    expect((await core.info(key)).queue.map(({ id }) => id)).toEqual(['m3']);
    await core.abort(key, 'm2');
    expect(await core.end(key, 'm3')).toMatchObject({ state: 'final', text: 'three' });
  });
});

describe('an agent whose settings change', () => {
  test('goes on with its turn, and the next one has the new settings', async () => {
    const small = await openCoreHere();
    try {
      const key = await small.make('shell');
      const gate = gateIn(small, 'gate');
      await small.send(key, 'm1', `echo $COLOUR on; while [ ! -e ${gate} ]; do sleep 0.05; done; echo $COLOUR off`);
      await small.said(key, 'on');
      small.configure({ agents: { entries: { ...AGENTS, shell: { ...AGENTS.shell, env: { COLOUR: 'red' } } } } });
      // Nothing that is shown tells that it was read.
      const probe = await small.make('shell');
      let n = 0;
      await until('it is read', async () => {
        n += 1;
        await small.send(probe, `p${n}`, 'echo $COLOUR');
        return (await small.end(probe, `p${n}`)).text === 'red';
      });
      await small.send(key, 'm2', 'echo $COLOUR');
      openGate(gate);
      expect((await small.end(key, 'm1')).text).toBe('on\noff');
      expect((await small.end(key, 'm2')).text).toBe('red');
    } finally {
      await small.close();
    }
  });
});

describe('a conversation that is being deleted', () => {
  test('is not there any more for anybody, though its agent takes its time to end', async () => {
    const key = await core.make('stubborn', { name: 'short' });
    const before = existsSync(gateIn(core, 'pids')) ? pids().length : 0;
    await core.send(key, 'm1', 'say on\nhang');
    await core.said(key, 'on');
    const deleting = core.ask(pathOf(key), { method: 'DELETE' });
    await until('it is gone', async () => (await core.ask(`${pathOf(key)}/runs/m1`)).json.state !== 'running');
    for (const path of ['', '/messages', '/events?follow=0', '/runs/m1']) {
      expect([path, (await core.ask(`${pathOf(key)}${path}`)).code]).toEqual([path, 'conversation_not_found']);
    }
    expect((await core.trySend(key, { text: 'hello' })).code).toBe('conversation_not_found');
    expect((await core.ask('/v1/conversations')).status).toBe(200);
    expect((await deleting).status).toBe(204);
    await until('its process has ended', () =>
      pids()
        .slice(before)
        .every((pid) => !isAlive(pid)),
    );
    // The name is free again, and what was said is not there.
    const again = await core.make('stubborn', { name: 'short' });
    expect(again).toBe(key);
    expect(await core.history(again)).toEqual([]);
  });
});

describe('who waits for a run', () => {
  test('is answered when it ends, with its end, by every road', async () => {
    const key = await core.make('acp');
    const sent = await core.must<{ run: unknown; message: unknown }>(202, `${pathOf(key)}/messages?wait=20000`, {
      body: { id: 'm1', text: 'slow 10' },
    });
    expect(sent).toMatchObject({
      run: { state: 'final', text: '1 2 3 4 5 6 7 8 9 10 ' },
      message: { state: 'delivered' },
    });
    await core.send(key, 'm2', 'slow 10\nfail it');
    const run = await core.must(200, `${pathOf(key)}/runs/m2?wait=20000`);
    expect(run).toMatchObject({
      state: 'error',
      text: '1 2 3 4 5 6 7 8 9 10 ',
      end: { error: { code: 'agent_failed' } },
    });
    await core.send(key, 'm3', 'idle');
    const [waiting] = await Promise.all([
      core.must(200, `${pathOf(key)}/runs/m3?wait=20000`),
      until('it runs', async () => (await core.run(key, 'm3')).state === 'running').then(() => core.abortAll(key)),
    ]);
    expect(waiting).toMatchObject({ state: 'aborted', end: { via: 'conversation' } });
    // Not for ever.
    await core.send(key, 'm4', 'idle');
    expect(await core.must(200, `${pathOf(key)}/runs/m4?wait=100`)).toMatchObject({ state: 'running' });
    await core.abortAll(key);
  });
});

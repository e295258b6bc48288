// A pause of the machine in the middle of a silence, in real time.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { AGENTS, type Core, openCore } from '../conversations/core.fixture.ts';
import { until } from '../support/until.ts';

const LIMIT_MS = 12_000;
/** Longer than the limit, and than a look at the clock can be late by itself. */
const PAUSE_MS = 17_000;

let core: Core;
beforeAll(async () => {
  core = await openCore({}, { agents: { entries: { acp: { ...AGENTS.acp, silenceMs: LIMIT_MS } } } });
});
afterAll(() => core.close());

test('behind a pause of the machine a silent turn has its interval once more, and then it ends', async () => {
  const key = await core.make('acp');
  await core.send(key, 'm1', 'say on\nhang');
  await core.said(key, 'on');
  const { pid } = core.gateway;
  process.kill(pid, 'SIGSTOP');
  const stopped = performance.now();
  await until('the pause is over', () => performance.now() - stopped > PAUSE_MS, PAUSE_MS + 5000);
  process.kill(pid, 'SIGCONT');
  const resumed = Date.now();
  expect((await core.info(key)).run?.state).toBe('running');
  const end = await core.end(key, 'm1');
  expect(end).toMatchObject({ state: 'error', text: 'on', end: { error: { code: 'agent_silent' } } });
  expect((end.endedAt ?? 0) - resumed).toBeGreaterThan(LIMIT_MS - 1000);
}, 90_000);

// Five real agents in conversations, against a model that is ours: what each does, cell by cell, as docs/agents.md has it.

import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import type { ApprovalOption, ConversationEvent } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathOf } from '../conversations/conversation.fixture.ts';
import { type Core, openCore } from '../conversations/core.fixture.ts';
import { until } from '../support/until.ts';
import { type AgentHome, HOMES } from './agent-homes.fixture.ts';

/** The first use installs them. */
const INSTALL_MS = 900_000;
/** Some take ten seconds of a processor to start. */
const TURN_MS = 120_000;
const CELL_MS = 300_000;
const DELAY_MS = 50;

let model: MockLlm;
let core: Core;
const homes = new Map<string, AgentHome>();
/** How often the model refuses with 529 before it answers. */
let overloads = 0;

beforeAll(async () => {
  model = await startMockLlm({
    delayMs: DELAY_MS,
    answer: ({ input: said, model: asked }) => {
      const last = said.at(-1);
      // Others ask their model behind our back, too.
      if (overloads > 0 && asked.startsWith('claude')) {
        overloads -= 1;
        return { kind: 'fail', status: 529, message: 'Overloaded' };
      }
      // Says a word, and thinks for longer than people look.
      if (last?.from === 'user' && last.text.startsWith('PONDER')) {
        return { kind: 'text', deltas: ['hm', ' so'], pauseMs: 20_000 };
      }
      return undefined;
    },
  });
  for (const [name, make] of Object.entries(HOMES)) homes.set(name, await make(model.url));
  const entries = Object.fromEntries([...homes].map(([name, { entry }]) => [name, entry]));
  core = await openCore({ agentGraceMs: 5000 }, { agents: { entries } });
}, INSTALL_MS);
afterAll(async () => {
  await core?.close();
  await model?.close();
  for (const home of homes.values()) home.remove();
}, 60_000);

const words = (n: number): string => Array.from({ length: n }, (_, i) => `word${i + 1}`).join(' ');
const of = (name: string): AgentHome => {
  const home = homes.get(name);
  if (home === undefined) throw new Error(`There is no ${name}.`);
  return home;
};

async function answer(key: string, kind: ApprovalOption['kind']): Promise<void> {
  await until('it asks', async () => (await core.info(key)).approvals.length > 0, TURN_MS);
  const [approval] = (await core.info(key)).approvals;
  const option = approval?.options.find((one) => one.kind === kind);
  await core.must(200, `${pathOf(key)}/approvals/${approval?.id}`, { body: { option: option?.id } });
}

const eventsOf = async (key: string, run: string): Promise<readonly ConversationEvent[]> =>
  (await core.log(key)).events.filter((event) => 'run' in event && event.run === run);

/**
 * Kills all processes that work where the agent works, as the out-of-memory killer does with a whole group. They are
 * stopped first: a child that outlives its parent for a millisecond reports the end of the turn by itself.
 */
function killAgent({ cwd }: AgentHome): number {
  const pids = readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`) === cwd;
    } catch {
      return false;
    }
  });
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
    for (const pid of pids) process.kill(Number(pid), signal);
  }
  return pids.length;
}

describe.each(Object.keys(HOMES))('%s', (name) => {
  let key = '';
  let beganAt = 0;

  test(
    'says what it says in deltas, in their order',
    async () => {
      key = await core.make(name);
      // Its start takes all of a processor; what comes meanwhile comes at once.
      await core.send(key, 'm0', 'the word is PINEAPPLE');
      expect(await core.end(key, 'm0')).toMatchObject({ state: 'final', text: 'the word is PINEAPPLE' });
      beganAt = Date.now();
      const wire = await core.wire();
      await wire.ask({ t: 'follow', conversation: key, deltaIntervalMs: 0 });
      await core.send(key, 'm1', 'SLOW 60');
      expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: words(60) });
      await wire.untilSo(() => wire.of(key).end('m1'));
      const deltas = wire.of(key).events.filter((event) => event.type === 'delta' && event.stream === 'said');
      wire.close();
      expect(deltas.length).toBeGreaterThanOrEqual(5);
    },
    CELL_MS,
  );

  test(
    'shows a tool, asks for leave, and runs it once that is given',
    async () => {
      const { tool, cwd } = of(name);
      await core.send(key, 'm2', `${tool} touch allowed && echo ahoy`);
      await answer(key, 'allow_once');
      const run = await core.end(key, 'm2');
      expect(run).toMatchObject({ state: 'final', text: expect.stringContaining('The tool said: ') });
      expect(existsSync(join(cwd, 'allowed'))).toBe(true);
      const tools = (await eventsOf(key, 'm2')).flatMap((event) => (event.type === 'tool' ? [event.tool] : []));
      expect(tools.at(-1)).toMatchObject({ status: 'done', kind: 'execute' });
      expect(JSON.stringify(tools)).toContain('touch allowed');
      expect(JSON.stringify(tools)).toContain('ahoy');
    },
    CELL_MS,
  );

  test(
    'does not run what is denied, and its turn ends',
    async () => {
      const { tool, cwd } = of(name);
      await core.send(key, 'm3', `${tool} touch denied`);
      await answer(key, 'deny_once');
      const run = await core.end(key, 'm3');
      console.log(`${name}, denied: ${run.state} ${JSON.stringify(run.text.slice(0, 100))}`);
      expect(['final', 'aborted']).toContain(run.state);
      expect(existsSync(join(cwd, 'denied'))).toBe(false);
    },
    CELL_MS,
  );

  test(
    'stops when it is aborted, and the next answer has nothing of the one before',
    async () => {
      await core.send(key, 'm4', 'SLOW 600');
      await until('it speaks', async () => (await core.info(key)).run?.text.includes('word3') === true, TURN_MS);
      await core.abort(key, 'm4');
      expect(await core.end(key, 'm4')).toMatchObject({
        state: 'aborted',
        text: expect.stringMatching(/^word1 word2/),
      });
      await core.send(key, 'm5', 'and now this');
      expect(await core.end(key, 'm5')).toMatchObject({ state: 'final', text: 'and now this' });
    },
    CELL_MS,
  );

  test(
    'goes on through a kill -9 of the gateway in the middle of a turn: nothing is missing, nothing is there twice',
    async () => {
      await core.send(key, 'm6', 'SLOW 100');
      await until('it speaks', async () => (await core.info(key)).run?.text.includes('word5') === true, TURN_MS);
      await core.restart();
      expect(await core.end(key, 'm6')).toMatchObject({ state: 'final', text: words(100) });
    },
    CELL_MS,
  );

  test(
    'remembers after a kill -9 of its process in the middle of a turn, and the old talk is not in the new answer',
    async () => {
      // Gemini CLI names the file of a session by the minute. Loaded in the minute in which it began, it is written over.
      if (name === 'gemini') await until('the next minute', () => minuteOf(Date.now()) > minuteOf(beganAt), 70_000);
      await core.send(key, 'm7', 'SLOW 600');
      await until('it speaks', async () => (await core.info(key)).run?.text.includes('word3') === true, TURN_MS);
      expect(killAgent(of(name))).toBeGreaterThan(0);
      expect(await core.end(key, 'm7')).toMatchObject({ state: 'error', end: { error: { code: 'agent_died' } } });
      await core.send(key, 'm8', 'what was it?');
      const run = await core.end(key, 'm8');
      const notes = (await eventsOf(key, 'm8')).filter((event) => event.type === 'agent' && event.name === 'note');
      expect(JSON.stringify(notes)).not.toMatch(/remembers nothing|starts a new one/);
      expect(run).toMatchObject({ state: 'final', text: 'what was it?' });
      expect(JSON.stringify(model.requests.findLast(({ parsed: asked }) => asked.tools.length > 0)?.body)).toContain(
        'PINEAPPLE',
      );
    },
    CELL_MS,
  );

  test(
    'is said to wait for its model when it says nothing for 15 s, and nobody is told yet',
    async () => {
      await core.send(key, 'm9', 'PONDER');
      expect(await core.end(key, 'm9')).toMatchObject({ state: 'final', text: 'hm so' });
      const silent = (await eventsOf(key, 'm9')).filter((event) => event.type === 'silent');
      expect(silent).toMatchObject([{ waitsFor: { kind: 'model' } }]);
      expect(silent[0]).not.toHaveProperty('isLong');
    },
    CELL_MS,
  );
});

const minuteOf = (ms: number): number => Math.floor(ms / 60_000);

test(
  'Claude Code says that it asks its overloaded model again',
  async () => {
    const key = await core.make('claude');
    overloads = 2;
    await core.send(key, 'm1', 'ahoy');
    await core.end(key, 'm1');
    const retries = (await eventsOf(key, 'm1')).filter((event) => event.type === 'agent' && event.name === 'retry');
    expect(retries[0]).toMatchObject({ data: { attempt: 1, of: 10, why: 'overloaded' } });
  },
  CELL_MS,
);

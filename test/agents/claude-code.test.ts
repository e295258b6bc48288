// Whole turns of the real Claude Code, offline, against a model that is ours. It is proprietary, so that it is not
// installed for the tests: they run where it is on the PATH.

import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { claudeCodeDriver } from '../../packages/server/src/conversations/drivers/claude-code/claude-code.ts';
import { type AgentProcess, startAgent } from './agent-process.fixture.ts';

const CLAUDE = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'claude'))
  .find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
const NAME =
  CLAUDE === undefined ? 'the real Claude Code (skipped: there is no `claude` on the PATH)' : 'the real Claude Code';

describe.skipIf(CLAUDE === undefined)(NAME, () => {
  let llm: MockLlm;
  const agents: AgentProcess[] = [];

  beforeAll(async () => {
    llm = await startMockLlm({ delayMs: 20 });
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.close()));
  });
  afterAll(() => llm?.close());

  const start = (options: { readonly memory?: string | null; readonly cwd?: string } = {}): AgentProcess => {
    const env = {
      ANTHROPIC_BASE_URL: llm.url,
      ANTHROPIC_API_KEY: 'sk-none',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    };
    const agent = startAgent(claudeCodeDriver, { ...options, env, settings: { command: [CLAUDE ?? 'claude'] } });
    agents.push(agent);
    return agent;
  };

  it('answers in deltas, again, and its own commands as well', async () => {
    const agent = start();
    agent.prompt('m1', 'hello there my friend');
    expect((await agent.until('ended')).end).toMatchObject({ kind: 'done' });
    expect(agent.said).toBe('hello there my friend');
    expect(agent.told.filter(({ kind }) => kind === 'said').length).toBeGreaterThan(1);
    agent.prompt('m2', 'THINK again');
    await agent.until('ended');
    expect(agent.said).toBe('THINK again');
    expect((await agent.until('usage')).usage.costUsd).toBeGreaterThan(0);
    agent.prompt('m3', '/cost');
    await agent.until('ended');
    expect(agent.said).toContain('Total cost');
  });

  it('asks before it writes, and does what it was answered', async () => {
    const agent = start();
    agent.prompt('m1', 'RUNTOOL touch allowed; echo done');
    const { asked } = await agent.until('approval');
    expect(asked).toMatchObject({ title: 'touch allowed; echo done' });
    expect(existsSync(join(agent.cwd, 'allowed'))).toBe(false);
    agent.answer(asked.id, 'allow');
    expect((await agent.until('tool', ({ call }) => call.status === 'done')).call.output).toBe('done');
    await agent.until('ended');
    expect(existsSync(join(agent.cwd, 'allowed'))).toBe(true);

    agent.prompt('m2', 'RUNTOOL touch denied');
    agent.answer((await agent.until('approval')).asked.id, 'deny');
    await agent.until('ended');
    expect(existsSync(join(agent.cwd, 'denied'))).toBe(false);
    expect(agent.said).toContain('It was not allowed.');

    agent.prompt('m3', 'RUNTOOL touch always');
    const third = (await agent.until('approval')).asked;
    agent.answer(third.id, third.options.find(({ kind }) => kind === 'allow_always')?.id ?? '');
    await agent.until('ended');
    expect(existsSync(join(agent.cwd, 'always'))).toBe(true);
  });

  it('takes a message in the middle of a turn, and ends when it has answered that', async () => {
    const agent = start();
    agent.prompt('m1', 'SLOW 20');
    await agent.until('said', ({ text }) => text.includes('word3'));
    agent.inject('m2', 'say ahoy');
    expect(await agent.until('delivered')).toEqual({ kind: 'delivered', message: 'm2' });
    expect((await agent.until('ended')).end).toMatchObject({ kind: 'done' });
    expect(agent.said).toMatch(/^word1 .* word20\n\nsay ahoy$/);
  });

  it('stops in the middle of its words, with a message that it has not read yet, and while it waits', async () => {
    const agent = start();
    agent.prompt('m1', 'SLOW 500');
    await agent.until('said', ({ text }) => text.includes('word3'));
    agent.inject('m2', 'say ahoy');
    agent.interrupt();
    expect((await agent.until('ended')).end).toEqual({ kind: 'cancelled' });
    expect(agent.told.some(({ kind }) => kind === 'delivered')).toBe(false);

    agent.prompt('m3', 'RUNTOOL touch never');
    await agent.until('approval');
    agent.interrupt();
    expect((await agent.until('ended')).end).toEqual({ kind: 'cancelled' });

    agent.prompt('m4', 'still there?');
    await agent.until('ended');
    expect(agent.said).toBe('still there?');
    expect(existsSync(join(agent.cwd, 'never'))).toBe(false);
  });

  it('goes on with another link in mid-word and while it waits for an answer', async () => {
    const agent = start();
    agent.prompt('m1', 'SLOW 30');
    await agent.until('said', ({ text }) => text.includes('word3'));
    agent.relink();
    await agent.until('ended');
    expect(agent.said).toBe(Array.from({ length: 30 }, (_, i) => `word${i + 1}`).join(' '));
    agent.prompt('m2', 'RUNTOOL touch relinked');
    const { asked } = await agent.until('approval');
    agent.relink();
    agent.answer(asked.id, 'allow');
    await agent.until('ended');
    expect(existsSync(join(agent.cwd, 'relinked'))).toBe(true);
  });

  it('remembers in a new process, and says so when it cannot', async () => {
    const first = start();
    first.prompt('m1', 'the word is quince');
    await first.until('ended');
    const memory = claudeCodeDriver.memoryOf(first.state);
    const second = start({ memory, cwd: first.cwd });
    second.prompt('m2', 'what was it?');
    await second.until('ended');
    expect(llm.requests.at(-1)?.parsed.input).toContainEqual({ from: 'user', text: 'the word is quince' });

    const lost = start({ memory: '01a20242-0000-4000-8000-000000000000' });
    lost.prompt('m3', 'and now?');
    expect((await lost.until('ended')).end).toMatchObject({ kind: 'failed' });
    expect(claudeCodeDriver.memoryOf(lost.state)).toBe('');
  });

  it("ends a turn with the model's error", async () => {
    const agent = start();
    agent.prompt('m1', 'FAIL 400');
    const { end } = await agent.until('ended');
    expect(end).toMatchObject({ kind: 'failed', message: expect.stringContaining('As you wished: 400.') });
  });
});

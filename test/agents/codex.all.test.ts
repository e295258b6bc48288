// Whole turns of the real Codex, offline, against a model that is ours.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { codexDriver } from '../../packages/server/src/conversations/drivers/codex/codex.ts';
import { type AgentProcess, type AgentProcessOptions, startAgent } from './agent-process.fixture.ts';
import { type CodexHome, codexHome } from './codex.fixture.ts';

/** The first run installs it. */
const INSTALL_MS = 600_000;

describe('the real Codex', () => {
  let llm: MockLlm;
  let free: CodexHome;
  let asking: CodexHome;
  const agents: AgentProcess[] = [];

  beforeAll(async () => {
    llm = await startMockLlm({ delayMs: 20 });
    free = await codexHome(llm.url, { asks: false });
    asking = await codexHome(llm.url, { asks: true });
  }, INSTALL_MS);

  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.close()));
  });

  afterAll(async () => {
    await llm?.close();
    free?.remove();
    asking?.remove();
  });

  const start = (options: AgentProcessOptions = {}, codex: CodexHome = free): AgentProcess => {
    const agent = startAgent(codexDriver, { env: codex.env, ...options, settings: { command: codex.command } });
    agents.push(agent);
    return agent;
  };

  it('answers in deltas, and again in the same thread', async () => {
    const agent = start();
    agent.prompt('m1', 'hello there my friend');
    expect((await agent.until('ended')).end).toEqual({ kind: 'done' });
    expect(agent.said).toBe('hello there my friend');
    expect(agent.told.filter(({ kind }) => kind === 'said').length).toBeGreaterThan(1);
    expect((await agent.until('usage')).usage.outputTokens).toBeGreaterThan(0);

    agent.prompt('m2', 'and once more');
    await agent.until('ended');
    expect(agent.said).toBe('and once more');
    expect(llm.requests.at(-1)?.parsed.input.filter(({ from }) => from === 'user').length).toBe(2);
  });

  it('runs a command, and shows what it prints while it runs', async () => {
    const agent = start();
    // Codex does not tell what comes in the first moment before the command has ended: it comes again and again.
    agent.prompt('m1', 'RUNTOOL until [ -e go ]; do echo one; sleep 0.1; done; echo two; exit 3');
    const running = await agent.until('tool', ({ call }) => call.output?.includes('one') === true);
    expect(running.call).toMatchObject({ kind: 'execute', status: 'running' });
    spawnSync('touch', [join(agent.cwd, 'go')]);
    const over = await agent.until('tool', ({ call }) => call.status !== 'running');
    expect(over.call).toMatchObject({ id: running.call.id, status: 'failed' });
    expect(over.call.output).toMatch(/^(one\n)+two\nexit code 3$/);
    await agent.until('ended');
    expect(agent.said).toContain('two');
  });

  it('asks before it leaves its limits, and does what it was answered', async () => {
    const agent = start({}, asking);
    agent.prompt('m1', 'ASKTOOL touch allowed');
    const { asked } = await agent.until('approval');
    expect(asked.title).toBe('touch allowed');
    expect(asked.detail).toContain('The mock was told to ask.');
    expect(asked.options.map(({ kind }) => kind)).toEqual(['allow_once', 'allow_always', 'deny_once']);
    expect(existsSync(join(agent.cwd, 'allowed'))).toBe(false);
    agent.answer(asked.id, 'accept');
    await agent.until('ended');
    expect(existsSync(join(agent.cwd, 'allowed'))).toBe(true);

    agent.prompt('m2', 'ASKTOOL touch denied');
    const second = await agent.until('approval');
    agent.answer(second.asked.id, 'decline');
    expect((await agent.until('ended')).end).toEqual({ kind: 'done' });
    expect(existsSync(join(agent.cwd, 'denied'))).toBe(false);
    expect(agent.said).toContain('rejected by user');
  });

  it('takes a message in the middle of a turn', async () => {
    const agent = start();
    agent.prompt('m1', 'SLOW 500');
    await agent.until('said', ({ text }) => text.includes('word3'));
    agent.inject('m2', 'never mind, say ahoy');
    expect(await agent.until('delivered')).toEqual({ kind: 'delivered', message: 'm2' });
    expect((await agent.until('ended')).end).toEqual({ kind: 'done' });
    expect(agent.said).toMatch(/^word1 word2 word3.*\n\nnever mind, say ahoy$/s);
    expect(agent.said).not.toContain('word500');
  });

  it('stops in the middle of its words and while it waits for an answer', async () => {
    const agent = start({}, asking);
    agent.prompt('m1', 'SLOW 500');
    await agent.until('said', ({ text }) => text.includes('word3'));
    agent.interrupt();
    expect((await agent.until('ended')).end).toEqual({ kind: 'cancelled' });

    agent.prompt('m2', 'ASKTOOL touch never');
    await agent.until('approval');
    agent.interrupt();
    expect((await agent.until('ended')).end).toEqual({ kind: 'cancelled' });

    agent.prompt('m3', 'still there?');
    expect((await agent.until('ended')).end).toEqual({ kind: 'done' });
    expect(agent.said).toBe('still there?');
    expect(existsSync(join(agent.cwd, 'never'))).toBe(false);
  });

  it('stops a command that runs', async () => {
    const agent = start();
    agent.prompt('m1', 'RUNTOOL while :; do echo begun; sleep 0.1; done');
    await agent.until('tool', ({ call }) => call.output?.includes('begun') === true);
    agent.interrupt();
    expect((await agent.until('ended')).end).toEqual({ kind: 'cancelled' });
  });

  it('goes on with another link in mid-word and while it waits for an answer', async () => {
    const agent = start({}, asking);
    agent.prompt('m1', 'SLOW 30');
    await agent.until('said', ({ text }) => text.includes('word3'));
    agent.relink();
    await agent.until('said', ({ text }) => text.includes('word10'));
    agent.relink();
    expect((await agent.until('ended')).end).toEqual({ kind: 'done' });
    expect(agent.said).toBe(Array.from({ length: 30 }, (_, i) => `word${i + 1}`).join(' '));

    agent.prompt('m2', 'ASKTOOL touch relinked');
    const { asked } = await agent.until('approval');
    agent.relink();
    agent.answer(asked.id, 'accept');
    expect((await agent.until('ended')).end).toEqual({ kind: 'done' });
    expect(existsSync(join(agent.cwd, 'relinked'))).toBe(true);
  });

  it('remembers in a new process, and says so when it cannot', async () => {
    const first = start();
    first.prompt('m1', 'the word is quince');
    await first.until('ended');
    const memory = codexDriver.memoryOf(first.state);
    expect(memory).not.toBeNull();
    await first.close();

    const second = start({ memory });
    second.prompt('m2', 'what was it?');
    await second.until('ended');
    const heard = llm.requests.at(-1)?.parsed.input;
    expect(heard).toContainEqual({ from: 'user', text: 'the word is quince' });
    expect(codexDriver.memoryOf(second.state)).toBe(memory);

    const lost = start({ memory: '01a20242-0000-7000-8000-000000000000' });
    lost.prompt('m3', 'and now?');
    expect((await lost.until('ended')).end).toEqual({ kind: 'done' });
    expect(JSON.stringify((await lost.until('agent', ({ name }) => name === 'note')).data)).toContain(
      'starts a new one',
    );
    expect(lost.said).toBe('and now?');
  });

  it("ends a turn with the model's error", async () => {
    const agent = start();
    agent.prompt('m1', 'FAIL 400');
    expect((await agent.until('ended')).end).toEqual({ kind: 'failed', message: 'As you wished: 400.' });
  });
});

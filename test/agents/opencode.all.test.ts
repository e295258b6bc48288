// Whole turns of the real OpenCode through the driver `acp`, offline, against a model that is ours.

import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acpDriver } from '../../packages/server/src/conversations/drivers/acp/acp.ts';
import type { AgentSettings } from '../../packages/server/src/conversations/drivers/driver.ts';
import { type AgentProcess, startAgent } from './agent-process.fixture.ts';
import { type OpenCodeHome, openCodeHome } from './opencode.fixture.ts';

/** The first use installs it. */
const INSTALL_MS = 600_000;
/** A test may start it twice. */
const LIMIT_MS = 180_000;
let model: MockLlm;
let home: OpenCodeHome;

beforeAll(async () => {
  model = await startMockLlm();
  home = await openCodeHome(model.url);
}, INSTALL_MS);
afterAll(async () => {
  await model.close();
  home.remove();
});

const start = (settings: Partial<AgentSettings> = {}, memory: string | null = null): AgentProcess =>
  startAgent(acpDriver, {
    settings: { command: home.command, ...settings },
    env: home.env,
    cwd: home.cwd,
    memory,
  });

describe('OpenCode', { timeout: LIMIT_MS }, () => {
  // It takes seconds of a processor to start: one of them for turn after turn.
  let agent: AgentProcess;
  beforeAll(() => {
    agent = start();
  });
  afterAll(() => agent.close());

  test('answers in pieces, turn after turn, and remembers', async () => {
    agent.prompt('m1', 'Say the words of the sea.');
    expect(await agent.until('ended')).toMatchObject({ end: { kind: 'done', stopReason: 'end_turn' } });
    expect(agent.said).toContain('Say the words of the sea.');
    expect(agent.told.filter(({ kind }) => kind === 'said').length).toBeGreaterThan(1);
    expect(agent.told).toContainEqual({
      kind: 'usage',
      usage: expect.objectContaining({ inputTokens: expect.any(Number) }),
    });

    agent.prompt('m2', 'And now another one.');
    await agent.until('ended');
    expect(agent.said).toContain('And now another one.');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toContain('words of the sea');
  });

  test('asks before it runs a command, and goes on with a new link while it waits for the answer', async () => {
    agent.prompt('m1', 'RUNTOOL echo ahoy');
    const { asked } = await agent.until('approval');
    expect(asked).toMatchObject({ id: 'm1-1', detail: 'echo ahoy' });
    expect(asked.options.map(({ kind }) => kind)).toEqual(['allow_once', 'allow_always', 'deny_once']);
    agent.relink();
    agent.answer(asked.id, asked.options[0]?.id ?? '');
    expect(await agent.until('ended')).toMatchObject({ end: { kind: 'done' } });
    const { call } = await agent.until('tool', (told) => told.call.status === 'done');
    expect(call).toMatchObject({ kind: 'execute', title: 'echo ahoy', output: 'ahoy\n' });
    expect(agent.said).toContain('The tool said: ahoy');
  });

  test('does not run what is denied', async () => {
    agent.prompt('m1', 'RUNTOOL echo ahoy');
    const { asked } = await agent.until('approval');
    agent.answer(asked.id, asked.options.find(({ kind }) => kind === 'deny_once')?.id ?? '');
    expect(await agent.until('ended')).toMatchObject({ end: { kind: 'done' } });
    const { call } = await agent.until('tool', (told) => told.call.status === 'failed');
    expect(call.output).not.toBe('ahoy\n');
  });

  test('stops when it is interrupted, in the middle of its words, and takes the next message', async () => {
    agent.prompt('m1', 'SLOW 1000');
    await agent.until('said');
    agent.interrupt();
    expect(await agent.until('ended')).toMatchObject({ end: { kind: 'cancelled' } });
    const words = agent.said.split(' ').length;
    expect(words).toBeLessThan(900);
    agent.prompt('m2', 'Still there?');
    expect(await agent.until('ended')).toMatchObject({ end: { kind: 'done' } });
    expect(agent.said).toContain('Still there?');
  });

  test('stops when it is interrupted while it waits for an approval, which is withdrawn', async () => {
    agent.prompt('m1', 'RUNTOOL echo ahoy');
    const { asked } = await agent.until('approval');
    agent.interrupt();
    await agent.until('withdraw', ({ id }) => id === asked.id);
    expect(await agent.until('ended')).toMatchObject({ end: { kind: 'cancelled' } });
  });

  test('is gone on with by another process, which remembers', async () => {
    agent.prompt('m1', 'The word is: binnacle.');
    await agent.until('ended');
    const memory = acpDriver.memoryOf(agent.state);
    expect(memory).toMatch(/^ses_/);
    await agent.close();
    agent = start({}, memory);
    agent.prompt('m2', 'What was the word?');
    expect(await agent.until('ended')).toMatchObject({ end: { kind: 'done' } });
    expect(agent.said).not.toContain('binnacle');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toContain('The word is: binnacle.');
  });

  test('takes the model of the config file, and says which it does not take', async () => {
    await agent.close();
    agent = start({ model: 'mock/large' });
    agent.prompt('m1', 'Hello.');
    expect(await agent.until('ended')).toMatchObject({ end: { kind: 'done' } });
    expect(model.requests.some(({ body }) => body.model === 'large')).toBe(true);
    await agent.close();
    agent = start({ model: 'mock/none' });
    agent.prompt('m1', 'Hello.');
    const { end } = await agent.until('ended');
    expect(end).toMatchObject({
      kind: 'failed',
      message: expect.stringContaining('does not take the model "mock/none"'),
    });
  });
});

// The driver `openai` in the gateway, against a model of ours: history, aborts and failures.

import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asJson, endOf, makeConversation, pathOf, sendTo, writeConfig } from '../conversations/conversation.fixture.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

let model: MockLlm;
let gateway: GatewayProcess;

beforeAll(async () => {
  model = await startMockLlm();
  const entries = {
    main: { driver: 'openai', url: `${model.url}/v1`, model: 'm', instructions: 'Be brief.', default: true },
    keyless: { driver: 'openai', url: `${model.url}/v1`, apiKeyEnv: 'NO_SUCH_KEY' },
  };
  gateway = await openGatewayProcess({ prepare: (dir) => writeConfig(dir, { agents: { entries } }) });
});
afterAll(async () => {
  await gateway.close();
  await model.close();
});

const begin = async (agent = 'main'): Promise<string> => (await makeConversation(gateway, { agent })).key;

test('a turn is a request with all that was said before, also after a kill of the gateway', async () => {
  const key = await begin();
  await sendTo(gateway, key, { id: 'm1', text: 'The first words.' });
  const first = await endOf(gateway, key, 'm1');
  expect(first).toMatchObject({ state: 'final', usage: { inputTokens: expect.any(Number) } });
  expect(first.text).toContain('The first words.');
  await gateway.kill();
  await gateway.restart();
  await sendTo(gateway, key, { id: 'm2', text: 'The second words.' });
  await endOf(gateway, key, 'm2');
  expect(model.requests.at(-1)?.body).toMatchObject({
    model: 'm',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'The first words.' },
      { role: 'assistant', content: first.text },
      { role: 'user', content: 'The second words.' },
    ],
  });
});

test('an abort ends the request at once and keeps what was said', async () => {
  const key = await begin();
  await sendTo(gateway, key, { id: 'm1', text: 'SLOW 1000' });
  await until('it says something', async () => {
    const info = await asJson<{ run: { text: string } | null }>(gateway.fetch(pathOf(key)));
    return (info.run?.text ?? '') !== '';
  });
  await gateway.fetch(`${pathOf(key)}/runs/m1`, { method: 'DELETE' });
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'aborted', text: expect.stringContaining('word1') });
});

test('a server that fails ends the run with its words', async () => {
  const key = await begin();
  await sendTo(gateway, key, { id: 'm1', text: 'FAIL 429' });
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'error', end: { error: { code: 'agent_failed' } } });
  expect(JSON.stringify(run.end)).toContain('The server answered 429: As you wished: 429.');
});

test('a key that is not there is named', async () => {
  const key = await begin('keyless');
  await sendTo(gateway, key, { id: 'm1', text: 'hello' });
  expect(JSON.stringify((await endOf(gateway, key, 'm1')).end)).toContain('NO_SUCH_KEY');
});

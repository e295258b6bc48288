// The real OpenCode in the gateway: approval over a kill of the gateway, steering and an abort.

import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import type { ConversationInfo, ConversationList } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  asJson,
  endOf,
  makeConversation,
  pathOf,
  sendTo,
  Wire,
  withJson,
  writeConfig,
} from '../conversations/conversation.fixture.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { type OpenCodeHome, openCodeHome } from './opencode.fixture.ts';

/** The first use installs it. */
const INSTALL_MS = 600_000;
/** It takes three seconds of a processor to start; the tests beside it want theirs, too. */
const START_MS = 60_000;
let model: MockLlm;
let home: OpenCodeHome;
let gateway: GatewayProcess;

beforeAll(async () => {
  model = await startMockLlm();
  home = await openCodeHome(model.url);
  const { command, env, cwd } = home;
  const main = { driver: 'acp', command, env, cwd, default: true };
  gateway = await openGatewayProcess({
    flags: [],
    prepare: (dir) => writeConfig(dir, { agents: { entries: { main } } }),
  });
}, INSTALL_MS);
afterAll(async () => {
  // Agents outlive the gateway; they end with their conversations.
  const { conversations } = await asJson<ConversationList>(gateway.fetch('/v1/conversations'));
  for (const { key } of conversations) await gateway.fetch(pathOf(key), { method: 'DELETE' });
  await gateway.close();
  await model.close();
  home.remove();
});

const infoOf = (key: string): Promise<ConversationInfo> => asJson(gateway.fetch(pathOf(key)));

test('OpenCode asks, the gateway is killed, somebody answers, and the command runs once', async () => {
  const { key } = await makeConversation(gateway);
  await sendTo(gateway, key, { id: 'm1', text: 'RUNTOOL echo ahoy >> log; cat log' });
  await until('it asks', async () => (await infoOf(key)).approvals.length === 1, START_MS);
  await gateway.kill();
  await gateway.restart();
  const [approval] = (await infoOf(key)).approvals;
  expect(approval?.detail).toBe('echo ahoy >> log; cat log');
  await asJson(gateway.fetch(`${pathOf(key)}/approvals/${approval?.id}`, withJson({ option: 'once' })));
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'final', text: 'The tool said: ahoy' });
  const wire = await Wire.open(gateway.url, gateway.token);
  await wire.ask({ t: 'follow', conversation: key, from: 'start' });
  await wire.untilSo(() => wire.of(key).end('m1'));
  const types = wire.of(key).types;
  expect(types.indexOf('approval')).toBeLessThan(types.indexOf('approval_answered'));
  expect(types.at(-1)).toBe('final');
  wire.close();
}, 120_000);

test('OpenCode is steered by a message that interrupts, and aborted by a stop text', async () => {
  const { key } = await makeConversation(gateway);
  const isSaying = async (run: string): Promise<boolean> => {
    const { run: current } = await infoOf(key);
    return current?.id === run && current.text !== '';
  };
  await sendTo(gateway, key, { id: 'm1', text: 'SLOW 1000' });
  await until('it speaks', () => isSaying('m1'), START_MS);
  await sendTo(gateway, key, { id: 'm2', text: 'SLOW 900', steer: 'interrupt' });
  expect(await endOf(gateway, key, 'm1')).toMatchObject({ state: 'aborted', end: { via: 'interrupt' } });
  await until('it speaks again', () => isSaying('m2'), START_MS);
  await sendTo(gateway, key, { id: 'm3', text: '/stop' });
  const run = await endOf(gateway, key, 'm2');
  expect(run).toMatchObject({ state: 'aborted', end: { via: 'stop_text' }, text: expect.stringContaining('word1') });
  await sendTo(gateway, key, { id: 'm4', text: 'Still there?' });
  expect(await endOf(gateway, key, 'm4')).toMatchObject({ state: 'final', text: 'Still there?' });
}, 120_000);

// The real Codex in the gateway: a tool call, an approval over a kill of the gateway, a steer and aborts, over HTTP.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import type { ConversationInfo } from '@binnacle/protocol';
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
import { type CodexHome, codexHome } from './codex.fixture.ts';

/** The first use installs it. */
const INSTALL_MS = 600_000;
const START_MS = 30_000;
let model: MockLlm;
let home: CodexHome;
let gateway: GatewayProcess;
let cwd: string;

beforeAll(async () => {
  model = await startMockLlm({ delayMs: 20 });
  home = await codexHome(model.url, { asks: true });
  cwd = mkdtempSync(join(tmpdir(), 'binnacle-codex-work-'));
  const main = { driver: 'codex', command: home.command, env: home.env, cwd, default: true };
  gateway = await openGatewayProcess({
    flags: [],
    prepare: (dir) => writeConfig(dir, { agents: { entries: { main } } }),
  });
}, INSTALL_MS);
afterAll(async () => {
  await gateway?.close();
  await model?.close();
  home?.remove();
  rmSync(cwd, { recursive: true, force: true, maxRetries: 5 });
});

const infoOf = (key: string): Promise<ConversationInfo> => asJson(gateway.fetch(pathOf(key)));
const isSaying = async (key: string, words: string): Promise<boolean> =>
  (await infoOf(key)).run?.text.includes(words) === true;
const answer = (key: string, approval: string | undefined, option: string): Promise<unknown> =>
  asJson(gateway.fetch(`${pathOf(key)}/approvals/${approval}`, withJson({ option })));

test('Codex asks, the gateway is killed, somebody answers, and the command runs once', async () => {
  const { key } = await makeConversation(gateway);
  await sendTo(gateway, key, { id: 'm1', text: 'ASKTOOL echo ahoy >> log; cat log' });
  await until('it asks', async () => (await infoOf(key)).approvals.length === 1, START_MS);
  expect(existsSync(join(cwd, 'log'))).toBe(false);
  await gateway.kill();
  await gateway.restart();
  const [approval] = (await infoOf(key)).approvals;
  expect(approval?.title).toBe('echo ahoy >> log; cat log');
  await answer(key, approval?.id, 'accept');
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'final', text: expect.stringMatching(/^The tool said: .*\nOutput:\nahoy$/s) });
  const wire = await Wire.open(gateway.url, gateway.token);
  await wire.ask({ t: 'follow', conversation: key, from: 'start' });
  await wire.untilSo(() => wire.of(key).end('m1'));
  const { events, types } = wire.of(key);
  wire.close();
  expect(types.indexOf('approval')).toBeLessThan(types.indexOf('approval_answered'));
  expect(types.at(-1)).toBe('final');
  const tools = events.flatMap((event) => (event.type === 'tool' ? [event.tool] : []));
  expect(tools.at(-1)).toMatchObject({ title: 'echo ahoy >> log; cat log', status: 'done', output: 'ahoy\n' });
}, 120_000);

test('Codex goes on in mid-word after a kill of the gateway, and no word is lost or said twice', async () => {
  const { key } = await makeConversation(gateway);
  await sendTo(gateway, key, { id: 'm1', text: 'SLOW 100' });
  await until('it speaks', () => isSaying(key, 'word5'), START_MS);
  await gateway.kill();
  await gateway.restart();
  const words = Array.from({ length: 100 }, (_, i) => `word${i + 1}`).join(' ');
  expect(await endOf(gateway, key, 'm1')).toMatchObject({ state: 'final', text: words });
}, 120_000);

test('Codex takes a message into its turn, and one that is denied goes on in words', async () => {
  const { key } = await makeConversation(gateway);
  await sendTo(gateway, key, { id: 'm1', text: 'SLOW 1000' });
  await until('it speaks', () => isSaying(key, 'word3'), START_MS);
  await sendTo(gateway, key, { id: 'm2', text: 'say ahoy', steer: 'inject' });
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'final', text: expect.stringMatching(/word3.*\n\nsay ahoy$/s) });
  const message = await asJson(gateway.fetch(`${pathOf(key)}/messages/m2`));
  expect(message).toMatchObject({ state: 'delivered', run: 'm1', steer: 'inject' });

  await sendTo(gateway, key, { id: 'm3', text: 'ASKTOOL touch denied' });
  await until('it asks', async () => (await infoOf(key)).approvals.length === 1, START_MS);
  await answer(key, (await infoOf(key)).approvals[0]?.id, 'decline');
  expect(await endOf(gateway, key, 'm3')).toMatchObject({ state: 'final' });
  expect(existsSync(join(cwd, 'denied'))).toBe(false);
}, 120_000);

test('Codex is stopped by a stop text and by its run, and answers afterwards in the same thread', async () => {
  const { key } = await makeConversation(gateway);
  await sendTo(gateway, key, { id: 'm1', text: 'SLOW 1000' });
  await until('it speaks', () => isSaying(key, 'word3'), START_MS);
  await sendTo(gateway, key, { id: 'm2', text: '/stop' });
  const stopped = await endOf(gateway, key, 'm1');
  expect(stopped).toMatchObject({
    state: 'aborted',
    end: { via: 'stop_text' },
    text: expect.stringContaining('word3'),
  });
  await sendTo(gateway, key, { id: 'm3', text: 'ASKTOOL touch never' });
  await until('it asks', async () => (await infoOf(key)).approvals.length === 1, START_MS);
  await asJson(gateway.fetch(`${pathOf(key)}/runs/m3`, { method: 'DELETE' }));
  expect(await endOf(gateway, key, 'm3')).toMatchObject({ state: 'aborted', end: { via: 'run' } });
  await sendTo(gateway, key, { id: 'm4', text: 'Still there?' });
  expect(await endOf(gateway, key, 'm4')).toMatchObject({ state: 'final', text: 'Still there?' });
  expect(existsSync(join(cwd, 'never'))).toBe(false);
  expect(model.requests.at(-1)?.parsed.input).toContainEqual({ from: 'user', text: 'SLOW 1000' });
}, 120_000);

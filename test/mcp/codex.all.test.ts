// The real Codex with `binnacle mcp` among its servers: it starts a long command, a person who watches interrupts it,
// and what Codex reads next is what became of it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MockLlm, startMockLlm } from '@binnacle/mock-llm';
import type { ConversationInfo } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CodexHome, codexHome } from '../agents/codex.fixture.ts';
import {
  asJson,
  endOf,
  makeConversation,
  pathOf,
  sendTo,
  withJson,
  writeConfig,
} from '../conversations/conversation.fixture.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { BINARY } from './mcp.fixture.ts';

/** The first use installs it. */
const INSTALL_MS = 600_000;
/** Codex, and then the program that it starts for its tools. */
const START_MS = 60_000;
const COMMAND = 'echo begun; trap "echo stopped by a person; exit 7" INT; while :; do sleep 0.05; done';
let model: MockLlm;
let home: CodexHome;
let gateway: GatewayProcess;
let cwd: string;

type Asked = MockLlm['requests'][number]['parsed'];

/** What a model would do: start it, read until it has ended, and tell. */
function plan(asked: Asked) {
  const last = asked.input.findLastIndex(({ from }) => from === 'user');
  const given = asked.input.slice(last + 1).flatMap((part) => (part.from === 'tool' ? [part.text] : []));
  const call = (name: string, input: Record<string, unknown>) => {
    const tool = asked.tools.find((one) => one.name === name);
    const offered = asked.tools.map((one) => `${one.namespace ?? ''}/${one.name}`).join(' ');
    if (tool === undefined) return { kind: 'text' as const, deltas: [`There is no ${name}: ${offered}`] };
    return { kind: 'tool' as const, tool, input };
  };
  const [started, read] = given;
  if (started === undefined) return call('bash_start', { command: COMMAND, description: 'takes long' });
  const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(started)?.[0];
  if (read === undefined) return call('bash_output', { id, offset: 0, block: true, timeout: 25_000 });
  return { kind: 'text' as const, deltas: [`It said: ${read}`] };
}

beforeAll(async () => {
  model = await startMockLlm({ answer: plan });
  cwd = mkdtempSync(join(tmpdir(), 'binnacle-codex-work-'));
  // The gateway's own directory is known only when it is there, and Codex starts with the first message.
  let dir = '';
  gateway = await openGatewayProcess({
    flags: [],
    prepare: (made) => {
      dir = made;
    },
  });
  home = await codexHome(model.url, {
    asks: false,
    more: [
      '[mcp_servers.binnacle]',
      `command = ${JSON.stringify(process.execPath)}`,
      `args = ${JSON.stringify([BINARY, 'mcp', '--data', dir])}`,
      'tool_timeout_sec = 60',
      // A machine that is busy with other tests starts no program within the ten seconds of the default.
      `startup_timeout_sec = ${START_MS / 1000}`,
    ],
  });
  const main = { driver: 'codex', command: home.command, env: home.env, cwd, default: true };
  writeConfig(dir, { agents: { entries: { main } } });
  await gateway.kill();
  await gateway.restart();
}, INSTALL_MS);
afterAll(async () => {
  await gateway?.close();
  await model?.close();
  home?.remove();
  rmSync(cwd, { recursive: true, force: true, maxRetries: 5 });
});

test('Codex starts a long command, a person interrupts it in the viewer, and Codex reads what became of it', async () => {
  const { key } = await makeConversation(gateway);
  await sendTo(gateway, key, { id: 'm1', text: 'Build it.' });
  // Codex reads in the annotations that the tool does more than read, and asks a person. bash_output only reads.
  const infoOf = (): Promise<ConversationInfo> => asJson(gateway.fetch(pathOf(key)));
  await until('it asks', async () => (await infoOf()).approvals.length === 1, START_MS);
  const [approval] = (await infoOf()).approvals;
  expect(approval?.detail).toContain('bash_start');
  await asJson(gateway.fetch(`${pathOf(key)}/approvals/${approval?.id}`, withJson({ option: 'accept' })));
  // As the page does: it is in the list like any other, by the name that the agent gave it.
  let found: { id: string; cwd: string } | undefined;
  await until(
    'the command is listed',
    async () => {
      const { sessions } = await gateway.client.sessions.list();
      found = sessions.find(({ name, running }) => name === 'takes long' && running);
      return found !== undefined;
    },
    30_000,
  );
  expect(found?.cwd).toBe(cwd);
  const session = gateway.client.session(found?.id as never);
  const attachment = session.attach('start');
  for await (const event of attachment) if (event.type === 'output') break;
  await until('Codex reads it', () =>
    model.requests.some(({ parsed: asked }) => asked.input.some(({ from }) => from === 'tool')),
  );
  await session.signal('SIGINT');
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'final', text: expect.stringContaining('stopped by a person') });
  expect(run.text).toMatch(/"?exit_code"?: ?7|exited with 7/);
  // The agent is gone one day; what it started stays where people find it.
  const left = await (await gateway.fetch(`/v1/sessions/${found?.id}`)).json();
  expect(left).toMatchObject({ running: false, exitCode: 7 });
}, 120_000);

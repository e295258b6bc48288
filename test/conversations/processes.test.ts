// Agents that are programs: what becomes of a run when the program, or the gateway, does not come through it.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inAll } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import {
  asJson,
  endOf,
  makeConversation,
  pathOf,
  sendTo,
  Transcript,
  Wire,
  withJson,
  writeConfig,
} from './conversation.fixture.ts';

const FAKE_ACP = resolve(import.meta.dirname, '../agents/fake-acp.mjs');

let gateway: GatewayProcess;
let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'binnacle-agents-'));
  gateway = await openGatewayProcess({
    prepare: (dir) =>
      writeConfig(dir, {
        agents: {
          entries: {
            main: { driver: 'echo', default: true },
            shell: { driver: 'command', command: ['sh', '-c', 'sh'] },
            missing: { driver: 'command', command: ['no-such-agent-anywhere'] },
            acp: { driver: 'acp', command: [process.execPath, FAKE_ACP] },
          },
        },
      }),
  });
});
afterAll(async () => {
  await gateway.close();
  rmSync(scratch, { recursive: true, force: true });
});

test('A command reads the message, and what it prints is the answer', async () => {
  const { key } = await makeConversation(gateway, { agent: 'shell' });
  const wire = await Wire.open(gateway.url, gateway.token);
  await wire.ask({ t: 'send', conversation: key, id: 'm1', text: 'echo hello; echo wörld' });
  const end = await wire.untilSo(() => wire.of(key).end('m1'));
  expect(end).toMatchObject({ type: 'final', text: 'hello\nwörld' });
  wire.close();
});

test('A command that fails is an error with its code and its last words', async () => {
  const { key } = await makeConversation(gateway, { agent: 'shell' });
  await sendTo(gateway, key, { id: 'm1', text: 'echo half; echo sorry >&2; exit 3' });
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'error', text: 'half', end: { error: { code: 'agent_failed' } } });
  expect(JSON.stringify(run.end)).toContain('sorry');
});

test('An agent whose program is missing is an error that names it, and the place to change', async () => {
  const { key } = await makeConversation(gateway, { agent: 'missing' });
  await sendTo(gateway, key, { id: 'm1', text: 'hello' });
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'error', end: { error: { code: 'command_not_found' } } });
  expect(JSON.stringify(run.end)).toContain('no-such-agent-anywhere');
  expect(JSON.stringify(run.end)).toContain('agents.entries.missing.command');
});

test('A run goes on over a kill of the gateway, and no byte of it is missing or doubled', async () => {
  const { key } = await makeConversation(gateway, { agent: 'shell' });
  const gate = join(scratch, 'gate');
  await sendTo(gateway, key, {
    id: 'm1',
    text: `for i in 1 2 3; do echo line $i; done; while [ ! -e ${gate} ]; do sleep 0.05; done; echo end`,
  });
  await until('the first lines are said', async () => {
    const info = await asJson<{ run: { text: string } | null }>(gateway.fetch(pathOf(key)));
    return info.run?.text.includes('line 3') === true;
  });
  await gateway.kill();
  await gateway.restart();
  const info = await asJson<{ run: { text: string } | null }>(gateway.fetch(pathOf(key)));
  expect(info.run?.text).toBe('line 1\nline 2\nline 3');
  writeFileSync(gate, '');
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'final', text: 'line 1\nline 2\nline 3\nend' });
  const wire = await Wire.open(gateway.url, gateway.token);
  await wire.ask({ t: 'follow', conversation: key, from: 'start' });
  expect((await wire.untilSo(() => wire.of(key).end('m1'))).text).toBe(run.text);
  wire.close();
});

inAll('Aborting ends the whole process tree, keeps what was said, and tells who and why', async () => {
  const { key } = await makeConversation(gateway, { agent: 'shell' });
  const file = join(scratch, 'pids');
  const text = `sleep 1000 & echo $! $$ > ${file}; setsid sleep 1000 & echo begun; wait`;
  await sendTo(gateway, key, { id: 'm1', text });
  await until('it says something', async () => {
    const info = await asJson<{ run: { text: string } | null }>(gateway.fetch(pathOf(key)));
    return info.run?.text === 'begun' && existsSync(file);
  });
  const aborted = await asJson<{ aborted: string[] }>(gateway.fetch(`${pathOf(key)}/runs/m1`, { method: 'DELETE' }));
  expect(aborted.aborted).toEqual(['m1']);
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'aborted', text: 'begun', end: { via: 'run', by: { user: 'admin' } } });
  const pids = readFileSync(file, 'utf8').trim().split(' ').map(Number);
  await until('its processes have ended', () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
});

inAll('An agent in the gateway ends with it: its run is an error that says so', async () => {
  const { key } = await makeConversation(gateway, { agent: 'main' });
  await sendTo(gateway, key, { id: 'm1', text: '/slow a b c d e f g h i j k l m n o p q r s t u v w x y z' });
  await until('it says something', async () => {
    const info = await asJson<{ run: { text: string } | null }>(gateway.fetch(pathOf(key)));
    return (info.run?.text ?? '') !== '';
  });
  await sendTo(gateway, key, { id: 'm2', text: 'next please' });
  await gateway.kill();
  await gateway.restart();
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'error', end: { error: { code: 'agent_lost' } } });
  expect(run.text).not.toBe('');
  expect(await endOf(gateway, key, 'm2')).toMatchObject({ state: 'final', text: 'next please' });
  const wire = await Wire.open(gateway.url, gateway.token);
  await wire.ask({ t: 'follow', conversation: key, from: 'start' });
  await wire.untilSo(() => wire.of(key).end('m2'));
  expect(wire.of(key)).toBeInstanceOf(Transcript);
  wire.close();
});

inAll(
  'A request for approval is there again after a kill of the gateway, and its answer reaches the agent once',
  async () => {
    const { key } = await makeConversation(gateway, { agent: 'acp' });
    await sendTo(gateway, key, { id: 'm1', text: 'ask for a tool' });
    interface Info {
      readonly approvals: readonly { readonly id: string; readonly options: readonly { id: string; kind: string }[] }[];
    }
    const approvalsOf = async (): Promise<Info['approvals']> =>
      (await asJson<Info>(gateway.fetch(pathOf(key)))).approvals;
    await until('it asks', async () => (await approvalsOf()).length === 1);
    await gateway.kill();
    await gateway.restart();
    const [approval] = await approvalsOf();
    const allow = approval?.options.find(({ kind }) => kind === 'allow_once')?.id ?? '';
    const path = `${pathOf(key)}/approvals/${encodeURIComponent(approval?.id ?? '')}`;
    await asJson(gateway.fetch(path, withJson({ option: allow })));
    const again = await gateway.fetch(path, withJson({ option: allow }));
    expect(again.status).toBe(409);
    const run = await endOf(gateway, key, 'm1');
    expect(run.state).toBe('final');
  },
);

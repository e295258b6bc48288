// An ACP agent in the gateway: its terminals are sessions, and what is under way outlives the gateway.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ConversationInfo, ConversationRun, SessionInfo, SessionList, ToolCall } from '@binnacle/protocol';
import { beforeAll, expect, test } from 'vitest';
import {
  asJson,
  endOf,
  makeConversation,
  pathOf,
  sendTo,
  type Transcript,
  Wire,
  withJson,
  writeConfig,
} from '../conversations/conversation.fixture.ts';
import { count, inAll, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const FAKE = resolve(import.meta.dirname, 'fake-acp.mjs');
/** Asks for more than anybody needs: `terminals 3000`, `args 2000000`, `deep 100000`; says the last error it was told. */
const GREEDY = `
import { createInterface } from 'node:readline';
const write = (line) => process.stdout.write(line + '\\n');
const send = (message) => write(JSON.stringify({ jsonrpc: '2.0', ...message }));
const update = (body) => '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":' + body + '}}';
const say = (text) =>
  write(update(JSON.stringify({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } })));
let onAnswer = () => undefined;
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params, error } = JSON.parse(line);
  if (method === 'initialize') send({ id, result: { protocolVersion: 1 } });
  else if (method === 'session/new') send({ id, result: { sessionId: 's' } });
  else if (method === undefined) onAnswer(error);
  else if (method === 'session/prompt') {
    const [what, number] = params.prompt[0].text.split(' ');
    const n = Number(number);
    const end = () => send({ id, result: { stopReason: 'end_turn' } });
    if (what === 'deep') {
      write(update('{"sessionUpdate":"tool_call","toolCallId":"d","title":"deep","rawInput":' + '['.repeat(n) + ']'.repeat(n) + '}'));
      end();
      return;
    }
    const count = what === 'terminals' ? n : 1;
    let left = count;
    let last = '';
    onAnswer = (error) => {
      if (error !== undefined) last = error.message;
      left -= 1;
      if (left > 0) return;
      say(last);
      end();
    };
    const args = what === 'args' ? ['x'.repeat(n)] : ['9753'];
    for (let i = 0; i < count; i += 1) {
      send({ id: 't' + i, method: 'terminal/create', params: { sessionId: 's', command: 'sleep', args } });
    }
  }
});
`;
let gateway: GatewayProcess;
let scratch: string;

beforeAll(async () => {
  scratch = tempDir('acp');
  const command = [process.execPath, FAKE, '--dir', scratch];
  const greedy = join(scratch, 'greedy.mjs');
  writeFileSync(greedy, GREEDY);
  const entries = {
    main: { driver: 'acp', command, cwd: scratch, default: true },
    keeps: { driver: 'acp', command: [...command, '--load'] },
    login: { driver: 'acp', command: [...command, '--auth'] },
    cat: { driver: 'acp', command: ['cat'] },
    greedy: { driver: 'acp', command: [process.execPath, greedy], cwd: scratch },
  };
  gateway = await openGatewayProcess({
    agentGraceMs: 500,
    prepare: (dir) => writeConfig(dir, { agents: { entries } }),
  });
});

const begin = async (agent = 'main'): Promise<string> => (await makeConversation(gateway, { agent })).key;
const infoOf = (key: string): Promise<ConversationInfo> => asJson(gateway.fetch(pathOf(key)));
const saidBy = async (key: string): Promise<string> => (await infoOf(key)).run?.text ?? '';

async function turn(key: string, text: string, id: string): Promise<ConversationRun> {
  await sendTo(gateway, key, { id, text });
  return endOf(gateway, key, id);
}

/** All events, read from the log and checked. */
async function eventsOf(key: string, run: string): Promise<Transcript> {
  const wire = await Wire.open(gateway.url, gateway.token);
  await wire.ask({ t: 'follow', conversation: key, from: 'start' });
  await wire.untilSo(() => wire.of(key).end(run));
  wire.close();
  return wire.of(key);
}

const toolsIn = ({ events }: Transcript): ToolCall[] =>
  events.flatMap((event) => (event.type === 'tool' ? [event.tool] : []));

test("an agent's command runs in a session that is listed, watched and steered like any other", async () => {
  const key = await begin();
  await sendTo(gateway, key, { id: 'm1', text: 'term read word; echo "got $word"' });
  const runs = async (): Promise<SessionInfo | undefined> => {
    const { sessions } = await asJson<SessionList>(gateway.fetch('/v1/sessions'));
    return sessions.find(({ name, running }) => running && name.startsWith('read word'));
  };
  await until('the command waits in a session', async () => (await runs()) !== undefined);
  const session = await runs();
  expect(session).toMatchObject({ mode: 'pty', cols: 120, rows: 30, cwd: scratch });
  await gateway.client.session(session?.id ?? '').write('ahoy\r');
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'final', text: 'ahoy\ngot ahoy [0]' });
  expect(toolsIn(await eventsOf(key, 'm1')).map(({ session: id }) => id)).toContain(session?.id);
});

test('a command in a terminal goes on over a kill of the gateway, and its agent hears of its end once', async () => {
  const key = await begin();
  const gate = join(scratch, 'gate');
  const command = `echo begun; while [ ! -e ${gate} ]; do sleep 0.05; done; echo done`;
  await sendTo(gateway, key, { id: 'm1', text: `say before\nterm ${command}\nmessage after` });
  await until('the tool runs', async () => {
    const { sessions } = await asJson<SessionList>(gateway.fetch('/v1/sessions'));
    return sessions.some(({ name, outputOffset }) => name.startsWith('echo begun') && outputOffset > 0);
  });
  await gateway.kill();
  await gateway.restart();
  expect(await saidBy(key)).toBe('before');
  writeFileSync(gate, '');
  expect(await endOf(gateway, key, 'm1')).toMatchObject({
    state: 'final',
    text: 'before\n\nbegun\ndone [0]\n\nafter',
  });
  const { sessions } = await asJson<SessionList>(gateway.fetch('/v1/sessions'));
  expect(sessions.filter(({ name }) => name.startsWith('echo begun'))).toHaveLength(1);
});

inAll('a turn goes on over kills of the gateway in the middle of its words', async () => {
  const key = await begin();
  const words = count({ quick: 200, all: 400 });
  await sendTo(gateway, key, { id: 'm1', text: `slow ${words}` });
  for (let kills = count({ quick: 1, all: 3 }); kills > 0; kills -= 1) {
    const before = (await saidBy(key)).length;
    await until('it has said more', async () => (await saidBy(key)).length > before);
    await gateway.kill();
    await gateway.restart();
  }
  const run = await endOf(gateway, key, 'm1');
  expect(run.state).toBe('final');
  expect(run.text.trim()).toBe(Array.from({ length: words }, (_, i) => i + 1).join(' '));
  expect((await eventsOf(key, 'm1')).end('m1')?.text).toBe(run.text);
});

test('an abort ends what runs in its terminals, too', async () => {
  const key = await begin();
  await sendTo(gateway, key, { id: 'm1', text: 'linger sleep 12345\nidle' });
  const isRunning = async (): Promise<boolean> => {
    const { sessions } = await asJson<SessionList>(gateway.fetch('/v1/sessions'));
    return sessions.some(({ name, running }) => running && name === 'sleep 12345');
  };
  await until('the command runs', async () => (await isRunning()) && (await saidBy(key)) === 't1');
  await gateway.fetch(`${pathOf(key)}/runs/m1`, { method: 'DELETE' });
  expect(await endOf(gateway, key, 'm1')).toMatchObject({ state: 'aborted', text: 't1' });
  await until('the command has ended', async () => !(await isRunning()));
});

test('an abort ends an agent that does not listen, and the next message has a new one that remembers', async () => {
  const key = await begin('keeps');
  await turn(key, 'say one', 'm1');
  await sendTo(gateway, key, { id: 'm2', text: 'say here\nhang' });
  await until('it hangs', async () => (await saidBy(key)) === 'here');
  await gateway.fetch(`${pathOf(key)}/runs/m2`, { method: 'DELETE' });
  expect(await endOf(gateway, key, 'm2')).toMatchObject({ state: 'aborted', text: 'here' });
  const run = await turn(key, 'recall', 'm3');
  expect(run).toMatchObject({ state: 'final', text: expect.stringContaining('say one | say here') });
});

test('a message that interrupts ends the turn and is the next one', async () => {
  const key = await begin();
  await sendTo(gateway, key, { id: 'm1', text: 'say here\nidle' });
  await until('it waits', async () => (await saidBy(key)) === 'here');
  await sendTo(gateway, key, { id: 'm2', text: 'say there', steer: 'interrupt' });
  expect(await endOf(gateway, key, 'm2')).toMatchObject({ state: 'final', text: 'there' });
  expect(await endOf(gateway, key, 'm1')).toMatchObject({ state: 'aborted', end: { via: 'interrupt' } });
});

test('an approval that is denied reaches the agent as such', async () => {
  const key = await begin();
  await sendTo(gateway, key, { id: 'm1', text: 'ask for the moon' });
  await until('it asks', async () => (await infoOf(key)).approvals.length === 1);
  const [approval] = (await infoOf(key)).approvals;
  expect(approval).toMatchObject({ title: 'for the moon', detail: 'for the moon' });
  await asJson(gateway.fetch(`${pathOf(key)}/approvals/${approval?.id}`, withJson({ option: 'no' })));
  expect(await endOf(gateway, key, 'm1')).toMatchObject({ state: 'final', text: 'no' });
});

const ENDINGS: readonly (readonly [string, string, string, string])[] = [
  ['dies in the middle', 'say half\ndie 7', 'agent_died', 'I was told to die'],
  ['keeps printing what is no JSON', 'say half\nrubbish 1000', 'agent_protocol', 'warning 21'],
  ['prints one line of 100 MB', 'say half\nflood 100', 'agent_flood', ''],
  ['fails', 'say half\nfail with grace', 'agent_failed', 'with grace'],
];
// Rubbish and floods are in test/conversations/bad-input.test.ts, too.
test.each(some(ENDINGS, 2))(
  'an agent that %s ends the run with what it had said, and the next one works',
  async (_, text, code, words) => {
    const key = await begin();
    const run = await turn(key, text, 'm1');
    expect(run).toMatchObject({ state: 'error', text: 'half', end: { error: { code } } });
    expect(JSON.stringify(run.end)).toContain(words);
    expect(await turn(key, 'say whole', 'm2')).toMatchObject({ state: 'final', text: 'whole' });
  },
);

test('an agent that wants a login says how', async () => {
  const run = await turn(await begin('login'), 'say one', 'm1');
  expect(run).toMatchObject({ state: 'error', end: { error: { code: 'agent_failed' } } });
  expect(JSON.stringify(run.end)).toContain('fake-acp login');
});

test('a program that speaks no ACP fails, and is not waited for', async () => {
  const run = await turn(await begin('cat'), 'say one', 'm1');
  expect(run).toMatchObject({ state: 'error', end: { error: { code: 'agent_failed' } } });
});

test('an agent that asks for terminals without end has 32, is told so, and is ended where it does not listen', async () => {
  const key = await begin('greedy');
  const sleeping = async (): Promise<SessionInfo[]> => {
    const { sessions } = await asJson<SessionList>(gateway.fetch('/v1/sessions'));
    return sessions.filter(({ name }) => name === 'sleep 9753');
  };
  const run = await turn(key, 'terminals 100', 'm1');
  expect(run).toMatchObject({ state: 'final', text: expect.stringContaining('32 terminals') });
  expect(await sleeping()).toHaveLength(32);
  expect(await turn(key, 'terminals 3000', 'm2')).toMatchObject({
    state: 'error',
    end: { error: { code: 'agent_flood' } },
  });
  await until('its commands have ended', async () => (await sleeping()).every(({ running }) => !running));
});

test('an agent that asks for a command of 2 MB is refused it, and the turn goes on', async () => {
  const run = await turn(await begin('greedy'), 'args 2000000', 'm1');
  expect(run).toMatchObject({ state: 'final', text: expect.stringContaining('128 KiB') });
});

test.each(some([4500, 8000, 100_000], 2))(
  'an input that is nested %i deep is cut, and the turn goes on',
  async (levels) => {
    const key = await begin('greedy');
    expect(await turn(key, `deep ${levels}`, 'm1')).toMatchObject({ state: 'final' });
    const [tool] = toolsIn(await eventsOf(key, 'm1'));
    expect(tool).toMatchObject({ title: 'deep' });
    expect(JSON.stringify(tool?.input)).toMatch(/^\[+"…"\]+$/);
  },
);

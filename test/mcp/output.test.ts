// What bash_output, bash_screen and the others answer: waits, patterns, binary, a lot of it, screens, and bad input.

import type { Client } from '@modelcontextprotocol/client';
import { Terminal } from '@xterm/headless';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AnyGateway, killGateway, openAnyGateway } from '../support/any-gateway.ts';
import { count, inAll, some } from '../support/count.ts';
import { until } from '../support/until.ts';
import { type Answered, call, connectHttp } from './mcp.fixture.ts';

let gateway: AnyGateway;
let client: Client;
beforeAll(async () => {
  gateway = await openAnyGateway();
  client = await connectHttp(gateway, { era: 'stateless' });
});
afterAll(async () => {
  await client.close();
  await gateway.close();
});

const start = async (command: string, more: Record<string, unknown> = {}): Promise<string> =>
  (await call(client, 'bash_start', { command, ...more })).data.id;
const read = (id: string, more: Record<string, unknown> = {}): Promise<Answered> =>
  call(client, 'bash_output', { id, ...more });
const timed = async <T>(act: () => Promise<T>): Promise<[T, number]> => {
  const begun = performance.now();
  return [await act(), performance.now() - begun];
};

test('a wait ends when output has come and pauses, when until is found, and when its time is over', async () => {
  const id = await start('read a; echo first; read b; printf "second> "; read c; sleep 100');
  const [nothing, ms] = await timed(() => read(id, { offset: 0, wait_ms: 300 }));
  expect(nothing.data).toMatchObject({ text: '', next_offset: 0, status: 'running', matched: null });
  expect(ms).toBeGreaterThanOrEqual(300);
  const some = read(id, { offset: 0, wait_ms: 20_000 });
  await call(client, 'bash_input', { id, text: '\n' });
  expect((await some).data).toMatchObject({ text: 'first\n', next_offset: 6 });
  // A prompt has no end of line: $ is the end of what there is.
  const prompt = read(id, { offset: 6, until: '(?i)^SECOND> $' });
  await call(client, 'bash_input', { id, text: '\n' });
  expect((await prompt).data).toMatchObject({ text: 'second> ', matched: true, next_offset: 14 });
  const [never, waited] = await timed(() => read(id, { offset: 0, until: 'third', wait_ms: 300 }));
  expect(never.data).toMatchObject({ text: 'first\nsecond> ', matched: false });
  expect(waited).toBeGreaterThanOrEqual(300);
  expect(never.text).toContain('until was not found');
  await call(client, 'bash_stop', { id, grace_ms: 0 });
});

test('until is found across reads of the program, and a wait for it ends with the command', async () => {
  const id = await start('printf "Listening o"; sleep 0.3; echo "n port 7"; sleep 0.3; exit 4');
  expect((await read(id, { offset: 0, until: 'Listening on port \\d+' })).data).toMatchObject({ matched: true });
  const ended = await read(id, { offset: 0, until: 'never' });
  expect(ended.data).toMatchObject({ matched: false, status: 'closed', exit_code: 4 });
});

test('until is found in a line that is cut by max_bytes, and over lines', async () => {
  const id = await start('echo one; echo two; printf "three and so on"');
  await read(id, { block: true });
  const cut = await read(id, { offset: 0, until: 'three', max_bytes: 14 });
  expect(cut.data).toMatchObject({ text: 'one\ntwo\nthree ', matched: true, truncated: true });
  expect((await read(id, { offset: 0, until: '^one\\ntwo$' })).data).toMatchObject({ matched: true });
  expect((await read(id, { offset: 0, until: '^two three' })).data).toMatchObject({ matched: false });
});

test('without an offset, a wait goes on however much was written, and shows the end of it', async () => {
  const id = await start('seq 100000; sleep 0.5; seq 100001 200000; echo Ready; sleep 0.5; echo over; exit 5');
  const found = await read(id, { until: '^Ready$', max_bytes: 10_000 });
  expect(found.data).toMatchObject({ matched: true, truncated: true });
  expect(found.data.text).toMatch(/199999\n200000\nReady\n/);
  expect(found.data.next_offset - found.data.offset).toBeLessThanOrEqual(10_000);
  expect(found.data.text).toHaveLength(found.data.next_offset - found.data.offset);
  const ended = await read(id, { block: true, max_bytes: 100 });
  expect(ended.data).toMatchObject({ exit_code: 5 });
  expect(ended.data.text).toMatch(/200000\nReady\nover\n$/);
});

test('a wait for the end waits for what comes behind the exit, but not for ever', async () => {
  const late = await start('(sleep 0.4; echo late) & echo first; exit 3');
  const ended = await read(late, { block: true });
  expect(ended.data).toMatchObject({ text: 'first\nlate\n', exit_code: 3 });
  const held = await start('sleep 100 & echo first; exit 3');
  for (const how of some([{}, { offset: 0 }, { offset: 0, until: 'never' }], 1)) {
    const [{ data }, ms] = await timed(() => read(held, { block: true, ...how }));
    expect(data).toMatchObject({ text: 'first\n', status: 'exited', exit_code: 3 });
    expect(ms).toBeLessThan(20_000);
  }
  await call(client, 'bash_stop', { id: held, grace_ms: 0 });
});

test('a wait that is under way at the exit ends soon after it, though a child holds the output and is silent', async () => {
  // Several at once: whether the exit is read before or after we are told of it is chance.
  const hows = [{ block: true }, { until: 'never' }, { wait_ms: 24_000, offset: 6 }];
  const waits = Array.from({ length: count({ quick: 1, all: 4 }) }, () => hows)
    .flat()
    .map(async (how) => {
      const id = await start('echo first; sleep 0.5; sleep 100 & exit 3');
      await until(
        'the output is there',
        async () => (await read(id, { offset: 0, wait_ms: 0 })).data.next_offset === 6,
      );
      const [{ data }, ms] = await timed(() => read(id, { offset: 0, ...how }));
      await call(client, 'bash_stop', { id, grace_ms: 0 });
      expect(data).toMatchObject({ status: 'exited', exit_code: 3, next_offset: 6 });
      return ms;
    });
  expect(Math.max(...(await Promise.all(waits)))).toBeLessThan(15_000);
});

test('names that other tools use are taken, and block waits for the end', async () => {
  const id = await start('sleep 0.3; echo done', { timeout: 60_000 });
  for (const name of ['task_id', 'shell_id', 'bash_id', 'session_id']) {
    const { data } = await call(client, 'bash_output', { [name]: id, block: true, timeout: 30_000, offset: 0 });
    expect(data).toMatchObject({ text: 'done\n', exit_code: 0 });
  }
  expect((await call(client, 'bash_stop', { task_id: id })).data).toMatchObject({ status: 'closed', exit_code: 0 });
});

test('a catastrophic pattern costs nothing that anybody would notice', async () => {
  const id = await start(`head -c 200000 /dev/zero | tr '\\0' a; echo '!'`);
  await read(id, { block: true });
  const evil = read(id, { offset: 0, max_bytes: 262_144, until: '^(a+)+$' });
  const [, ms] = await timed(() => gateway.fetch('/healthz'));
  expect(ms).toBeLessThan(500);
  expect((await evil).data).toMatchObject({ matched: false });
  const big = read(id, { offset: 0, max_bytes: 262_144, until: '(a|aa|aaa){1,20}(x|y|z)' });
  const [, while_big] = await timed(() => gateway.fetch('/healthz'));
  expect(while_big).toBeLessThan(500);
  expect((await big).data).toMatchObject({ matched: false });
  for (const wrong of ['(', 'a{2,1}', '(?=a)', '\\1', '[z-a]', 'x'.repeat(501), '((((a{200}){200}){200}){200})', '+']) {
    expect(await read(id, { until: wrong })).toMatchObject({ isError: true });
  }
  expect((await read(id, { until: '(?<!x)a' })).data).toMatchObject({ code: 'bad_pattern' });
});

test('without an offset it is the end of the output; with one, every byte comes once, wherever it is cut', async () => {
  const lines = count({ quick: 100, all: 300 });
  const line = '\\033[1;31mé€😀\\033[0m %d\\r\\n';
  const id = await start(`for i in $(seq ${lines}); do printf '${line}' $i; done`);
  const all = Array.from({ length: lines }, (_, i) => `é€😀 ${i + 1}\n`).join('');
  await read(id, { block: true });
  let text = '';
  let offset = 0;
  for (;;) {
    const { data } = await read(id, { offset, max_bytes: 97 });
    expect(data.offset).toBe(offset);
    text += data.text;
    offset = data.next_offset;
    if (!data.truncated) break;
  }
  expect(text).toBe(all);
  const end = await read(id, { max_bytes: 97 });
  expect(end.data).toMatchObject({ next_offset: offset, offset: offset - 97, truncated: true });
  expect(all.endsWith(end.data.text)).toBe(true);
  expect((await read(id, { offset: 0, strip_ansi: false })).data.text).toContain('\x1b[1;31mé€😀\x1b[0m 1\r\n');
  expect(await read(id, { offset: offset + 1 })).toMatchObject({
    isError: true,
    data: { code: 'offset_ahead', details: { headOffset: offset } },
  });
});

test('binary output comes as text that is none, and does no harm', async () => {
  // Chance may begin a sequence that swallows all that follows: CAN and ST end any.
  const id = await start('head -c 4096 /dev/urandom; printf "\\030\\033\\134\\0\\377end"');
  const { data } = await read(id, { offset: 0, block: true });
  expect(data).toMatchObject({ next_offset: 4096 + 8, exit_code: 0 });
  expect(data.text.endsWith('�end')).toBe(true);
  expect((await read(id, { offset: 0, strip_ansi: false })).data.text).toContain('\0�end');
});

test('a lot of output comes in parts, and quickly', async () => {
  const size = count({ quick: 3e7, all: 3e8 });
  const id = await start(`head -c ${size} /dev/zero | tr "\\0" x; sleep 100`);
  await until(
    'it is written',
    async () => (await call(client, 'bash_list', { limit: 1 })).data.sessions[0].output_bytes === size,
    60_000,
  );
  const [first, ms] = await timed(() => read(id, { offset: 0 }));
  expect(first.data.text).toHaveLength(32 * 1024);
  expect(first.data).toMatchObject({ next_offset: 32 * 1024, truncated: true });
  expect(ms).toBeLessThan(1000);
  const [last, tail] = await timed(() => read(id, { max_bytes: 262_144 }));
  expect(last.data).toMatchObject({ next_offset: size, offset: size - 262_144 });
  expect(tail).toBeLessThan(1000);
  expect((await read(id, { max_bytes: 262_145 })).data).toMatchObject({ code: 'bad_request' });
  await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
}, 90_000);

test('the screen of a program that draws is what an emulator shows', async () => {
  const id = await start(
    `printf '\\033]2;A title\\007\\033[?1049h\\033[2J\\033[3;5HBOLD \\033[1mé😀\\033[0m\\033[1;1Htop\\033[24;78Hend\\033[2;2H'; read x`,
    { pty: true },
  );
  const screen = await untilScreen(id, (rows) => rows[23]?.endsWith('end') === true);
  const bytes = Buffer.from(await (await gateway.fetch(`/v1/sessions/${id}/output`)).arrayBuffer());
  const terminal = new Terminal({ cols: 80, rows: 24, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(bytes, resolve));
  const rows = Array.from({ length: 24 }, (_, y) => terminal.buffer.active.getLine(y)?.translateToString(true) ?? '');
  expect(screen.data.rows).toEqual(rows);
  expect(rows[2]).toBe('    BOLD é😀');
  expect(screen.data).toMatchObject({
    title: 'A title',
    size: { cols: 80, rows: 24 },
    cursor: { row: 1, col: 1 },
    full_screen: true,
    status: 'running',
  });
  await gateway.client.session(id as never).resize(100, 30);
  expect((await untilScreen(id, (now) => now.length === 30)).data.size).toEqual({ cols: 100, rows: 30 });
  await call(client, 'bash_stop', { id, grace_ms: 0 });
});

test('keys steer a program that draws: less goes down, to the end, and away', async () => {
  const id = await start('seq 1000 | LESS= less', { pty: true });
  await untilScreen(id, (rows) => rows[0] === '1');
  // less asks for the other form of the arrows.
  await call(client, 'bash_input', { id, keys: ['down', 'down'] });
  await untilScreen(id, (rows) => rows[0] === '3');
  await call(client, 'bash_input', { id, keys: ['G'] });
  await untilScreen(id, (rows) => rows[22] === '1000');
  await call(client, 'bash_input', { id, keys: 'q' });
  expect((await read(id, { block: true })).data).toMatchObject({ exit_code: 0 });
});

test('ctrl-c interrupts in a terminal; on pipes it is a signal, and ctrl-d ends the input', async () => {
  const terminal = await start('sleep 100', { pty: true });
  await call(client, 'bash_input', { id: terminal, keys: ['ctrl-c'] });
  expect((await read(terminal, { block: true })).data).toMatchObject({ signal: 'SIGINT', exit_code: null });
  const pipes = await start('cat; echo over');
  const refused = await call(client, 'bash_input', { id: pipes, keys: ['ctrl-c'] });
  expect(refused.data).toMatchObject({ code: 'not_a_tty' });
  expect(await call(client, 'bash_screen', { id: pipes })).toMatchObject({
    isError: true,
    data: { code: 'not_a_tty' },
  });
  await call(client, 'bash_input', { id: pipes, text: 'x\n', keys: ['ctrl-d'] });
  expect((await read(pipes, { offset: 0, block: true })).data).toMatchObject({ text: 'x\nover\n', exit_code: 0 });
  const sleeping = await start('exec sleep 100');
  expect((await call(client, 'bash_signal', { id: sleeping, signal: 'int' })).isError).toBe(false);
  expect((await read(sleeping, { block: true })).data).toMatchObject({ signal: 'SIGINT' });
});

inAll('a command that takes too long is ended and says why, also over a kill of the gateway', async () => {
  const short = await start('sleep 100', { timeout_ms: 300 });
  const long = await start('echo begun; sleep 100', { timeout_ms: count({ quick: 1200, all: 2500 }) });
  expect((await read(short, { block: true })).data).toMatchObject({ timed_out: true, exit_code: null });
  await killGateway(gateway);
  await gateway.restart();
  const { data, text } = await read(long, { offset: 0, block: true });
  expect(data).toMatchObject({ text: 'begun\n', timed_out: true });
  expect(text).toContain('after its timeout');
});

test('wrong arguments, ids that are none and sessions that are gone are told by code', async () => {
  const id = await start('true');
  for (const [name, args, code] of [
    ['bash_output', { id: 'nothing' }, 'session_not_found'],
    ['bash_output', { id: '../../etc/passwd' }, 'session_not_found'],
    ['bash_output', { id: '01890000-0000-7000-8000-000000000000' }, 'session_not_found'],
    ['bash_output', {}, 'bad_request'],
    ['bash_output', { id, offset: -1 }, 'bad_request'],
    ['bash_output', { id, offset: 1.5 }, 'bad_request'],
    ['bash_output', { id, nonsense: true }, 'bad_request'],
    ['bash_start', { command: '  ' }, 'bad_request'],
    ['bash_start', { command: 'a\0b' }, 'bad_request'],
    ['bash_start', { command: 'true', cwd: '/no/such/place' }, 'bad_cwd'],
    ['bash_start', { command: 'true', timeout_ms: 0 }, 'bad_request'],
    ['bash_start', { command: 'x'.repeat(128 * 1024) }, 'bad_request'],
    ['bash_input', { id }, 'bad_request'],
    ['bash_input', { id, keys: ['no-such-key'] }, 'bad_request'],
    ['bash_input', { id, keys: ['constructor'] }, 'bad_request'],
    ['bash_signal', { id, signal: 'NOPE' }, 'unknown_signal'],
    ['bash_stop', { id, grace_ms: 60_000 }, 'bad_request'],
    ['bash_list', { limit: 0 }, 'bad_request'],
  ] as const) {
    const answer = await call(client, name, args);
    expect({ name, args, isError: answer.isError, code: answer.data.code }).toEqual({
      name,
      args,
      isError: true,
      code,
    });
    expect(answer.text).toContain(answer.data.hint);
    // An agent has tools, no addresses and no command line.
    expect(answer.data.hint).not.toMatch(/\/v1\/|PROTOCOL|binnacle |serve /);
  }
  await read(id, { block: true });
  await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
  expect((await read(id)).data).toMatchObject({ code: 'session_gone', hint: expect.stringContaining('bash_list') });
  const gone = await start('sleep 100');
  const waiting = read(gone, { block: true });
  await until('it waits', async () => (await read(gone)).isError === false);
  await gateway.fetch(`/v1/sessions/${gone}`, { method: 'DELETE' });
  // Its end came before it was gone, and either is true.
  const { data } = await waiting;
  expect(data.code === 'session_gone' || data.status === 'closed').toBe(true);
});

test('who holds the lease keeps it: an agent is told the holder', async () => {
  const id = await start('cat');
  const lease = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"holder": "ada"}' };
  await gateway.fetch(`/v1/sessions/${id}/lease`, lease);
  const refused = await call(client, 'bash_input', { id, text: 'x' });
  expect(refused).toMatchObject({ isError: true, data: { code: 'lease_held' } });
  expect(refused.text).toContain('ada');
  await call(client, 'bash_stop', { id, grace_ms: 0 });
});

test('resources: what a session wrote, its transcript, and the list of the newest', async () => {
  const id = await start('printf "\\033[31m\\140\\140\\140red\\033[0m\\n"; exit 3', { name: 'a name' });
  await read(id, { block: true });
  const { resources } = await client.listResources();
  expect(resources.map(({ uri }) => uri)).toContain(`binnacle://sessions/${id}/output`);
  const { contents } = await client.readResource({ uri: `binnacle://sessions/${id}/output` });
  expect(contents).toMatchObject([{ mimeType: 'text/plain', text: '```red\n' }]);
  const transcript = await client.readResource({ uri: `binnacle://sessions/${id}/transcript` });
  const [page] = transcript.contents as { text: string; mimeType: string }[];
  expect(page?.mimeType).toBe('text/markdown');
  expect(page?.text).toMatch(/^# a name\n[\s\S]*State: exited with 3\n[\s\S]*\n````text\n```red\n````\n$/);
  await expect(client.readResource({ uri: 'binnacle://sessions/none/output' })).rejects.toThrow('No such session.');
});

async function untilScreen(id: string, isSo: (rows: readonly string[]) => boolean): Promise<Answered> {
  let screen: Answered | undefined;
  await until('the screen shows it', async () => {
    screen = await call(client, 'bash_screen', { id });
    return isSo(screen.data.rows);
  });
  return screen as Answered;
}

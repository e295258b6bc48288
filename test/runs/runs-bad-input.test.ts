import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunInfo } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { Gate, hasWritten, Shell } from './runs.fixture.ts';

let gateway: Gateway;
/** Its runs are `first` (bytes 0 to 10), `second` (10 to 20, running) and `third` (waiting). */
let shell: Shell;
let gate: Gate;
let epoch: string;
let viewToken: string;
let deleted: Shell;
let plain: Shell;
let over: Shell;

beforeAll(async () => {
  gateway = await openGateway();
  shell = await Shell.open(gateway);
  await shell.start({ id: 'first', command: 'printf 0123456789' }, 'wait=20000');
  gate = new Gate(gateway, 'bad-input');
  await shell.start({ id: 'second', command: `printf abcdefghij; ${gate.wait}` });
  await hasWritten(shell, 20);
  await shell.start({ id: 'third', command: 'echo' });
  ({ epoch } = await shell.info());
  viewToken = (await gateway.client.tokens.create({ name: 'a viewer', scope: 'view' })).token;
  deleted = await Shell.open(gateway);
  await gateway.client.sessions.delete(deleted.id);
  plain = new Shell(gateway, (await gateway.client.sessions.create({ command: 'exec sleep 1013' })).id);
  over = await Shell.open(gateway);
  await over.start({ id: 'last', command: 'kill -9 $PPID' }, 'wait=20000');
  await until('it is over', async () => (await over.info()).state === 'closed');
  writeFileSync(join(gateway.dir, 'file'), '');
});
afterAll(async () => {
  gate.open();
  await gateway.close();
});

interface Refused {
  readonly status: number;
  readonly type: string | null;
  readonly code: string;
  readonly details?: Record<string, unknown>;
}

async function refused(response: Promise<Response>): Promise<Refused> {
  const { status, headers, text } = await response.then(async (r) => ({
    status: r.status,
    headers: r.headers,
    text: await r.text(),
  }));
  const type = headers.get('content-type');
  if (type !== 'application/json') throw new Error(`It began with ${status} ${type}: ${text.slice(0, 200)}`);
  return { ...((JSON.parse(text) as { error: Refused }).error ?? {}), status, type };
}

const HUGE = 2 ** 53;
const STREAMS = [
  ['as JSON', ''],
  ['as a stream', 'format=sse'],
  ['waiting', 'wait=1000'],
] as const;

describe.each(STREAMS)('a run that cannot be, asked for %s, is refused before anything starts', (_, query) => {
  const BODIES: readonly (readonly [string, unknown, number, string])[] = [
    ['no command', {}, 400, 'bad_request'],
    ['an empty command', { command: '' }, 400, 'bad_request'],
    ['a blank command', { command: ' \n\t' }, 400, 'bad_request'],
    ['a command that is no text', { command: ['ls'] }, 400, 'bad_request'],
    ['a command that is null', { command: null }, 400, 'bad_request'],
    ['a NUL in the command', { command: 'echo \0' }, 400, 'bad_request'],
    ['a command over the limit', { command: `#${'x'.repeat(131_071)}` }, 400, 'bad_request'],
    ['a command over the limit in bytes', { command: `#${'é'.repeat(65_536)}` }, 400, 'bad_request'],
    ['a cwd that is not there', { command: 'ls', cwd: '/nowhere/at/all' }, 400, 'bad_cwd'],
    ['a cwd that is a file', { command: 'ls', cwd: 'FILE' }, 400, 'bad_cwd'],
    ['a cwd that is relative', { command: 'ls', cwd: 'tmp' }, 400, 'bad_cwd'],
    ['an empty cwd', { command: 'ls', cwd: '' }, 400, 'bad_request'],
    ['a NUL in the cwd', { command: 'ls', cwd: '/tmp\0' }, 400, 'bad_request'],
    ['a negative timeout', { command: 'ls', timeoutMs: -1 }, 400, 'bad_request'],
    ['a timeout in parts of ms', { command: 'ls', timeoutMs: 0.5 }, 400, 'bad_request'],
    ['a timeout that is text', { command: 'ls', timeoutMs: '5' }, 400, 'bad_request'],
    ['a timeout of a month', { command: 'ls', timeoutMs: 2 ** 31 }, 400, 'bad_request'],
    ['an empty id', { command: 'ls', id: '' }, 400, 'bad_request'],
    ['an id that begins with a dot', { command: 'ls', id: '.x' }, 400, 'bad_request'],
    ['an id with a slash', { command: 'ls', id: '../x' }, 400, 'bad_request'],
    ['an id that is too long', { command: 'ls', id: 'x'.repeat(65) }, 400, 'bad_request'],
    ['an id that is a number', { command: 'ls', id: 5 }, 400, 'bad_request'],
    ['an unknown stdin', { command: 'ls', stdin: 'both' }, 400, 'bad_request'],
    ['an unknown onBusy', { command: 'ls', onBusy: 'push' }, 400, 'bad_request'],
    ['an unknown onDisconnect', { command: 'ls', onDisconnect: 'stay' }, 400, 'bad_request'],
    ['an unknown field', { command: 'ls', timeout: 5 }, 400, 'bad_request'],
    ['a list', [{ command: 'ls' }], 400, 'bad_request'],
    ['text', 'ls', 400, 'bad_request'],
    ['onBusy refuse while another one runs', { command: 'ls', onBusy: 'refuse' }, 409, 'shell_busy'],
  ];

  // The three ways have one check: the second and third show that each reaches it.
  it.each(query === '' ? BODIES : some(BODIES, 6))('%s', async (_name, body, status, code) => {
    const text = JSON.stringify(body).replace('"FILE"', JSON.stringify(join(gateway.dir, 'file')));
    expect(await refused(post(shell, text, query))).toMatchObject({ status, code });
  });

  it.each([
    ['what is not JSON', '{"command": "ls"', 'application/json', 400, 'bad_request'],
    ['JSON that is not UTF-8', '{"command":"\xff"}', 'application/json', 400, 'bad_request'],
    ['nothing', '', 'application/json', 400, 'bad_request'],
    ['another type', '{"command":"ls"}', 'text/plain', 415, 'bad_content_type'],
    ['more than the limit', `{"command":"${'x'.repeat(1024 * 1024)}"}`, 'application/json', 413, 'body_too_large'],
  ])('a body of %s', async (_name, body, type, status, code) => {
    expect(await refused(post(shell, Buffer.from(body, 'latin1'), query, type))).toMatchObject({ status, code });
  });

  it('a timeout of infinity', async () => {
    const body = '{"command":"ls","timeoutMs":1e999}';
    expect(await refused(post(shell, body, query))).toMatchObject({ status: 400, code: 'bad_request' });
  });

  it('a session that is not there, is gone, has ended, or takes no runs', async () => {
    const body = '{"command":"ls"}';
    const at = (id: string) => refused(post(new Shell(gateway, id), body, query));
    expect(await at('01a00000-0000-7000-8000-000000000000')).toMatchObject({ status: 404, code: 'session_not_found' });
    expect(await at('nope')).toMatchObject({ status: 404, code: 'session_not_found' });
    expect(await at(deleted.id)).toMatchObject({ status: 410, code: 'session_gone' });
    expect(await at(over.id)).toMatchObject({ status: 409, code: 'session_exited' });
    expect(await at(plain.id)).toMatchObject({ status: 409, code: 'no_runs' });
  });

  it('a query that is wrong', async () => {
    const body = '{"command":"ls"}';
    for (const wrong of ['format=xml', 'encoding=hex', 'format=sse&format=json']) {
      expect(await refused(post(shell, body, wrong))).toMatchObject({ status: 400, code: 'bad_request' });
    }
    for (const wrong of ['wait=-1', 'wait=soon', 'wait=1e3'])
      expect((await refused(post(shell, body, wrong))).status).toBe(400);
  });

  it('a token that may not, or none', async () => {
    const ask = (authorization: string) =>
      refused(post(shell, '{"command":"ls"}', query, undefined, { authorization }));
    expect(await ask('Bearer nope')).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(await ask(`Bearer ${viewToken}`)).toMatchObject({ status: 403, code: 'forbidden' });
  });

  it('somebody else in control, unless it is theirs', async () => {
    const session = await Shell.open(gateway);
    const held = await gateway.client.session(session.id).lease.acquire({ holder: 'Ada' });
    expect(await refused(post(session, '{"command":"ls"}', query))).toMatchObject({
      status: 409,
      code: 'lease_held',
      details: { holder: 'Ada' },
    });
    expect(await session.runs()).toEqual([]);
    const theirs = await post(session, '{"command":"true"}', 'wait=20000', undefined, { 'binnacle-lease': held.lease });
    expect((await theirs.json()) as RunInfo).toMatchObject({ exitCode: 0 });
  });

  it('and nothing of it is left behind', async () => {
    expect((await shell.runs()).map(({ id, state }) => [id, state])).toEqual([
      ['first', 'ended'],
      ['second', 'running'],
      ['third', 'queued'],
    ]);
    expect(await shell.info()).toMatchObject({ outputOffset: 20, runs: { current: 'second', queued: 1 } });
    expect(await plain.info()).toMatchObject({ runs: null });
  });
});

describe('a queue that is full', () => {
  it('refuses by code, and takes again when there is room', async () => {
    const session = await Shell.open(gateway);
    const turn = new Gate(gateway, 'full');
    await session.start({ id: 'long', command: turn.wait });
    await until('it runs', async () => (await session.info()).runs?.current === 'long');
    const answers: number[] = [];
    while (answers.at(-1) !== 429 && answers.length < 1000) {
      answers.push((await session.post({ id: `r${answers.length}`, command: `echo ${answers.length}` })).status);
    }
    const taken = answers.length - 1;
    expect(new Set(answers.slice(0, taken))).toEqual(new Set([201]));
    expect(await refused(session.stream({ command: 'ls' }))).toMatchObject({ status: 429, code: 'too_many_runs' });
    turn.open();
    await session.ended(`r${taken - 1}`);
    const lines = Array.from({ length: taken }, (_, n) => `${n}\n`);
    expect((await session.log()).toString()).toBe(lines.join(''));
    expect(await session.isUsable()).toBe(true);
  });
});

const RUNS = [
  ['first', 0, 10],
  ['second', 10, 20],
] as const;
const BAD = ['-1', 'NaN', '1e3', '0x10', '12abc', '', '1.5', '+1', '%201', '01', 'Infinity', `${HUGE}`];
const READINGS = [
  ['raw', 'format=raw'],
  ['raw, following', 'format=raw&follow=1'],
  ['events', 'format=sse'],
] as const;

describe.each(READINGS)(
  'exact-resume: a place in a run that cannot be served is refused, never moved: %s',
  (_, format) => {
    const ask = (run: string, query: string, headers: Record<string, string> = {}, at = shell) =>
      refused(gateway.fetch(`${at.path}/runs/${run}/output?${format}&${query}`, { headers }));

    it.each(format === 'format=raw' ? BAD : some(BAD, 4))('since="%s" is bad_offset', async (since) => {
      expect(await ask('first', `since=${since}`)).toMatchObject({ status: 400, code: 'bad_offset' });
    });

    it.each(RUNS)('outside of %s, by one byte or by many, with the numbers', async (run, startOffset, end) => {
      const endOffset = run === 'second' ? null : end;
      const details = { startOffset, endOffset, headOffset: 20 };
      for (const since of [end + 1, HUGE - 1]) {
        expect(await ask(run, `since=${since}`)).toMatchObject({ status: 416, code: 'offset_ahead', details });
      }
      if (startOffset === 0) return;
      for (const since of [startOffset - 1, 0]) {
        expect(await ask(run, `since=${since}`)).toMatchObject({ status: 400, code: 'bad_offset', details });
      }
    });

    it('a run that has not begun has no offsets', async () => {
      const details = { startOffset: null, endOffset: null };
      expect(await ask('third', 'since=20')).toMatchObject({ status: 416, code: 'offset_ahead', details });
    });

    it('two places, or one that is none', async () => {
      const position = `${epoch}.0.0`;
      expect(await ask('first', `since=0&position=${position}`)).toMatchObject({ status: 400, code: 'bad_request' });
      expect(await ask('first', 'since=0&since=1')).toMatchObject({ status: 400, code: 'bad_request' });
      for (const garbage of ['x', '12', `${epoch}.1`, `${epoch}.-1.0`, `${epoch}.5.5`, '', '%00']) {
        expect(await ask('first', `position=${garbage}`)).toMatchObject({ status: 400, code: 'bad_position' });
      }
      expect(await ask('first', 'position=0000000000000000.0.0')).toMatchObject({ status: 409, code: 'wrong_epoch' });
      expect(await ask('first', `position=${epoch}.zzzzzz.zzzzzz`)).toMatchObject({
        status: 416,
        code: 'offset_ahead',
      });
      expect(await ask('first', 'follow=perhaps')).toMatchObject({ status: 400, code: 'bad_request' });
    });

    it('a run that is not there, in a session that is not there, is gone, or takes none', async () => {
      expect(await ask('fourth', '')).toMatchObject({ status: 404, code: 'run_not_found' });
      expect(await ask('..%2Ffirst', '')).toMatchObject({ status: 404, code: 'run_not_found' });
      expect(await ask('first', '', {}, new Shell(gateway, 'nope'))).toMatchObject({ status: 404 });
      expect(await ask('first', '', {}, deleted)).toMatchObject({ status: 410, code: 'session_gone' });
      expect(await ask('first', '', {}, plain)).toMatchObject({ status: 409, code: 'no_runs' });
    });
  },
);

describe('other requests about runs', () => {
  it('a Last-Event-ID that is none is refused', async () => {
    const ask = (id: string) => refused(shell.events('first', '', { 'last-event-id': id }));
    expect(await ask('garbage')).toMatchObject({ status: 400, code: 'bad_position' });
    expect(await ask('0000000000000000.0.0')).toMatchObject({ status: 409, code: 'wrong_epoch' });
  });

  it.each(['', '/runs/first', '/runs', '/processes'])('GET …%s of what is not there', async (path) => {
    const ask = (at: Shell) => refused(gateway.fetch(at.path + (path === '' ? '/runs/fourth' : path)));
    expect(await ask(path === '' ? shell : new Shell(gateway, 'nope'))).toMatchObject({ status: 404 });
    expect(await ask(plain)).toMatchObject({ status: 409, code: 'no_runs' });
    expect(await ask(deleted)).toMatchObject({ status: 410, code: 'session_gone' });
  });

  it('cancelling what is not there, and by who may not', async () => {
    expect(await refused(shell.cancel('fourth'))).toMatchObject({ status: 404, code: 'run_not_found' });
    expect(await refused(plain.cancel('first'))).toMatchObject({ status: 409, code: 'no_runs' });
    const headers = { authorization: `Bearer ${viewToken}` };
    const asked = gateway.fetch(`${shell.path}/runs/second`, { method: 'DELETE', headers });
    expect(await refused(asked)).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await shell.run('second')).state).toBe('running');
  });

  it('runs together with a program of one’s own', async () => {
    const create = (body: object) =>
      refused(
        gateway.fetch('/v1/sessions', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      );
    for (const body of [{ runs: true, command: 'ls' }, { runs: true, argv: ['ls'] }, { runs: 'yes' }]) {
      expect(await create(body)).toMatchObject({ status: 400, code: 'bad_request' });
    }
  });
});

function post(
  at: Shell,
  body: string | Uint8Array,
  query: string,
  type = 'application/json',
  headers: Record<string, string> = {},
): Promise<Response> {
  return gateway.fetch(`${at.path}/runs?${query}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body: body as string,
  });
}

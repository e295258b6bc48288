// What people, programs and agents should not send: each gets a clear answer, and nothing is lost by it.

import { chmodSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatPosition, parsePosition } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inAll } from '../support/count.ts';
import { until } from '../support/until.ts';
import { pathOf } from './conversation.fixture.ts';
import { AGENTS, type Core, gateIn, isAlive, openCore, openCoreHere } from './core.fixture.ts';

const LATE_ACP = resolve(import.meta.dirname, 'late-acp.mjs');
const MIB = 1024 * 1024;

let core: Core;
beforeAll(async () => {
  core = await openCore({ maxConversations: 100 }, (dir: string) => {
    const plain = gateIn({ dir }, 'plain.txt');
    writeFileSync(plain, 'not a program');
    chmodSync(plain, 0o644);
    return {
      agents: {
        entries: {
          ...AGENTS,
          many: { driver: 'acp', command: [process.execPath, LATE_ACP] },
          missing: { driver: 'acp', command: ['no-such-agent-anywhere'] },
          plain: { driver: 'command', command: [plain] },
          nowhere: { driver: 'command', command: ['sh'], cwd: gateIn({ dir }, 'no-such-dir') },
          none: { driver: 'command' },
          arg: { driver: 'command', command: ['printf', '%s', '{prompt}'] },
          noise: { driver: 'acp', command: ['sh', '-c', 'while echo "Warning: deprecated"; do :; done'] },
          mute: { driver: 'acp', command: ['true'] },
        },
      },
    };
  });
});
afterAll(() => core.close());

const fails = async (path: string, body: unknown, status: number, code: string, method = 'POST'): Promise<void> => {
  const headers = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
  const reply = await core.ask(path, { method, body, headers });
  expect({ status: reply.status, code: reply.code }).toEqual({ status, code });
  expect(reply.json.error.message).not.toBe('');
  expect(reply.json.error.hint).not.toBe('');
  // Whoever sends a megabyte that is wrong does not get it back.
  expect(reply.text.length).toBeLessThan(2000);
};

describe('a conversation is not made', () => {
  test.each([
    ['for an agent that is unknown', { agent: 'nobody' }, 400, 'unknown_agent'],
    ['for an agent that is no name', { agent: '__proto__' }, 400, 'unknown_agent'],
    ['with a malformed key', { key: 'agent:main' }, 400, 'bad_key'],
    ['with a key of no agent', { key: 'agent::x' }, 400, 'bad_key'],
    ['with a key that begins with a colon', { key: 'agent:main::x' }, 400, 'bad_key'],
    ['with a key that holds a line break', { key: 'agent:main:a\nb' }, 400, 'bad_key'],
    ['with a key that holds a NUL', { key: 'agent:main:a\0b' }, 400, 'bad_key'],
    ['with a key that holds half a character', '{"key": "agent:main:a\\ud800"}', 400, 'bad_key'],
    ['with a key that is too long', { key: `agent:main:${'x'.repeat(512)}` }, 400, 'bad_key'],
    ['with a key of an agent that is unknown', { key: 'agent:nobody:x' }, 400, 'unknown_agent'],
    ['with a key of another agent', { key: 'agent:main:x', agent: 'acp' }, 400, 'bad_request'],
    ['with key and name', { key: 'agent:main:x', name: 'x' }, 400, 'bad_request'],
    ['with a name that holds a control character', { agent: 'main', name: 'a\u001bb' }, 400, 'bad_request'],
    ['seen by nobody knows whom', { agent: 'main', visibility: { kind: 'friends' } }, 400, 'bad_request'],
    ['shared with nothing', { agent: 'main', visibility: { kind: 'shared' } }, 400, 'bad_request'],
  ] as const)('%s', async (_, body, status, code) => {
    await fails('/v1/conversations', body, status, code);
  });

  test('by others than the admin with a key of their choice', async () => {
    const token = await core.tokenOf('chooser');
    const reply = await core.ask('/v1/conversations', { body: { key: 'agent:main:mine' }, token });
    expect(reply).toMatchObject({ status: 403, code: 'forbidden' });
  });
});

describe('a message is refused', () => {
  let key: string;
  let path: string;
  beforeAll(async () => {
    key = await core.make('main');
    path = `${pathOf(key)}/messages`;
  });

  test.each([
    ['that is empty', { text: '' }, 'bad_request'],
    ['of white space', { text: ' \n\t\u00a0' }, 'bad_request'],
    ['that is nothing', '', 'bad_request'],
    ['with an id of spaces', { text: 'a', id: 'a b' }, 'bad_request'],
    ['with an empty id', { text: 'a', id: '' }, 'bad_request'],
    ['with an id that begins with a dot', { text: 'a', id: '.a' }, 'bad_request'],
    ['with an id that holds a NUL', { text: 'a', id: 'a\0' }, 'bad_request'],
    ['with an id that is a path', { text: 'a', id: '../a' }, 'bad_request'],
    ['with an id that is too long', { text: 'a', id: 'a'.repeat(65) }, 'bad_request'],
    ['with an id that is that of an answer', { text: 'a', id: 'answer:m1' }, 'bad_request'],
    ['with a time limit that is infinite', '{"text": "a", "timeoutMs": 1e999}', 'bad_request'],
    ['that is a tree 100000 deep', `{"text": "a", "a": ${'{"a":'.repeat(1e5)}1${'}'.repeat(1e5)}}`, 'bad_request'],
  ] as const)('%s', async (_, body, code) => {
    await fails(path, body, 400, code);
    expect(await core.history(key)).toEqual([]);
  });

  test('over the limit, counted as UTF-8, and one at the limit is taken', async () => {
    await fails(path, { id: 'big', text: 'x'.repeat(256 * 1024 + 1) }, 413, 'message_too_large');
    await fails(path, { id: 'big', text: '€'.repeat(256 * 341 + 90) }, 413, 'message_too_large');
    await fails(path, { id: 'big', text: 'x'.repeat(3 * MIB) }, 413, 'body_too_large');
    const text = '€'.repeat(87_381);
    const other = await core.make('main');
    await core.send(other, 'big', text);
    expect((await core.end(other, 'big')).text).toBe(text);
  });

  test('by a query that is wrong', async () => {
    for (const query of ['?wait=-1', '?wait=soon', '?format=xml', '?deltaIntervalMs=-1', '?deltaIntervalMs=1e3']) {
      await fails(`${path}${query}`, { text: 'hello' }, 400, 'bad_request');
    }
    expect(await core.history(key)).toEqual([]);
  });

  test('to a conversation that there is not, whatever its name is', async () => {
    for (const name of ['agent:main:nobody', 'x', '%00', 'a\nb', '__proto__', "' OR 1=1 --"]) {
      await fails(`${pathOf(name)}/messages`, { text: 'hello' }, 404, 'conversation_not_found');
    }
    const reply = await core.ask('/v1/conversations/%ff%fe/messages', { body: { text: 'hello' } });
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.status).toBeLessThan(500);
    expect((await core.ask(pathOf('x'.repeat(600)))).status).toBeLessThan(500);
  });

  test('and everything else that is unknown says what it is', async () => {
    expect((await core.ask(`${path}/m9`)).code).toBe('message_not_found');
    expect((await core.ask(`${pathOf(key)}/runs/m9`)).code).toBe('run_not_found');
    expect((await core.ask(`${pathOf(key)}/runs/m9?wait=1000`)).code).toBe('run_not_found');
    expect((await core.ask(`${pathOf(key)}/runs/m9`, { method: 'DELETE' })).code).toBe('run_not_found');
    expect((await core.ask(`${pathOf(key)}/runs/a%00b`)).code).toBe('run_not_found');
    expect((await core.ask(`${path}?limit=many`)).code).toBe('bad_request');
    expect((await core.ask(`${path}?before=%F0%9F%98%80`)).code).toBe('bad_request');
    expect((await core.ask(pathOf(key), { method: 'PATCH', body: { title: '' } })).code).toBe('bad_request');
    expect((await core.ask(pathOf(key), { method: 'PATCH', body: { owner: 'me' } })).code).toBe('bad_request');
  });
});

describe('text', () => {
  test.each([
    ['NUL and other control characters', 'a\0b\u0001\u001b[31mred\u007f\u0085'],
    ['line separators', 'a\u2028b\u2029c\r\nd\re'],
    ['what would end a server-sent event', 'a\n\ndata: {"forged": true}\n\nevent: gap\n\n'],
    ['emoji and their joiners', '👩‍👩‍👧‍👦 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿, '.repeat(200)],
    ['right to left', 'שלום \u202eevil\u202c'],
    ['a byte order mark', '\ufeffhello'],
  ])('with %s comes back as it was, over every road', async (_, text) => {
    const key = await core.make('main');
    const wire = await core.wire();
    await wire.ask({ t: 'send', conversation: key, id: 'm1', text });
    const end = await wire.untilSo(() => wire.of(key).end('m1'));
    expect(end.text).toBe(text);
    expect((await core.history(key)).map((one) => one.text)).toEqual([text, text]);
    expect((await core.log(key)).said('m1')).toBe(text);
    // Also through a program's stdin and stdout.
    const shell = await core.make('arg');
    await core.send(shell, 'm1', text);
    const run = await core.end(shell, 'm1');
    if (text.includes('\0')) expect(run).toMatchObject({ state: 'error', end: { error: { code: 'bad_request' } } });
    else expect(run).toMatchObject({ state: 'final', text: text.replace(/[\r\n]+$/, '') });
  });

  test('with half a character is answered with the sign for it, and breaks nothing', async () => {
    const key = await core.make('main');
    const headers = { 'content-type': 'application/json' };
    const reply = await core.trySend(key, '{"id": "m1", "text": "a \\ud83d b \\ude00 c \\ud83d"}', {
      method: 'POST',
      headers,
    });
    expect(reply.status).toBe(202);
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({ state: 'final', text: 'a \ufffd b \ufffd c \ufffd' });
    expect((await core.log(key)).end('m1')).toMatchObject({ text: run.text });
  });
});

describe('reading', () => {
  test('from a position that is none, of another log, or ahead of the head is refused on both roads', async () => {
    const [key, other] = [await core.make('main'), await core.make('main')];
    await core.send(key, 'm1', 'hello');
    await core.send(other, 'm1', `a longer text ${'word '.repeat(1000)}`);
    const { position } = await core.info(key);
    const foreign = (await core.info(other)).position;
    const at = parsePosition(position);
    const ahead = formatPosition({ ...at, place: at.place + 1000, offset: at.offset + 1000 });
    const wire = await core.wire();
    for (const [from, code] of [
      ['garbage', 'bad_position'],
      ['-1', 'bad_position'],
      ['', 'bad_position'],
      [`${position}x`, 'bad_position'],
      [foreign, 'wrong_epoch'],
      [ahead, 'offset_ahead'],
    ] as const) {
      const frame = await wire.ask({ t: 'follow', conversation: key, from });
      expect([from, frame.t, (frame.error as { code: string }).code]).toEqual([from, 'error', code]);
      if (from === '') continue;
      const reply = await core.ask(`${pathOf(key)}/events?follow=0&position=${encodeURIComponent(from)}`);
      expect([from, reply.code]).toEqual([from, code]);
      const resumed = await core.ask(`${pathOf(key)}/events?follow=0`, { headers: { 'last-event-id': from } });
      expect([from, resumed.code]).toEqual([from, code]);
    }
    expect((await wire.ask({ t: 'follow', conversation: key, from: 'start' })).t).toBe('following');
    await wire.untilSo(() => wire.of(key).end('m1'));
  });

  test('at a pace that is none is refused; a slow one is ten seconds at most', async () => {
    const key = await core.make('main');
    const wire = await core.wire();
    for (const deltaIntervalMs of [-1, 0.5, 10_001, 1e9, '50', null]) {
      const frame = await wire.ask({ t: 'follow', conversation: key, deltaIntervalMs });
      expect([deltaIntervalMs, frame.t]).toEqual([deltaIntervalMs, 'error']);
    }
    for (const ms of ['-1', '1e9', '0.5', '999999', 'x', '']) {
      const reply = await core.ask(`${pathOf(key)}/events?follow=0&deltaIntervalMs=${ms}`);
      expect([ms, reply.status]).toEqual([ms, 400]);
    }
    expect((await core.ask(`${pathOf(key)}/events?follow=maybe`)).code).toBe('bad_request');
    expect((await wire.ask({ t: 'follow', conversation: 'agent:main:nobody' })).error).toMatchObject({
      code: 'conversation_not_found',
    });
    for (const frame of [
      { t: 'send', conversation: key, id: 'a' },
      { t: 'abort' },
      { t: 'answer', conversation: key },
    ]) {
      expect((await wire.ask(frame)).t).toBe('error');
    }
    expect((await wire.ask({ t: 'follow', conversation: key })).t).toBe('following');
  });
});

describe('an agent', () => {
  test.each([
    ['missing', 'command_not_found', /no-such-agent-anywhere.*agents\.entries\.missing\.command/],
    ['plain', '', /plain\.txt/],
    ['nowhere', 'bad_cwd', /no-such-dir.*agents\.entries\.nowhere\.cwd/],
    ['none', 'bad_request', /has the driver \\"command\\" and no command/],
    ['mute', 'agent_died', /ended with code 0/],
  ])('that cannot be used (%s) is an error that says what to change', async (agent, code, words) => {
    const key = await core.make(agent);
    for (const id of ['m1', 'm2']) {
      await core.send(key, id, 'hello');
      const run = await core.end(key, id);
      expect(run.state).toBe('error');
      if (code !== '') expect(run.end).toMatchObject({ error: { code } });
      expect(JSON.stringify(run.end)).toMatch(words);
    }
  });

  test('that prints a little rubbish is put up with; one that prints nothing else is stopped', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm1', 'say one\nrubbish 5\nsay two');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'onetwo' });
    await core.send(key, 'm2', 'say three\nrubbish 200\nsay four');
    expect(await core.end(key, 'm2')).toMatchObject({
      state: 'error',
      text: 'three',
      end: { error: { code: 'agent_protocol' } },
    });
    await core.send(key, 'm3', 'say again');
    expect(await core.end(key, 'm3')).toMatchObject({ state: 'final', text: 'again' });
    const noise = await core.make('noise');
    await core.send(noise, 'm1', 'hello');
    expect(await core.end(noise, 'm1')).toMatchObject({ state: 'error', end: { error: { code: 'agent_protocol' } } });
  });

  test('that floods one line of 100 MB is stopped, and the gateway does not grow by it', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm0', 'say warm');
    await core.end(key, 'm0');
    const memory = (field: string): number => {
      const [, kib = '0'] =
        new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${core.gateway.pid}/status`, 'utf8')) ?? [];
      return Number(kib) * 1024;
    };
    const before = memory('VmRSS');
    await core.send(key, 'm1', 'say before\nflood 100');
    expect(await core.end(key, 'm1')).toMatchObject({
      state: 'error',
      text: 'before',
      end: { error: { code: 'agent_flood' } },
    });
    await core.send(key, 'm2', 'say after');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'after' });
    // The highest that it ever was.
    expect(memory('VmHWM') - before).toBeLessThan(100 * MIB);
  }, 20_000);

  test('that says more than fits is stopped, and what was said until then is kept', async () => {
    const key = await core.make('shell');
    const file = gateIn(core, 'large');
    await core.send(key, 'm1', `echo $$ > ${file}; head -c 600000 /dev/zero | tr '\\0' x; echo; sleep 900`);
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({ state: 'error', end: { error: { code: 'answer_too_large' } } });
    expect(run.text).toMatch(/^x+$/);
    expect(run.text.length).toBeGreaterThan(300 * 1024);
    expect(run.text.length).toBeLessThanOrEqual(400 * 1024);
    expect((await core.log(key)).end('m1')).toMatchObject({ text: run.text });
    expect((await core.history(key)).at(-1)).toMatchObject({ role: 'assistant', text: run.text, ended: 'error' });
    const pid = Number(readFileSync(file, 'utf8'));
    await until('it has ended', () => !isAlive(pid));
    await core.send(key, 'm2', 'echo after');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'after' });
  });

  test('that asks for more than 32 approvals at once has the rest refused', async () => {
    const key = await core.make('many');
    await core.send(key, 'm1', 'many 32');
    await until('it asks', async () => (await core.info(key)).approvals.length === 32);
    await core.abort(key, 'm1');
    await core.send(key, 'm2', 'many 500');
    await until('it asks again', async () => (await core.info(key)).approvals.length > 0);
    await core.abort(key, 'm2');
    expect((await core.info(key)).approvals).toEqual([]);
    const { events } = await core.log(key);
    const of = (type: string): number => events.filter((event) => event.type === type).length;
    expect(of('approval')).toBe(64);
    expect(of('approval_answered')).toBe(64);
  });

  test('that was taken out of the config file is an error, and its conversation is still there', async () => {
    const small = await openCoreHere();
    try {
      const key = await small.make('shell');
      await small.send(key, 'm1', 'echo one');
      await small.end(key, 'm1');
      small.configure({ agents: { entries: { main: AGENTS.main } } });
      await until('it is read', async () => (await small.trySend(key, { text: 'echo two' })).code === 'unknown_agent');
      expect((await small.history(key)).map(({ text }) => text)).toContain('one');
      expect(await small.info(key)).toMatchObject({ agent: 'shell', steer: ['queue'] });
    } finally {
      await small.close();
    }
  });
});

describe('limits', () => {
  test('of conversations: one too many is refused, and there is room again when one is deleted', async () => {
    const small = await openCoreHere({ maxConversations: 3 });
    try {
      const keys = await Promise.all([1, 2, 3].map(() => small.make('main')));
      const refused = await small.ask('/v1/conversations', { body: { agent: 'main' } });
      expect(refused).toMatchObject({
        status: 429,
        code: 'too_many_conversations',
        json: { error: { details: { limit: 3 } } },
      });
      const inbound = await small.ask('/v1/inbound', { body: { channel: 'irc', text: 'hello' } });
      expect(inbound).toMatchObject({ status: 429, code: 'too_many_conversations' });
      await small.ask(pathOf(keys[0] ?? ''), { method: 'DELETE' });
      expect((await small.ask('/v1/conversations', { body: { agent: 'main' } })).status).toBe(201);
    } finally {
      await small.close();
    }
  });

  inAll(
    'of open files: conversations that rest hold none',
    async () => {
      const small = await openCore();
      try {
        const wire = await small.wire();
        const keys: string[] = [];
        for (let i = 0; i < 150; i += 1) {
          const key = await small.make('main');
          await wire.ask({ t: 'send', conversation: key, id: 'm1', text: 'hello' });
          await wire.untilSo(() => wire.of(key).end('m1'));
          keys.push(key);
        }
        // Looking at all of them opens them all.
        await small.ask('/v1/conversations?limit=200');
        const open = (): number =>
          readdirSync(`/proc/${small.gateway.pid}/fd`).filter((fd) => {
            try {
              return readlinkSync(`/proc/${small.gateway.pid}/fd/${fd}`).includes('/conversations/');
            } catch {
              return false; // Closed while we looked.
            }
          }).length;
        // 64 of them stay open, with three files each.
        await until('most are closed again', () => open() <= 200);
        for (const key of keys.slice(0, 3))
          expect((await small.history(key)).map(({ text }) => text)).toEqual(['hello', 'hello']);
      } finally {
        await small.close();
      }
    },
    30_000,
  );
});

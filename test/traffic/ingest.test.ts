import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { OUTPUT_HEADER_BYTES } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, inAll, isAll, some } from '../support/count.ts';
import { openGateway } from '../support/gateway.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { binnacle, EMIT, emit, emitted, keptOf, outcomesOf, stop } from './traffic.fixture.ts';

let gateway: GatewayProcess;
/** Of one user each. */
let ada: string;
let bob: string;
let viewer: string;

const userToken = async (scope: string, user: string): Promise<string> =>
  (await gateway.ask('/v1/tokens', { body: { name: user, scope, user } })).json.token;

beforeAll(async () => {
  gateway = await openGatewayProcess();
  [ada, bob, viewer] = await Promise.all([
    userToken('ingest', 'ada'),
    userToken('ingest', 'bob'),
    userToken('view', 'vic'),
  ]);
});
afterAll(() => gateway.close());

let serial = 0;
const newId = (): string => {
  serial += 1;
  return `test-${serial}`;
};
const batch = (events: readonly object[], epoch = 0, id = 'p') => ({ producer: { id, epoch }, events });

describe('what an emitter sends', () => {
  it('is a session that is listed, shown, read and exported as any other', async () => {
    const session_id = newId();
    const id = await emitted(
      gateway,
      {
        session_id,
        command: 'make all\nand more',
        response: 'one\n',
        source: 'mcp_core',
        labels: { repo: 'x' },
        cwd: '/src',
        cols: 100,
        rows: 30,
      },
      ada,
    );
    const info = await gateway.info(id);
    expect(info).toMatchObject({
      name: 'make all',
      state: 'running',
      running: true,
      mode: 'pty',
      argv: ['make all\nand more'],
      cwd: '/src',
      cols: 100,
      rows: 30,
      pid: null,
      outputOffset: 4,
      foreign: { sessionId: session_id, source: 'mcp_core', labels: { repo: 'x' }, user: 'ada', producer: null },
    });
    expect(await gateway.output(id)).toBe('one\n');
    const follow = gateway.seen(id, 'two\n');
    await emitted(gateway, { session_id, response: 'two\n', cols: 120, rows: 40 }, ada);
    expect(await follow).toBe('one\ntwo\n');
    // Nobody has asked for it in between: the list knows by itself.
    const { sessions } = (await gateway.ask('/v1/sessions')).json;
    expect(sessions.find((one: { id: string }) => one.id === id)).toMatchObject({
      outputOffset: 8,
      cols: 120,
      rows: 40,
    });
    const { headers } = await gateway.ask(`/v1/sessions/${id}/output?since=2&limit=4`);
    const position = headers.get('binnacle-position') ?? '';
    expect((await gateway.ask(`/v1/sessions/${id}/output?since=2&limit=4`)).text).toBe('e\ntw');
    if (position !== '') expect((await gateway.ask(`/v1/sessions/${id}/output?position=${position}`)).text).toBe('o\n');
    await emitted(gateway, { session_id, response: 'end\n', is_final: true, exit_code: 3 }, ada);
    expect(await gateway.closed(id)).toMatchObject({ state: 'closed', running: false, exitCode: 3, signal: null });
    expect(await gateway.output(id)).toBe('one\ntwo\nend\n');
    const more = await emit(gateway, { session_id, response: 'more' }, ada);
    expect(more.json.error).toMatchObject({ code: 'session_exited', hint: 'Use another session_id.' });
  });

  it('has the name of its command, of its source, or of nothing but its id', async () => {
    const nameOf = async (event: object): Promise<string> => {
      const id = await emitted(gateway, { session_id: newId(), ...event }, ada);
      return (await gateway.ask(`/v1/sessions/${id}`)).json.name;
    };
    expect(await nameOf({ command: '\n make all\ntwice', source: 'ci' })).toBe('make all');
    expect(await nameOf({ command: ' ', source: 'ci' })).toBe('ci');
    for (const source of [{}, { source: 'unknown' }])
      expect(await nameOf({ session_id: `job-of-${source.source}`, ...source })).toBe(`job-of-${source.source}`);
  });

  it('is followed over /v1/ws from its start to its end', async () => {
    const session_id = newId();
    const id = await emitted(gateway, { session_id, response: 'a', source: 's' });
    const frames = await gateway.frames();
    expect(await frames.ask({ t: 'subscribe', session: id, from: 'start' })).toMatchObject({ t: 'subscribed' });
    await frames.next((frame) => Buffer.isBuffer(frame) && frame.includes('a'));
    await emitted(gateway, { session_id, response: 'bc', source: 's' });
    await frames.next((frame) => Buffer.isBuffer(frame) && frame.includes('bc'));
    await emitted(gateway, { session_id, is_final: true, signal: 'SIGKILL', source: 's' });
    await frames.next(({ kind }) => kind === 'exit');
    await frames.next(({ kind }) => kind === 'closed');
    expect(await gateway.info(id)).toMatchObject({ state: 'closed', exitCode: null, signal: 'SIGKILL' });
  });

  it('is shown by the command line, without what would harm a terminal', async () => {
    const id = await emitted(gateway, {
      session_id: newId(),
      command: '\u001b]0;gotcha\u0007echo',
      response: 'plain \u001b]0;gotcha\u0007text\n',
      source: 'elsewhere',
      is_final: true,
      exit_code: 0,
    });
    const ls = await binnacle(gateway, 'ls');
    expect(ls.code).toBe(0);
    expect(ls.stdout).toContain('at elsewhere');
    expect(ls.stdout).not.toContain('\u001b]');
    const tail = await binnacle(gateway, 'tail', '--follow', id);
    expect(tail).toMatchObject({ code: 0, stdout: 'plain text\n' });
    // The flag is for sessions of either kind: serve.test.ts has it for one of this gateway.
    if (isAll) expect((await binnacle(gateway, 'tail', '--raw', id)).stdout).toBe('plain \u001b]0;gotcha\u0007text\n');
  });

  it('T36: bytes are kept as they were: not UTF-8, NUL, characters that are cut by events', async () => {
    const session_id = newId();
    const all = Buffer.from(Array.from({ length: 1024 }, (_, n) => (n * 7) % 256));
    const text = Buffer.from('€💻ä\u0000\ufeff');
    const parts = [all, ...Array.from(text, (byte) => Buffer.from([byte])), Buffer.from([0xff, 0xfe, 0xc3])];
    const events = parts.map((part) => ({ session_id, response_base64: part.toString('base64') }));
    const { json } = await emit(gateway, events);
    const id = json.results[0].session as string;
    const response = await fetch(`${gateway.url}/v1/sessions/${id}/output`, {
      headers: { authorization: `Bearer ${viewer}` },
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.concat(parts))).toBe(true);
    const shown = (await gateway.ask(`/v1/sessions/${id}/output?format=sse&follow=0&encoding=text`)).text;
    const texts = [...shown.matchAll(/^data: (\{"kind"[^\n]*)$/gmu)].map(([, data = '']) => JSON.parse(data).text);
    expect(texts.join('').slice(-40)).toContain('€💻ä\u0000\ufeff\ufffd');
    expect((await keptOf(gateway, id)).output.equals(Buffer.concat(parts))).toBe(true);
  });

  it('T35: no text of a program can pass for an event of the stream', async () => {
    const session_id = newId();
    const parts = [
      '\n\nevent: exit\ndata: {"exitCode":0}\n\n',
      '\r\rid: 9\r\n\r\ndata: forged\r\n\r\n',
      ': comment\n\nretry: 1\n\n\0\n',
      '\u2028\u2029\u0085',
    ];
    const { json } = await emit(gateway, [
      ...parts.map((response) => ({ session_id, response })),
      { session_id, is_final: true, exit_code: 5 },
    ]);
    const id = json.results[0].session as string;
    for (const encoding of ['text', 'base64']) {
      const { text } = await gateway.ask(`/v1/sessions/${id}/output?format=sse&encoding=${encoding}`);
      const events = text.split('\n\n').map((block) => {
        const fields = block.split('\n').map((line) => /^(\w*): ?(.*)$/s.exec(line)?.slice(1) ?? [line, '']);
        const of = (name: string): string =>
          fields
            .filter(([key]) => key === name)
            .map(([, value]) => value)
            .join('\n');
        return { event: of('event'), data: of('data'), names: fields.map(([key]) => key) };
      });
      const output = events.filter(({ event }) => event === 'output');
      const told = output.map(({ data }) => JSON.parse(data) as { text: string; base64: string });
      const joined = told.map((one) => (encoding === 'text' ? one.text : Buffer.from(one.base64, 'base64').toString()));
      expect(joined.join('')).toBe(parts.join(''));
      expect(text).not.toContain('\r');
      const exits = events.filter(({ event }) => event === 'exit').map(({ data }) => JSON.parse(data));
      expect(exits).toHaveLength(1);
      expect(exits[0]).toMatchObject({ exitCode: 5 });
    }
    expect(await gateway.output(id)).toBe(parts.join(''));
    for (const garbage of ['%00', 'x'.repeat(60), '-1', '../..', '9.9.9']) {
      const headers = { 'last-event-id': garbage };
      const reply = await gateway.ask(`/v1/sessions/${id}/output?format=sse&follow=0`, { headers });
      expect(['bad_position', 'wrong_epoch', 'offset_ahead']).toContain(reply.code);
    }
  });
});

describe('retries', () => {
  it('are told from new events by their numbers, for each session', async () => {
    const [one, two] = [newId(), newId()];
    const events = [
      { session_id: one, seq: 0, response: 'a' },
      { session_id: two, seq: 0, response: 'x' },
      { session_id: one, seq: 1, response: 'b' },
    ];
    const first = await emit(gateway, batch(events));
    expect([first.status, outcomesOf(first)]).toEqual([200, ['stored', 'stored', 'stored']]);
    expect(first.json).toMatchObject({ stored: 3, duplicates: 0, refused: 0 });
    const again = await emit(gateway, batch([...events, { session_id: two, seq: 1, response: 'y' }]));
    expect([again.status, outcomesOf(again)]).toEqual([200, ['duplicate', 'duplicate', 'duplicate', 'stored']]);
    const gap = await emit(
      gateway,
      batch([
        { session_id: one, seq: 7 },
        { session_id: one, seq: 2 },
        { session_id: two, seq: 2 },
      ]),
    );
    expect([gap.status, outcomesOf(gap)]).toEqual([207, ['seq_gap', 'earlier_refused', 'stored']]);
    expect(gap.json.results[0].error.details).toEqual({ expected: 2, received: 7 });
    const id = first.json.results[0].session as string;
    expect(await gateway.output(id)).toBe('ab');
  });

  it('of a session that nobody knows begin at 0', async () => {
    const session_id = newId();
    const reply = await emit(
      gateway,
      batch([
        { session_id, seq: 3 },
        { session_id, seq: 4 },
      ]),
    );
    expect(outcomesOf(reply)).toEqual(['seq_gap', 'earlier_refused']);
    expect(reply.json.results[0].error.details).toEqual({ expected: 0, received: 3 });
    expect((await gateway.ask('/v1/sessions?limit=1000')).text).not.toContain(`"${session_id}"`);
  });

  it('T34: of two emitters with one producer, the one that began later writes; the other is refused, and nothing is mixed', async () => {
    const session_id = newId();
    const send = (epoch: number, seq: number, response: string) =>
      emit(gateway, batch([{ session_id, seq, response }], epoch, 'twins'));
    expect(outcomesOf(await send(1, 0, 'old0 '))).toEqual(['stored']);
    expect(outcomesOf(await send(1, 1, 'old1 '))).toEqual(['stored']);
    expect(outcomesOf(await send(2, 1, 'new1 '))).toEqual(['seq_gap']);
    // Both at once, as fast as they can.
    const [news, olds] = await Promise.all(
      [2, 1].map(async (epoch) => {
        const outcomes: string[] = [];
        for (let n = 0; n < 30; n += 1) {
          const seq = epoch === 2 ? n : n + 2;
          const reply = await send(epoch, seq, epoch === 2 ? `new${n} ` : `old${n + 2} `);
          outcomes.push(...outcomesOf(reply));
          if (outcomes.at(-1) === 'stale_epoch') {
            expect(reply.status).toBe(207);
            expect(reply.json.results[0].error).toMatchObject({ retryable: false, details: { epoch: 2, received: 1 } });
          }
        }
        return outcomes;
      }),
    );
    expect(news).toEqual(news?.map(() => 'stored'));
    const before = olds?.filter((outcome) => outcome === 'stored').length ?? 0;
    expect(olds?.slice(before)).toEqual(olds?.slice(before).map(() => 'stale_epoch'));
    const { json } = await send(2, 29, '');
    const output = await gateway.output(json.results[0].session);
    const old = Array.from({ length: 2 + before }, (_, n) => `old${n} `);
    expect(output).toBe([...old, ...Array.from({ length: 30 }, (_, n) => `new${n} `)].join(''));
  });
});

describe('a batch', () => {
  it('nested without end is refused before it is parsed', async () => {
    const body = `${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}`;
    const headers = { authorization: `Bearer ${ada}`, 'content-type': 'application/json' };
    const response = await fetch(`${gateway.url}${EMIT}`, { method: 'POST', headers, body });
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
      400,
      'bad_request',
    ]);
  });

  it('of many sessions lets others have their turn, and all of them end', async () => {
    const ids = Array.from({ length: count({ quick: 60, all: 190 }) }, newId);
    let isAnswered = false;
    const emitting = emit(gateway, batch(ids.map((session_id) => ({ session_id, seq: 0, is_final: true }))), ada).then(
      (answer) => {
        isAnswered = true;
        return answer;
      },
    );
    let between = 0;
    while (!isAnswered) {
      await gateway.ask('/healthz');
      if (!isAnswered) between += 1;
    }
    expect(outcomesOf(await emitting)).toEqual(ids.map(() => 'stored'));
    expect(between).toBeGreaterThan(1);
    await until('all have ended', async () => {
      const { sessions } = (await gateway.ask('/v1/sessions?limit=1000')).json;
      const mine = sessions.filter((one: { foreign: { sessionId: string } | null }) =>
        ids.includes(one.foreign?.sessionId ?? ''),
      );
      return mine.length === ids.length && mine.every(({ state }: { state: string }) => state === 'closed');
    });
    expect(
      outcomesOf(await emit(gateway, batch(ids.map((session_id) => ({ session_id, seq: 0, is_final: true }))), ada)),
    ).toEqual(ids.map(() => 'duplicate'));
  });
});

describe('what belongs to another emitter', () => {
  it('is not taken by the id that it has here', async () => {
    const id = await emitted(gateway, { session_id: newId(), response: 'x' }, ada);
    expect((await emit(gateway, { session_id: id, response: 'y' }, bob)).code).toBe('bad_session_id');
  });

  it('is never mixed: another user, another producer, no producer, another source', async () => {
    const [own, of] = [newId(), newId()];
    await emitted(gateway, { session_id: own, response: 'mine', source: 'a' }, ada);
    expect(await emit(gateway, { session_id: own, response: 'x', source: 'a' }, bob)).toMatchObject({
      status: 409,
      code: 'session_taken',
    });
    expect((await emit(gateway, { session_id: own, response: 'x', source: 'b' }, ada)).code).toBe('session_taken');
    expect((await emit(gateway, { session_id: own, response: ' too' }, ada)).status).toBe(200);
    expect(outcomesOf(await emit(gateway, batch([{ session_id: own, seq: 0 }]), ada))).toEqual(['session_taken']);
    expect(outcomesOf(await emit(gateway, batch([{ session_id: of, seq: 0, response: 'p' }]), ada))).toEqual([
      'stored',
    ]);
    for (const [body, token] of [
      [batch([{ session_id: of, seq: 1 }], 0, 'q'), ada],
      [batch([{ session_id: of, seq: 1 }], 9), bob],
      [[{ session_id: of }], ada],
    ] as const) {
      expect(outcomesOf(await emit(gateway, body, token))).toEqual(['session_taken']);
    }
    const mine = (await emit(gateway, { session_id: own }, ada)).json.results[0].session as string;
    expect(await gateway.output(mine)).toBe('mine too');
  });

  it('is gone for its emitter, too, once it was deleted', async () => {
    const session_id = newId();
    const id = await emitted(gateway, { session_id, response: 'x' }, ada);
    expect((await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect(readdirSync(join(gateway.dir, 'sessions'))).not.toContain(id);
    expect(await emit(gateway, { session_id, response: 'y' }, ada)).toMatchObject({
      status: 410,
      code: 'session_gone',
    });
    expect((await emit(gateway, { session_id, response: 'y' }, bob)).code).toBe('session_taken');
    expect((await gateway.ask(`/v1/sessions/${id}`)).code).toBe('session_gone');
  });
});

describe('fields that nobody knows', () => {
  it('are left out of an event, and counted and named in the answer', async () => {
    const event = { session_id: 'later', response: 'kept', mood: 'fine', respnse: 'x' };
    const one = await emit(gateway, event);
    expect([one.status, one.json]).toMatchObject([200, { stored: 1, ignored: 2, ignored_fields: ['mood', 'respnse'] }]);
    const many = Array.from({ length: 40 }, (_, n) => ({ session_id: 'later', [`f${n}`]: n, mood: '' }));
    const all = await emit(gateway, [...many, JSON.parse('{"session_id":"later","__proto__":{"a":1}}')]);
    expect(all.json).toMatchObject({ stored: 41, ignored: 81 });
    expect(all.json.ignored_fields).toHaveLength(20);
    expect((await emit(gateway, { session_id: 'later', response: '!' })).json).toMatchObject({
      ...{ stored: 1, ignored: 0, ignored_fields: [] },
    });
    expect(await gateway.output(one.json.results[0].session)).toBe('kept!');
  });
});

describe('bad input', () => {
  const ok = (session_id: string) => ({ session_id, response: 'ok' });

  it.each<[string, number, string, () => string]>([
    ['no JSON', 400, 'bad_request', () => '{"session_id":'],
    ['nothing', 400, 'bad_event', () => ''],
    ['null', 400, 'bad_event', () => 'null'],
    ['a number', 400, 'bad_event', () => '7'],
    ['an empty list', 400, 'bad_event', () => '[]'],
    ['a batch without events', 400, 'bad_event', () => '{"events":[]}'],
    ['events that are no list', 400, 'bad_request', () => '{"events":{}}'],
    ['an unknown field of a batch', 400, 'bad_request', () => JSON.stringify({ events: [ok('a')], more: 1 })],
    ['a producer with a path', 400, 'bad_request', () => JSON.stringify(batch([ok('a')], 0, '../x'))],
    ['a negative epoch', 400, 'bad_request', () => JSON.stringify(batch([ok('a')], -1))],
    ['a huge epoch', 400, 'bad_request', () => JSON.stringify(batch([ok('a')], 2 ** 60))],
    ['a path', 400, 'bad_session_id', () => '{"session_id":"../../../etc/passwd"}'],
    ['NUL in an id', 400, 'bad_session_id', () => '{"session_id":"a\\u0000"}'],
    ['a time in the future', 400, 'bad_time', () => '{"session_id":"a","timestamp":"2999-01-01T00:00:00Z"}'],
    ['a negative seq', 400, 'bad_event', () => '{"session_id":"a","seq":-1}'],
    ['100 000 lists', 400, 'bad_request', () => '['.repeat(100_000) + ']'.repeat(100_000)],
    ['100 000 objects', 400, 'bad_request', () => `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    [
      'depth in a field',
      400,
      'bad_request',
      () => `{"session_id":"a","labels":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
    ],
    ['depth without an end', 400, 'bad_request', () => '['.repeat(100_000)],
    ['1001 events', 413, 'batch_too_large', () => JSON.stringify(Array.from({ length: 1001 }, () => ok('a')))],
    [
      'a large event',
      413,
      'event_too_large',
      () => JSON.stringify({ session_id: 'a', response: 'x'.repeat(1_100_000) }),
    ],
    ['a large body', 413, 'body_too_large', () => JSON.stringify({ session_id: 'a', response: 'x'.repeat(5_000_000) })],
  ])('%s: %i %s', async (_, status, code, make) => {
    const reply = await emit(gateway, make());
    if (reply.status === 207) expect([400, outcomesOf(reply)]).toEqual([status, [code]]);
    else expect([reply.status, reply.code]).toEqual([status, code]);
    expect(reply.text.length).toBeLessThan(2000);
  });

  it('what is not UTF-8, of another type, or compressed is refused as a whole', async () => {
    const send = (body: Uint8Array | string, headers: Record<string, string>) =>
      gateway.ask(EMIT, { body, headers: { 'content-type': 'application/json', ...headers } });
    const invalid = Buffer.concat([
      Buffer.from('{"session_id":"a","response":"'),
      Buffer.from([0xff, 0xc3]),
      Buffer.from('"}'),
    ]);
    expect((await send(invalid, {})).code).toBe('bad_request');
    expect((await send('{"session_id":"a"}', { 'content-type': 'text/plain' })).code).toBe('bad_content_type');
    expect((await send('{"session_id":"a"}', { 'content-encoding': 'gzip' })).code).toBe('bad_content_type');
    expect((await gateway.ask(EMIT)).code).toBe('method_not_allowed');
  });

  it('of one event costs that one, and in its session those behind it; the rest of the batch is kept', async () => {
    const [a, b] = [newId(), newId()];
    const events = [ok(a), { session_id: a, cols: 0 }, ok(a), ok(b), { session_id: 'x/y' }, 7, null, ok(b)];
    const reply = await emit(gateway, events);
    expect(reply.status).toBe(207);
    expect(outcomesOf(reply)).toEqual(
      ['stored', 'bad_event', 'earlier_refused', 'stored', 'bad_event', 'bad_event', 'bad_event', 'stored'].map(
        (outcome, at) => (at === 4 ? 'bad_session_id' : outcome),
      ),
    );
    expect(reply.json).toMatchObject({ stored: 3, duplicates: 0, refused: 5 });
    expect(reply.json.results.map((one: { session_id: string | null }) => one.session_id)).toEqual([
      a,
      a,
      a,
      b,
      null,
      null,
      null,
      b,
    ]);
    expect(await gateway.output(reply.json.results[0].session)).toBe('ok');
    expect(await gateway.output(reply.json.results[3].session)).toBe('okok');
  });

  it('keeps 1000 events in one batch', async () => {
    const session_id = newId();
    const reply = await emit(
      gateway,
      Array.from({ length: 1000 }, (_, n) => ({ session_id, response: `${n}\n` })),
    );
    expect(reply.json).toMatchObject({ stored: 1000 });
    const text = await gateway.output(reply.json.results[0].session);
    expect(text).toBe(Array.from({ length: 1000 }, (_, n) => `${n}\n`).join(''));
  });
});

const ok1 = (session_id: string) => ({ session_id, response: 'ok' });

describe('steering', () => {
  it('is refused by every road: the program runs elsewhere', async () => {
    const session_id = newId();
    const id = await emitted(gateway, { ...ok1(session_id), command: 'top' });
    const path = `/v1/sessions/${id}`;
    const roads: [string, object][] = [
      [`${path}/input`, { method: 'POST', body: 'x' }],
      [`${path}/close-stdin`, { body: {} }],
      [`${path}/signal`, { body: { signal: 'SIGINT' } }],
      [`${path}/resize`, { body: { cols: 90, rows: 20 } }],
      [`${path}/lease`, { body: { action: 'acquire' } }],
      [`${path}/lease`, { body: { action: 'take' } }],
      [`${path}/runs`, { body: { command: 'ls' } }],
      [`/session/${id}/run`, { body: { command: 'ls' } }],
    ];
    for (const [road, asked] of roads) {
      const reply = await gateway.ask(road, asked);
      expect([road, reply.status, reply.code]).toEqual([road, 409, 'session_foreign']);
    }
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id, from: 'start' });
    for (const frame of [
      { t: 'input', session: id, text: 'x' },
      { t: 'resize', session: id, cols: 90, rows: 20 },
      { t: 'signal', session: id, signal: 'SIGINT' },
      { t: 'close_stdin', session: id },
      { t: 'lease', session: id, action: 'acquire' },
    ]) {
      const answer = await frames.ask(frame);
      expect([frame.t, answer.t, answer.error?.code]).toEqual([frame.t, 'error', 'session_foreign']);
    }
    const legacy = await gateway.frames(`/ws/session/${id}`);
    legacy.send({ type: 'stdin', data: 'x' });
    await legacy.next(({ code }) => code === 'SESSION_FOREIGN');
    expect(await gateway.info(id)).toMatchObject({ lease: null, cols: 80, rows: 24 });
    expect(await gateway.output(id)).toBe('ok');
    expect((await keptOf(gateway, id)).kinds).toEqual(['tty', 'event']);
  });
});

describe('the gateway begins anew in the middle', () => {
  it.each(some(['kill', 'stop'] as const, 1))(
    'after a %s: heads, states and numbers are exact, also of what ended just before',
    async (how) => {
      const [going, ended, quick] = [newId(), newId(), newId()];
      const sent = (n: number) => [
        { session_id: going, seq: n, response: `${n} `, ...(n === 1 ? { cols: 99, rows: 33 } : {}) },
        { session_id: ended, seq: n, response: `${n} `, ...(n === 2 ? { is_final: true, exit_code: 4 } : {}) },
      ];
      const ids: string[] = [];
      for (const n of [0, 1, 2]) {
        const { json } = await emit(gateway, batch(sent(n), 5));
        ids.splice(0, 2, json.results[0].session, json.results[1].session);
      }
      const last = await emit(
        gateway,
        batch([{ session_id: quick, seq: 0, response: 'q', is_final: true, exit_code: 1 }], 5),
      );
      ids.push(last.json.results[0].session);
      if (how === 'kill') await gateway.kill();
      else await stop(gateway);
      await gateway.start();
      // The retry of what was answered, the last word of a session included.
      const again = await emit(gateway, batch([0, 1, 2].flatMap(sent), 5));
      expect(outcomesOf(again)).toEqual(Array.from({ length: 6 }, () => 'duplicate'));
      expect(outcomesOf(await emit(gateway, batch([{ session_id: quick, seq: 0, is_final: true }], 5)))).toEqual([
        'duplicate',
      ]);
      expect(outcomesOf(await emit(gateway, batch([{ session_id: ended, seq: 3 }], 5)))).toEqual(['session_exited']);
      expect(outcomesOf(await emit(gateway, batch([{ session_id: going, seq: 3 }], 4)))).toEqual(['stale_epoch']);
      await until('the ended ones are closed', async () => (await gateway.info(ids[2] ?? '')).state === 'closed');
      const [one, two, three] = await Promise.all(ids.map((id) => gateway.info(id)));
      expect(one).toMatchObject({ state: 'running', outputOffset: 6, cols: 99, rows: 33 });
      expect(two).toMatchObject({ state: 'closed', exitCode: 4, outputOffset: 6 });
      expect(three).toMatchObject({ state: 'closed', exitCode: 1, outputOffset: 1 });
      for (const [at, text] of ['0 1 2 ', '0 1 2 ', 'q'].entries())
        expect(await gateway.output(ids[at] ?? '')).toBe(text);
      expect(outcomesOf(await emit(gateway, batch([{ session_id: going, seq: 3, response: 'on' }], 5)))).toEqual([
        'stored',
      ]);
      expect(await gateway.output(ids[0] ?? '')).toBe('0 1 2 on');
      expect((await keptOf(gateway, ids[1] ?? '')).kinds.slice(-3)).toEqual(['event', 'exit', 'closed']);
    },
  );
});

describe('limits', () => {
  it('of sessions under way, of new ones, of events and of bytes each have a code, and lose nothing', async () => {
    const own = await openGateway({
      maxForeignSessions: 3,
      newForeignPerSecond: 2,
      emitRates: { eventsPerSecond: 50, bytesPerSecond: 100_000 },
    });
    const open = (session_id: string, more = {}) => emit(own, { session_id, response: 'x', ...more });
    for (const id of ['a', 'b', 'c']) expect((await open(id)).status).toBe(200);
    expect(await open('d')).toMatchObject({ status: 429, code: 'too_many_foreign' });
    // Those that are there go on, and one that ends makes room.
    expect((await open('a', { is_final: true })).status).toBe(200);
    await until('there is room', async () => (await open('d')).status === 200);
    for (const id of ['b', 'c', 'd']) await open(id, { is_final: true });
    let taken = 0;
    let refused = await open('new-0', { is_final: true });
    while (refused.status === 200 && taken < 20) {
      taken += 1;
      refused = await open(`new-${taken}`, { is_final: true });
    }
    expect(taken).toBeLessThanOrEqual(8);
    expect([refused.status, refused.code]).toEqual([429, 'too_fast']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    await until('another may begin', async () => (await open('many')).status === 200);
    const many = (count: number) =>
      emit(
        own,
        Array.from({ length: count }, () => ({ session_id: 'many', response: 'y' })),
      );
    let stored = 0;
    let slow = await many(40);
    for (; slow.status === 200; slow = await many(40)) stored += slow.json.stored;
    expect([slow.status, slow.code]).toEqual([429, 'too_fast']);
    expect(stored).toBeGreaterThanOrEqual(40);
    expect(stored).toBeLessThanOrEqual(200);
    expect(slow.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
    const large = { session_id: 'many', response: 'z'.repeat(90_000) };
    await until('it has calmed down', async () => (await emit(own, large)).status === 200);
    await until('bytes count as well', async () => (await emit(own, large)).code === 'too_fast');
    // Another token has a share of its own.
    const other = (await own.tokenOf('ingest')).token;
    expect((await emit(own, { session_id: 'other', is_final: true }, other)).status).toBe(200);
  });

  it('of time: a session of which nothing is heard is lost, one that is heard is not; its log keeps its newest', async () => {
    const own = await openGateway({ foreignIdleMs: 1000, retainBytes: 512 * 1024, segmentBytes: 64 * 1024 });
    const silent = await emitted(own, { session_id: 'silent', response: 'last words' });
    const chunk = 'x'.repeat(60_000);
    let id = '';
    await until('it is lost', async () => {
      id = await emitted(own, { session_id: 'talking', response: chunk });
      return (await own.info(silent)).state === 'lost';
    });
    expect(await own.info(silent)).toMatchObject({ running: false, exitCode: null, signal: null, outputOffset: 10 });
    expect(await own.info(silent)).toMatchObject({ lostReason: 'silent' });
    expect(await own.output(silent)).toBe('last words');
    expect((await emit(own, { session_id: 'silent', response: 'too late' })).code).toBe('session_exited');
    for (let n = 0; n < 40; n += 1) await emitted(own, { session_id: 'talking', response: chunk });
    const info = await own.info(id);
    expect(info.state).toBe('running');
    expect(info.oldestOffset).toBeGreaterThan(0);
    expect(info.outputOffset - info.oldestOffset).toBeGreaterThanOrEqual(400_000);
    expect(info.outputOffset - info.oldestOffset).toBeLessThanOrEqual(512 * 1024);
    expect((await own.ask(`/v1/sessions/${id}/output?since=0`)).code).toBe('gap');
    const rest = await own.ask(`/v1/sessions/${id}/output?since=${info.oldestOffset}`);
    expect(rest.text.length).toBe(info.outputOffset - info.oldestOffset);
  });

  inAll('of open logs: with more sessions than that, each is whole', async () => {
    const own = await openGateway({ newForeignPerSecond: 10_000 });
    const ids = Array.from({ length: 300 }, (_, n) => `many-${n}`);
    for (const round of [0, 1, 2]) {
      const events = ids.map((session_id) => ({ session_id, seq: round, response: `${session_id}.${round} ` }));
      expect((await emit(own, batch(events))).json).toMatchObject({ stored: 300, refused: 0 });
    }
    const { sessions } = (await own.ask('/v1/sessions?limit=1000')).json as {
      sessions: { id: string; outputOffset: number; foreign: { sessionId: string } }[];
    };
    expect(sessions).toHaveLength(300);
    for (const { id, outputOffset, foreign } of sessions) {
      const text = [0, 1, 2].map((round) => `${foreign.sessionId}.${round} `).join('');
      expect(outputOffset).toBe(text.length);
      expect((await keptOf(own, id)).output.toString()).toBe(text);
    }
  });
});

inAll(
  'viewers: one that reads nothing costs the others nothing: 20 read a flood to its end, and so does it when it goes on',
  async () => {
    const session_id = newId();
    const chunk = Buffer.from(Array.from({ length: 48 * 1024 }, (_, n) => (n * 31) % 251));
    const first = await emit(gateway, batch([{ session_id, seq: 0, command: 'flood' }]));
    const id = first.json.results[0].session as string;
    const subscribe = { t: 'subscribe', session: id, from: 'start' };
    const slow = await gateway.frames();
    slow.send(subscribe);
    await slow.next(({ t }) => t === 'subscribed');
    slow.ws.pause();
    const fast = await Promise.all(Array.from({ length: 20 }, () => gateway.frames()));
    for (const frames of fast) frames.send(subscribe);
    // Far more than what sockets hold; every answer comes although nobody takes anything from the slow one.
    const batches = 20;
    for (let n = 0; n < batches; n += 1) {
      const events = Array.from({ length: 20 }, (_, i) => {
        const seq = 1 + n * 20 + i;
        const isLast = seq === batches * 20;
        return { session_id, seq, response_base64: chunk.toString('base64'), is_final: isLast };
      });
      expect((await emit(gateway, batch(events))).json).toMatchObject({ stored: 20 });
    }
    const bytesOf = (all: readonly unknown[]): number =>
      all.reduce<number>((sum, frame) => sum + (Buffer.isBuffer(frame) ? frame.length - OUTPUT_HEADER_BYTES : 0), 0);
    for (const frames of fast) {
      await frames.next(({ kind }) => kind === 'closed', 20_000);
      expect(bytesOf(frames.all)).toBe(batches * 20 * chunk.length);
    }
    expect(slow.all.some(({ kind }) => kind === 'closed')).toBe(false);
    slow.ws.resume();
    await slow.next(({ kind }) => kind === 'closed', 20_000);
    expect(bytesOf(slow.all)).toBe(batches * 20 * chunk.length);
  },
);

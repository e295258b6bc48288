// Sessions as casts and casts as sessions, through a real gateway: what comes out goes in again and is the same.

import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  asJson,
  endOf,
  makeConversation,
  pathOf,
  sendTo,
  withJson,
  writeConfig,
} from '../conversations/conversation.fixture.ts';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import {
  type CastEvent,
  castOf,
  eventsOf,
  exported,
  imported,
  onDisk,
  outputOf,
  post,
  ran,
  underWay,
  upload,
  V3,
} from './recordings.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({
    maxRecordingBytes: 1024 * 1024,
    // Each upload that is cut off is an error there.
    logLevel: 'silent',
    prepare: (dir) => writeConfig(dir, { agents: { entries: { main: { driver: 'echo' } } } }),
  });
});

describe('a session as a file', () => {
  it('has the times, the characters and the exit of what ran', async () => {
    const { id } = await ran(gateway, {
      argv: ['bash', '-c', 'printf "caf\\303"; sleep 0.3; printf "\\251 \\377\\n"; exit 3'],
      name: 'a/b "c"',
    });
    const response = await gateway.fetch(`/v1/sessions/${id}/export`);
    expect(response.headers.get('content-type')).toBe('application/x-asciicast');
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="a-b-c.cast"');
    const cast = await response.text();
    expect(outputOf(cast)).toBe('café \ufffd\r\n');
    const events = eventsOf(cast);
    const late = events.find(([, , data]) => data.startsWith('é'));
    expect(late?.[0]).toBeGreaterThan(0.25);
    expect(late?.[0]).toBeLessThan(2);
    expect(events.at(-1)?.slice(1)).toEqual(['x', '3']);
    const types = {
      text: 'text/plain; charset=utf-8',
      jsonl: 'application/x-ndjson',
      markdown: 'text/markdown; charset=utf-8',
    };
    for (const [format, type] of Object.entries(types)) {
      const other = await gateway.fetch(`/v1/sessions/${id}/export?format=${format}`);
      expect([other.status, other.headers.get('content-type')]).toEqual([200, type]);
      expect(await other.text()).toContain('é \ufffd');
    }
  });

  it('is what there is so far, while it runs, or goes on until its end', async () => {
    const { id } = await gateway.client.sessions.create({ argv: ['bash', '-c', 'echo one; read x; echo two $x'] });
    await until('it waits', async () => (await exported(gateway, id)).includes('one'));
    expect(eventsOf(await exported(gateway, id)).map(([, code]) => code)).not.toContain('x');
    const following = await gateway.fetch(`/v1/sessions/${id}/export?follow=1`);
    const reader = following.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('one')) text += (await reader?.read())?.value ?? '';
    await gateway.client.session(id).write('more\n');
    for (;;) {
      const read = await reader?.read();
      if (read?.done !== false) break;
      text += read.value;
    }
    expect(outputOf(text)).toContain('two more');
    expect(eventsOf(text).at(-1)?.slice(1)).toEqual(['x', '0']);
  });

  it('marks the runs of a shell, and is on pipes what a terminal would show', async () => {
    const { id } = await gateway.client.sessions.create({ runs: true, mode: 'pipe' });
    const asked = withJson({ id: 'r1', command: 'echo hello; (exit 4)' });
    await asJson(gateway.fetch(`/v1/sessions/${id}/runs?wait=20000`, asked), 201);
    const cast = await exported(gateway, id);
    expect(outputOf(cast)).toContain('hello\r\n');
    const marks = eventsOf(cast)
      .filter(([, code]) => code === 'm')
      .map(([, , label]) => label);
    expect(marks).toEqual(['$ echo hello; (exit 4)', 'ended: echo hello; (exit 4) (exit code 4)']);
    await gateway.client.sessions.delete(id);
  });

  it('tells of input only if asked, and never what was typed', async () => {
    const { id } = await gateway.client.sessions.create({
      argv: ['bash', '-c', 'stty -echo; echo ready; read secret; echo done'],
    });
    await until('it asks', async () => outputOf(await exported(gateway, id)).includes('ready'));
    await gateway.client.session(id).write('hunter2\n');
    await until('it has closed', async () => (await gateway.client.sessions.get(id)).state === 'closed');
    expect(await exported(gateway, id)).not.toContain('input');
    for (const format of ['cast', 'jsonl', 'markdown']) {
      const told = await exported(gateway, id, `?input=1&format=${format}`);
      expect(told).not.toContain('hunter2');
      expect(told).toMatch(/input/);
    }
  });

  it('is for whoever may see it, and refused with a word otherwise', async () => {
    const { id } = await ran(gateway, { argv: ['true'] });
    const { token: view } = await gateway.client.tokens.create({ name: 'viewer', scope: 'view' });
    const as = (token: string) => ({ authorization: `Bearer ${token}` });
    expect((await gateway.fetch(`/v1/sessions/${id}/export`, { headers: as(view) })).status).toBe(200);
    const refused = await gateway.fetch('/v1/recordings', { method: 'POST', body: V3, headers: as(view) });
    expect(refused.status).toBe(403);
    const ask = async (path: string) => {
      const response = await gateway.fetch(path);
      return [response.status, ((await response.json()) as { error: { code: string } }).error.code];
    };
    expect(await ask('/v1/sessions/nope/export')).toEqual([404, 'session_not_found']);
    expect(await ask(`/v1/sessions/${id}/export?format=gif`)).toEqual([400, 'bad_request']);
    expect(await ask(`/v1/sessions/${id}/export?idle_limit=-1`)).toEqual([400, 'bad_request']);
    expect(await ask(`/v1/sessions/${id}/export?idle_limit=0`)).toEqual([400, 'bad_request']);
  });
});

describe('a recording as a session', () => {
  it('is listed, watched, searched, exported and deleted like any', async () => {
    const cast = castOf([
      [0.5, 'o', 'needle in it\r\n'],
      [0.5, 'r', '100x30'],
      [1, 'x', '2'],
    ]);
    const { session, recording } = await imported(gateway, cast, '?name=old%20demo');
    expect(recording).toEqual({ version: 3, events: 3, skipped: 0, inputDropped: 0, timesMended: 0, isCut: false });
    expect(session).toMatchObject({
      name: 'old demo',
      state: 'closed',
      running: false,
      ...{ exitCode: 2, cols: 100, rows: 30 },
      ...{ createdAt: 1_500_000_000_000, exitedAt: 1_500_000_002_000 },
      foreign: { source: 'recording', user: 'admin' },
    });
    expect((await gateway.client.sessions.list()).sessions.map(({ id }) => id)).toContain(session.id);
    const seen: string[] = [];
    for await (const event of gateway.client.session(session.id).attach('start')) {
      seen.push(event.type === 'output' ? Buffer.from(event.bytes).toString() : event.type);
    }
    expect(seen.join(' ')).toContain('needle in it');
    await until('search finds it, though it is old', async () =>
      (await gateway.client.search('needle')).hits.some((hit) => hit.session === session.id),
    );
    await expect(gateway.client.session(session.id).write('x')).rejects.toMatchObject({ code: 'session_exited' });
    // An emitter cannot add to it.
    const emitted = await gateway.fetch(
      '/v1/pty-traffic/emit',
      withJson({ session_id: session.foreign?.sessionId, response: 'x' }),
    );
    expect(await emitted.json()).toMatchObject({ error: { code: 'session_exited' } });
    await gateway.client.sessions.delete(session.id);
    expect(onDisk(gateway)).not.toContain(session.id);
  });

  it('comes out again as it went in', async () => {
    const data = fc.string({ unit: 'grapheme', maxLength: 30 });
    const event = fc.oneof(
      fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.constantFrom('o', 'i', 'm'), data),
      fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.constant('r'), fc.constantFrom('80x24', '1x1', '200x50')),
    );
    const recordings = fc.tuple(fc.array(event, { maxLength: 30 }), fc.option(fc.integer({ min: -1, max: 255 })));
    await fc.assert(
      fc.asyncProperty(recordings, async ([parts, code]) => {
        const events = parts.map(([ms, kind, text]) => [ms / 1000, kind, text] as CastEvent);
        if (code !== null) events.push([0.25, 'x', String(code)]);
        const first = (await imported(gateway, castOf(events), '?input=1')).session;
        const once = await exported(gateway, first.id, '?input=1');
        const second = (await imported(gateway, once, '?input=1')).session;
        expect(await exported(gateway, second.id, '?input=1')).toBe(once);
        // Against what went in: empty texts are nothing, and their time is that of the next.
        let passed = 0;
        const wanted: CastEvent[] = [];
        for (const [interval, kind, text] of events) {
          passed += Math.round(interval * 1000);
          if (text === '' && (kind === 'o' || kind === 'i')) continue;
          wanted.push([passed, kind, text]);
        }
        let at = 0;
        const got = eventsOf(once).map(([interval, kind, text]) => {
          at += Math.round(interval * 1000);
          return [at, kind, text];
        });
        expect(got).toEqual(wanted);
        await Promise.all([first, second].map(({ id }) => gateway.client.sessions.delete(id)));
      }),
      { numRuns: count({ quick: 10, all: 30 }) },
    );
  });

  it('that sets sizes and writes nothing is drawn: of more than a hundred in a row the last counts', async () => {
    const sizes = Array.from({ length: 30_000 }, (_, n): CastEvent => [0, 'r', n % 2 === 0 ? '90x30' : '100x40']);
    const marked = sizes.flatMap((size, n): CastEvent[] => (n % 5000 === 4999 ? [size, [0, 'm', 'here']] : [size]));
    const cast = castOf([[0, 'o', 'before\r\n'], ...marked, [0, 'r', '70x20'], [0, 'o', 'after'], [0, 'r', '60x10']]);
    const { session, recording } = await imported(gateway, cast);
    expect([session.cols, session.rows, recording.skipped]).toEqual([60, 10, 0]);
    const events = eventsOf(await exported(gateway, session.id));
    expect(events.map(([, code, data]) => (code === 'r' ? data : code)).slice(-10)).toEqual([
      ...['90x30', '100x40', ...Array.from({ length: 5 }, () => 'm'), 'm', '70x20', 'o', '60x10'].slice(-10),
    ]);
    expect(events.filter(([, code]) => code === 'r').length).toBeLessThan(105);
    const screen = await gateway.client.session(session.id).screen();
    expect(screen).toMatchObject({ cols: 60, rows: 10, exact: true, lines: expect.arrayContaining(['after']) });
  });

  it('drops what was typed unless it is to be kept', async () => {
    const cast = castOf([[1, 'i', 'hunter2\r']]);
    const without = await imported(gateway, cast);
    expect(without.recording).toMatchObject({ events: 0, inputDropped: 1 });
    for (const format of ['cast', 'jsonl']) {
      expect(await exported(gateway, without.session.id, `?input=1&format=${format}`)).not.toContain('hunter2');
    }
    const kept = await imported(gateway, cast, '?input=1');
    expect(await exported(gateway, kept.session.id)).not.toContain('hunter2');
    expect(eventsOf(await exported(gateway, kept.session.id, '?input=1'))).toEqual([[1, 'i', 'hunter2\r']]);
  });

  it.each([
    [
      'version 1',
      JSON.stringify({
        version: 1,
        width: 80,
        height: 24,
        duration: 2,
        stdout: [
          [0.5, 'a'],
          [1, 'b'],
        ],
      }),
      [
        [0.5, 'o', 'a'],
        [1, 'o', 'b'],
      ],
    ],
    [
      'version 2',
      '{"version": 2, "width": 80, "height": 24}\n[0.5, "o", "a"]\n[1.5, "o", "b"]\n',
      [
        [0.5, 'o', 'a'],
        [1, 'o', 'b'],
      ],
    ],
  ])('may be of %s', async (_, cast, events) => {
    const { session } = await imported(gateway, cast);
    expect(eventsOf(await exported(gateway, session.id))).toEqual(events);
    // Nothing says when it was: it ended about now.
    expect(Math.abs(session.createdAt - Date.now())).toBeLessThan(60_000);
  });

  it('that makes no sense is refused with the line, and nothing of it is kept', async () => {
    const before = onDisk(gateway).length;
    const bad = await post(gateway, `${V3}[1, "o", "a"]\n[oops]\n[1, "o", "b"]\n`);
    expect([bad.status, bad.body.error?.code, bad.body.error?.details?.line]).toEqual([400, 'bad_recording', 3]);
    for (const body of [
      '',
      'x',
      '\n',
      '{"version": 3, "term": {"cols": 1e99, "rows": 1}}\n',
      `${V3}[1e300, "o", ""]\n`,
    ]) {
      expect((await post(gateway, body)).body.error?.code).toBe('bad_recording');
    }
    const zipped = await post(gateway, V3, '', { 'content-encoding': 'gzip' });
    expect([zipped.status, zipped.body.error?.code]).toEqual([415, 'bad_content_type']);
    expect(onDisk(gateway).length).toBe(before);
    expect(underWay(gateway)).toEqual([]);
  });

  it('that is too large is refused, whether it says so or not', async () => {
    const large = castOf([[1, 'o', 'x'.repeat(2 * 1024 * 1024)]]);
    expect(await post(gateway, large)).toMatchObject({ status: 413, body: { error: { code: 'body_too_large' } } });
    const sending = upload(gateway);
    sending.send(V3);
    for (let i = 0; i < 40; i++) sending.send(`[1, "o", "${'x'.repeat(50_000)}"]\n`);
    await until('it is refused', () => sending.answer().includes('body_too_large'));
    sending.socket.destroy();
    await until('nothing is left', () => underWay(gateway).length === 0);
  });

  it('whose sender goes away leaves nothing', async () => {
    const before = onDisk(gateway).length;
    const sending = upload(gateway);
    sending.send(`${V3}[1, "o", "a"]\n`);
    await until('it is under way', () => underWay(gateway).length === 1);
    sending.socket.destroy();
    await until('nothing is left', () => underWay(gateway).length === 0);
    expect(onDisk(gateway).length).toBe(before);
  });

  it('waits for its turn where many come at once', async () => {
    const many = Array.from({ length: 4 }, () => upload(gateway));
    for (const one of many) one.send(V3);
    await until('all are under way', () => underWay(gateway).length === 4);
    expect(await post(gateway, V3)).toMatchObject({ status: 429, body: { error: { code: 'too_many_imports' } } });
    for (const { socket } of many) socket.destroy();
    await until('nothing is left', () => underWay(gateway).length === 0);
    expect((await post(gateway, V3)).status).toBe(201);
  });

  it('is not made for a token that was revoked while it came', async () => {
    const { id, token } = await gateway.client.tokens.create({ name: 'importer', scope: 'create' });
    const before = onDisk(gateway).length;
    const sending = upload({ token, url: gateway.url });
    sending.send(V3);
    await until('it is under way', () => underWay(gateway).length === 1);
    await gateway.client.tokens.revoke(id);
    sending.socket.write('0\r\n\r\n');
    await until('nothing is left', () => underWay(gateway).length === 0);
    expect(onDisk(gateway).length).toBe(before);
  });
});

describe('a conversation as a file', () => {
  it('has what was said, for those who may see it', async () => {
    const { key } = await makeConversation(gateway, { name: 'talk' });
    const { run } = await sendTo(gateway, key, { text: 'hello\n# not a heading' });
    await endOf(gateway, key, run?.id ?? '');
    const response = await gateway.fetch(`${pathOf(key)}/export`);
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="[\w.-]+\.md"$/);
    const markdown = await response.text();
    expect(markdown).toContain('> hello\n> # not a heading');
    expect(markdown.match(/^## /gm)?.length).toBe(2);
    const jsonl = await (await gateway.fetch(`${pathOf(key)}/export?format=jsonl`)).text();
    const types = jsonl
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types[0]).toBe('conversation');
    expect(types.at(-1)).toBe('final');
    const { token } = await gateway.client.tokens.create({ name: 'other', scope: 'create' });
    const hidden = await gateway.fetch(`${pathOf(key)}/export`, { headers: { authorization: `Bearer ${token}` } });
    expect(hidden.status).toBe(404);
    expect((await gateway.fetch(`${pathOf(key)}/export?format=cast`)).status).toBe(400);
  });
});

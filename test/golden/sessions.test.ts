// Golden transcript: sessions over HTTP. Programs, their output in every form, runs, recordings, what retention takes.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventsOf, isNotDrawn, type Json, openTranscript } from './transcript.fixture.ts';

const RECORDING = [
  '{"version":3,"term":{"cols":80,"rows":24},"timestamp":1700000000,"command":"make","title":"A build"}',
  '[0.5,"o","$ make\\r\\n"]',
  '[1.25,"o","\\u001b[32mok\\u001b[0m \\u00fc\\r\\n"]',
  '[0.1,"i","y"]',
  '[0.1,"r","100x30"]',
  '[0.2,"m","half way"]',
  '[2,"o","done\\r\\n"]',
  '[0,"q","?"]',
  '[0.01,"x","3"]',
  '',
].join('\n');

it('sessions are answered as they were', async () => {
  const t = await openTranscript('sessions');
  try {
    const cwd = join(t.root, 'work');
    t.part('start');
    const { json: made } = await t.ask('POST /v1/sessions', {
      body: { argv: ['/bin/cat'], cwd, name: 'a cat', labels: { kind: 'pet' }, cols: 100, rows: 30 },
    });
    const { id } = made;
    const of = `/v1/sessions/${id}`;
    await t.ask('POST /v1/sessions', { body: { argv: ['/no/such/program'], cwd } });
    await t.ask('POST /v1/sessions', { body: { argv: ['/bin/cat'], cwd: '/no/such/folder' } });
    await t.ask('POST /v1/sessions', { body: { argv: ['/bin/cat'], colour: 'red' } });
    await t.ask(`GET ${of}`);
    await t.ask('GET /v1/sessions/nosuchsession');
    await t.ask('GET /v1/sessions?label=kind%3Dpet&q=cat&limit=1');
    await t.ask('GET /v1/sessions?activity=asleep');
    await t.ask(`GET ${of}/processes`, { show: (json) => json });
    await t.ask('GET /v1/sessions/nosuchsession/processes');

    t.part('input');
    const sender = { 'Binnacle-Client': 'me', 'Binnacle-Message': '1' };
    await t.ask(`POST ${of}/input`, { body: 'ahoy\n', headers: sender });
    await t.ask(`POST ${of}/input`, { body: 'ahoy\n', headers: sender });
    await t.ask(`POST ${of}/input`, { body: 'ahoy\n', headers: { 'Binnacle-Client': 'me', 'Binnacle-Message': '3' } });
    await t.ask(`POST ${of}/input`, { body: 'ahoy\n', headers: { 'Binnacle-Client': 'me' } });
    await t.shows(id, 'ahoy\r\nahoy\r\n');
    await t.ask(`POST ${of}/resize`, { body: { cols: 90, rows: 20 } });
    await t.ask(`POST ${of}/resize`, { body: { cols: 0, rows: 20 } });

    t.part('the lease');
    await t.ask(`GET ${of}/lease`);
    await t.ask('GET /v1/sessions/nosuchsession/lease');
    const { json: lease } = await t.ask(`POST ${of}/lease`, {
      body: { action: 'acquire', holder: 'ada', ttlMs: 60_000 },
    });
    const held = { 'Binnacle-Lease': lease.lease };
    await t.ask(`POST ${of}/input`, { body: 'from another\n' });
    await t.ask(`POST ${of}/lease`, { body: { action: 'acquire' } });
    await t.ask(`POST ${of}/lease`, { body: { action: 'steal' } });
    await t.ask(`POST ${of}/lease`, { body: { action: 'renew', lease: lease.lease } });
    await t.ask(`GET ${of}/lease`);
    await t.ask(`POST ${of}/input`, { body: 'x', headers: held });
    const { json: taken } = await t.ask(`POST ${of}/lease`, {
      body: { action: 'take', holder: 'bo', autoReleaseAfterMs: 9000 },
    });
    await t.ask(`POST ${of}/resize`, { body: { cols: 91, rows: 20 }, headers: held });
    await t.ask(`POST ${of}/lease`, { body: { action: 'release', lease: taken.lease } });
    await t.ask(`POST ${of}/lease`, { body: { action: 'release', lease: taken.lease } });

    t.part('what the program says of itself');
    const secret = (readFileSync(`/proc/${made.pid}/environ`, 'utf8').match(/BINNACLE_HOOK_SECRET=([^\0]+)/) ?? [])[1];
    t.normal.call(secret ?? '', '<hook-secret>');
    const hook = { token: null, headers: { 'Binnacle-Session-Secret': secret ?? '' } };
    await t.ask(`POST ${of}/report`, { ...hook, body: { state: 'blocked', reason: 'question', text: 'Which way?' } });
    await t.ask(`POST ${of}/report`, { ...hook, body: { state: 'lost' } });
    await t.ask(`POST ${of}/report`, {
      token: null,
      body: { state: 'idle' },
      headers: { 'Binnacle-Session-Secret': 'x' },
    });
    await t.until('it waits', async () => (await t.need(`GET ${of}`)).activity?.state === 'waiting_input');
    await t.ask('GET /v1/sessions?activity=waiting', {
      show: ({ sessions }) => sessions.map(({ activity }: Json) => activity),
    });

    t.part('output');
    await t.ask(`POST ${of}/signal`, { body: { signal: 'SIGUNKNOWN' } });
    await t.ask(`POST ${of}/signal`, { body: { signal: 'SIGTERM' } });
    await t.closed(id);
    await t.ask(`POST ${of}/signal`, { body: { signal: 'SIGTERM' } });
    await t.ask(`GET ${of}`);
    await t.ask(`GET ${of}/output`);
    await t.ask(`GET ${of}/output?since=2&limit=4`);
    await t.ask(`GET ${of}/output?tail=3`);
    await t.ask(`GET ${of}/output?since=99`);
    await t.ask(`GET ${of}/output?since=-1`);
    await t.ask(`GET ${of}/output?since=1&tail=1`);
    await t.ask(`GET ${of}/output?position=nonsense`);
    await t.ask(`GET ${of}/output?position=abcdefabcdef.0.0`);
    await t.ask('GET /v1/sessions/nosuchsession/output');
    await t.ask(`GET ${of}/output?format=sse`);
    await t.ask(`GET ${of}/output?since=6&encoding=base64`, { headers: { Accept: 'text/event-stream' } });
    await t.ask(`GET ${of}/screen`, { again: isNotDrawn });
    await t.ask(`GET ${of}/screen?at=5&format=text`);
    await t.ask(`GET ${of}/screen?at=99`);
    await t.ask(`GET ${of}/timeline?points=1`, { show: timeline });
    await t.ask(`GET ${of}/timeline?points=0`);

    t.part('pipes');
    const { json: pipe } = await t.ask('POST /v1/sessions', {
      body: { command: 'cat; echo oops >&2; exit 3', cwd, mode: 'pipe', name: 'piped' },
    });
    const ofPipe = `/v1/sessions/${pipe.id}`;
    await t.ask(`POST ${ofPipe}/resize`, { body: { cols: 90, rows: 20 } });
    await t.ask(`POST ${ofPipe}/input`, { body: Buffer.from([0x61, 0x0a, 0xff]) });
    await t.ask(`POST ${ofPipe}/close-stdin`);
    await t.closed(pipe.id);
    await t.ask(`POST ${ofPipe}/close-stdin`);
    await t.ask(`GET ${ofPipe}/output?stream=stderr`);
    await t.ask(`GET ${ofPipe}/output?format=sse`);
    await t.ask(`GET ${ofPipe}/screen`);

    t.part('the end');
    await t.ask(`DELETE ${of}`);
    await t.ask(`DELETE ${of}`);
    await t.ask(`GET ${of}/output`);
    await t.ask('DELETE /v1/sessions/nosuchsession');
    t.compare();
  } finally {
    await t.close();
  }
});

it('runs are answered as they were', async () => {
  const t = await openTranscript('runs');
  try {
    const cwd = join(t.root, 'work');
    const { json: shell } = await t.ask('POST /v1/sessions', {
      body: { runs: true, mode: 'pipe', cwd, name: 'a shell' },
    });
    const of = `/v1/sessions/${shell.id}/runs`;
    t.part('one that ends');
    await t.ask(`POST ${of}?wait=10000`, { body: { id: 'r1', command: 'echo one; echo two >&2; (exit 3)' } });
    await t.ask(`POST ${of}`, { body: { id: 'r1', command: 'echo again' } });
    await t.ask(`POST ${of}`, { body: { command: '' } });
    await t.ask(`POST ${of}`, { body: { command: 'true', cwd: '/no/such/folder' } });
    // The position of the next event depends on it: the end of a run is read before its last output is announced.
    await t.until(
      'all of its output is counted',
      async () => (await t.need(`GET /v1/sessions/${shell.id}`)).outputOffset === 8,
    );
    await t.ask(`POST ${of}?format=sse`, { body: { id: 'r2', command: 'echo three' } });
    await t.ask(`POST ${of}`, { body: { id: 'r3', command: 'exit 4' }, headers: { Accept: 'text/event-stream' } });
    await t.ask('POST /v1/sessions/nosuchsession/runs', { body: { command: 'true' } });
    t.part('one that goes on');
    await t.ask(`POST ${of}`, {
      body: { id: 'r4', command: 'echo waits; sleep 60', timeoutMs: 50_000 },
      show: ({ id, command }) => ({ id, command }),
    });
    await t.shows(shell.id, 'waits');
    const isAsleep = async (): Promise<boolean> =>
      (await t.need(`GET /v1/sessions/${shell.id}/processes`)).processes.some(
        ({ command }: Json) => command === 'sleep 60',
      );
    await t.until('it sleeps', isAsleep);
    await t.ask(`GET /v1/sessions/${shell.id}/processes`, {
      show: ({ processes }) => processes.map(({ command }: Json) => command),
    });
    await t.ask(`POST ${of}`, { body: { id: 'r5', command: 'true', onBusy: 'refuse' } });
    await t.ask(`POST ${of}`, { body: { id: 'r6', command: 'echo not me' } });
    await t.ask(`DELETE ${of}/r6`);
    await t.ask(`DELETE ${of}/r4`, { show: ({ id }) => ({ id }) });
    await t.ask(`GET ${of}/r4?wait=10000`, { show: ({ outcome, exitCode, state }) => ({ outcome, exitCode, state }) });
    await t.ask(`DELETE ${of}/nosuchrun`);
    t.part('what they were');
    await t.ask(`GET ${of}`, {
      show: ({ runs }) => runs.map(({ id, state, outcome, exitCode }: Json) => ({ id, state, outcome, exitCode })),
    });
    await t.ask(`GET ${of}/r1`);
    await t.ask(`GET ${of}/nosuchrun`);
    await t.ask('GET /v1/sessions/nosuchsession/runs');
    await t.ask(`GET ${of}/r1/output`, { show: (text) => [...String(text)].sort().join('') });
    await t.ask(`GET ${of}/r2/output`);
    await t.ask(`GET ${of}/r2/output?format=sse`);
    await t.ask(`GET ${of}/r3/output?format=sse`);
    await t.ask(`GET ${of}/r2/output?since=0`);
    await t.ask(`GET ${of}/nosuchrun/output`);
    t.part('in the log of the session');
    await t.ask(`GET /v1/sessions/${shell.id}/output?format=sse&follow=0`, {
      show: (text) => [...new Set([...String(text).matchAll(/^event: (.*)$/gm)].map(([, name]) => name))].sort(),
    });
    const plain = await t.create({ argv: ['/bin/cat'], cwd });
    await t.ask(`POST /v1/sessions/${plain.id}/runs`, { body: { command: 'true' } });
    t.compare();
  } finally {
    await t.close();
  }
});

it('recordings are answered as they were', async () => {
  const t = await openTranscript('recordings');
  try {
    const { json: imported } = await t.ask('POST /v1/recordings?input=1', { body: RECORDING });
    await t.ask('POST /v1/recordings', { body: '{"version":9}\n' });
    await t.ask('POST /v1/recordings', { body: `${RECORDING.split('\n')[0]}\n[1,"o"]\n[1,\n[2,"o","x"]\n` });
    const { id } = imported.session;
    const of = `/v1/sessions/${id}`;
    await t.ask(`GET ${of}`);
    await t.ask(`GET ${of}/export`);
    await t.ask(`GET ${of}/export?version=2&idle_limit=1.5&input=1`);
    await t.ask(`GET ${of}/export?format=text`);
    await t.ask(`GET ${of}/export?format=markdown`);
    await t.ask(`GET ${of}/export?format=jsonl&input=1`);
    await t.ask(`GET ${of}/export?format=jsonl&since=3&until=12&encoding=base64`);
    await t.ask(`GET ${of}/export?format=text&since=3`);
    await t.ask(`GET ${of}/export?format=gif`);
    await t.ask('GET /v1/sessions/nosuchsession/export');
    await t.ask(`GET ${of}/timeline?points=4`);
    await t.ask('GET /v1/sessions/nosuchsession/timeline');
    await t.ask(`GET ${of}/screen`, { again: isNotDrawn });
    await t.ask('GET /v1/sessions/nosuchsession/screen');
    await t.ask(`POST ${of}/input`, { body: 'x' });
    await t.ask(`GET ${of}/output?format=sse`);
    t.compare();
  } finally {
    await t.close();
  }
});

it('what retention has taken is answered as it was', async () => {
  const t = await openTranscript('gaps', { retainBytes: 262_144, segmentBytes: 65_536 });
  try {
    t.normal.chance('position', 'to', 'oldestOffset', 'offset', 'headOffset', 'outputOffset');
    t.normal.call(homedir(), '<home>');
    const { id } = await t.create({ command: 'head -c 1000000 /dev/zero | tr "\\\\0" x', mode: 'pipe', name: 'much' });
    await t.closed(id);
    await t.until('the oldest is gone', async () => (await t.need(`GET /v1/sessions/${id}`)).oldestOffset > 0);
    const of = `/v1/sessions/${id}`;
    await t.ask(`GET ${of}/output?since=0`);
    await t.ask(`GET ${of}/output?since=0&format=sse`, { show: kindsOf });
    const gap = await t.ask(`GET ${of}/output?since=0&format=sse`, { isSilent: true });
    t.write(eventsOf(gap.text).find(({ event }: Json) => event === 'gap') ?? {});
    const socket = await t.socket('/v1/ws', {
      name: 'viewer',
      laneOf: (frame) => (Buffer.isBuffer(frame) || !['gap', 'end'].includes(frame.t) ? undefined : 'log'),
    });
    socket.send({ t: 'subscribe', session: id, from: { offset: 0 }, ref: 1 });
    await socket.gets(({ t: kind }) => kind === 'end');
    await socket.end();
    expect(t.text).toContain('"t":"gap"');
    t.compare();
  } finally {
    await t.close();
  }
});

/** Events by name, each name once. */
const kindsOf = (text: string): unknown => [
  ...new Set([...String(text).matchAll(/^event: (.*)$/gm)].map(([, name]) => name)),
];
const timeline = ({ points, marks, ...rest }: Json): unknown => ({
  ...rest,
  bytes: points.reduce((sum: number, { bytes }: Json) => sum + bytes, 0),
  // The offset at which the wait was detected varies.
  marks: marks.map((mark: Json) => (mark.kind === 'waiting' ? { ...mark, offset: '<number>' } : mark)),
});

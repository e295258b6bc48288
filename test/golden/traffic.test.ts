// Golden transcript: what runs elsewhere, and what is found in all of it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openTranscript } from './transcript.fixture.ts';

it('what emitters send is answered and shown as it was', async () => {
  const t = await openTranscript('traffic', { livenessTimes: { heartbeatMs: 300 } });
  try {
    const emit = { token: await t.token('ingest', { user: 'ci' }), as: 'the emitter' };
    const traffic = await t.socket('/ws/pty-traffic', {
      name: 'traffic',
      laneOf: ({ type, id, event }) =>
        ['ping', 'pong', 'connected'].includes(type)
          ? type
          : [id ?? 'errors', event?.session_id ?? ''].join(' ').trim(),
      lastOf: ['ping'],
    });
    traffic.send({ type: 'subscribe', id: 'all', filter: { source: 'ci' } });
    await traffic.gets(({ type, id }) => type === 'subscribed' && id === 'all');

    t.part('emit');
    const first = { session_id: 'job-1', command: 'make', source: 'ci', labels: { branch: 'main' }, cwd: '/src' };
    await t.ask('POST /v1/pty-traffic/emit', { ...emit, body: { ...first, response: 'begun\r\n', colour: 'red' } });
    const producer = { id: 'runner-1', epoch: 1 };
    const batch = [
      { session_id: 'job-2', seq: 0, command: 'test', source: 'ci', stream: 'stdout', response: 'one\n' },
      { session_id: 'job-2', seq: 1, stream: 'stderr', response_base64: 'dHdvCg==', lost_bytes: 7 },
      { session_id: 'job-2', seq: 2, exit_code: 3, is_final: true, timestamp: 1_700_000_000_000 },
    ];
    await t.ask('POST /v1/pty-traffic/emit', { ...emit, body: { producer, events: batch } });
    await t.ask('POST /v1/pty-traffic/emit', { ...emit, body: { producer, events: batch.slice(0, 1) } });
    await t.ask('POST /v1/pty-traffic/emit', {
      ...emit,
      body: [{ session_id: 'job-1', response: 'ahoy there\r\n' }, { session_id: '!' }, { session_id: 'job-1', seq: 9 }],
    });
    await t.ask('POST /v1/pty-traffic/emit', { ...emit, body: { session_id: 'job-2', response: 'too late' } });
    await t.ask('POST /v1/pty-traffic/emit', { ...emit, body: [] });
    await t.ask('POST /v1/pty-traffic/emit', { token: await t.token('view'), as: 'a viewer', body: first });
    await t.ask('POST /v1/pty-traffic/emit', { ...emit, body: { session_id: 'job-1', exit_code: 0, is_final: true } });

    t.part('sessions');
    const { sessions } = await t.need('GET /v1/sessions?label=branch%3Dmain');
    const { id } = sessions[0];
    await t.ask(`GET /v1/sessions/${id}`);
    await t.ask(`GET /v1/sessions/${id}/output`);
    await t.ask(`GET /v1/sessions/${id}/output?format=sse`);
    await t.ask(`POST /v1/sessions/${id}/input`, { body: 'x' });

    t.part('on the socket');
    await traffic.until((frames) => frames.filter(({ event }) => event?.is_final === true).length === 2);
    traffic.send({ type: 'subscribe', id: 'one', filter: { session_id: 'job-1' }, from: 'start' });
    await traffic.gets(({ type, id: of, event }) => type === 'pty_event' && of === 'one' && event.is_final);
    traffic.send({ type: 'subscribe', id: 'wrong', filter: { nosuchfilter: 1 } });
    traffic.send({ type: 'nosuchtype' });
    traffic.send({ type: 'ping', timestamp: 1 });
    traffic.send({ type: 'unsubscribe', id: 'one' });
    await traffic.gets(({ type }) => type === 'unsubscribed');
    const ping = await traffic.gets(({ type }) => type === 'ping');
    traffic.send({ type: 'pong', timestamp: ping.timestamp });
    await traffic.gets(({ type }) => type === 'pong');
    await traffic.end();
    await t.trySocket('/ws/pty-traffic', { name: 'an emitter', ...emit });

    t.part('lists');
    await t.ask('GET /v1/pty-traffic?limit=3');
    await t.ask('GET /v1/pty-traffic?session_id=job-2&is_final=1');
    await t.ask('GET /v1/pty-traffic?limit=0');
    await t.ask('GET /v1/pty-traffic/stats', {
      show: ({ hours }) => hours.map(({ hour: _, ...rest }: object & { hour: number }) => rest),
    });
    await t.ask('GET /v1/pty-traffic/stats?since=yesterday');

    t.part('search');
    await t.until('it is found', async () => (await t.need('GET /v1/search?q=ahoy')).hits.length === 1);
    await t.ask('GET /v1/search?q=ahoy');
    await t.ask('GET /v1/search?q=ahoy%20-there&source=ci');
    await t.ask('GET /v1/search?q=');
    await t.ask('GET /v1/search?limit=1');
    await t.ask('POST /v1/search/rebuild');
    await t.ask('POST /v1/search/rebuild', { token: await t.token('view'), as: 'a viewer' });
    t.compare();
  } finally {
    await t.close();
  }
});

it('what is gone of a session is told on the socket of traffic as it was', async () => {
  const t = await openTranscript('traffic-gap', { retainBytes: 262_144, segmentBytes: 65_536 });
  try {
    t.normal.chance('position', 'to', 'offset');
    const cwd = join(t.root, 'work');
    const { id, position } = await t.create({
      // Begins when its first position is known.
      command: 'until [ -e go ]; do sleep 0.02; done; head -c 1000000 /dev/zero | tr "\\\\0" x',
      mode: 'pipe',
      cwd,
      name: 'much',
    });
    writeFileSync(join(cwd, 'go'), '');
    await t.closed(id);
    await t.until('the oldest is gone', async () => (await t.need(`GET /v1/sessions/${id}`)).oldestOffset > 0);
    const socket = await t.socket('/ws/pty-traffic', {
      name: 'traffic',
      laneOf: ({ type }) => (type === 'gap' ? 'gap' : undefined),
    });
    socket.send({ type: 'subscribe', filter: { session_id: id }, from: position });
    await socket.gets(({ type, event }) => type === 'pty_event' && event.is_final);
    await socket.end();
    expect(t.text).toContain('"type":"gap"');
    t.compare();
  } finally {
    await t.close();
  }
});

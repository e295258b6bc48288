// Golden transcript: /v1/ws. Every frame that a client sends, and every kind that a server sends.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'vitest';
import { isNotDrawn, type Json, openTranscript, type Transcript } from './transcript.fixture.ts';

/** Returns the lane of a /v1/ws frame; each lane has its own order. */
function laneOf(frame: Json): string | undefined {
  if (Buffer.isBuffer(frame)) return `log ${uuidOf(frame)}`;
  const { t, ref, session, conversation, info, notice } = frame;
  switch (t) {
    case 'subscribed':
    case 'screen':
    case 'gap':
    case 'end':
      return `log ${session}`;
    case 'entry':
      // The order of input among output varies.
      return frame.kind === 'input' ? `typed ${session}` : `log ${session}`;
    case 'following':
    case 'events':
    case 'events_gap':
      return `conversation ${conversation}`;
    case 'session':
      return `listed session ${info.id}`;
    case 'conversation':
      return `listed conversation ${info.key}`;
    case 'watchers':
      // Others come with who follows it next, at a pace of their own.
      return frame.count === 2 ? t : undefined;
    case 'lease':
    case 'lease_asked':
    case 'lease_given':
      return `lease ${session}`;
    default:
      return ref !== undefined ? 'answers' : notice !== undefined ? 'notices' : t;
  }
}
const lastOf = ['listed', 'watchers', 'ping'];
const withoutPings = (frame: Json): string | undefined => (frame.t === 'ping' ? undefined : laneOf(frame));
const uuidOf = (frame: Buffer): string =>
  frame
    .subarray(20, 36)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

it('sessions are shown and steered on /v1/ws as they were', async () => {
  const t = await openTranscript('ws-sessions');
  try {
    const cwd = join(t.root, 'work');
    const { id } = await t.create({ argv: ['/bin/cat'], name: 'shown', cwd });
    const one = await t.socket('/v1/ws', { name: 'one', laneOf, lastOf });
    const two = await t.socket('/v1/ws', { name: 'two', token: await t.token('input'), as: 'another', laneOf, lastOf });
    const viewer = await t.socket('/v1/ws', {
      name: 'viewer',
      token: await t.token('view'),
      as: 'a viewer',
      // Its part of the log begins by the output, so whether input is in it is chance.
      laneOf: (frame) => (frame.kind === 'input' ? undefined : laneOf(frame)),
      lastOf,
    });
    await t.trySocket('/v1/ws', { name: 'nobody', token: null });
    for (const socket of [one, two, viewer]) await socket.gets(({ t: kind }) => kind === 'hello');

    t.part('following');
    await one.ask({ t: 'watch', on: true });
    await one.ask({ t: 'look', session: id });
    await one.ask({ t: 'look' });
    await one.ask({ t: 'look', session: id, conversation: 'x' });
    await one.ask({ t: 'subscribe', session: id, from: 'now' });
    await one.ask({ t: 'subscribe', session: 'nosuchsession' });
    await one.ask({ t: 'subscribe', session: id, from: 'nonsense' });
    await one.ask({ t: 'watch_watchers', session: id, on: true });
    await one.until((frames) => frames.some(({ count }) => count === 1));
    await two.ask({ t: 'watch_watchers', session: id, on: true });
    await two.ask({ t: 'subscribe', session: id });
    await two.ask({ t: 'watch_watchers', session: id, on: true });
    await one.until((frames) => frames.some(({ count }) => count === 2));
    await two.until((frames) => frames.some(({ count }) => count === 2));

    t.part('steering');
    await two.ask({ t: 'lease', session: id, action: 'ask' });
    await one.ask({ t: 'lease', session: id, action: 'acquire', holder: 'ada', ttlMs: 60_000 });
    await two.gets(({ t: kind, lease }) => kind === 'lease' && lease?.holder === 'ada');
    await one.ask({ t: 'lease', session: id, action: 'renew' });
    await one.ask({ t: 'resize', session: id, cols: 90, rows: 30 });
    await one.ask({ t: 'resize', session: id, cols: 0, rows: 30 });
    await one.ask({ t: 'input', session: id, text: 'hello\n', client: 'a', n: 1 });
    await one.ask({ t: 'input', session: id, text: 'hello\n', client: 'a', n: 1 });
    await one.ask({ t: 'input', session: id, base64: 'eA==', client: 'a', n: 3 });
    await two.ask({ t: 'input', session: id, base64: 'eAo=' });
    await two.ask({ t: 'input', session: id, text: 'x', auto: true });
    await viewer.ask({ t: 'input', session: id, text: 'x' });
    await t.shows(id, 'hello\r\nhello\r\n');
    await two.ask({ t: 'lease', session: id, action: 'ask' });
    const { by } = await one.gets(({ t: kind }) => kind === 'lease_asked');
    await one.ask({ t: 'lease', session: id, action: 'hand_over', to: 'nobody' });
    await one.ask({ t: 'lease', session: id, action: 'hand_over', to: by.id });
    await two.gets(({ t: kind }) => kind === 'lease_given');
    await one.ask({ t: 'lease', session: id, action: 'take', holder: 'ada' });
    await two.gets(({ t: kind, lost }) => kind === 'lease' && lost !== undefined);
    await one.ask({ t: 'lease', session: id, action: 'release' });
    await two.gets(({ t: kind, lease, seq }) => kind === 'lease' && lease === null && seq > 0);
    await one.ask({ t: 'lease', session: id, action: 'steal' });

    t.part('screens');
    // The machine may be too busy to draw it the first time.
    await t.ask(`GET /v1/sessions/${id}/screen`, { again: isNotDrawn, isSilent: true });
    await viewer.ask({ t: 'subscribe', session: id, from: { screen: true } });
    await viewer.gets(({ t: kind }) => kind === 'screen');
    await viewer.ask({ t: 'unsubscribe', session: id });
    await viewer.ask({ t: 'subscribe', session: id, from: { screen: true, at: 99 } });
    await viewer.ask({ t: 'subscribe', session: id, from: { tail: 4 } });
    await viewer.until((frames) => frames.some((frame) => Buffer.isBuffer(frame)));

    t.part('the end');
    await one.ask({ t: 'signal', session: id, signal: 'SIGUNKNOWN' });
    await one.ask({ t: 'signal', session: id, signal: 'SIGTERM' });
    for (const socket of [one, two, viewer]) await socket.gets(({ t: kind }) => kind === 'end');
    const pipe = await t.create({ argv: ['/bin/cat'], mode: 'pipe', name: 'piped', cwd });
    await one.ask({ t: 'close_stdin', session: pipe.id });
    await t.closed(pipe.id);
    await one.ask({ t: 'subscribe', session: pipe.id, from: { offset: 0 } });
    await one.gets(({ t: kind, session }) => kind === 'end' && session === pipe.id);
    const shell = await t.create({ runs: true, mode: 'pipe', name: 'a shell', cwd });
    await one.ask({ t: 'subscribe', session: shell.id, from: 'start' });
    await t.need(`POST /v1/sessions/${shell.id}/runs?wait=10000`, { body: { id: 'r1', command: 'echo ran' } });
    await one.until((frames) => frames.some(({ data }) => data?.type === 'run_ended'));
    await one.ask({ t: 'unsubscribe', session: shell.id });
    for (const of of [id, pipe.id]) {
      await one.gets(({ t: kind, info }) => kind === 'session' && info.id === of && info.state === 'closed');
      await t.need(`DELETE /v1/sessions/${of}`);
      await one.gets(({ t: kind, session }) => kind === 'deleted' && session === of);
    }
    await one.ask({ t: 'ping', time: 1 });
    await one.ask({ t: 'nosuchframe' });
    one.send('no JSON');
    await one.gets(
      ({ t: kind, ref, error }) => kind === 'error' && ref === undefined && error.code === 'protocol_error',
    );
    for (const socket of [one, two, viewer]) await socket.end();
    t.compare();
  } finally {
    await t.close();
  }
});

it('pings of /v1/ws, and the end of who answers none, are as they were', async () => {
  const t = await openTranscript('ws-liveness', { livenessTimes: { heartbeatMs: 200 } });
  try {
    const one = await t.socket('/v1/ws', { name: 'answers', laneOf, lastOf });
    const { time } = await one.gets(({ t: kind }) => kind === 'ping');
    one.send({ t: 'pong', time, clientTime: time });
    one.ws.on('message', () => one.ws.send(JSON.stringify({ t: 'pong', time: 1 })));
    const two = await t.socket('/v1/ws', { name: 'is silent', laneOf, lastOf });
    await two.closing();
    await two.end();
    await one.end();
    const id = await revoked(t);
    await t.ask('GET /v1/tokens', { show: ({ tokens }) => tokens.map((token: Json) => token.id === id) });
    t.compare();
  } finally {
    await t.close();
  }
});

/** A token that is revoked closes what it has open. */
async function revoked(t: Transcript): Promise<string> {
  const { id, token } = await t.need('POST /v1/tokens', { body: { name: 'gone soon', scope: 'view' } });
  const socket = await t.socket('/v1/ws', { name: 'is revoked', token, as: 'its token', laneOf: withoutPings });
  await socket.gets(({ t: kind }) => kind === 'hello');
  await t.ask(`DELETE /v1/tokens/${id}`);
  await socket.closing();
  await socket.end();
  return id;
}

it('conversations are shown on /v1/ws as they were', async () => {
  const t = await openTranscript('ws-conversations', {
    config: { agents: { entries: { main: { driver: 'echo', default: true } } } },
  });
  try {
    const { key } = await t.need('POST /v1/conversations', { body: { name: 'plans' } });
    const of = `/v1/conversations/${encodeURIComponent(key)}`;
    const one = await t.socket('/v1/ws', { name: 'one', laneOf, lastOf });
    const two = await t.socket('/v1/ws', { name: 'two', laneOf, lastOf });
    await one.ask({ t: 'watch_conversations', on: true, runs: true, deltaIntervalMs: 0 });
    await one.ask({ t: 'look', conversation: key });
    await one.ask({ t: 'follow', conversation: key, from: 'start', deltaIntervalMs: 0 });
    await one.ask({ t: 'follow', conversation: 'none' });
    await one.ask({ t: 'send', conversation: key, id: 'm1', text: 'hi' });
    await one.until(ended('m1'));
    await one.ask({ t: 'send', conversation: key, id: 'm1', text: 'hi' });
    await one.ask({ t: 'send', conversation: key, id: 'm1', text: 'hi', steer: 'push' });
    await two.ask({ t: 'send', conversation: key, id: 'm2', text: '/ask jump' });
    await two.until((frames) => eventsOf(frames).some(({ type }) => type === 'approval'));
    await two.ask({ t: 'answer', conversation: key, approval: 'm2.m2-1', option: 'deny' });
    await two.ask({ t: 'answer', conversation: key, approval: 'none', option: 'deny' });
    await two.until(ended('m2'));
    await two.ask({ t: 'send', conversation: key, id: 'm3', text: '/ask run' });
    await two.until((frames) => eventsOf(frames).some(({ run, type }) => run === 'm3' && type === 'approval'));
    await two.ask({ t: 'abort', conversation: key, run: 'm3' });
    await two.ask({ t: 'abort', conversation: key });
    await two.until(ended('m3'));
    await one.until(ended('m3'));
    await one.ask({ t: 'unfollow', conversation: key });
    await t.need(`PATCH ${of}`, { body: { title: 'Done' } });
    await one.gets(({ t: kind, info }) => kind === 'conversation' && info.title === 'Done');
    await t.need(`DELETE ${of}`);
    await one.gets(({ t: kind }) => kind === 'conversation_deleted');
    for (const socket of [one, two]) await socket.end();
    t.compare();
  } finally {
    await t.close();
  }
});

it('what is damaged of a conversation is told as it was', async () => {
  const options = { config: { agents: { entries: { main: { driver: 'echo', default: true } } } } };
  const t = await openTranscript('ws-events-gap', options);
  try {
    t.normal.chance('position');
    const { key } = await t.need('POST /v1/conversations', { body: { name: 'plans' } });
    const of = `/v1/conversations/${encodeURIComponent(key)}`;
    for (const id of ['m1', 'm2', 'm3'])
      await t.need(`POST ${of}/messages?wait=10000`, { body: { id, text: 'x'.repeat(60_000) } });
    await t.restart(() => damage(join(t.root, 'data', 'conversations')));
    const one = await t.socket('/v1/ws', {
      name: 'one',
      laneOf: (frame) => (frame.t === 'events_gap' ? 'gap' : undefined),
    });
    await one.ask({ t: 'follow', conversation: key, from: 'start' });
    await one.gets(({ t: kind }) => kind === 'events_gap');
    await one.end();
    await t.ask(`GET ${of}/events?follow=0`, {
      show: (text) => [...new Set([...String(text).matchAll(/^event: (.*)$/gm)].map(([, name]) => name))].sort(),
    });
    t.compare();
  } finally {
    await t.close();
  }
});

/** Turns a bit over in the middle of the log of a conversation. */
function damage(dir: string): void {
  const [name = ''] = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.log'));
  const bytes = readFileSync(join(dir, name));
  bytes[50_000] = (bytes[50_000] ?? 0) ^ 1;
  writeFileSync(join(dir, name), bytes);
}

const eventsOf = (frames: readonly Json[]): Json[] => frames.flatMap(({ events = [] }) => events);
const ended =
  (run: string) =>
  (frames: readonly Json[]): boolean =>
    eventsOf(frames).some((event) => event.run === run && ['final', 'error', 'aborted'].includes(event.type));

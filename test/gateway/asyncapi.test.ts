// The AsyncAPI document against the sockets and streams of a real gateway: every frame that it sends and that it takes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import type { Frame, Frames } from '../support/wire.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON of a document.
type Json = any;

let gateway: Gateway;
let document: Json;
const dir = mkdtempSync(join(tmpdir(), 'binnacle-asyncapi-'));
beforeAll(async () => {
  const configPath = join(dir, 'config.jsonc');
  const agents = { entries: { main: { driver: 'echo', default: true } } };
  writeFileSync(configPath, JSON.stringify({ agents }), { mode: 0o600 });
  gateway = await openGateway({ configPath });
  document = (await gateway.ask('/asyncapi.json', { token: null })).json;
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Makes a schema of the document refuse what it does not name, so that a field which nobody wrote down is seen. */
function closed(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === '$ref' ? String(value).replace('#/components/schemas/', '#/$defs/') : closed(value),
    ]),
  );
  const isOpen = schema.properties === undefined || schema.additionalProperties !== undefined;
  return isOpen ? inner : { ...inner, additionalProperties: false };
}

const known = new Map<string, z.ZodType>();
/** Says what is wrong with a frame, by the document; undefined where nothing is. */
function faultOf(message: string, frame: Json): string | undefined {
  const schema = document.components.schemas[message];
  if (schema === undefined) return `no message ${message}`;
  const $defs = closed(document.components.schemas);
  const parsed = known.get(message) ?? z.fromJSONSchema({ ...closed(schema), $defs });
  known.set(message, parsed);
  const result = parsed.safeParse(frame);
  return result.success ? undefined : z.prettifyError(result.error).slice(0, 500);
}

const faultsOf = (channel: string, frames: readonly Frame[], name: 't' | 'type'): string[] =>
  frames
    .filter((frame) => !Buffer.isBuffer(frame))
    .flatMap((frame) => {
      const fault = faultOf(`${channel}.server.${frame[name]}`, frame);
      return fault === undefined ? [] : [`${frame[name]}: ${fault} in ${JSON.stringify(frame).slice(0, 300)}`];
    });

const seenIn = (frames: readonly Frame[], name: 't' | 'type'): string[] =>
  [...new Set(frames.filter((frame) => !Buffer.isBuffer(frame)).map((frame) => frame[name]))].sort() as string[];

/** Sends a frame that the document allows, and expects that the gateway takes it. */
async function takes(frames: Frames, frame: { readonly t: string } & Record<string, unknown>): Promise<Frame> {
  expect.soft(faultOf(`gateway.client.${frame.t}`, { ...frame, ref: 1 }), frame.t).toBeUndefined();
  const answer = await frames.ask(frame);
  expect.soft(answer.error?.code, JSON.stringify(frame)).not.toBe('protocol_error');
  return answer;
}

describe('/asyncapi.json', () => {
  it('has every WebSocket of the gateway, and says where the gateway is', () => {
    expect(document).toMatchObject({
      asyncapi: '3.0.0',
      servers: { sockets: { host: new URL(gateway.url).host, protocol: 'ws' }, streams: { protocol: 'http' } },
    });
    const addresses = Object.values(document.channels as Record<string, { address: string }>).map((one) => one.address);
    expect(addresses).toEqual(
      expect.arrayContaining([
        '/v1/ws',
        '/ws/session/{id}',
        '/ws/pty-traffic',
        '/pty/{id}/ws',
        '/v1/sessions/{id}/output',
      ]),
    );
  });

  it('is read strictly here: a field too much, one too few, or one of another kind is a fault', () => {
    const ping = { t: 'ping', seq: 1, time: 1 };
    expect(faultOf('gateway.server.ping', ping)).toBeUndefined();
    for (const wrong of [
      { ...ping, more: 1 },
      { t: 'ping', seq: 1 },
      { ...ping, time: '1' },
    ]) {
      expect.soft(faultOf('gateway.server.ping', wrong)).toBeDefined();
    }
    const error = { t: 'error', seq: 1, error: { code: 'gap', message: '', hint: '', retryable: false } };
    expect(faultOf('gateway.server.error', error)).toBeUndefined();
    expect(faultOf('gateway.server.error', { ...error, error: { ...error.error, code: 'nosuchcode' } })).toBeDefined();
  });

  it('is true of /v1/ws: of what it sends, and of what it takes', async () => {
    const { id } = await gateway.create({ argv: ['/bin/cat'], name: 'shown' });
    const { key } = (await gateway.ask('/v1/conversations', { body: {} })).json;
    const [one, two] = [await gateway.frames(), await gateway.frames()];
    await takes(one, { t: 'watch', on: true });
    await takes(one, { t: 'watch_conversations', on: true, runs: true, deltaIntervalMs: 0 });
    await takes(one, { t: 'watch_notices', on: true });
    await takes(one, { t: 'look', session: id });
    for (const frames of [one, two]) {
      await takes(frames, { t: 'subscribe', session: id, from: { screen: true } });
      await takes(frames, { t: 'watch_watchers', session: id, on: true });
    }
    await takes(one, { t: 'lease', session: id, action: 'acquire' });
    await takes(one, { t: 'resize', session: id, cols: 90, rows: 30 });
    await takes(one, { t: 'input', session: id, text: 'hello\n', client: 'a', n: 1 });
    expect((await takes(two, { t: 'input', session: id, base64: 'eAo=' })).error.code).toBe('lease_held');
    await takes(two, { t: 'lease', session: id, action: 'ask' });
    const { by } = await one.next(({ t }) => t === 'lease_asked');
    await takes(one, { t: 'lease', session: id, action: 'hand_over', to: by.id });
    await two.next(({ t }) => t === 'lease_given');
    await takes(two, { t: 'lease', session: id, action: 'release' });
    await takes(one, { t: 'follow', conversation: key, from: 'start' });
    await takes(one, { t: 'send', conversation: key, id: 'm1', text: 'hi' });
    await one.next(({ t, events }) => t === 'events' && events.some(({ type }: { type: string }) => type === 'final'));
    await takes(one, { t: 'abort', conversation: key });
    await takes(one, { t: 'answer', conversation: key, approval: 'none', option: 'allow' });
    await takes(one, { t: 'unfollow', conversation: key });
    await takes(one, { t: 'ping', time: 1 });
    await takes(one, { t: 'signal', session: id, signal: 'SIGTERM' });
    await one.next(({ t }) => t === 'end');
    await takes(two, { t: 'unsubscribe', session: id });
    // Changes of the list are debounced: a conversation that is deleted at once is never told to have changed.
    await until('the run is told in the list', () => one.all.some(({ t }) => t === 'conversation'));
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    await gateway.ask(`/v1/conversations/${encodeURIComponent(key)}`, { method: 'DELETE' });
    await until('both are told to be gone', () =>
      ['deleted', 'conversation_deleted'].every((wanted) => one.all.some(({ t }) => t === wanted)),
    );
    const all = [...one.all, ...two.all];
    expect(faultsOf('gateway', all, 't')).toEqual([]);
    expect(seenIn(all, 't')).toEqual(
      [
        ...['conversation', 'conversation_deleted', 'deleted', 'end', 'entry', 'error', 'events', 'following', 'hello'],
        ...['lease', 'lease_asked', 'lease_given', 'ok', 'pong', 'screen', 'session', 'subscribed', 'watchers'],
      ].sort(),
    );
  });

  it('is true of /ws/session/:id, of /pty/:id/ws, and of /ws/pty-traffic', async () => {
    const traffic = await gateway.frames('/ws/pty-traffic');
    for (const message of [
      { type: 'subscribe', id: 'all', filter: { running: true } },
      { type: 'ping', timestamp: 1 },
    ]) {
      expect(faultOf(`traffic.client.${message.type}`, message)).toBeUndefined();
      traffic.send(message);
    }
    traffic.send({ type: 'subscribe', id: 'wrong', filter: { nosuchfilter: 1 } });
    const { id } = await gateway.create({ command: 'echo begun; read line; echo "got $line"; exit 3' });
    await gateway.seen(id, 'begun');
    const json = await gateway.frames(`/ws/session/${id}?since=0`);
    for (const message of [{ type: 'ping' }, { type: 'resize', cols: 100, rows: 20 }, { type: 'stdin', data: 'x\n' }]) {
      expect(faultOf(`session.client.${message.type}`, message)).toBeUndefined();
      await json.next(({ type }) => type !== 'ping');
      json.send(message);
    }
    await json.next(({ type }) => type === 'exit');
    const pty = await gateway.frames(`/pty/${id}/ws`);
    await pty.next(({ type }) => type === 'exit');
    await traffic.next((frame) => frame.type === 'pty_event' && frame.event.is_final);
    traffic.send({ type: 'unsubscribe', id: 'all' });
    await traffic.next(({ type }) => type === 'unsubscribed');
    expect(faultsOf('session', json.all, 'type')).toEqual([]);
    expect(seenIn(json.all, 'type')).toEqual(expect.arrayContaining(['connected', 'exit', 'pong', 'replay', 'stdout']));
    expect(faultsOf('pty', pty.all, 'type')).toEqual([]);
    expect(faultsOf('traffic', traffic.all, 'type')).toEqual([]);
    expect(seenIn(traffic.all, 'type')).toEqual([
      ...['connected', 'error', 'pong', 'pty_event', 'subscribed', 'unsubscribed'],
    ]);
  });

  it('is true of the event streams', async () => {
    const { id } = await gateway.create({ runs: true });
    await gateway.ask(`/v1/sessions/${id}/runs?wait=5000`, { body: { id: 'r1', command: 'echo hello' } });
    await gateway.ask(`/v1/sessions/${id}/resize`, { body: { cols: 90, rows: 20 } });
    const { key } = (await gateway.ask('/v1/conversations', { body: {} })).json;
    const path = `/v1/conversations/${encodeURIComponent(key)}`;
    const sent = { body: { text: 'hi' }, headers: { accept: 'text/event-stream' } };
    const streams = {
      sendMessage: (await gateway.ask(`${path}/messages`, sent)).text,
      readConversationEvents: (await gateway.ask(`${path}/events?follow=0`)).text,
      readRunOutput: (await gateway.ask(`/v1/sessions/${id}/runs/r1/output?format=sse`)).text,
      startRun: (await gateway.ask(`/v1/sessions/${id}/runs?format=sse`, { body: { command: 'exit 3' } })).text,
      readSessionOutput: (await gateway.ask(`/v1/sessions/${id}/output?format=sse&follow=0`)).text,
    };
    for (const [operation, text] of Object.entries(streams)) {
      const events = [...text.matchAll(/^event: (\w+)\ndata: (.*)$/gm)].map(([, event, data = '']) => ({
        event,
        data,
      }));
      expect.soft(events.length, operation).toBeGreaterThan(1);
      for (const { event, data } of events) {
        expect
          .soft(faultOf(`${operation}.${event}`, JSON.parse(data)), `${operation} ${data.slice(0, 200)}`)
          .toBeUndefined();
      }
    }
  });
});

// Subscribers inside of the process: they hear of everything, whoever watches, and none of them can break anything.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConversationEvent, ConversationInfo } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway } from '../../packages/server/src/gateway/gateway.ts';
import { until } from '../support/until.ts';
import { pathOf, Transcript, withJson } from './conversation.fixture.ts';

let dir: string;
let gateway: Awaited<ReturnType<typeof startGateway>>;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-listeners-'));
  gateway = await startGateway({ dataDir: dir, port: 0, logLevel: 'silent' });
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const post = (path: string, body: object): Promise<Response> =>
  fetch(gateway.url + path, withJson(body, gateway.adminToken));

test('A subscriber hears every event though nobody watches, and though another one throws each time', async () => {
  let thrown = 0;
  const fail = (): never => {
    thrown += 1;
    throw new Error('not today');
  };
  const stopFailing = gateway.listen({ happened: fail, changed: fail, deleted: fail });
  const heard = new Transcript();
  const deleted: string[] = [];
  const stop = gateway.listen({
    happened: (_, events: readonly ConversationEvent[]) => heard.take(events),
    deleted: ({ record }) => deleted.push(record.key),
  });
  const { key } = (await (await post('/v1/conversations', {})).json()) as ConversationInfo;
  const sent = await post(`${pathOf(key)}/messages?wait=10000`, { id: 'm1', text: '/tool it works' });
  expect(sent.status).toBe(202);
  expect(await sent.json()).toMatchObject({ run: { state: 'final' } });
  await post(`${pathOf(key)}/messages`, { id: 'm2', text: '/slow a b c d e f g h' });
  await until('it speaks', () => heard.said('m2') !== '');
  expect((await post(`${pathOf(key)}/abort`, {})).status).toBe(200);
  expect(heard.end('m1')).toMatchObject({ type: 'final' });
  expect(heard.end('m2')).toMatchObject({ type: 'aborted', via: 'conversation', text: heard.said('m2') });
  await fetch(gateway.url + pathOf(key), {
    method: 'DELETE',
    headers: { authorization: `Bearer ${gateway.adminToken}` },
  });
  expect(deleted).toEqual([key]);
  expect(thrown).toBeGreaterThan(heard.events.length / 2);
  stop();
  stopFailing();
  const before = heard.events.length;
  await post('/v1/inbound', { channel: 'irc', text: 'hello' });
  expect(heard.events).toHaveLength(before);
});

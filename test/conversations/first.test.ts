// One turn, from the message to its end, over every road.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { asJson, endOf, makeConversation, pathOf, sendTo, Wire } from './conversation.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

test('A message begins a run, whose words come as deltas and end with a final that holds all of them', async () => {
  const { key } = await makeConversation(gateway);
  const wire = await Wire.open(gateway.url, gateway.token);
  const answer = await wire.ask({ t: 'send', conversation: key, id: 'm1', text: 'hello there, how are you' });
  expect(answer.t).toBe('ok');
  const end = await wire.untilSo(() => wire.of(key).end('m1'));
  expect(end.type).toBe('final');
  expect(end.text).toContain('hello there');
  expect(wire.of(key).types[0]).toBe('message');
  const run = await endOf(gateway, key, 'm1');
  expect(run).toMatchObject({ state: 'final', text: end.text });
  const history = await asJson<{ messages: { role: string; text: string }[] }>(
    gateway.fetch(`${pathOf(key)}/messages`),
  );
  expect(history.messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
  wire.close();
});

test('The same id with the same text is the same run; with another text it is refused', async () => {
  const { key } = await makeConversation(gateway);
  const first = await sendTo(gateway, key, { id: 'm1', text: 'once' });
  expect(first.duplicate).toBe(false);
  await endOf(gateway, key, 'm1');
  const second = await sendTo(gateway, key, { id: 'm1', text: 'once' });
  expect(second).toMatchObject({ duplicate: true, run: { id: 'm1', state: 'final' } });
  const other = await gateway.fetch(`${pathOf(key)}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id: 'm1', text: 'twice' }),
  });
  expect(other.status).toBe(409);
  expect(((await other.json()) as { error: { code: string } }).error.code).toBe('message_conflict');
});

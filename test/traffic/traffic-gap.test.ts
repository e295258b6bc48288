import { beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { eventsOf, isFinal, openTraffic, startSession, textOf, write } from './traffic-socket.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ retainBytes: 1024 * 1024 });
});

it('what is not kept any more is told with its numbers, and the rest follows exactly', async () => {
  // The end of it is in the middle of a character when retention takes the rest.
  const command = 'printf "begin \\\\342"; read x; seq 1 1500000; read x';
  const { id } = await startSession(gateway, { command, mode: 'pipe' });
  const frames = await openTraffic(gateway);
  frames.send({ type: 'subscribe', filter: { session_id: id } });
  const { event } = await frames.next(({ event }) => event?.response === 'begin ');
  expect(event.position).toMatch(/~2\.6\.e2$/);
  frames.send({ type: 'unsubscribe' });
  await frames.next(({ type }) => type === 'unsubscribed');
  await write(gateway, id, '\n');
  await until('the beginning is gone', async () => (await gateway.client.sessions.get(id)).oldestOffset > 0, 20_000);
  await write(gateway, id, '\n');
  // Not `ended`: output from the beginning, which is gone, is answered at once.
  await until('the session is closed', async () => (await gateway.client.sessions.get(id)).state === 'closed');
  frames.send({ type: 'subscribe', id: 'again', filter: { session_id: id }, from: event.position });
  await frames.next((frame) => isFinal(frame));
  frames.ws.terminate();
  const oldest = (await gateway.client.sessions.get(id)).oldestOffset;
  const told = frames.all.slice(
    frames.all.findIndex((frame) => frame.type === 'subscribed' && frame.id === 'again') + 1,
  );
  // No character any more; then what is missing.
  expect(told[0]).toMatchObject({ type: 'pty_event', event: { response: '\ufffd', offset: 6 } });
  expect(told[1]).toMatchObject({ type: 'gap', id: 'again', session: id, from: 7, to: oldest });
  const rest = await (await gateway.fetch(`/v1/sessions/${id}/output?since=${oldest}`)).text();
  expect(textOf(eventsOf(frames, 'again').slice(1)) === rest).toBe(true);
});

// `/command` where it takes seconds: signs of life, and commands that do not listen.

import { beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

const command = (body: object) =>
  gateway.ask('/command', { body, token: null, headers: { 'X-EXECD-ACCESS-TOKEN': gateway.token } });
// biome-ignore lint/suspicious/noExplicitAny: a test knows which event it waits for.
const eventsOf = (text: string): any[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? ''));

it('the answer gives a sign of life every three seconds', async () => {
  const { text } = await command({ command: 'sleep 3.5' });
  expect(eventsOf(text).map(({ type }) => type)).toEqual(['init', 'ping', 'execution_complete']);
  expect(text).toContain('\n\ndata: {"type":"ping","text":"pong"');
});

it('an interrupt ends what does not listen', async () => {
  const deaf = { command: 'trap "" TERM HUP; echo ready; while :; do sleep 1; done', background: true };
  const id = eventsOf((await command(deaf)).text)[0].text;
  await until('it is ready', async () => (await gateway.ask(`/command/${id}/logs`)).text === 'ready\n');
  const interrupt = { method: 'DELETE', token: null, headers: { 'X-EXECD-ACCESS-TOKEN': gateway.token } };
  expect((await gateway.ask(`/command?id=${id}`, interrupt)).status).toBe(200);
  const { json } = await gateway.ask(`/command/status/${id}`);
  expect([json.running, json.exit_code, json.error]).toEqual([false, undefined, expect.stringContaining('SIGKILL')]);
});

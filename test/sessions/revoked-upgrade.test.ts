import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import WebSocket from 'ws';
import { it } from '../support/test.ts';
import { until } from '../support/until.ts';

it('only-yours: a token that is revoked while its socket waits for the lease gets neither the lease nor a frame', async ({
  gateway,
}) => {
  const token = await gateway.client.tokens.create({ name: 'x', scope: 'input' });
  const { id } = await gateway.create({ argv: ['cat'] });
  const { pid } = await gateway.info(id);
  const runner = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
  // The lease waits for the runner, which has to learn the fence first.
  process.kill(runner, 'SIGSTOP');
  const events: string[] = [];
  try {
    const headers = { authorization: `Bearer ${token.token}` };
    const ws = new WebSocket(`${gateway.url.replace('http', 'ws')}/ws/session/${id}`, { headers });
    ws.on('message', (frame) => events.push(String(frame)));
    ws.on('close', (code, why) => events.push(`${code} ${String(why)}`));
    ws.on('error', (error) => events.push(error.message));
    await until('its lease is awaited', async () => (await gateway.ask(`/v1/sessions/${id}/lease`)).status === 200);
    await gateway.client.tokens.revoke(token.id);
  } finally {
    process.kill(runner, 'SIGCONT');
  }
  await until('it is closed', () => events.length > 0);
  // 401: the token was revoked before the gateway had read the request.
  expect(['4003 revoked', 'Unexpected server response: 401']).toContain(events.join());
  await until('nobody has the lease', async () => (await gateway.info(id)).lease === null);
});

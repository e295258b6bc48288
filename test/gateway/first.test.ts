import { beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

it('a shell is started, typed into and watched through the client', async () => {
  const info = await gateway.client.sessions.create({ cols: 100, rows: 30 });
  const session = gateway.client.session(info.id);
  const attachment = session.attach();
  const receipt = await session.write('echo $((40+2))-yes; exit 4\n');
  expect(receipt.accepted).toBe(27);
  let text = '';
  let exit: unknown;
  for await (const event of attachment) {
    if (event.type === 'output') text += Buffer.from(event.bytes).toString();
    if (event.type === 'exit') exit = event.data;
  }
  expect(text).toContain('42-yes');
  expect(exit).toEqual({ exitCode: 4, signal: null });
});

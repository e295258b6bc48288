// A gateway that is killed while a recording comes: of it nothing is there afterwards, and all that was answered is.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { castOf, eventsOf, exported, imported, onDisk, underWay, upload, V3 } from './recordings.fixture.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess();
});
afterAll(() => gateway.close());

it('kill -9 in the middle of an import, or between the move of its log and its row, leaves nothing of it', async () => {
  const { session } = await imported(gateway, castOf([[1, 'o', 'kept']]));
  const sending = upload(gateway);
  sending.send(`${V3}${'[0.1, "o", "half"]\n'.repeat(20_000)}`);
  await until('some of it is on the disk', () => logBytes() > 0);
  await gateway.kill();
  expect(underWay(gateway).length).toBe(1);
  // As it is on the disk between the move and the row: see Recordings.
  const id = uuidv7();
  mkdirSync(join(gateway.dir, 'imports', id));
  mkdirSync(join(gateway.dir, 'sessions', id, 'log'), { recursive: true });
  writeFileSync(join(gateway.dir, 'sessions', id, 'log', 'x'), '');
  // And behind the row: the session is whole, only the trace of the import was left.
  mkdirSync(join(gateway.dir, 'imports', session.id));
  await gateway.restart();
  expect(underWay(gateway)).toEqual([]);
  expect(onDisk(gateway)).toEqual([session.id]);
  expect((await gateway.client.sessions.list()).sessions.map(({ id }) => id)).toEqual([session.id]);
  expect(eventsOf(await exported(gateway, session.id))).toEqual([[1, 'o', 'kept']]);
});

function logBytes(): number {
  const [id] = underWay(gateway);
  if (id === undefined) return 0;
  try {
    return readdirSync(join(gateway.dir, 'imports', id, 'session', 'log')).length;
  } catch {
    return 0; // not made yet
  }
}

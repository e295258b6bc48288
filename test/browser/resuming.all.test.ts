// A frozen connection counts as dead five seconds after a wake-up. liveness.test.ts proves that with a clock of its own.

import { beforeAll, it } from 'vitest';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { openPage } from '../support/page.ts';
import { seeLine, startShell, type } from './page.fixture.ts';
import { COUNTER, expectWhole, LINES, openBehindWire } from './resuming.fixture.ts';
import type { Wire } from './wire.fixture.ts';

let gateway: GatewayProcess;
let wire: Wire;
beforeAll(async () => {
  ({ gateway, wire } = await openBehindWire());
});

it('a laptop that slept notices within seconds that its connection is dead, and goes on', async () => {
  const { context, page } = await openPage(gateway, { via: wire.url });
  await startShell(page);
  await type(page, COUNTER);
  await seeLine(page, /^n [3-9]\d$/);
  await context.setOffline(true);
  wire.freeze();
  await page.waitForFunction(() => !navigator.onLine);
  wire.mend();
  await context.setOffline(false);
  await page.waitForFunction(() => navigator.onLine);
  await seeLine(page, `n ${LINES}`);
  await expectWhole(page);
  await type(page, 'echo still-$((1+1))-typing');
  await seeLine(page, 'still-2-typing');
});

import type { Page } from 'playwright-core';
import { afterEach, beforeAll, it } from 'vitest';
import { inAll } from '../support/count.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { openPage } from '../support/page.ts';
import { until } from '../support/until.ts';
import { choose, seeLine, startShell, type } from './page.fixture.ts';
import { COUNTER, expectWhole, LINES, openBehindWire } from './resuming.fixture.ts';
import type { Wire } from './wire.fixture.ts';

let gateway: GatewayProcess;
let wire: Wire;
beforeAll(async () => {
  ({ gateway, wire } = await openBehindWire());
});
afterEach(() => wire.mend());

const reconnecting = (page: Page) => page.locator('[data-about="reconnecting"]');
const connected = (page: Page) =>
  page.locator('[data-testid="app-shell"][data-link="open"]').waitFor({ timeout: 15_000 });

it('the page goes on by itself after a kill -9 of the gateway, with nothing missing and nothing twice', async () => {
  const { page } = await openPage(gateway);
  await startShell(page);
  await type(page, COUNTER);
  await seeLine(page, /^n [3-9]\d$/);
  await gateway.kill();
  await reconnecting(page).waitFor();
  await gateway.restart();
  await connected(page);
  await reconnecting(page).waitFor({ state: 'detached' });
  await seeLine(page, `n ${LINES}`);
  await expectWhole(page);
  await type(page, 'echo still-$((1+1))-typing');
  await seeLine(page, 'still-2-typing');
});

inAll('the page goes on after its network was away, with nothing missing and nothing twice', async () => {
  const { context, page } = await openPage(gateway, { via: wire.url });
  await startShell(page);
  await type(page, COUNTER);
  await seeLine(page, /^n [3-9]\d$/);
  wire.cut();
  await reconnecting(page).waitFor();
  await context.setOffline(true);
  await reconnecting(page).getByText('This device is offline').waitFor();
  wire.mend();
  await context.setOffline(false);
  await connected(page);
  await reconnecting(page).waitFor({ state: 'detached' });
  await seeLine(page, `n ${LINES}`);
  await expectWhole(page);
});

inAll('what retention removed while the page was away is named in a notice, and the rest follows', async () => {
  const info = await gateway.client.sessions.create({ command: 'read go; seq 1 200000; echo all-done; read stop' });
  const { page } = await openPage(gateway, { via: wire.url });
  await choose(page, info.id);
  wire.cut();
  await reconnecting(page).waitFor();
  const session = gateway.client.session(info.id);
  await session.write('go\n');
  for await (const event of session.attach()) {
    if (event.type === 'output' && Buffer.from(event.bytes).includes('all-done')) break;
  }
  // The runner looks for what to remove every ten seconds.
  await until(
    'the oldest output is gone',
    async () => {
      return (await gateway.client.sessions.get(info.id)).oldestOffset > 0;
    },
    15_000,
  );
  wire.mend();
  await page.locator('[data-about="gap"]').getByText('no longer kept').waitFor({ timeout: 15_000 });
  await seeLine(page, 'all-done');
  await seeLine(page, '200000');
});

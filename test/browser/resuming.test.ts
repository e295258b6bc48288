import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import {
  choose,
  closePages,
  openBrowser,
  openLoggedIn,
  screenfuls,
  seeLine,
  startShell,
  type,
} from './page.fixture.ts';
import { openWire, type Wire } from './wire.fixture.ts';

let gateway: GatewayProcess;
let browser: Browser;
let wire: Wire;
beforeAll(async () => {
  wire = await openWire();
  const flags = ['--retain-bytes', '128KiB', '--host-name', new URL(wire.url).host];
  browser = await openBrowser();
  gateway = await openGatewayProcess({ flags });
  wire.to(gateway.url);
});
afterEach(async (test) => {
  wire.mend();
  await closePages(browser, test);
});
afterAll(async () => {
  await browser?.close();
  await wire?.close();
  await gateway?.close();
});

const reconnecting = (page: Page) => page.locator('[data-about="reconnecting"]');
const connected = (page: Page) =>
  page.locator('[data-testid="app-shell"][data-link="open"]').waitFor({ timeout: 15_000 });

/** About three seconds of output, a line at a time. */
const COUNTER = 'for i in $(seq 1 400); do echo "n $i"; sleep 0.005; done';

/** Every number from 1 to 400 is in the scrollback, each one right after the one before, and only there. */
async function expectWhole(page: Page): Promise<void> {
  const seen = new Set<number>();
  for (const screen of await screenfuls(page)) {
    const numbers = screen.flatMap((line) => /^n (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    const first = numbers[0] ?? 0;
    expect(numbers).toEqual(numbers.map((_, at) => first + at));
    for (const number of numbers) seen.add(number);
  }
  expect([...seen]).toEqual(Array.from({ length: 400 }, (_, at) => at + 1));
}

it('the page goes on by itself after a kill -9 of the gateway, with nothing missing and nothing twice', async () => {
  const { page } = await openLoggedIn(browser, gateway);
  await startShell(page);
  await type(page, COUNTER);
  await seeLine(page, /^n [3-9]\d$/);
  await gateway.kill();
  await reconnecting(page).waitFor();
  await gateway.restart();
  await connected(page);
  await reconnecting(page).waitFor({ state: 'detached' });
  await seeLine(page, 'n 400');
  await expectWhole(page);
  await type(page, 'echo still-$((1+1))-typing');
  await seeLine(page, 'still-2-typing');
});

it('the page goes on after its network was away, with nothing missing and nothing twice', async () => {
  const { context, page } = await openLoggedIn(browser, gateway, { via: wire.url });
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
  await seeLine(page, 'n 400');
  await expectWhole(page);
});

it('a laptop that slept notices within seconds that its connection is dead, and goes on', async () => {
  const { context, page } = await openLoggedIn(browser, gateway, { via: wire.url });
  await startShell(page);
  await type(page, COUNTER);
  await seeLine(page, /^n [3-9]\d$/);
  await context.setOffline(true);
  wire.freeze();
  await page.waitForFunction(() => !navigator.onLine);
  wire.mend();
  await context.setOffline(false);
  await page.waitForFunction(() => navigator.onLine);
  await seeLine(page, 'n 400');
  await expectWhole(page);
  await type(page, 'echo still-$((1+1))-typing');
  await seeLine(page, 'still-2-typing');
});

it('what retention removed while the page was away is named in a notice, and the rest follows', async () => {
  const info = await gateway.client.sessions.create({ command: 'read go; seq 1 200000; echo all-done; read stop' });
  const { page } = await openLoggedIn(browser, gateway, { via: wire.url });
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

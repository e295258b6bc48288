import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type LostGateway, openLostGateway } from './lost.fixture.ts';
import { choose, closePages, openBrowser, openLoggedIn, seeLine, startShell, type } from './page.fixture.ts';

let gateway: LostGateway;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openLostGateway();
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await gateway?.close();
});

const leaseButton = (page: Page, kind: string) => page.locator(`[data-testid="lease"][data-lease="${kind}"]`);
const notice = (page: Page, about: string) => page.locator(`[data-testid="notice"][data-about="${about}"]`);
const count = (page: Page, of: number) =>
  page.getByTestId('watchers-count').getByText(String(of), { exact: true }).waitFor();

it('viewers are counted and named; control is requested, refused, handed over, and the size goes with it', async () => {
  const driver = await openLoggedIn(browser, gateway);
  const id = await startShell(driver.page);
  await count(driver.page, 1);
  const watcher = await openLoggedIn(browser, gateway, { viewport: { width: 390, height: 800 } });
  await watcher.page.getByTestId('menu').first().click();
  await choose(watcher.page, id);
  await count(driver.page, 2);
  await count(watcher.page, 2);
  // On a phone all of the header is on the page, down to its last button.
  await leaseButton(watcher.page, 'taken').waitFor();
  const last = await watcher.page.getByTestId('session-menu').boundingBox();
  expect((last?.x ?? 0) + (last?.width ?? 0)).toBeLessThanOrEqual(390);
  const sizeOf = async (): Promise<string> => {
    const { cols, rows } = await gateway.client.sessions.get(id);
    return `${cols}x${rows}`;
  };
  const before = await sizeOf();

  await watcher.page.getByTestId('watchers').click();
  await watcher.page.getByTestId('ask-for-lease').click();
  await driver.page.getByTestId('lease-request').waitFor();
  // It takes no key from who is typing.
  await driver.page.keyboard.type('echo asked-$((1+1))');
  await driver.page.keyboard.press('Enter');
  await seeLine(driver.page, 'asked-2');
  await driver.page.getByTestId('not-now').click();
  await driver.page.getByTestId('lease-request').waitFor({ state: 'detached' });
  expect(await leaseButton(driver.page, 'yours').count()).toBe(1);
  // A viewer does not change the size of the holder.
  expect(await sizeOf()).toBe(before);

  await driver.page.getByTestId('watchers').click();
  await driver.page.getByTestId('transfer-lease').click();
  await notice(watcher.page, 'lease-received').waitFor();
  await leaseButton(watcher.page, 'yours').waitFor();
  await leaseButton(driver.page, 'taken').waitFor();
  expect(await notice(driver.page, 'lease-lost').count()).toBe(0);
  await type(watcher.page, 'echo theirs-$((1+1))');
  await seeLine(driver.page, 'theirs-2');

  await gateway.lose();
  await driver.page.locator('[data-about="reconnecting"]').waitFor();
  await gateway.restart();
  await driver.page.locator('[data-about="reconnecting"]').waitFor({ state: 'detached' });
  await count(driver.page, 2);
  await watcher.context.close();
  await count(driver.page, 1);
  expect(driver.complaints.filter((text) => !/WebSocket|ERR_CONNECTION|Failed to load/.test(text))).toEqual([]);
}, 60_000);

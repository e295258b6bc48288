import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { choose, closePages, openBrowser, openLoggedIn, seeLine } from './page.fixture.ts';

let gateway: Gateway;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openGateway();
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await gateway?.close();
});

/** The lines of the replay's terminal. */
const replayed = (page: Page): Promise<string[]> =>
  page
    .getByTestId('replay-screen')
    .locator('.xterm-rows > div')
    .evaluateAll((rows) => rows.map((row) => (row.textContent ?? '').replaceAll('\u00a0', ' ').trim()).filter(Boolean));
const phase = (page: Page, expected: string) =>
  page.locator(`[data-testid="replay-time"][data-phase="${expected}"]`).waitFor();

async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env.BINNACLE_SHOTS;
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) });
}

it('a session is replayed from any moment, paused, stepped from mark to mark, faster, and left for what is live', async () => {
  const { id } = await gateway.client.sessions.create({ runs: true, cols: 80, rows: 24 });
  const session = gateway.client.session(id);
  const opening = openLoggedIn(browser, gateway);
  await session.run('echo the-first; sleep 2').ended;
  await session.run('echo the-second; sleep 1').ended;
  const { page, complaints } = await opening;
  await choose(page, id);
  await seeLine(page, 'the-second');
  await page.getByTestId('session-menu').click();
  await page.getByTestId('menu-timeline').click();
  await page.getByTestId('timeline-plot').locator('canvas').waitFor();
  await shoot(page, 'timeline');

  // It has the keys at once: the program gets none of these.
  await page.keyboard.press('Space');
  await phase(page, 'playing');
  await page.keyboard.press('Space');
  await phase(page, 'paused');
  const scrubber = page.getByTestId('scrubber');
  await scrubber.focus();
  await page.keyboard.press('Home');
  await phase(page, 'paused');
  expect((await replayed(page)).join('\n')).not.toContain('the-first');
  // An arrow goes five seconds on, or back: further than this session is long.
  await page.keyboard.press('ArrowRight');
  await until('it is at the end', async () => (await replayed(page)).includes('the-second'));
  await page.keyboard.press('ArrowLeft');
  await phase(page, 'paused');
  await until('it is at the beginning', async () => !(await replayed(page)).join('\n').includes('the-first'));
  // The second command's beginning: what the first one wrote is there, and nothing of the second.
  await page.getByTestId('replay-marks').selectOption({ label: await labelOf(page, 'the-second') });
  await phase(page, 'paused');
  await until('the first is there', async () => (await replayed(page)).join('\n').includes('the-first'));
  expect(await replayed(page)).not.toContain('the-second');
  await shoot(page, 'replay');
  // What is live goes on below it meanwhile.
  await page.getByTestId('replay-speed').selectOption('16');
  await scrubber.focus();
  await page.keyboard.press('Space');
  await until('the second is played', async () => (await replayed(page)).includes('the-second'));
  await phase(page, 'over');
  await session.run(String.raw`echo lively; printf '\e]9;look here\a'`).ended;
  await until('it waits', async () => (await session.info()).activity?.state === 'waiting_input');
  await page.getByTestId('replay-live').click();
  await page.getByTestId('replay-screen').waitFor({ state: 'detached' });
  await seeLine(page, 'lively');
  await page.getByTestId('replay-close').click();
  await page.getByTestId('replay').waitFor({ state: 'detached' });
  expect(complaints).toEqual([]);

  await page.setViewportSize({ width: 390, height: 780 });
  await page.getByTestId('session-menu').click();
  await page.getByTestId('menu-timeline').click();
  await page.getByTestId('timeline-plot').locator('canvas').waitFor();
  const { width, inside } = await page.getByTestId('replay').evaluate((bar) => ({
    width: bar.clientWidth,
    inside: bar.scrollWidth,
  }));
  expect(inside).toBe(width);
  // Since it was open last it has begun to wait; what was known then is shown until that comes.
  await page
    .getByTestId('replay-marks')
    .locator('option', { hasText: 'Waits: look here' })
    .waitFor({ state: 'attached' });
  await shoot(page, 'timeline-phone');
}, 60_000);

async function labelOf(page: Page, text: string): Promise<string> {
  const labels = await page.getByTestId('replay-marks').locator('option').allTextContents();
  const found = labels.find((label) => label.includes(text));
  if (found === undefined) throw new Error(`no mark says ${text}: ${labels.join(', ')}`);
  return found;
}

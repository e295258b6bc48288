// A session on a phone: typing with its keyboard and the keys above it, scrolling with a finger, and no change of the size for others.

import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { lines, type OpenPage, openBrowser, openLoggedIn, seeLine, tell } from './page.fixture.ts';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

let gateway: Gateway;
let browser: Browser;
/** One page for all: each test has a session of its own in it. */
let opened: OpenPage;
beforeAll(async () => {
  gateway = await openGateway();
  browser = await openBrowser();
  opened = await openLoggedIn(browser, gateway, PHONE);
});
afterEach(({ task }) => (task.result?.state === 'fail' ? tell(opened.page, task.name) : undefined));
afterAll(async () => {
  await gateway.close();
});

async function open(
  argv: readonly string[],
  name: string,
): Promise<{ page: Page; id: string; complaints: readonly string[] }> {
  const { id } = await gateway.client.sessions.create({ argv, name, cols: 100, rows: 30 });
  const { page, complaints } = opened;
  await page.goto(`${gateway.url}/#/${id}`);
  await page.locator(`[data-testid="session-view"][data-session="${id}"]:not([data-phase="past"])`).waitFor();
  return { page, id, complaints };
}

async function sizeOf(id: string): Promise<string> {
  const { cols, rows } = await gateway.client.sessions.get(id);
  return `${cols}x${rows}`;
}

const key = (page: Page, name: string) => page.getByTestId('key-bar').getByRole('button', { name, exact: true });
const leaseButton = (page: Page, kind: string) => page.locator(`[data-testid="lease"][data-lease="${kind}"]`);

test('a line is sent as a whole, composed or not, and comes back when it is asked for', async () => {
  const { page, complaints } = await open(['/bin/cat'], 'lines');
  const line = page.getByTestId('type-line');
  await line.fill('čau 世界');
  await page.getByTestId('type-send').tap();
  await seeLine(page, 'čau 世界');
  expect(await line.inputValue()).toBe('');
  await line.tap();
  await page.keyboard.type('second');
  await page.keyboard.press('Enter');
  await until(
    'it comes back from the program',
    async () => (await lines(page)).filter((one) => one === 'second').length === 2,
  );

  // An Enter that ends a composition chooses a word, and sends nothing.
  await line.fill('half');
  await line.evaluate((field) => {
    const enter = { key: 'Enter', bubbles: true, cancelable: true };
    field.dispatchEvent(new KeyboardEvent('keydown', { ...enter, isComposing: true }));
    field.dispatchEvent(new KeyboardEvent('keydown', { ...enter, keyCode: 229 }));
  });
  expect(await line.inputValue()).toBe('half');
  await page.getByTestId('type-earlier').tap();
  expect(await line.inputValue()).toBe('second');
  await page.getByTestId('type-earlier').tap();
  expect(await line.inputValue()).toBe('čau 世界');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  expect(await line.inputValue()).toBe('half');
  await line.fill('');
  expect((await lines(page)).filter((one) => one.includes('half'))).toEqual([]);

  // No field makes the page jump larger, and nothing is wider than the phone.
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('input, textarea, select')]
      .filter((field) => Number.parseFloat(getComputedStyle(field).fontSize) < 16)
      .map((field) => field.outerHTML.slice(0, 100)),
  );
  expect(small).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  expect(complaints).toEqual([]);
});

test('the keys send their labels: Ctrl for one letter, arrows repeatedly while pressed', async () => {
  // Shows each byte as two digits.
  const { page } = await open(['/bin/sh', '-c', 'stty raw -echo opost onlcr; exec od -An -v -tx1 -w1'], 'keys');
  const bytes = async () =>
    (await lines(page))
      .filter((one) => /^ ?[0-9a-f]{2}$/.test(one.trim()) && one.trim() !== '')
      .map((one) => one.trim())
      .join(' ');
  const seen = (expected: string) => until(`${expected} came`, async () => (await bytes()).endsWith(expected));
  await key(page, 'Esc').tap();
  await key(page, 'Tab').tap();
  await key(page, 'Shift Tab').tap();
  await key(page, 'Up').tap();
  await seen('1b 09 1b 5b 5a 1b 5b 41');
  await key(page, 'Ctrl').tap();
  expect(await key(page, 'Ctrl').getAttribute('aria-pressed')).toBe('true');
  await page.getByTestId('type-line').tap();
  await page.keyboard.type('r');
  await seen('41 12');
  expect(await key(page, 'Ctrl').getAttribute('aria-pressed')).toBe('false');
  expect(await page.getByTestId('type-line').inputValue()).toBe('');
  const left = key(page, 'Left');
  await left.dispatchEvent('pointerdown');
  await seen('1b 5b 44 1b 5b 44 1b 5b 44');
  await left.dispatchEvent('pointerup');
  await left.dispatchEvent('click');
  await key(page, 'Down').tap();
  await seen('1b 5b 44 1b 5b 42');
});

test('no terminal gets the size of a phone unless the person in control asks, and the old size comes back', async () => {
  const { page, id } = await open(['/bin/cat'], 'size');
  expect(await page.getByTestId('key-bar').getByRole('button', { name: 'Fit to this screen' }).count()).toBe(0);
  await page.getByTestId('type-line').fill('typed');
  await page.getByTestId('type-send').tap();
  await leaseButton(page, 'yours').waitFor();
  await seeLine(page, 'typed');
  await page.setViewportSize({ width: 844, height: 390 });
  await page.setViewportSize({ width: 390, height: 500 });
  // What would have resized it has been said before this answer comes.
  await page.getByTestId('type-line').fill('after');
  await page.getByTestId('type-send').tap();
  await seeLine(page, 'after');
  expect(await sizeOf(id)).toBe('100x30');
  // The line that is typed into is on the screen, above the keyboard.
  const isCursorSeen = () =>
    page.evaluate(() => {
      const frame = document.querySelector('.screen')?.getBoundingClientRect();
      const rows = [...document.querySelectorAll('.xterm-rows > div')];
      const last = rows.findLast((row) => row.textContent?.trim() !== '')?.getBoundingClientRect();
      return frame !== undefined && last !== undefined && last.bottom <= frame.bottom + 1 && last.top >= frame.top - 1;
    });
  await gateway.client
    .session(id)
    .write('', {})
    .catch(() => undefined);
  await page.getByTestId('type-line').fill(Array.from({ length: 14 }, (_, n) => `line ${n}`).join('\n'));
  await page.getByTestId('type-send').tap();
  await until('the cursor can be seen', isCursorSeen);

  await page.setViewportSize({ width: 390, height: 844 });
  await key(page, 'Fit to this screen').tap();
  await until('it has the size of the phone', async () => {
    const [cols = 0] = (await sizeOf(id)).split('x').map(Number);
    return cols > 20 && cols < 70;
  });
  await page.getByTestId('lease').tap();
  await until('the old size is back', async () => (await sizeOf(id)) === '100x30');
  await leaseButton(page, 'yours').waitFor({ state: 'detached' });

  // A handover restores the old size for the next holder, too.
  await page.getByTestId('type-line').fill('mine again');
  await page.getByTestId('type-send').tap();
  await leaseButton(page, 'yours').waitFor();
  await key(page, 'Fit to this screen').tap();
  await until('it is small', async () => (await sizeOf(id)) !== '100x30');
  const other = gateway.connect().session(id);
  const granted = new Promise<string>((resolve) => other.lease.on('received', () => resolve(sizeOf(id))));
  const undo = other.watchers.on('change', () => undefined);
  other.attach();
  await until('it follows', () => Promise.resolve((other.watchers.latest?.count ?? 0) > 1));
  await other.lease.request();
  await page.getByTestId('grant-lease').tap();
  expect(await granted).toBe('100x30');
  await other.lease.release();
  undo();
  other.detach();
  await leaseButton(page, 'free').waitFor();

  // Leaving the page while in control restores it, too.
  await page.getByTestId('type-line').fill('once more');
  await page.getByTestId('type-send').tap();
  await leaseButton(page, 'yours').waitFor();
  expect(await sizeOf(id)).toBe('100x30');
  await key(page, 'Fit to this screen').tap();
  await until('it is small again', async () => (await sizeOf(id)) !== '100x30');
  await page.goto(`${gateway.url}/#/`);
  await until('the old size is back', async () => (await sizeOf(id)) === '100x30');
});

/** A finger that goes down the screen within 80 ms, by its own clock, and lets go while it moves. */
async function fling(session: CDPSession, from: number, to: number): Promise<void> {
  const began = Date.now() / 1000;
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', afterMs: number, y?: number) => {
    const touchPoints = y === undefined ? [] : [{ x: 200, y }];
    return session.send('Input.dispatchTouchEvent', { type, touchPoints, timestamp: began + afterMs / 1000 });
  };
  await touch('touchStart', 0, from);
  for (let n = 1; n <= 8; n += 1) await touch('touchMove', n * 10, from + ((to - from) * n) / 8);
  await touch('touchEnd', 82);
}

test('a finger moves the output, and it rolls on when the finger lets go', async () => {
  const { page } = await open(['/bin/sh', '-c', 'seq 1 2000; exec cat'], 'numbers');
  await seeLine(page, '2000');
  const first = async (): Promise<number> => Number((await lines(page)).find((one) => /^\d+$/.test(one)));
  const height = await page
    .locator('.xterm-rows > div')
    .first()
    .evaluate((row) => row.getBoundingClientRect().height);
  const bottom = await first();
  const session = await page.context().newCDPSession(page);
  await fling(session, 300, 560);
  await until('it has rolled further than the finger went', async () => bottom - (await first()) > (2 * 260) / height);
  // A touch holds it.
  await fling(session, 300, 560);
  await session.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: 200, y: 400 }] });
  const frames = (count: number) =>
    page.evaluate(async (n) => {
      for (let at = 0; at < n; at += 1) await new Promise(requestAnimationFrame);
    }, count);
  await frames(2);
  const topRow = await first();
  await frames(20);
  expect(await first()).toBe(topRow);
  await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
});

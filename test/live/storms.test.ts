// How long a page is deaf while a program writes nothing but what costs a terminal much: the longest task of a real
// Chromium, for each storm. The table is in the output of the test.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { choose, openBrowser, openLoggedIn, seeLine } from '../browser/page.fixture.ts';
import { Emitter } from '../browser/traffic.fixture.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';

const ESC = '\x1b';
/** Filled with it, a screen scrolls, and its history has lines to move. */
const FILL = 'a line of some length, as programs write them\r\n'.repeat(400);
const STORMS: readonly (readonly [name: string, one: string])[] = [
  ['plain text', 'a line of some length, as programs write them\r\n'],
  ['OSC 4, a colour', `${ESC}]4;1;#ff0000\x07`],
  [
    'OSC 4, 256 colours',
    `${ESC}]4;${Array.from({ length: 256 }, (_, n) => `${n};#0${(n % 10).toString()}0000`).join(';')}\x07`,
  ],
  ['OSC 104, colours back', `${ESC}]104\x07`],
  ['OSC 10 and 11', `${ESC}]10;#ff0000\x07${ESC}]11;#00ff00\x07`],
  ['ESC c, reset', `${ESC}c`],
  ['ESC c behind a line', `x\r\n${ESC}c`],
  ['OSC 133, marks', `${ESC}]133;C\x07x\r\n${ESC}]133;D;1\x07`],
  ['OSC 133 in one line', `${ESC}]133;C\x07${ESC}]133;D;1\x07`],
  ['OSC 8, links', `${ESC}]8;;https://example.org/\x07x${ESC}]8;;\x07`],
  ['OSC 0, titles', `${ESC}]0;title\x07`],
  ['DECALN', `${ESC}#8`],
  ['scroll regions', `${ESC}[2;10r${ESC}[r`],
  ['the other screen, and back', `${ESC}[?1049h${ESC}[?1049l`],
  ['erase the screen', `${ESC}[2J`],
  ['erase the screen and history', `${ESC}[3J`],
  ['ESC M at the top', `${ESC}[H${ESC}M`],
  ['insert lines', `${ESC}[H${ESC}[24L`],
  ['soft reset', `${ESC}[!p`],
];
const STORM_BYTES = 256 * 1024;

let gateway: Gateway;
let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openGateway();
  ({ page } = await openLoggedIn(browser, gateway));
  await page.evaluate(() => {
    const tasks: number[] = [];
    Object.assign(window, { tasks });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
      type: 'longtask',
    });
  });
});
afterAll(async () => {
  await gateway?.close();
});

async function stormOf(name: string, one: string): Promise<{ readonly longest: number; readonly tookMs: number }> {
  const emitter = new Emitter(gateway, name.replaceAll(/\W/g, '-'), { cols: 80, rows: 24 });
  const id = await emitter.emit({ response: `${FILL}ready\r\n` });
  await choose(page, id);
  await seeLine(page, 'ready');
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 500)));
  await page.evaluate(() => void (window as unknown as { tasks: number[] }).tasks.splice(0));
  const began = performance.now();
  const storm = one.repeat(Math.ceil(STORM_BYTES / one.length));
  await emitter.emit({ response: `${storm}${ESC}[m${ESC}[r${ESC}[?1049l${ESC}[2J${ESC}[Hbehind\r\n` });
  await seeLine(page, 'behind', 60_000);
  const tookMs = performance.now() - began;
  const tasks = await page.evaluate(() => (window as unknown as { tasks: number[] }).tasks);
  return { longest: Math.round(Math.max(0, ...tasks)), tookMs: Math.round(tookMs) };
}

it('no storm of costly sequences keeps a page from hearing keys for half a second', { timeout: 590_000 }, async () => {
  const seen: { storm: string; longest: number; tookMs: number }[] = [];
  for (const [name, one] of STORMS) {
    const found = { storm: name, ...(await stormOf(name, one)) };
    console.log(found);
    seen.push(found);
  }
  expect(seen.filter(({ longest }) => longest > 500)).toEqual([]);
});

it('the colour that a storm ends with is the one that is drawn', async () => {
  const emitter = new Emitter(gateway, 'last-colour', { cols: 80, rows: 24 });
  const id = await emitter.emit({ response: 'ready\r\n' });
  await choose(page, id);
  await seeLine(page, 'ready');
  const storm = Array.from(
    { length: 5000 },
    (_, n) => `${ESC}]4;1;#0000${(n % 256).toString(16).padStart(2, '0')}\x07`,
  );
  await emitter.emit({ response: `${storm.join('')}${ESC}]4;1;#123405\x07${ESC}[31mred no more${ESC}[m\r\n` });
  await seeLine(page, 'red no more');
  const colour = (): Promise<string> =>
    page.locator('.xterm-rows span', { hasText: 'red no more' }).evaluate((span) => getComputedStyle(span).color);
  await expect.poll(colour).toBe('rgb(18, 52, 5)');
});

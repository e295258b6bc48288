import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type LostGateway, openLostGateway } from '../browser/lost.fixture.ts';
import { openBrowser, seeLine } from '../browser/page.fixture.ts';
import { count, inAll } from '../support/count.ts';
import { until } from '../support/until.ts';
import { type Bundle, bundlePage, openApp, shareApp } from './react.fixture.ts';

let gateway: LostGateway;
let browser: Browser;
let bundle: Bundle;
beforeAll(async () => {
  [gateway, browser, bundle] = await Promise.all([openLostGateway(), openBrowser(), bundlePage()]);
});
afterAll(async () => {
  await gateway?.close();
});

const start = (command: string, mode: 'pipe' | 'pty' = 'pipe') => gateway.client.sessions.create({ command, mode });
const line = (page: Page, text: string) => page.locator('[data-line]', { hasText: new RegExp(`^${text}$`) });
const log = (page: Page) => page.locator('.binnacle-log-lines');
const status = (page: Page) => page.locator('.binnacle-status');
const atEnd = (page: Page, is: boolean) => page.locator(`.binnacle-log[data-at-end="${is}"]`).waitFor();

/** What lands in the clipboard when the reader presses Ctrl-C. */
async function copied(page: Page): Promise<string> {
  await page.evaluate(() => {
    document.addEventListener('copy', (event) =>
      Object.assign(window, { clip: event.clipboardData?.getData('text/plain') }),
    );
  });
  await page.keyboard.press('Control+c');
  return await page.evaluate(() => (window as unknown as { clip: string }).clip);
}

it('the log follows the end while the reader is there, stays where the reader is when not, and leads back', async () => {
  const { id } = await start('seq 1 500; read go; seq 501 1000; read go; seq 1001 1200; read go');
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'log', id });
  await line(app.page, '500').waitFor();
  await gateway.client.session(id).write('go\n');
  await line(app.page, '1000').waitFor();
  await atEnd(app.page, true);
  await log(app.page).hover();
  await app.page.mouse.wheel(0, -3000);
  await atEnd(app.page, false);
  const { top, height } = await log(app.page).evaluate(({ scrollTop, scrollHeight }) => ({
    top: scrollTop,
    height: scrollHeight,
  }));
  await gateway.client.session(id).write('go\n');
  await app.page.waitForFunction((before) => {
    const element = document.querySelector('.binnacle-log-lines');
    return element !== null && element.scrollHeight > before;
  }, height);
  expect(await log(app.page).evaluate((element) => element.scrollTop)).toBe(top);
  // A thousand lines, and as many in the document as are seen, with some beyond.
  expect(await app.page.locator('[data-line]').count()).toBeLessThan(150);
  await app.page.getByText('Jump to the latest').click();
  await line(app.page, '1200').waitFor();
  await atEnd(app.page, true);
  expect(app.complaints).toEqual([]);
});

it('stderr is told apart by a sign and a word, not by its colour alone', async () => {
  const { id } = await start('printf "out"; printf "err one\\n" >&2; sleep 0.2; echo " put"; read go');
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'log', id });
  const wrong = app.page.locator('[data-kind="stderr"]');
  await line(app.page, 'out put').waitFor();
  // A line that was begun is one line, whatever came between.
  expect(await wrong.innerText()).toBe('! err one');
  expect(await wrong.getByLabel('stderr').count()).toBe(1);
  expect(await app.page.locator('[data-line]').count()).toBe(2);
});

it('what is copied has the lines of the program: no wraps, no signs, and also what is not in the document', async () => {
  const long = 'x'.repeat(10_000);
  const { id } = await start(`seq 1 300; head -c 10000 /dev/zero | tr '\\0' x; echo; echo oops >&2; read go`);
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'log', id });
  await line(app.page, '! oops').waitFor();
  await log(app.page).focus();
  await app.page.keyboard.press('Control+a');
  const all = await copied(app.page);
  expect(all.split('\n')).toHaveLength(303);
  expect(all.startsWith('1\n2\n3\n')).toBe(true);
  expect(all.split('\n')).toContain(long);
  expect(all).toContain('\noops\n');
  // A part, from the middle of one line to the middle of another.
  await app.page.evaluate(() => {
    const text = (of: string): Node =>
      [...document.querySelectorAll('[data-text]')].find(({ textContent }) => textContent === of)?.firstChild as Node;
    document.dispatchEvent(new Event('mousedown'));
    document.querySelector('.binnacle-log-lines')?.dispatchEvent(new MouseEvent('mousedown', { bubbles: true }));
    document.getSelection()?.setBaseAndExtent(text('298'), 1, text('300'), 2);
  });
  expect(await copied(app.page)).toBe('98\n299\n30');
});

it('a lost connection, its return and the end are said in words, once and where screen readers hear them', async () => {
  const { id } = await start('echo here; read go; echo more; read go; exit 3');
  // A screen reader announces output that comes after the page is opened.
  await until('it is printed', async () => (await gateway.client.sessions.get(id)).outputOffset > 0);
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'log', id });
  await line(app.page, 'here').waitFor();
  expect(await status(app.page).getAttribute('role')).toBe('status');
  expect(await status(app.page).innerText()).toBe('');
  await gateway.lose();
  await status(app.page).getByText('Reconnecting…').waitFor();
  await gateway.restart();
  await app.page.waitForFunction(() => document.querySelector('.binnacle-status')?.textContent === '');
  await gateway.client.session(id).write('go\n');
  await line(app.page, 'more').waitFor();
  // What comes is told, what was there when it was opened is not.
  await app.page.locator('[aria-live="polite"]', { hasText: 'more' }).waitFor();
  expect(await app.page.locator('[aria-live="polite"]').first().innerText()).not.toContain('here');
  await gateway.client.session(id).write('go\n');
  await status(app.page).getByText('Exited with code 3.').waitFor();
});

it('a log of any length keeps so many lines, and says that there were others', async () => {
  const { id } = await start('seq 1 30000; read go');
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'log', id, props: { options: { maxLines: 1000 } } });
  await line(app.page, '30000').waitFor();
  await app.page.getByText('Earlier output is not shown here.').waitFor();
  await log(app.page).focus();
  await app.page.keyboard.press('Control+a');
  expect((await copied(app.page)).split('\n')).toHaveLength(1001);
});

it('light and dark come from the style sheet, and it works without one', async () => {
  const { id } = await start('echo here; read go');
  const app = await openApp(browser, gateway, bundle);
  const ground = () =>
    app.page.locator('.binnacle-log').evaluate((element) => getComputedStyle(element).backgroundColor);
  await app.page.emulateMedia({ colorScheme: 'light' });
  await app.show({ view: 'log', id });
  await line(app.page, 'here').waitFor();
  expect(await ground()).toBe('rgb(253, 251, 246)');
  await app.page.emulateMedia({ colorScheme: 'dark' });
  expect(await ground()).toBe('rgb(10, 19, 31)');
  await app.page.evaluate(() => document.querySelector('link[rel="stylesheet"]')?.remove());
  await line(app.page, 'here').waitFor();
  expect(await ground()).toBe('rgba(0, 0, 0, 0)');
});

it('a terminal that is mounted late shows what was there, acquires the free lease for what is typed, and fits its box', async () => {
  const { id } = await start('echo before; exec bash --norc', 'pty');
  await until('it is printed', async () => (await gateway.client.sessions.get(id)).outputOffset > 8);
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'terminal', id, props: { autoFocus: true } });
  await seeLine(app.page, 'before');
  await app.page.keyboard.type('echo typed-$((1+1))\n');
  await seeLine(app.page, 'typed-2');
  await app.page.locator('.binnacle-terminal[data-lease="yours"]').waitFor();
  await until('the program has the size of the box', async () => (await gateway.client.sessions.get(id)).cols > 90);
  const { cols, rows } = await gateway.client.sessions.get(id);
  await app.page.keyboard.type('stty size\n');
  await seeLine(app.page, `${rows} ${cols}`);
  // The box is another one: so is the size.
  await app.page.setViewportSize({ width: 500, height: 400 });
  await until('the program has the new size', async () => (await gateway.client.sessions.get(id)).cols < 70);
  expect(app.complaints).toEqual([]);
});

it('a terminal of somebody else’s size is seen whole and not resized, and typing says who is in control', async () => {
  const { id } = await start('exec bash --norc', 'pty');
  const other = gateway.client.session(id);
  await other.lease.acquire({ holder: 'Ada' });
  await other.resize(200, 60);
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'terminal', id, props: { autoFocus: true } });
  await app.page.locator('.binnacle-terminal[data-lease="taken"]').waitFor();
  await app.page.waitForFunction(() => {
    const screen = document.querySelector<HTMLElement>('.xterm-screen');
    const box = document.querySelector<HTMLElement>('.binnacle-terminal-box');
    return screen !== null && box !== null && screen.offsetWidth > 0 && screen.offsetWidth <= box.clientWidth;
  });
  await seeLine(app.page, /[#$]$/);
  expect(await app.page.locator('.xterm-rows > div').count()).toBe(60);
  await app.page.locator('.xterm-helper-textarea').focus();
  await app.page.keyboard.type('x');
  await status(app.page).getByText('Ada is in control. What you typed was not sent.').waitFor();
  expect(await gateway.client.sessions.get(id)).toMatchObject({ cols: 200, rows: 60 });
  await app.page.getByRole('button', { name: 'Take control' }).click();
  await app.page.locator('.binnacle-terminal[data-lease="yours"]').waitFor();
  await until('the program has our size', async () => (await gateway.client.sessions.get(id)).cols < 150);
  await other.lease.take({ holder: 'Ada' });
  await status(app.page).getByText('Ada took control.').waitFor();
});

it('of a program without a terminal it fills its box, and nobody is asked for that', async () => {
  const { id } = await start('echo here; echo there; read go');
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'terminal', id });
  await seeLine(app.page, 'there');
  await app.page.waitForFunction(() => document.querySelectorAll('.xterm-rows > div').length > 30);
  expect((await gateway.client.sessions.get(id)).rows).toBe(24);
  expect(app.complaints).toEqual([]);
});

it('without xterm.js a terminal says what is missing, and the page goes on', async () => {
  const { id } = await start('echo here; read go', 'pty');
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'terminal', id, props: { isMissing: true } });
  await status(app.page).getByText('xterm.js could not be loaded.').waitFor();
  await status(app.page).getByText('npm install @xterm/xterm').waitFor();
  await app.show({ view: 'log', id });
  await line(app.page, 'here').waitFor();
  expect(app.complaints).toEqual([]);
});

it('what a notice says takes no room: the program keeps its size while the gateway is away', async () => {
  const { id } = await start('exec bash --norc', 'pty');
  const app = await shareApp(browser, gateway, bundle);
  await app.show({ view: 'terminal', id, props: { autoFocus: true } });
  await seeLine(app.page, /[#$]$/);
  await app.page.keyboard.type('x');
  await until('the program has the size of the box', async () => (await gateway.client.sessions.get(id)).cols > 90);
  const { cols, rows } = await gateway.client.sessions.get(id);
  await gateway.lose();
  await status(app.page).getByText('Reconnecting…').waitFor();
  await gateway.restart();
  // The delay before the next attempt grows while the gateway starts, to 10 s at most.
  await app.page.locator('.binnacle-terminal[data-state="live"]').waitFor({ timeout: 25_000 });
  await app.page.keyboard.type('\b stty size\n');
  await seeLine(app.page, `${rows} ${cols}`);
});

/** More than the page keeps. */
const FLOOD_MB = count({ quick: 12, all: 50 });

inAll(
  `a flood of ${FLOOD_MB} MB goes through the terminal: its end shows, and reading waits for the drawing`,
  async () => {
    const { id } = await start(
      `read go; head -c ${FLOOD_MB}000000 /dev/zero | tr '\\0' x | fold -w 79; echo; echo the-end; read go`,
      'pty',
    );
    const app = await shareApp(browser, gateway, bundle);
    await app.show({ view: 'both', id });
    await app.page.locator('.xterm-rows').waitFor();
    await app.page.evaluate(() => {
      Object.assign(window, { most: 0 });
      const frame = (): void => {
        Object.assign(window, { most: Math.max((window as unknown as { most: number }).most, look.said.chunks.bytes) });
        requestAnimationFrame(frame);
      };
      frame();
    });
    await gateway.client.session(id).write('go\n');
    await seeLine(app.page, 'the-end', 60_000);
    await line(app.page, 'the-end').waitFor();
    expect(await app.page.evaluate(() => (window as unknown as { most: number }).most)).toBeLessThanOrEqual(8 << 20);
    expect(app.complaints).toEqual([]);
  },
  90_000,
);

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Commands } from '../support/commands.ts';
import { some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { choose, lines, seeLine, sharePage, startShell, type } from './page.fixture.ts';

let gateway: Gateway;
let dir: string | undefined;
let screen: string;
let commands: Commands;
beforeAll(async () => {
  gateway = await openGateway();
  dir = mkdtempSync(join(tmpdir(), 'binnacle-browser-'));
  screen = join(dir, 'screen.mjs');
  writeFileSync(screen, FULL_SCREEN);
  const binary = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
  commands = new Commands(binary, { BINNACLE_URL: gateway.url, BINNACLE_TOKEN: gateway.token });
});
afterAll(async () => {
  commands?.end();
  await gateway?.close();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

/**
 * What vim and htop do, without either: the other screen, a frame as large as the terminal, keys one by one, and a
 * new frame when the size changes. Ends on q.
 */
const FULL_SCREEN = `
  let keys = '';
  const draw = () => {
    const { columns, rows } = process.stdout;
    const middle = ('|size ' + columns + 'x' + rows + ' keys ' + keys).padEnd(columns - 1) + '|';
    const frame = ['+' + '-'.repeat(columns - 2) + '+', middle];
    for (let row = 3; row < rows; row += 1) frame.push('|' + ' '.repeat(columns - 2) + '|');
    frame.push('+' + '='.repeat(columns - 2) + '+');
    process.stdout.write('\\x1b[2J' + frame.map((line, at) => '\\x1b[' + (at + 1) + ';1H' + line).join(''));
  };
  process.stdout.write('\\x1b[?1049h\\x1b[?25l');
  process.stdin.setRawMode(true);
  process.stdin.on('data', (bytes) => {
    keys += bytes;
    draw();
    if (keys.endsWith('q')) process.stdout.write('\\x1b[?25h\\x1b[?1049l', () => process.exit(7));
  });
  process.stdout.on('resize', draw);
  draw();
`;

const leaseButton = (page: Page, kind: string) => page.locator(`[data-testid="lease"][data-lease="${kind}"]`);
const notice = (page: Page, about: string) => page.locator(`[data-testid="notice"][data-about="${about}"]`);

/** The size that the header tells. */
async function sizeOnPage(page: Page): Promise<string> {
  return /\d+×\d+/.exec((await page.getByTestId('session-view').locator('header').textContent()) ?? '')?.[0] ?? '';
}

/** The frame fills the terminal to its last row and column, and names its size. */
async function seeFrame(page: Page, keys = ''): Promise<void> {
  let last: string[] = [];
  await until('the frame fills the terminal', async () => {
    last = await lines(page);
    const [cols, rows] = (await sizeOnPage(page)).split('×').map(Number);
    return (
      last.length === rows &&
      last[0] === `+${'-'.repeat((cols ?? 2) - 2)}+` &&
      last.at(-1) === `+${'='.repeat((cols ?? 2) - 2)}+` &&
      last[1]?.startsWith(`|size ${cols}x${rows} keys ${keys} `) === true
    );
  });
}

it('the exit status of a program is shown as it was', async () => {
  const { page } = await sharePage(gateway);
  const id = await startShell(page);
  await type(page, 'echo last-$((1+1))-words; exit 3');
  await notice(page, 'exit').getByText('Exited with code 3').waitFor();
  await seeLine(page, 'last-2-words');
  await page.locator(`[data-session="${id}"] .session-state`).getByText('exited 3').waitFor();
  expect(await leaseButton(page, 'yours').count()).toBe(0);

  const killed = await gateway.client.sessions.create({ command: 'kill -9 $$' });
  await choose(page, killed.id);
  await notice(page, 'exit').getByText('Ended by SIGKILL').waitFor();
});

it('a program on the whole screen is drawn to the last corner, gets keys, and follows the size of the window', async () => {
  const { page } = await sharePage(gateway);
  await startShell(page);
  await type(page, `echo before-$((1+1)); ${process.execPath} ${screen}; echo code=$?`);
  await seeFrame(page);
  const first = await sizeOnPage(page);
  await page.keyboard.type('hello');
  await seeFrame(page, 'hello');
  await page.setViewportSize({ width: 780, height: 420 });
  await until('the program has a smaller screen', async () => (await sizeOnPage(page)) !== first);
  await seeFrame(page, 'hello');
  await page.setViewportSize({ width: 1000, height: 640 });
  await until('the program has the first size again', async () => (await sizeOnPage(page)) === first);
  await seeFrame(page, 'hello');
  await page.keyboard.type('q');
  await seeLine(page, 'code=7');
  await seeLine(page, 'before-2');
});

/** Each takes as long as it blinks. */
const SHAPES = [
  [1, 'block'],
  [3, 'underline'],
  [5, 'bar'],
] as const;

it('the cursor blinks in each of its shapes, and asks for no frames in between', async () => {
  const { page, complaints } = await sharePage(gateway);
  await startShell(page);
  /** How it looks, one after the other, as the page itself sees it: whoever asks from outside may always come in the dark. */
  const styles = (): Promise<string[]> =>
    page.evaluate(async () => {
      const seen: string[] = [];
      for (const end = performance.now() + 10_000; seen.length < 3 && performance.now() < end; ) {
        const cursor = document.querySelector('.xterm-rows.xterm-focus .xterm-cursor');
        if (cursor === null) throw new Error('There is no cursor.');
        const { backgroundColor, boxShadow, borderBottomStyle } = getComputedStyle(cursor);
        const style = [backgroundColor, boxShadow, borderBottomStyle].join();
        if (style !== seen.at(-1)) seen.push(style);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return seen;
    });
  // An animation makes the browser ask for every frame, and what comes from the network waits for the next one.
  const animations = (): Promise<number> => page.evaluate(() => document.getAnimations().length);
  for (const [code, shape] of some(SHAPES, 1)) {
    await type(page, `printf '\\e[${code} q'; echo now-$((1+1))-${shape}`);
    await seeLine(page, `now-2-${shape}`);
    await page.locator(`.xterm-cursor-blink.xterm-cursor-${shape}`).waitFor();
    const [lit = '', dark = '', ...back] = await styles();
    expect({ shape, lit, dark, back }).toEqual({ shape, lit, dark, back: [lit] });
    expect(await animations()).toBe(0);
  }
  expect(complaints).toEqual([]);
});

it('when another client takes control the page says so, watches in that size, and can take control back', async () => {
  const { page } = await sharePage(gateway);
  const id = await startShell(page);
  await type(page, 'echo mine-$((1+1))');
  await seeLine(page, 'mine-2');
  const before = await sizeOnPage(page);

  const other = gateway.connect().session(id);
  await other.lease.take({ holder: 'first mate' });
  await leaseButton(page, 'taken').getByText('first mate').waitFor();
  await notice(page, 'lease-lost').getByText('first mate took over').waitFor();
  await other.resize(60, 12);
  await until('the page shows the size of the one who steers', async () => (await sizeOnPage(page)) === '60×12');
  expect(await lines(page)).toHaveLength(12);
  await other.write('echo theirs-$((1+1))\n');
  await seeLine(page, 'theirs-2');
  await type(page, 'echo not-$((1+1))-sent');
  await page.locator('[data-code="lease_held"]').waitFor();

  await leaseButton(page, 'taken').click();
  await leaseButton(page, 'yours').waitFor();
  await until('the page has its own size again', async () => (await sizeOnPage(page)) === before);
  await type(page, 'echo mine-$((2+1))-again');
  await seeLine(page, 'mine-3-again');
  expect((await lines(page)).join('\n')).not.toContain('not-2-sent');
  await expect(other.write('echo late\n')).rejects.toThrow();
});

it('what runs in `binnacle run` in one terminal is watched and steered in the page at the same time', async () => {
  const terminal = await commands.inTerminal(`$B run --name both -- ${process.execPath} ${screen}`);
  await until('the terminal shows the frame', () => terminal.text().includes('size 100x30'));
  const { page } = await sharePage(gateway);
  await page.getByTestId('session').filter({ hasText: 'both' }).click();
  await seeFrame(page);
  expect(await sizeOnPage(page)).toBe('100×30');
  terminal.type('abc');
  await seeFrame(page, 'abc');

  await leaseButton(page, 'taken').click();
  await leaseButton(page, 'yours').waitFor();
  await page.getByTestId('terminal').click();
  await page.keyboard.type('de');
  await seeFrame(page, 'abcde');
  await until('the terminal shows it too', () => terminal.text().includes('keys abcde'));
  await page.keyboard.type('q');
  await notice(page, 'exit').getByText('Exited with code 7').waitFor();
  await until('the terminal is back at its shell', () => /code=7[\s\S]*done/.test(terminal.text()));
});

// A real Chromium and the page in it, as a person has it: what is on the terminal, and how one gets in. Knows no test.

import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { TestContext } from 'vitest';
import { type GatewayFixture, until } from '../gateway/gateway.fixture.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const SHELL = '/usr/bin/chromium-headless-shell';
const FLAGS = [
  '--no-sandbox', // tests run as root in containers, where Chromium's own sandbox does not start
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function chromiumPath(): string {
  const named = process.env.BINNACLE_CHROMIUM ?? process.env.CHROMIUM;
  const found = (named === undefined ? PLACES : [named]).find(isProgram);
  if (found !== undefined) return found;
  throw new Error(
    `The browser tests need a Chromium, and there is none at ${named ?? PLACES.join(', ')}. ` +
      'Install it (Debian: apt-get install chromium), or set BINNACLE_CHROMIUM to the path of a Chrome.',
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not for us
  }
}

/** The same engine without windows, where it is there: a page in it costs half as much. */
function shellPath(): string | undefined {
  const { BINNACLE_CHROMIUM: named, BINNACLE_CHROMIUM_SHELL: shell = named === undefined ? SHELL : undefined } =
    process.env;
  return shell !== undefined && isProgram(shell) ? shell : undefined;
}

/**
 * With a fresh profile, which goes when it is closed. Throws, and never skips, where there is no Chromium. `isWhole`: with
 * all that belongs to a browser and not to a page, as notifications and being installed.
 */
export const openBrowser = ({ isWhole = false } = {}): Promise<Browser> =>
  chromium.launch({ executablePath: (isWhole ? undefined : shellPath()) ?? chromiumPath(), args: FLAGS });

export interface Deck {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What went wrong in the page since it opened: errors, refusals by its Content-Security-Policy, failed scripts. */
  readonly complaints: readonly string[];
  /** The addresses of all WebSockets that it opened. */
  readonly sockets: readonly string[];
}

/** Makes a login link, as `binnacle token link` prints it. Default scope: the scope of the admin token. */
export async function loginLink(gateway: GatewayFixture, scope?: string): Promise<string> {
  const body = JSON.stringify(scope === undefined ? {} : { scope });
  const response = await gateway.fetch('/v1/tickets', { method: 'POST', body, headers: JSON_BODY });
  const { url } = (await response.json()) as { url: string };
  return url;
}
const JSON_BODY = { 'content-type': 'application/json' };

/** A browser of its own (cookies, storage) that nobody is logged in with. */
export async function openContext(browser: Browser, options: BrowserContextOptions = {}): Promise<Deck> {
  const context = await browser.newContext({ viewport: { width: 1000, height: 640 }, ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  const sockets: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('websocket', (socket) => sockets.push(socket.url()));
  return { context, page, complaints, sockets };
}

/** The half of a login that its page keeps, as the header that it sends. */
export const keyOf = async (page: Page): Promise<{ readonly 'Binnacle-Key': string }> => ({
  'Binnacle-Key': await page.evaluate(
    () => Object.entries(localStorage).find(([name]) => name.startsWith('binnacle.key:'))?.[1] ?? '',
  ),
});

/** The page, logged in through a login link, and connected; `via` another address of the gateway. */
export async function openDeck(
  browser: Browser,
  gateway: GatewayFixture,
  options: BrowserContextOptions & { readonly via?: string } = {},
): Promise<Deck> {
  const { via = gateway.url, ...rest } = options;
  const deck = await openContext(browser, rest);
  await deck.page.goto((await loginLink(gateway)).replace(gateway.url, via));
  await deck.page.locator('[data-testid="deck"][data-link="open"]').waitFor();
  return deck;
}

/** Closes all pages after a test; says before what they showed if it failed, with pictures in `$BINNACLE_SHOTS`. */
export async function closePages(browser: Browser, { task }: TestContext): Promise<void> {
  for (const context of browser.contexts()) {
    if (task.result?.state === 'fail') await Promise.all(context.pages().map((page) => tell(page, task.name)));
    await context.close();
  }
}

/** What a page showed when a test failed. */
export async function tell(page: Page, test: string): Promise<void> {
  const folder = process.env.BINNACLE_SHOTS;
  const file = `${test.replace(/\W+/g, '-').slice(0, 80)}.png`;
  if (folder !== undefined) await page.screenshot({ path: join(folder, file) });
  const rest = await page.evaluate(() => document.body?.innerText);
  console.error(`${test}\n${page.url()}\n${rest}\n${(await lines(page)).join('\n').trimEnd()}`);
}

/** Clicks on New shell and waits until it can be typed into. Returns the id of the session. */
export async function startShell(page: Page): Promise<string> {
  await page.getByTestId('empty-new-shell').or(page.getByTestId('new-shell')).first().click();
  await page.locator('[data-testid="helm"][data-helm="yours"]').waitFor();
  return await shown(page);
}

/** Chooses a session in the list and waits until its history is drawn. */
export async function choose(page: Page, id: string): Promise<void> {
  await page.locator(`[data-testid="session"][data-session="${id}"]`).click();
  await page.locator(`[data-testid="session-view"][data-session="${id}"]:not([data-phase="past"])`).waitFor();
}

/** The id of the session that is on the screen. */
export async function shown(page: Page): Promise<string> {
  return (await page.getByTestId('session-view').getAttribute('data-session')) ?? '';
}

/** Types one line into the terminal, as from the keyboard. */
export async function type(page: Page, line: string): Promise<void> {
  await page.getByTestId('terminal').click();
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}

/** The lines that the terminal shows now, without what pads them. */
export const lines = (page: Page): Promise<string[]> =>
  page
    .locator('.xterm-rows > div')
    .evaluateAll((rows) => rows.map((row) => (row.textContent ?? '').replaceAll('\u00a0', ' ').trimEnd()));

/** Waits for a line that fits; says what was on the terminal if none came. */
export async function seeLine(page: Page, wanted: RegExp | string, withinMs = 15_000): Promise<void> {
  let last: string[] = [];
  const fits = (line: string): boolean => (typeof wanted === 'string' ? line === wanted : wanted.test(line));
  try {
    await until(
      `the terminal shows ${wanted}`,
      async () => {
        last = await lines(page);
        return last.some(fits);
      },
      withinMs,
    );
  } catch (error) {
    throw new Error(`The terminal shows no ${wanted}, but:\n${last.join('\n').trimEnd()}`, { cause: error });
  }
}

/**
 * Every screenful from the top of the scrollback to its end. Neighbours share a line, so two lines that follow
 * each other in the terminal do so in one of them too.
 */
export async function screenfuls(page: Page): Promise<string[][]> {
  await page.getByTestId('terminal').click();
  await scrollToEnd(page, 'Shift+PageUp');
  const pages = [await lines(page)];
  await scrollToEnd(page, 'Shift+PageDown', (screen) => pages.push(screen));
  return pages;
}

async function scrollToEnd(page: Page, key: string, see?: (screen: string[]) => void): Promise<void> {
  let before = '';
  for (;;) {
    await page.keyboard.press(key);
    // What was scrolled is drawn in the next frame, which is over when the one after it begins.
    await page.evaluate(
      () => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))),
    );
    const screen = await lines(page);
    const now = screen.join('\n');
    if (now === before) return;
    before = now;
    see?.(screen);
  }
}

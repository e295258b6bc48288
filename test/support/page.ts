// The page in a real Chromium, as a person has it: how one gets in, what is on the terminal. Closes itself.

import { join } from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import type { GatewayAccess } from './gateway-access.ts';
import { atEnd, forFile } from './teardown.ts';
import { until } from './until.ts';

export interface OpenPage {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Faults of the page since it opened: errors, refusals by its Content-Security-Policy, failed scripts. */
  readonly complaints: readonly string[];
  /** The addresses of all WebSockets that it opened. */
  readonly sockets: readonly string[];
}

export interface ContextOptions extends BrowserContextOptions {
  /** Default: the one of the file. */
  readonly browser?: Browser;
}

/** Makes a login link, as `binnacle token link` prints it. Default scope: the scope of the admin token. */
export async function loginLink(gateway: Pick<GatewayAccess, 'url' | 'fetch'>, scope?: string): Promise<string> {
  const body = JSON.stringify(scope === undefined ? {} : { scope });
  const response = await gateway.fetch('/v1/tickets', { method: 'POST', body, headers: JSON_BODY });
  const { url } = (await response.json()) as { url: string };
  return url;
}
const JSON_BODY = { 'content-type': 'application/json' };

/**
 * A profile of its own (cookies, storage) without a login. Closed at the end; what its pages showed is printed before if
 * the test failed, with pictures in `$BINNACLE_SHOTS`.
 */
export async function openContext({ browser, ...options }: ContextOptions = {}): Promise<OpenPage> {
  browser ??= await openBrowser();
  // The service worker costs a process of its own: tests that are about it, or about notifications, allow it.
  const context = await browser.newContext({
    viewport: { width: 1000, height: 640 },
    serviceWorkers: 'block',
    ...options,
  });
  atEnd(async (failed) => {
    if (failed !== undefined) await Promise.all(context.pages().map((page) => tell(page, failed.name)));
    await context.close();
  });
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
export async function openPage(
  gateway: Pick<GatewayAccess, 'url' | 'fetch'>,
  options: ContextOptions & { readonly via?: string } = {},
): Promise<OpenPage> {
  const { via = gateway.url, ...rest } = options;
  const opened = await openContext(rest);
  await opened.page.goto((await loginLink(gateway)).replace(gateway.url, via));
  await opened.page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  return opened;
}

interface SharedPage {
  opened?: Promise<OpenPage>;
}
/** The shared page of each gateway. The entry of a gateway goes with the gateway. */
const shared = new WeakMap<object, SharedPage>();

/**
 * One page for all tests of a file: logged in once, and led back to its first view for each test, without a load. A
 * login costs about a second of CPU. Only for tests that leave nothing behind which another test would see: they close
 * their dialogs, and sessions and conversations have names of their own. After a failed test the next one has a fresh
 * page.
 */
export async function sharePage(gateway: Pick<GatewayAccess, 'url' | 'fetch'>): Promise<OpenPage> {
  const known = shared.get(gateway) ?? {};
  shared.set(gateway, known);
  atEnd(async (failed) => {
    if (failed === undefined) return;
    const opened = await known.opened;
    delete known.opened;
    if (opened === undefined) return;
    await tell(opened.page, failed.name);
    await opened.context.close();
  });
  if (known.opened === undefined) {
    known.opened = forFile(() => openPage(gateway));
    return await known.opened;
  }
  const { context, page, complaints, sockets } = await known.opened;
  for (const other of context.pages()) if (other !== page) await other.close();
  await page.evaluate(() => {
    location.hash = '';
  });
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  (complaints as string[]).length = 0;
  (sockets as string[]).length = 0;
  return { context, page, complaints, sockets };
}

/** Writes a picture of the page when a test fails. */
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
  await page.locator('[data-testid="lease"][data-lease="yours"]').waitFor();
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
    // A scroll is drawn in the next frame, which has ended when the frame after it begins.
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

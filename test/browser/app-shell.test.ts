import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { idOf, makeSessions, nameOf } from './many-sessions.fixture.ts';
import { loginLink, openBrowser, openContext, seeLine, sharePage, startShell, type } from './page.fixture.ts';

/** Several pages of the list. */
const MANY = count({ quick: 1000, all: 10_000 });

let gateway: Gateway;
let browser: Browser;
beforeAll(async () => {
  [browser, gateway] = await Promise.all([openBrowser(), openGateway({ prepare: (dir) => makeSessions(dir, MANY) })]);
});
afterAll(async () => {
  await gateway?.close();
});

const row = (page: Page, n: number) => page.locator(`[data-testid="session"][data-session="${idOf(n)}"]`);
const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute('data-session'));
const whole = (page: Page) => page.locator('[data-testid="sidebar-list"][aria-busy="false"]').waitFor();

it('thousands of sessions: the first rows are there before the rest; keys, a filter and the pointer go through them', async () => {
  const { page, complaints } = await openContext(browser);
  // What comes behind the first page waits until the first rows were seen.
  let release = (): void => undefined;
  const seen = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(/\/v1\/sessions\?.*after=/, async (route) => {
    await seen;
    await route.continue();
  });
  await page.goto(await loginLink(gateway));
  await row(page, MANY - 1).waitFor();
  expect(await page.getByTestId('sidebar-list').getAttribute('aria-busy')).toBe('true');
  const top = await row(page, MANY - 1).boundingBox();
  release();
  await whole(page);
  // Nothing has moved when they came.
  expect(await row(page, MANY - 1).boundingBox()).toEqual(top);
  const item = page.getByRole('listitem').filter({ has: row(page, MANY - 1) });
  expect(await item.getAttribute('aria-posinset')).toBe('1');
  expect(await item.getAttribute('aria-setsize')).toBe(String(MANY));
  expect(await page.getByTestId('session').count()).toBeLessThan(60);

  // Keys go to both ends and back, and Enter opens one.
  await row(page, MANY - 1).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  expect(await focused(page)).toBe(idOf(MANY - 3));
  await page.keyboard.press('End');
  await until('the last row has the focus', async () => (await focused(page)) === idOf(0));
  expect(await row(page, 0).isVisible()).toBe(true);
  await page.keyboard.press('PageUp');
  await until('ten rows above', async () => (await focused(page)) === idOf(10));
  await page.keyboard.press('Enter');
  await page.locator(`[data-testid="session-view"][data-session="${idOf(10)}"]`).waitFor();
  expect(await page.title()).toBe(`${nameOf(10)} · Binnacle`);
  await row(page, 10).focus();
  await page.keyboard.press('Home');
  await until('the first row has the focus', async () => (await focused(page)) === idOf(MANY - 1));
  // Scrolled away, the row with the focus stays where Tab left it.
  await page.getByTestId('sidebar-list').evaluate((list) => list.scrollTo(0, list.scrollHeight / 2));
  await row(page, MANY / 2).waitFor();
  expect(await focused(page)).toBe(idOf(MANY - 1));

  // A filter finds the rare ones, says how many, and leads on to the search of all output.
  await page.getByTestId('filter-text').pressSequentially('rare-0');
  await row(page, MANY - 100).waitFor();
  await page
    .getByTestId('found')
    .getByText(`${MANY / 100} of ${MANY} rows`)
    .waitFor();
  await row(page, MANY - 1).waitFor({ state: 'detached' });
  await page.getByTestId('filter-text').fill('nowhere to be found');
  await page.getByTestId('none-match').getByText(`None of ${MANY} fits`).waitFor();
  await page.getByRole('link', { name: 'Search all output for' }).click();
  await page.getByTestId('search-view').waitFor();
  expect(page.url()).toContain('#/search?q=nowhere');
  await page.getByTestId('none-clear').click();
  await row(page, MANY - 1).waitFor();

  // The list holds its order below the pointer, and takes the new one when the pointer has left.
  await row(page, MANY - 2).hover();
  const before = await row(page, MANY - 2).boundingBox();
  const { id } = await gateway.client.sessions.create({ name: 'fresh', command: 'read stop' });
  await page
    .getByTestId('sidebar-list')
    .getByText(String(MANY + 1))
    .waitFor();
  expect(await row(page, MANY - 2).boundingBox()).toEqual(before);
  await page.mouse.move(900, 300);
  await page.locator(`[data-testid="session"][data-session="${id}"]`).waitFor();
  expect((await row(page, MANY - 2).boundingBox())?.y).toBe((before?.y ?? 0) + (before?.height ?? 0));
  await gateway.client.sessions.delete(id);
  await page.locator(`[data-testid="session"][data-session="${id}"]`).waitFor({ state: 'detached' });
  expect(complaints).toEqual([]);
});

it('the address of an old session shows it before the list has come down to it', async () => {
  const { page, complaints } = await sharePage(gateway);
  let release = (): void => undefined;
  const seen = new Promise<void>((resolve) => {
    release = resolve;
  });
  await whole(page);
  await page.route(/\/v1\/sessions\?.*after=/, async (route) => {
    await seen;
    await route.continue();
  });
  await page.goto('about:blank');
  await page.goto(`${gateway.url}/#/${idOf(5)}`);
  const view = page.locator(`[data-testid="session-view"][data-session="${idOf(5)}"]`);
  await view.waitFor();
  expect(await page.getByTestId('sidebar-list').getAttribute('aria-busy')).toBe('true');
  expect(await page.title()).toBe(`${nameOf(5)} · Binnacle`);
  const shown = await view.elementHandle();
  release();
  await whole(page);
  await page.unrouteAll();
  // It is the same one, drawn once.
  expect(await shown?.evaluate((element) => element.isConnected)).toBe(true);
  expect(complaints).toEqual([]);
});

it('the palette leads to a session, a page and an action by words, and a question mark to the keys; in a terminal both are the shell’s', async () => {
  const { page, complaints } = await sharePage(gateway);
  await row(page, MANY - 1).waitFor();
  const field = page.getByTestId('palette-text');
  await page.keyboard.press('Control+k');
  const known = MANY - 13;
  await field.fill(nameOf(known).replace('night-', 'ngt '));
  await page.getByTestId('palette-offer').first().getByText(nameOf(known)).waitFor();
  await page.keyboard.press('Enter');
  await page.locator(`[data-testid="session-view"][data-session="${idOf(known)}"]`).waitFor();
  expect(await page.getByTestId('dialog').count()).toBe(0);

  await page.getByTestId('palette').click();
  await field.fill('new terminal');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid="lease"][data-lease="yours"]').waitFor();
  // Ctrl-K cuts to the end of the line, and Ctrl-Shift-K is the page's.
  await page.getByTestId('terminal').click();
  await page.keyboard.type('echo kept-$((40+2)) cut');
  for (let i = 0; i < 4; i += 1) await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Control+k');
  await page.keyboard.press('Enter');
  await seeLine(page, 'kept-42');
  expect(await page.getByTestId('dialog').count()).toBe(0);
  await page.keyboard.press('Control+Shift+K');
  await field.fill('traffic');
  await page.keyboard.press('Escape');
  await page.getByTestId('dialog').waitFor({ state: 'detached' });
  // The focus is back in the terminal.
  await page.keyboard.type('echo back-$((40+2))\n');
  await seeLine(page, 'back-42');

  // What its menu and its header offer for the session in view is here too, and the focus goes where it is wanted.
  const act = async (text: string): Promise<void> => {
    await page.keyboard.press('Control+Shift+K');
    await field.fill(text);
    await page.getByTestId('palette-offer').first().getByText('this session').waitFor();
    await page.keyboard.press('Enter');
  };
  const focused = (): Promise<string | null | undefined> =>
    page.evaluate(() => document.activeElement?.getAttribute('data-testid'));
  await act('let go');
  await page.locator('[data-testid="lease"][data-lease="free"]').waitFor();
  await page.getByTestId('session-menu').focus();
  await act('take control');
  await page.locator('[data-testid="lease"][data-lease="yours"]').waitFor();
  await page.keyboard.type('echo typed-$((40+2))\n');
  await seeLine(page, 'typed-42');
  await act('save as file');
  await page.getByTestId('export-cast').waitFor();
  await page.keyboard.press('Escape');
  await act('mute');
  await page.locator('[data-testid="mute"][aria-pressed="true"]').waitFor();
  await act('find output');
  await until('the find bar has the focus', async () => (await focused()) === 'find-text');
  await page.keyboard.press('Escape');

  await page.keyboard.press('Control+Shift+K');
  await field.fill('traffic');
  await page.keyboard.press('Enter');
  await page.getByTestId('traffic-view').waitFor();
  const dark = await page.evaluate(() => document.documentElement.dataset.theme);
  await page.keyboard.press('Control+k');
  await field.fill('change');
  await page.keyboard.press('Enter');
  await until(
    'another theme',
    async () => (await page.evaluate(() => document.documentElement.dataset.theme)) !== dark,
  );

  // A question mark shows the keys, but not where it is typed.
  await startShell(page);
  await type(page, 'echo what?');
  await seeLine(page, 'what?');
  expect(await page.getByTestId('dialog').count()).toBe(0);
  await page.getByTestId('filter-text').fill('');
  await page.getByTestId('filter-text').press('?');
  expect(await page.getByTestId('filter-text').inputValue()).toBe('?');
  await page.getByTestId('filter-text').fill('');
  await page.getByTestId('palette').focus();
  await page.keyboard.press('?');
  await page.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  await until('the filter has the focus', () =>
    page.evaluate(() => document.activeElement?.getAttribute('data-testid') === 'filter-text'),
  );
  expect(complaints).toEqual([]);
});

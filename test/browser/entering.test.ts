import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import {
  closePages,
  keyOf,
  loginLink,
  openBrowser,
  openContext,
  openLoggedIn,
  seeLine,
  startShell,
  type,
} from './page.fixture.ts';

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

it('a login link opens the page, is gone from the address, and one click starts a shell that can be typed into', async () => {
  const { page, complaints } = await openContext(browser);
  await page.goto(await loginLink(gateway));
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  expect(page.url()).toBe(`${gateway.url}/`);
  expect(await page.evaluate(() => JSON.stringify([history.length, { ...localStorage }, document.cookie]))).not.toMatch(
    /ticket|token/,
  );
  await startShell(page);
  await type(page, 'echo it-$((6*7))-works');
  await seeLine(page, 'it-42-works');
  expect(complaints).toEqual([]);
});

it('a login link works once: the second browser shows how to get another', async () => {
  const link = await loginLink(gateway);
  const first = await openContext(browser);
  await first.page.goto(link);
  await first.page.getByTestId('app-shell').waitFor();
  const second = await openContext(browser);
  await second.page.goto(link);
  await second.page.locator('[data-testid="failure"][data-code="unauthorized"]').waitFor();
  expect(await second.page.getByTestId('app-shell').count()).toBe(0);
  expect((await second.context.request.get(`${gateway.url}/v1/sessions`)).status()).toBe(401);

  await second.page.getByTestId('ticket').fill(await loginLink(gateway));
  await second.page.getByTestId('enter').click();
  await second.page.getByTestId('app-shell').waitFor();
});

it('the cookie is out of reach for scripts and other sites, and logging out ends every page that came in with it', async () => {
  const { context, page } = await openLoggedIn(browser, gateway);
  const cookies = await context.cookies();
  expect(cookies).toHaveLength(1);
  expect(cookies[0]).toMatchObject({ httpOnly: true, sameSite: 'Strict', domain: '127.0.0.1' });
  expect(await page.evaluate(() => document.cookie)).toBe('');

  const cookie = `${cookies[0]?.name}=${cookies[0]?.value}`;
  // The other half is stored for this origin only; see login-origin.test.ts.
  const key = await keyOf(page);
  const me = () => fetch(`${gateway.url}/v1/me`, { headers: { cookie, ...key } });
  expect((await fetch(`${gateway.url}/v1/me`, { headers: { cookie } })).status).toBe(401);
  expect((await me()).status).toBe(200);
  const other = await context.newPage();
  await other.goto(gateway.url);
  await other.locator('[data-testid="app-shell"][data-link="open"]').waitFor();

  await page.getByTestId('logout').click();
  await page.getByTestId('login').waitFor();
  expect((await me()).status).toBe(401);
  expect(await page.evaluate(() => Object.keys(localStorage).filter((name) => name.includes('key')))).toEqual([]);
  expect(await context.cookies()).toEqual([]);
  await other.getByTestId('login').waitFor({ timeout: 3000 });
});

inAll('nothing in the address sends the page anywhere but to its own gateway', async () => {
  const { page, sockets, complaints } = await openLoggedIn(browser, gateway);
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(`${gateway.url}/`)) elsewhere.push(request.url());
  });
  await page.goto(
    `${gateway.url}/?gatewayUrl=ws://evil.example:1/&url=ws://evil.example:1/&token=x#gatewayUrl=ws://evil.example:1/&token=x`,
  );
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  expect(elsewhere).toEqual([]);
  expect(new Set(sockets)).toEqual(new Set([`${gateway.url.replace('http', 'ws')}/v1/ws`]));
  expect(complaints).toEqual([]);

  const tried = await page.evaluate(
    () =>
      new Promise<string>((done) => {
        document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));
        fetch('https://evil.example/').catch(() => undefined);
      }),
  );
  expect(tried).toBe('connect-src');
});

it('labels of a new session are on its row and its page, and the filter finds it by them', async () => {
  const { page, complaints } = await openLoggedIn(browser, gateway);
  await page.getByTestId('new-form').click();
  await page.getByTestId('new-command').fill('read x');
  await page.getByTestId('new-name').fill('labelled here');
  await page.getByTestId('new-labels').fill('team');
  await page.getByTestId('new-start').click();
  await page.getByText('“team” is not a label.').waitFor();
  await page.getByTestId('new-labels').fill('team=red, job=42, stage=3');
  await page.getByTestId('new-start').click();
  await page.getByTestId('session-title').getByText('labelled here').waitFor();
  expect(await page.getByTestId('label').allInnerTexts()).toHaveLength(3);
  const labels = page.locator('[data-testid="session"]', { hasText: 'labelled here' }).getByTestId('row-labels');
  expect(await labels.getAttribute('title')).toBe('team=red, job=42, stage=3');
  await page.getByTestId('filter-more').click();
  await page.getByTestId('filter-label').selectOption('job=42');
  await until('the list has that one alone', async () => (await page.getByTestId('session').count()) === 1);
  expect(await page.getByTestId('session').innerText()).toContain('labelled here');
  expect(complaints).toEqual([]);
});

inAll('markup in names, titles, links and output is text and does nothing', async () => {
  const payload = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';
  // A title (OSC 0), a link that is script (OSC 8), a clipboard write (OSC 52), and the payload as plain output.
  const output = [
    `\\033]0;${payload}\\007`,
    '\\033]8;;javascript:window.pwned=1\\033\\\\press-me\\033]8;;\\033\\\\\\n',
    '\\033]52;c;cHduZWQ=\\007',
    `${payload}\\n`,
  ].join('');
  const argv = ['/bin/sh', '-c', `printf '${output}'; exec sleep 60`];
  const info = await gateway.client.sessions.create({ argv, name: `${payload}\u202e`, cols: 100, rows: 30 });

  const { context, page, complaints } = await openContext(browser);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const dialogs: string[] = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(await loginLink(gateway));
  await page.locator(`[data-session="${info.id}"]`).click();
  await seeLine(page, payload);
  // The title that the program set is text in the header.
  await page.getByTestId('session-view').getByText(payload).last().waitFor();
  expect(await page.getByTestId('session-title').textContent()).toBe(payload);
  await page.locator('.xterm-rows').getByText('press-me').click({ force: true });

  expect(await page.locator('main img, nav img, main script, nav script, iframe').count()).toBe(0);
  expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
  expect(await page.evaluate(() => navigator.clipboard.readText())).not.toBe('pwned');
  expect({ dialogs, complaints, pages: context.pages().length }).toEqual({ dialogs: [], complaints: [], pages: 1 });
});

it('a page whose login was revoked shows the login within a second', async () => {
  const { page } = await openLoggedIn(browser, gateway);
  const cookies = (await gateway.client.tokens.list()).filter((token) => token.kind === 'cookie');
  const before = performance.now();
  await Promise.all(cookies.map(({ id }) => gateway.client.tokens.revoke(id)));
  await page.getByTestId('login').waitFor();
  expect(performance.now() - before).toBeLessThan(1500);
  await until(
    'nobody is logged in',
    async () => (await page.context().request.get(`${gateway.url}/v1/me`)).status() === 401,
  );
});

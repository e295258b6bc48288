// Plugins in a real Chromium: the page that manages them, their notices, and the limits of their own pages.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { installPlugin, pluginFolder, pluginInfo } from '../plugins/installed.fixture.ts';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openPage } from '../support/page.ts';
import { until } from '../support/until.ts';
import { keyOf, openBrowser, openContext, openLoggedIn, seeLine, sharePage, startShell, type } from './page.fixture.ts';

const HARBOUR = `export default (api) => {
  console.log('the harbour is open');
  console.error('<b>not bold</b>\\u202e');
  api.tool({ name: 'tide', description: 'Tells the tide.', run: () => 'high' });
  api.hook('agentWaits', () => undefined);
  api.route('POST', '/tell', async ({ body }) => {
    for (const notice of JSON.parse(Buffer.from(body))) await api.notify(notice);
    return { status: 204 };
  }, { public: true });
  api.route('GET', '/count', () => { console.log('counted'); return { body: 'one' }; }, { public: true });
  api.route('GET', '/closed', () => ({ body: 'secret' }));
  api.route('POST', '/closed', () => ({ body: 'secret' }));
  const page = (body) => () => ({ headers: { 'content-type': 'text/html' }, body });
  api.route('GET', '/page', page(\`<!doctype html><title>page</title>
    <style>h1 { color: rgb(1, 2, 3) }</style><h1>Harbour</h1>
    <img id="inline" src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==">
    <img id="other" src="/compass.svg" onerror="document.title='onerror ran'">
    <script>document.title = 'inline ran'</script>
    <script src="/plugins/harbour/script"></script>
    <svg onload="document.title='svg ran'"></svg>
    <meta http-equiv="refresh" content="0; url=/v1/me">
    <iframe src="/v1/me"></iframe>
    <form action="/v1/logout" method="post"><button id="send">send</button></form>
    <a id="js" href="javascript:document.title='link ran'">link</a>\`), { public: true });
  api.route('GET', '/script', () => ({ headers: { 'content-type': 'text/javascript' }, body: 'document.title = 1' }), { public: true });
  api.route('GET', '/plain-script', () => ({ headers: { 'content-type': 'text/plain' }, body: 'document.title = "ran"; self.x = 1' }), { public: true });
  api.route('GET', '/svg', () => ({ headers: { 'content-type': 'image/svg+xml' }, body: '<svg xmlns="http://www.w3.org/2000/svg"><script>document.documentElement.setAttribute("ran", "1")</script></svg>' }), { public: true });
};`;
const permissions = {
  tools: { names: ['tide'] },
  hooks: { on: ['agentWaits'] },
  httpRoutes: true,
  notify: true,
  net: { hosts: ['tides.example', 'moon.example'] },
} as const;

let gateway: Gateway;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openGateway();
  await installPlugin(gateway, {
    id: 'harbour',
    source: HARBOUR,
    permissions,
    grants: { httpRoutes: true, notify: true, net: { hosts: ['tides.example'] } },
  });
});

const card = (page: Page, id = 'harbour') => page.locator(`[data-testid="plugin"][data-plugin="${id}"]`);
const permission = (page: Page, name: string) =>
  card(page).locator(`[data-testid="permission"][data-permission="${name}"]`);
const go = (page: Page, hash: string) => page.goto(`${gateway.url}/${hash}`);
const sendNotices = async (...notices: object[]): Promise<void> => {
  const answer = await gateway.fetch('/plugins/harbour/tell', { method: 'POST', body: JSON.stringify(notices) });
  expect(answer.status).toBe(204);
};
const outside = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const own = [...document.querySelectorAll('.main *, .toasts *, dialog *')];
    const far = own.filter(
      (one) => one.closest('svg, .sr-only') === null && one.getBoundingClientRect().right > innerWidth,
    );
    const wide = document.documentElement.scrollWidth > innerWidth ? ['the document'] : [];
    return [...wide, ...far.map((one) => `${one.tagName} ${one.className}`)];
  });
async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.BINNACLE_SHOTS;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

describe('the page of plugins', () => {
  it('shows level, state, permissions with their reasons, and which offers are in force', async () => {
    const { page, complaints } = await sharePage(gateway);
    await page.getByTestId('sidebar-plugins').click();
    expect(page.url()).toContain('#/plugins');
    await card(page).waitFor();
    const { level } = await pluginInfo(gateway, 'harbour');
    expect(await card(page).getByTestId('level').innerText()).toBe(level);
    await card(page).getByText('running', { exact: true }).waitFor();
    await card(page)
      .getByTestId('plugin-facts')
      .getByText(/MiB of memory/)
      .waitFor();
    expect(await permission(page, 'httpRoutes').getAttribute('data-status')).toBe('granted');
    expect(await permission(page, 'tools').getAttribute('data-status')).toBe('denied');
    expect(await permission(page, 'net').getAttribute('data-status')).toBe('partly');
    await permission(page, 'net').getByText('Not granted for the host moon.example.').waitFor();
    await permission(page, 'hooks').getByText('Asks for the hook agentWaits.').waitFor();
    await permission(page, 'tools').getByText('“For the test.”').waitFor();
    const tool = card(page).locator('[data-testid="offer"][data-kind="tool"]');
    expect(await tool.getAttribute('data-in-force')).toBe('false');
    await tool.getByText('it lacks tools').waitFor();
    expect(complaints).toEqual([]);
  });

  it('grants, the rest of what is asked, and takes away, at once and without another process', async () => {
    const { page, complaints } = await sharePage(gateway);
    await go(page, '#/plugins');
    const { pid } = await pluginInfo(gateway, 'harbour');
    const [grantTools, revokeTools] = ['grant', 'revoke'].map((test) => permission(page, 'tools').getByTestId(test));
    await grantTools?.focus();
    await page.keyboard.press('Enter');
    await revokeTools?.waitFor();
    // Who works with the keyboard goes on where they were.
    expect(await revokeTools?.evaluate((one) => one === document.activeElement)).toBe(true);
    await card(page).locator('[data-testid="offer"][data-kind="tool"][data-in-force="true"]').waitFor();
    await permission(page, 'net').getByRole('button', { name: 'Grant net to harbour' }).click();
    await until(
      'all of net is granted',
      async () => (await permission(page, 'net').getAttribute('data-status')) === 'granted',
    );
    const net = (await pluginInfo(gateway, 'harbour')).permissions.find((one) => one.permission === 'net');
    expect(net?.granted).toEqual({ hosts: ['tides.example', 'moon.example'] });
    await permission(page, 'tools').getByTestId('revoke').click();
    await card(page).locator('[data-testid="offer"][data-kind="tool"][data-in-force="false"]').waitFor();
    await permission(page, 'net').getByTestId('revoke').click();
    await until(
      'nothing of net is granted',
      async () => (await permission(page, 'net').getAttribute('data-status')) === 'denied',
    );
    expect((await pluginInfo(gateway, 'harbour')).pid).toBe(pid);
    expect(complaints).toEqual([]);
  });

  it('asks before it grants without a limit, keeps what somebody narrowed, and shows which settings there are', async () => {
    const config = {
      type: 'object',
      properties: { secret: { type: 'string', description: 'Both sides sign with it.' }, city: { type: 'string' } },
      required: ['secret'],
    };
    await installPlugin(gateway, {
      id: 'narrow',
      source: 'export default () => {}',
      permissions: { net: true, notify: true },
      grants: { net: { hosts: ['127.0.0.1:9000'] } },
    });
    const dir = pluginFolder({ id: 'needy', source: 'export default () => {}', config });
    const { digest } = await gateway.client.plugins.preview(dir);
    await gateway.client.plugins.install(dir, digest, {});
    rmSync(dir, { recursive: true });
    const { page, complaints } = await sharePage(gateway);
    await go(page, '#/plugins');
    // One of three: its head alone.
    const net = card(page, 'narrow').locator('[data-permission="net"]');
    await card(page, 'narrow').getByText('running', { exact: true }).waitFor();
    expect(await net.isVisible()).toBe(false);
    await card(page, 'narrow').locator('summary').focus();
    await page.keyboard.press('Enter');
    await net.getByText('Narrowed to the host 127.0.0.1:9000.').waitFor();
    await net.getByText('Asks for it without a limit.').waitFor();
    expect(await net.getAttribute('data-status')).toBe('narrowed');
    await shot(page, 'plugins-narrowed');
    await net.getByTestId('grant').click();
    await page.getByTestId('dialog').getByText('which it keeps').waitFor();
    await shot(page, 'plugins-widen');
    await page.keyboard.press('Escape');
    await page.getByTestId('dialog').waitFor({ state: 'detached' });
    const granted = async () =>
      (await pluginInfo(gateway, 'narrow')).permissions.find((one) => one.permission === 'net')?.granted;
    expect(await granted()).toEqual({ hosts: ['127.0.0.1:9000'] });
    await net.getByTestId('grant').click();
    await page.getByTestId('widen-sure').click();
    await until('it is wide', async () => (await net.getAttribute('data-status')) === 'granted');
    expect(await granted()).toEqual({ hosts: ['*', '127.0.0.1:9000'] });
    // What has no list is granted as before.
    await card(page, 'narrow').locator('[data-permission="notify"]').getByTestId('grant').click();
    await card(page, 'narrow').locator('[data-permission="notify"][data-status="granted"]').waitFor();

    // Something is wrong with this one: it is open.
    await card(page, 'needy').getByTestId('problem').getByText('It needs settings: secret.').waitFor();
    const settings = card(page, 'needy').getByTestId('setting');
    expect((await settings.allInnerTexts()).map((text) => text.replace(/\s+/g, ' '))).toEqual([
      'secret needed, and not set Both sides sign with it.',
      'city not set',
    ]);
    await card(page, 'needy').scrollIntoViewIfNeeded();
    await shot(page, 'plugins-settings');
    for (const id of ['narrow', 'needy']) await gateway.client.plugins.remove(id);
    expect(complaints).toEqual([]);
  });

  it('restarts, disables and enables, and shows the log as it grows, as text', async () => {
    const { page, complaints } = await sharePage(gateway);
    await go(page, '#/plugins');
    const { pid } = await pluginInfo(gateway, 'harbour');
    await card(page).getByTestId('plugin-restart').click();
    await until('it has another process', async () => {
      const info = await pluginInfo(gateway, 'harbour');
      return info.state === 'running' && info.pid !== pid;
    });
    await card(page).getByTestId('plugin-enable').click();
    await page.locator('[data-testid="plugin"][data-state="off"]').waitFor();
    expect((await gateway.fetch('/plugins/harbour/count')).status).toBe(404);
    await card(page).getByRole('button', { name: 'Enable' }).click();
    await page.locator('[data-testid="plugin"][data-state="running"]').waitFor();

    await card(page).getByTestId('plugin-log-open').click();
    const log = page.getByTestId('plugin-log');
    await log.getByText('the harbour is open').first().waitFor();
    await log.locator('[data-stream="stderr"]').getByText('<b>not bold</b>').first().waitFor();
    expect(await log.innerText()).not.toContain('\u202e');
    const before = await log.getByText('counted').count();
    await gateway.fetch('/plugins/harbour/count');
    await until('the new line is there', async () => (await log.getByText('counted').count()) === before + 1);
    await shot(page, 'plugins-log');
    await page.keyboard.press('Escape');
    await log.waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  });

  it('shows why one does not run, and removes it after it has asked', async () => {
    await installPlugin(gateway, { id: 'wreck', source: 'export default () => {}' });
    await gateway.fetch('/v1/plugins/wreck/enabled', {
      method: 'PUT',
      body: '{"enabled":false}',
      headers: { 'content-type': 'application/json' },
    });
    const { page, complaints } = await sharePage(gateway);
    await go(page, '#/plugins');
    await card(page, 'wreck').getByTestId('plugin-remove').click();
    await page.getByTestId('dialog').getByRole('button', { name: 'Cancel' }).click();
    await card(page, 'wreck').waitFor();
    await card(page, 'wreck').getByTestId('plugin-remove').click();
    await page.getByTestId('remove-sure').click();
    await card(page, 'wreck').waitFor({ state: 'detached' });
    expect((await gateway.fetch('/v1/plugins/wreck')).status).toBe(404);

    await installPlugin(gateway, {
      id: 'mortal',
      source: "export default (api) => { api.route('GET', '/die', () => process.exit(7), { public: true }) }",
      permissions: { httpRoutes: true },
    });
    await gateway.fetch('/plugins/mortal/die');
    await card(page, 'mortal')
      .getByTestId('problem')
      .or(card(page, 'mortal').getByText('ended once'))
      .first()
      .waitFor();
    await gateway.fetch('/v1/plugins/mortal', { method: 'DELETE' });
    expect(complaints).toEqual([]);
  });

  it('is not for a token without the scope admin, and says what would install one where there is none', async () => {
    const bare = await openGateway();
    try {
      const { page } = await openLoggedIn(browser, bare);
      await page.getByTestId('sidebar-plugins').click();
      await page.getByTestId('plugins-none').getByText('binnacle plugin install').waitFor();
      await shot(page, 'plugins-none');
      const { url } = await bare.client.createTicket('view');
      const other = await openContext(browser);
      await other.page.goto(url);
      await other.page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
      expect(await other.page.getByTestId('sidebar-plugins').count()).toBe(0);
      await other.page.goto(`${bare.url}/#/plugins`);
      await other.page.locator('[data-testid="failure"][data-code="forbidden"]').waitFor();
    } finally {
      await bare.close();
    }
  });
});

/** What comes from now on is news on that page. */
const listening = (page: Page): Promise<void> => page.locator('[data-testid="bell"][data-unseen]').waitFor();

describe('what a plugin tells', () => {
  it('shows for a moment as text, closes by Escape and by its button, and stays behind the bell', async () => {
    const { page, complaints } = await sharePage(gateway);
    await page.getByTestId('toasts').waitFor({ state: 'attached' });
    const bell = page.getByTestId('bell');
    await listening(page);
    await sendNotices({ title: '<img src=x onerror=alert(1)>', text: 'line one\nline <b>two</b>' });
    const toast = page.getByTestId('toast');
    await toast.getByText('<img src=x onerror=alert(1)>').waitFor();
    expect(await toast.innerText()).toContain('harbour');
    expect(await toast.locator('img, b').count()).toBe(0);
    expect(await page.getByTestId('toasts').getAttribute('aria-live')).toBe('polite');
    await shot(page, 'toast');
    await page.keyboard.press('Escape');
    await toast.waitFor({ state: 'detached' });
    expect(Number(await bell.getAttribute('data-unseen'))).toBeGreaterThan(0);

    await sendNotices({ title: 'second' });
    await toast.getByText('second').waitFor();
    await toast.getByRole('button', { name: 'Dismiss' }).click();
    await toast.waitFor({ state: 'detached' });
    await bell.click();
    await page.getByTestId('plugin-notice').first().getByText('second').waitFor();
    await page.getByTestId('plugin-notice').filter({ hasText: 'line <b>two</b>' }).waitFor();
    await shot(page, 'plugin-notices');
    await page.getByTestId('plugin-notices-close').click();
    expect(await bell.getAttribute('data-unseen')).toBe('0');
    await page.reload();
    await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
    await bell.click();
    await page.getByTestId('plugin-notice').first().getByText('second').waitFor();
    expect(await page.getByTestId('toast').count()).toBe(0);
    await page.getByTestId('plugin-notices-close').click();
    expect(complaints).toEqual([]);
  });
});

describe('what a plugin told', () => {
  /** With a clock that the tests move. */
  let page: Page;
  beforeAll(async () => {
    ({ page } = await openPage(gateway));
    await listening(page);
    await page.clock.install();
  });

  it('goes by itself after a while, but not from under the pointer of who reads it', async () => {
    await sendNotices({ title: 'held' });
    const toast = page.getByTestId('toast');
    await toast.hover();
    await page.clock.fastForward(30_000);
    expect(await toast.getByText('held').count()).toBe(1);
    await page.mouse.move(10, 10);
    await page.clock.fastForward(9000);
    expect(await toast.count()).toBe(1);
    await page.clock.fastForward(2000);
    await toast.waitFor({ state: 'detached' });
  });

  it('waits while a dialog is before it', async () => {
    await go(page, '#/plugins');
    await card(page).getByTestId('plugin-remove').click();
    await sendNotices({ title: 'behind' });
    const toast = page.getByTestId('toast').getByText('behind');
    await toast.waitFor();
    await page.clock.fastForward(60_000);
    expect(await toast.count()).toBe(1);
    await page.getByTestId('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.clock.fastForward(11_000);
    await toast.waitFor({ state: 'detached' });
  });

  it('leaves Escape to the program in a terminal', async () => {
    const { page } = await sharePage(gateway);
    await listening(page);
    const id = await startShell(page);
    await type(page, 'cat -v');
    await sendNotices({ title: 'not now' });
    await page.getByTestId('toast').getByText('not now').waitFor();
    await page.getByTestId('terminal').click();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await seeLine(page, '^[');
    expect(await page.getByTestId('toast').getByText('not now').count()).toBe(1);
    const toast = page.getByTestId('toast').filter({ hasText: 'not now' });
    await toast.getByRole('button', { name: 'Dismiss' }).click();
    await gateway.client.sessions.delete(id);
  });
});

describe('a page of a plugin', () => {
  it('shows itself and runs nothing, loads nothing, sends nothing, for somebody who is logged in', async () => {
    const { context } = await sharePage(gateway);
    const page = await context.newPage();
    const requests: string[] = [];
    // The browser reports a request that the policy refuses, and never sends it.
    page.on('response', (response) => requests.push(new URL(response.url()).pathname));
    await page.goto(`${gateway.url}/plugins/harbour/page`);
    const facts = () =>
      page.evaluate(() => ({
        colour: getComputedStyle(document.querySelector('h1') ?? document.body).color,
        inline: (document.querySelector('#inline') as HTMLImageElement).naturalWidth,
        other: (document.querySelector('#other') as HTMLImageElement).naturalWidth,
        origin: self.origin,
      }));
    expect(await facts()).toEqual({ colour: 'rgb(1, 2, 3)', inline: 1, other: 0, origin: 'null' });
    expect(await page.title()).toBe('page');
    await page.click('#send');
    await page.click('#js');
    expect(await page.title()).toBe('page');
    expect(page.url()).toBe(`${gateway.url}/plugins/harbour/page`);
    expect(requests.filter((path) => path !== '/favicon.ico')).toEqual(['/plugins/harbour/page']);
    expect((await gateway.fetch('/v1/me')).status).toBe(200);

    await page.goto(`${gateway.url}/plugins/harbour/svg`);
    expect(await page.evaluate(() => document.documentElement.getAttribute('ran'))).toBeNull();
  });

  it('and nothing else of it becomes a part of our page, nor is reached by its login', async () => {
    const { page } = await openLoggedIn(browser, gateway, { serviceWorkers: 'allow' });
    const tried = await page.evaluate(
      async (headers) => {
        const load = (tag: 'script' | 'img' | 'link' | 'iframe', src: string) =>
          new Promise<string>((done) => {
            const one = document.createElement(tag);
            one.addEventListener('load', () => done('loaded'));
            one.addEventListener('error', () => done('refused'));
            if (one instanceof HTMLLinkElement) {
              one.rel = 'stylesheet';
              one.href = src;
            } else one.src = src;
            document.body.append(one);
          });
        const ask = async (path: string, init: RequestInit = {}) => (await fetch(path, init)).status;
        return {
          script: await load('script', '/plugins/harbour/script'),
          plain: await load('script', '/plugins/harbour/plain-script'),
          image: await load('img', '/plugins/harbour/svg'),
          style: await load('link', '/plugins/harbour/plain-script'),
          worker: await navigator.serviceWorker.register('/plugins/harbour/plain-script').then(
            () => 'registered',
            () => 'refused',
          ),
          me: await ask('/v1/me', { headers }),
          read: await ask('/plugins/harbour/closed'),
          marked: await ask('/plugins/harbour/closed', { headers }),
          write: await ask('/plugins/harbour/closed', { method: 'POST', headers }),
        };
      },
      await keyOf(page),
    );
    expect(tried).toEqual({
      script: 'refused',
      plain: 'refused',
      image: 'refused',
      style: 'refused',
      worker: 'refused',
      me: 200,
      read: 401,
      marked: 401,
      write: 401,
    });
    expect(await page.title()).toBe('Binnacle');
    // As a link is followed: the cookie goes along, and counts for nothing.
    const answer = await page.goto(`${gateway.url}/plugins/harbour/closed`);
    expect(answer?.status()).toBe(401);
  });
});

describe('on a phone', () => {
  for (const colorScheme of ['dark', 'light'] as const) {
    const inScheme = colorScheme === 'dark' ? it : inAll;
    inScheme(`plugins and what they tell fit without scrolling sideways, ${colorScheme}`, async () => {
      const { page, complaints } = await openLoggedIn(browser, gateway, {
        colorScheme,
        viewport: { width: 390, height: 780 },
        hasTouch: true,
        isMobile: true,
      });
      await go(page, '#/plugins');
      await card(page).waitFor();
      await shot(page, `phone-plugins-${colorScheme}`);
      expect(await outside(page)).toEqual([]);
      await card(page).getByTestId('plugin-remove').scrollIntoViewIfNeeded();
      await shot(page, `phone-plugins-end-${colorScheme}`);
      await sendNotices({ title: `A title that goes on and on-${'and-on-'.repeat(20)}`, text: 'x'.repeat(900) });
      await page.getByTestId('toast').first().waitFor();
      await shot(page, `phone-toast-${colorScheme}`);
      expect(await outside(page)).toEqual([]);
      await card(page).getByTestId('plugin-log-open').click();
      await page.getByTestId('log-line').first().waitFor();
      await shot(page, `phone-log-${colorScheme}`);
      expect(await outside(page)).toEqual([]);
      await page.getByTestId('log-close').click();
      await page.getByTestId('menu').click();
      await page.getByTestId('bell').click();
      await page.getByTestId('plugin-notice').first().waitFor();
      await shot(page, `phone-plugin-notices-${colorScheme}`);
      expect(await outside(page)).toEqual([]);
      expect(complaints).toEqual([]);
    });

    inAll(`a wide page shows them, ${colorScheme}`, async () => {
      const { page } = await openLoggedIn(browser, gateway, { colorScheme, viewport: { width: 1200, height: 900 } });
      await go(page, '#/plugins');
      await card(page).waitFor();
      await sendNotices({ title: 'An agent waits for you', text: 'Run the migration on the staging database?' });
      await page.getByTestId('toast').first().waitFor();
      await shot(page, `wide-plugins-${colorScheme}`);
      expect(await outside(page)).toEqual([]);
    });
  }
});

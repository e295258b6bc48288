import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { makeSessions } from './many-sessions.fixture.ts';
import { choose, closePages, loginLink, openBrowser, openContext, openLoggedIn, seeLine } from './page.fixture.ts';

// Run in the page by the debugger's hand: its Content-Security-Policy would let no script of ours in.
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let gateway: Gateway;
let browser: Browser;
/** One that takes commands, with one behind it: there is a timeline. */
let builds: string;
beforeAll(async () => {
  [browser, gateway] = await Promise.all([openBrowser(), openGateway({ prepare: (dir) => makeSessions(dir, 200) })]);
  await gateway.client.sessions.create({ name: 'waits', command: "printf '\\033]9;Run the tests?\\007'; read go" });
  builds = (await gateway.client.sessions.create({ name: 'builds', runs: true, cols: 80, rows: 24 })).id;
  await gateway.client.session(builds).run('echo built').ended;
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await browser?.close();
  await gateway?.close();
});

/** Makes the query with which a program sends a browser to log in. */
async function authorizationQuery(): Promise<string> {
  const made = await fetch(`${gateway.url}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'Agent', redirect_uris: ['https://agents.example/callback'] }),
  });
  const { client_id } = (await made.json()) as { client_id: string };
  const pkce = { code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' };
  return new URLSearchParams({ ...pkce, client_id, response_type: 'code', scope: 'view input create' }).toString();
}

const THEMES = ['dark', 'light'] as const;

/** What a person with a screen reader, a keyboard or weak eyes would stumble over, in short; in both themes. */
async function violations(page: Page, where: string): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
  const found: string[] = [];
  for (const theme of THEMES) {
    await page.emulateMedia({ colorScheme: theme });
    await page.locator(`html[data-theme="${theme}"]`).waitFor();
    // What is built of names, roles and order is the same in the other theme: only its colours are looked at.
    const only = theme === 'dark' ? {} : { runOnly: ['color-contrast'] };
    const violationTexts = await page.evaluate(async (options) => {
      const { axe } = globalThis as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } };
      interface Violation {
        readonly id: string;
        readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[];
      }
      const { violations } = await axe.run({ ...options, resultTypes: ['violations'] });
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary.replace(/\s+/g, ' ')}`),
      );
    }, only);
    found.push(...violationTexts.map((text) => `${where}, ${theme}: ${text}`));
  }
  return found;
}

const SIZES = {
  desktop: { viewport: { width: 1100, height: 760 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
} as const;

for (const size of ['desktop', 'phone'] as const) {
  it(`no page and no dialog has anything that axe objects to, dark and light, ${size}`, async () => {
    const isPhone = size === 'phone';
    const { page, complaints } = await openContext(browser, { ...SIZES[size], reducedMotion: 'reduce' });
    const found: string[] = [];
    const check = async (where: string): Promise<void> => {
      found.push(...(await violations(page, where)));
    };
    const at = async (hash: string, test: string): Promise<void> => {
      await page.evaluate((to) => {
        location.hash = to;
      }, hash);
      await page.getByTestId(test).waitFor();
      await page.locator(`[data-testid="${test}"][data-busy="true"]`).waitFor({ state: 'detached' });
      await check(test);
    };
    const list = async (): Promise<void> => {
      if (isPhone) await page.getByTestId('menu').click();
    };
    const menu = async (item: string): Promise<void> => {
      await page.getByTestId('session-menu').click();
      await page.getByTestId(`menu-${item}`).click();
    };
    const press = (test: string) => page.getByTestId(test).click();

    await page.goto(gateway.url);
    await page.getByTestId('login').waitFor();
    await check('login');
    // That nobody is logged in is asked of the gateway, and the browser tells of its answer.
    expect(complaints).toEqual([expect.stringContaining('401')]);

    await page.goto(await loginLink(gateway));
    await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
    await page.getByTestId('empty').getByText('1 needs you').waitFor();
    await check('empty');
    await list();
    await page.locator('[data-testid="session"][data-activity="waiting_input"]').waitFor();
    expect(await page.title()).toBe('(1) Binnacle');
    await press('filter-more');
    await check('list');
    await press('palette');
    await page.getByTestId('palette-text').fill('night');
    await check('palette');
    await page.keyboard.press('Escape');
    await page.getByTestId('palette').focus();
    await page.keyboard.press('?');
    // Read from its top, however low the window is.
    await page.getByRole('heading', { name: 'Keyboard shortcuts' }).and(page.locator(':focus')).waitFor();
    await check('keys');
    await press('keys-close');
    await press('phone');
    await page.getByTestId('notifications').waitFor();
    await press('phone-make');
    await page.getByTestId('qr').waitFor();
    await check('phone and notifications');
    await press('phone-close');
    await page.getByTestId('filter-text').fill('nothing like it');
    await page.getByTestId('none-match').waitFor();
    await check('none match');
    await press('none-clear');

    await choose(page, builds);
    await seeLine(page, 'built');
    await press('lease');
    await page.locator('[data-testid="lease"][data-lease="yours"]').waitFor();
    await check('session');
    if (!isPhone) {
      await press('watchers');
      await check('watchers');
      await press('watchers');
      await press('export');
    } else {
      // In its header there is no room for it while the session runs.
      await menu('save');
    }
    await page.getByTestId('export-cast').waitFor();
    await check('export');
    await page.keyboard.press('Escape');
    await press('session-menu');
    await check('menu');
    await press('menu-find');
    await page.getByTestId('find-text').fill('built');
    await page.getByTestId('find-count').getByText('of').waitFor();
    await check('find');
    await page.keyboard.press('Escape');
    await menu('timeline');
    await page.getByTestId('timeline-plot').locator('canvas').waitFor();
    await check('timeline');
    await page.getByTestId('scrubber').press('Home');
    await page.getByTestId('replay-live').waitFor();
    await check('replay');
    await press('replay-close');
    await (isPhone ? menu('share') : press('share'));
    await page.getByTestId('share-dialog').waitFor();
    await check('share');
    await press('share-make');
    await page.getByTestId('share-made').waitFor();
    await check('share made');
    await press('share-done');

    await at(`#authorize=${encodeURIComponent(await authorizationQuery())}`, 'authorize-allow');
    await at('#authorize=client_id%3Dnobody', 'authorize-leave');
    await page.evaluate(() => location.reload());
    await press('authorize-leave');
    await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
    await at('#/search', 'search-view');
    await at('#/search?q=nowhere', 'search-view');
    await at('#/traffic', 'traffic-view');
    await at('#/recordings', 'recordings-view');
    await at('#/plugins', 'plugins-view');
    await at('#/tokens', 'tokens-view');
    await at('#/0199f2aa-0000-7000-8000-000000000001', 'empty');
    await list();
    await press('new-conversation');
    await page.getByTestId('conversation-view').waitFor();
    await check('conversation');
    // Everything except the one request that was wrong.
    expect(complaints.slice(1).filter((one) => !one.includes('400 (Bad Request)'))).toEqual([]);

    // What a page cannot show leaves the rest of it: the list, and the way back.
    await page.route(/\/v1\/plugins$/, (route) =>
      route.fulfill({ contentType: 'application/json', body: '{"plugins":[{"id":7}]}' }),
    );
    await at('#/plugins', 'error-boundary');
    expect(await page.getByTestId('sidebar-list').count()).toBe(1);
    await at('#/traffic', 'traffic-view');
    expect(found).toEqual([]);
  }, 60_000);
}

it('the page forbids whatever is inline, scripts and styles, and still draws output in its colours', async () => {
  const policy = (await gateway.fetch('/')).headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain('unsafe');

  const [truecolour, indexed] = ['\\033[38;2;18;152;86;48;2;1;2;3mtrue\\033[m', '\\033[38;5;208mindexed\\033[m'];
  const { id } = await gateway.client.sessions.create({ command: `printf '${truecolour} ${indexed}\\n'; read go` });
  const { page, complaints } = await openLoggedIn(browser, gateway, { colorScheme: 'dark' });
  await choose(page, id);
  await seeLine(page, 'true indexed');
  const cell = (word: string) =>
    page
      .locator('.xterm-rows span', { hasText: new RegExp(`^${word}$`) })
      .evaluate((span) => [getComputedStyle(span).color, getComputedStyle(span).backgroundColor]);
  expect(await cell('true')).toEqual(['rgb(18, 152, 86)', 'rgb(1, 2, 3)']);
  expect((await cell('indexed'))[0]).toBe('rgb(255, 135, 0)');
  expect(complaints).toEqual([]);
});

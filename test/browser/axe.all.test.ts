// Every page and every dialog, in both themes and on both sizes. axe.test.ts looks at the largest of them.

import { beforeAll, expect, it } from 'vitest';
import type { Gateway } from '../support/gateway.ts';
import { loginLink, openContext } from '../support/page.ts';
import { openBuilds, SIZES, violations } from './axe.fixture.ts';
import { choose, seeLine } from './page.fixture.ts';

let gateway: Gateway;
let builds: string;
beforeAll(async () => {
  ({ gateway, builds } = await openBuilds(200));
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

for (const size of ['desktop', 'phone'] as const) {
  it(`no page and no dialog has anything that axe objects to, dark and light, ${size}`, async () => {
    const isPhone = size === 'phone';
    const { page, complaints } = await openContext({ ...SIZES[size], reducedMotion: 'reduce' });
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

// A turn in which nothing comes, as the page shows it.

import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { AGENTS, type Core, openCore } from '../conversations/core.fixture.ts';
import { openConversation } from './conversations.fixture.ts';
import { closePages, openBrowser, openContext } from './page.fixture.ts';

let core: Core;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  const entries = { ...AGENTS, quiet: { driver: 'command', command: ['true'] } };
  core = await openCore({ silenceTimes: { sayMs: 300, notifyMs: 1300 } }, { agents: { entries } });
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await core?.close();
});

it('says what it waits for, for how long, and that it has been long; an empty answer is called one', async () => {
  const [key, empty] = [await core.make('acp', { title: 'hung' }), await core.make('quiet', { title: 'empty' })];
  const { page, complaints } = await openContext(browser);
  const { url } = await core.must<{ readonly url: string }>(201, '/v1/tickets', { body: {} });
  await page.goto(url);
  await openConversation(page, key);
  await core.send(key, 'm0', 'say off');
  await core.end(key, 'm0');
  await core.send(key, 'm1', 'say on\nhang');
  const silence = page.getByTestId('silence');
  await silence.waitFor();
  expect(await silence.locator('[aria-hidden]').textContent()).toMatch(/Waits for the model\.|waits for the model\.$/);
  await page.locator('[data-testid="silence"].long').waitFor();
  await page
    .getByText(/says nothing/)
    .first()
    .waitFor();
  if (process.env.BINNACLE_SHOTS !== undefined)
    await page.screenshot({ path: `${process.env.BINNACLE_SHOTS}/silence.png` });
  await core.abort(key, 'm1');
  await silence.waitFor({ state: 'detached' });

  await openConversation(page, empty);
  await core.send(empty, 'm1', 'hello');
  await page.getByText('It ended without a word.').waitFor();
  await page.reload();
  await page.getByText('It ended without a word.').waitFor();
  expect(complaints).toEqual([]);
});

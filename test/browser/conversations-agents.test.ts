import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type GatewayFixture, openGateway, until } from '../gateway/gateway.fixture.ts';
import { answer, answers, caughtUp, composer, ended, said, waiting, write } from './conversations.fixture.ts';
import { closePages, openBrowser, openDeck, seeLine } from './page.fixture.ts';

const FAKE_ACP = resolve(import.meta.dirname, '../agents/fake-acp.mjs');

let gateway: GatewayFixture;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openGateway();
  const entries = {
    main: { driver: 'echo', default: true },
    helper: { driver: 'acp', command: [process.execPath, FAKE_ACP], cwd: gateway.dir },
  };
  writeFileSync(join(gateway.dir, 'config.jsonc'), JSON.stringify({ agents: { entries } }));
  await gateway.kill();
  await gateway.restart();
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await browser?.close();
  await gateway?.close();
});

/** Begins a conversation with the agent that is a program of its own. */
async function withHelper(page: Page): Promise<void> {
  await page.getByTestId('new-conversation').click();
  await page.locator('[data-testid="agent"][data-agent="helper"]').click();
  await caughtUp(page);
  await composer(page).waitFor();
}

it('where there are several agents one is asked which, the default first', async () => {
  const { page } = await openDeck(browser, gateway);
  await page.getByTestId('new-conversation').click();
  expect(await page.getByTestId('agent').locator('strong').allInnerTexts()).toEqual(['main', 'helper']);
  await page.keyboard.press('Escape');
  await page.getByTestId('dialog').waitFor({ state: 'detached' });
  await withHelper(page);
  await page.getByTestId('conversation-view').getByText('idle · helper').waitFor();
  expect(await composer(page).getAttribute('placeholder')).toBe('Message to helper');
});

it('thoughts are folded, a plan is a list, and a changed file shows which lines came and went', async () => {
  const { page, complaints } = await openDeck(browser, gateway);
  await withHelper(page);
  await write(page, 'think let me see\nplan look, mend\nedit src/a.ts\nsay mended');
  await ended(page, 'final');
  expect(await page.getByText('let me see', { exact: true }).count()).toBe(0);
  await page.getByTestId('thought').getByRole('button').click();
  await page.getByText('let me see', { exact: true }).waitFor();
  expect(await page.getByTestId('plan').locator('li').allInnerTexts()).toEqual([
    expect.stringContaining('look'),
    expect.stringContaining('mend'),
  ]);
  await page.getByTestId('tool-open').getByText('+1').waitFor();
  await page.getByTestId('tool-open').click();
  // Marked by a sign and by a word for those who listen, not by colour alone.
  const lines = page.getByTestId('diff').locator('.diff-line');
  expect(await lines.nth(0).innerText()).toMatch(/−[\s\S]*removed:[\s\S]*before/);
  expect(await lines.nth(1).innerText()).toMatch(/\+[\s\S]*added:[\s\S]*after/);
  expect(await said(page)).toBe('mended');
  expect(complaints).toEqual([]);
});

it('the terminal of an agent’s command is one click away, and one back', async () => {
  const { page } = await openDeck(browser, gateway);
  await withHelper(page);
  await write(page, 'linger echo from-the-agent; sleep 60');
  await ended(page, 'final');
  const address = page.url();
  await page.getByTestId('tool-session').click();
  await page.getByTestId('session-view').waitFor();
  await seeLine(page, 'from-the-agent');
  await page.goBack();
  await caughtUp(page);
  expect(page.url()).toBe(address);
});

it('a request that is denied says so, and by whom', async () => {
  const { page } = await openDeck(browser, gateway);
  await withHelper(page);
  await write(page, 'ask rm -rf build');
  await page.getByTestId('approval').getByText('rm -rf build').first().waitFor();
  await page.getByTestId('approval-option').last().click();
  await page.getByTestId('approval-answer').getByText('Denied').waitFor();
  await ended(page, 'final');
});

it('a run of an agent that is a program goes on through a kill -9 of the gateway, and the page shows all of it once', async () => {
  const { page } = await openDeck(browser, gateway);
  await withHelper(page);
  await write(page, 'slow 250');
  await answer(page).getByText('1 2 3 4 5 6').waitFor();
  await gateway.kill();
  await page.locator('[data-about="reconnecting"]').waitFor();
  await gateway.restart();
  await page.locator('[data-about="reconnecting"]').waitFor({ state: 'detached', timeout: 15_000 });
  await ended(page, 'final');
  const numbers = Array.from({ length: 250 }, (_, at) => at + 1).join(' ');
  expect(await said(page)).toBe(numbers);
  await page.reload();
  await caughtUp(page);
  expect(await said(page)).toBe(numbers);
});

it('an agent that dies says so with its last words, and is there again for the next message', async () => {
  const { page } = await openDeck(browser, gateway);
  await withHelper(page);
  await write(page, 'say so far\ndie 3');
  await ended(page, 'error');
  await answer(page).getByTestId('end').getByText('agent_died').waitFor();
  expect(await said(page)).toBe('so far');
  await write(page, 'say again');
  await until('it answers again', async () => (await answers(page).count()) === 2 && (await said(page)) === 'again');
  await waiting(page, 0);
});

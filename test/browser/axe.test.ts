// The pages that people see most, through axe; axe.all.test.ts has all of them, in both themes and on both sizes.

import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { inAll } from '../support/count.ts';
import type { Gateway } from '../support/gateway.ts';
import { loginLink, openContext } from '../support/page.ts';
import { openBuilds, SIZES, violations } from './axe.fixture.ts';
import { choose, seeLine, sharePage } from './page.fixture.ts';

let gateway: Gateway;
let builds: string;
beforeAll(async () => {
  ({ gateway, builds } = await openBuilds(20));
});

async function openSession(page: Page): Promise<void> {
  await page.evaluate((id) => {
    location.hash = `#/${id}`;
  }, builds);
  await seeLine(page, 'built');
  await page.getByTestId('lease').click();
  await page.locator('[data-testid="lease"][data-lease="yours"]').waitFor();
}

describe('axe objects to nothing', () => {
  it('on the page of a login', async () => {
    const { page } = await openContext(SIZES.desktop);
    await page.goto(gateway.url);
    await page.getByTestId('login').waitFor();
    expect(await violations(page, 'door')).toEqual([]);
  });

  it('on the first page, with the list and its filters', async () => {
    const { page } = await sharePage(gateway);
    await page.getByTestId('empty').getByText('1 needs you').waitFor();
    await page.getByTestId('filter-more').click();
    expect(await violations(page, 'list', ['dark'])).toEqual([]);
  });

  it('on the page of a session, and in the dialog that shares it', async () => {
    const { page } = await sharePage(gateway);
    await openSession(page);
    expect(await violations(page, 'session', ['light'])).toEqual([]);
    await page.getByTestId('share').click();
    await page.getByTestId('share-dialog').waitFor();
    expect(await violations(page, 'share', ['light'])).toEqual([]);
  });

  it('on the page of a conversation, and on the page of the traffic', async () => {
    const { page } = await sharePage(gateway);
    await page.getByTestId('new-conversation').click();
    await page.getByTestId('conversation-view').waitFor();
    expect(await violations(page, 'conversation', ['dark'])).toEqual([]);
    await page.getByTestId('sidebar-traffic').click();
    await page.getByTestId('traffic-view').waitFor();
    expect(await violations(page, 'traffic', ['dark'])).toEqual([]);
  });

  inAll('on the page of a session on a phone', async () => {
    const { page } = await openContext({ ...SIZES.phone, reducedMotion: 'reduce' });
    await page.goto(await loginLink(gateway));
    await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
    await openSession(page);
    expect(await violations(page, 'session', ['dark'])).toEqual([]);
  });
});

it('the page forbids whatever is inline, scripts and styles, and still draws output in its colours', async () => {
  const policy = (await gateway.fetch('/')).headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain('unsafe');

  const [truecolour, indexed] = ['\\033[38;2;18;152;86;48;2;1;2;3mtrue\\033[m', '\\033[38;5;208mindexed\\033[m'];
  const { id } = await gateway.client.sessions.create({ command: `printf '${truecolour} ${indexed}\\n'; read go` });
  const { page, complaints } = await sharePage(gateway);
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

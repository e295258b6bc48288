// The page of tokens in a real Chromium: the maker of each token, and the confirmation before a token with dependents is revoked.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { sharePage } from './page.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});

const row = (page: Page, id: string) => page.locator(`[data-testid="token-row"][data-token="${id}"]`);
const names = async (): Promise<string[]> => (await gateway.client.tokens.list()).map(({ name }) => name);

/** An admin token that has made an ingest token and a share link. */
async function family(name: string) {
  const maker = await gateway.client.tokens.create({ name, scope: 'admin' });
  const theirs = gateway.connect({ token: maker.token });
  const made = await theirs.tokens.create({ name: `${name} emits`, scope: 'ingest' });
  const { id } = await gateway.client.sessions.create({ argv: ['/bin/cat'] });
  await theirs.shares.create({ session: id });
  return { maker, made };
}

async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.BINNACLE_SHOTS;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

describe('the page of tokens', () => {
  it('says who made each, and lists what one has made before it is revoked', async () => {
    const { maker, made } = await family('laptop');
    const { page, complaints } = await sharePage(gateway);
    await page.setViewportSize({ width: 390, height: 780 });
    await page.goto(`${gateway.url}/#/tokens`);
    await row(page, made.id)
      .getByText(/made by laptop/)
      .waitFor();
    await row(page, maker.id)
      .getByText(/made by admin/)
      .waitFor();
    await shot(page, 'tokens-phone');
    await row(page, maker.id).getByTestId('token-revoke').click();
    await page.getByTestId('issued').getByText('laptop emits').waitFor();
    await page.getByTestId('dialog').getByText('With it end 1 share link.').waitFor();
    await shot(page, 'tokens-revoke-phone');
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await page.getByTestId('revoke-sure').click();
    await row(page, maker.id).waitFor({ state: 'detached' });
    await row(page, made.id).waitFor({ state: 'detached' });
    expect(await names()).not.toContain('laptop emits');
    expect(complaints).toEqual([]);
  });

  it('revokes one alone where that is wanted, and asks nothing where it has made none', async () => {
    const { maker, made } = await family('desktop');
    const { page } = await sharePage(gateway);
    await page.setViewportSize({ width: 1000, height: 640 });
    await page.getByTestId('sidebar-tokens').click();
    await row(page, maker.id).getByTestId('token-revoke').click();
    await page.getByTestId('revoke-alone').click();
    await row(page, maker.id).waitFor({ state: 'detached' });
    await row(page, made.id)
      .getByText(/made by desktop/)
      .waitFor();
    await shot(page, 'tokens');
    await row(page, made.id).getByTestId('token-revoke').click();
    await until('it was looked for what it made', () => page.getByTestId('revoke-sure').isEnabled());
    expect(await page.getByTestId('revoke-alone').count()).toBe(0);
    await page.getByTestId('revoke-sure').click();
    await row(page, made.id).waitFor({ state: 'detached' });
    expect(await names()).not.toContain('desktop emits');
  });
});

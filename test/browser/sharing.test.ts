// Sharing on the page: the dialog makes and manages links, and guests in other browsers use them.

import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { makeConversation, sendTo, writeConfig } from '../conversations/conversation.fixture.ts';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type OpenPage, openContext } from '../support/page.ts';
import { until } from '../support/until.ts';
import { answers, openConversation, write } from './conversations.fixture.ts';
import { choose, seeLine, sharePage } from './page.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  const agents = { entries: { main: { driver: 'echo', default: true } } };
  gateway = await openGateway({ prepare: (dir) => writeConfig(dir, { agents }) });
});

interface ShareOptions {
  readonly type?: boolean;
  readonly uses?: number;
  readonly label?: string;
}

/** Makes a link in the dialog, as a person does. Returns it. */
async function makeLink(page: Page, { type = false, uses, label }: ShareOptions): Promise<string> {
  if ((await page.getByTestId('share-dialog').count()) === 0) await page.getByTestId('share').click();
  else await page.getByTestId('share-another').click();
  if (type) await page.getByTestId('share-type').check();
  if (uses !== undefined) await page.getByTestId('share-uses').fill(String(uses));
  if (label !== undefined) await page.getByTestId('share-label').fill(label);
  await page.getByTestId('share-make').click();
  return await page.getByTestId('share-url').inputValue();
}

/** A guest in a browser of their own, who has come in by the link. */
async function come(url: string, name: string, options: object = {}): Promise<OpenPage> {
  const opened = await openContext(options);
  await opened.page.goto(url);
  await opened.page.getByTestId('guest-name').fill(name);
  await opened.page.getByTestId('guest-enter').click();
  await opened.page.locator('[data-testid="guest"][data-link="open"]').waitFor();
  return opened;
}

const rowOf = (page: Page, label: string) => page.getByTestId('share-row').filter({ hasText: label });

inAll(
  'a link to a session is made, read by a camera, used, listed with its history, and revoked while a guest watches',
  async () => {
    const owner = await sharePage(gateway);
    const { page } = owner;
    const { id: session } = await gateway.client.sessions.create({ argv: ['/bin/cat'] });
    await choose(page, session);
    const url = await makeLink(page, { uses: 1, label: 'for the review' });
    expect(url).toMatch(new RegExp(`^${gateway.url}/#share=bs_`));
    // The link is copied out of its dialog also in a browser without a clipboard for pages, e.g. on plain http.
    await owner.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: gateway.url });
    await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true }));
    await page.getByTestId('share-made').getByTestId('copy').click();
    await page.evaluate(() => Reflect.deleteProperty(navigator, 'clipboard'));
    await until(
      'the clipboard has it',
      async () => (await page.evaluate(() => navigator.clipboard.readText())) === url,
    );
    // The code is a drawing of the link, and nothing else says it again.
    await page.getByTestId('qr').waitFor();
    expect(await page.getByTestId('share-made').innerText()).toContain('shown this once');
    expect(await page.getByTestId('share-list').innerHTML()).not.toContain(new URL(url).hash.slice(7));

    // A guest first reads what the link shows and allows. Reading does not count as a use of the link.
    const bea = await openContext();
    await bea.page.goto(url);
    await bea.page.getByTestId('guest-name').waitFor();
    const landing = await bea.page.getByTestId('guest-welcome').innerText();
    expect(landing).toContain('for the review');
    expect(landing).toMatch(/watch/i);
    expect(bea.page.url()).toBe(`${gateway.url}/`);
    expect((await gateway.client.shares.list())[0]).toMatchObject({ used: 0, uses: 1 });
    await bea.page.getByTestId('guest-name').fill('Bea');
    await bea.page.getByTestId('guest-enter').click();
    await bea.page.locator(`[data-testid="session-view"][data-session="${session}"]`).waitFor();
    await gateway.client.session(session).write('shown as it comes\r');
    await seeLine(bea.page, 'shown as it comes');
    for (const button of ['share', 'export', 'kill']) expect(await bea.page.getByTestId(button).count()).toBe(0);

    await rowOf(page, 'for the review').getByTestId('share-viewers').getByText('Bea').waitFor();
    await rowOf(page, 'for the review').getByTestId('share-history').click();
    await page.locator('[data-testid="share-audit"] [data-what="redeemed"]').getByText('Opened by Bea').waitFor();

    expect([...owner.complaints, ...bea.complaints]).toEqual([]);

    // Another one comes too late, and reads why, and what to do.
    const late = await openContext();
    await late.page.goto(url);
    await late.page.locator('[data-testid="guest-error"] [data-code="share_used_up"]').waitFor();
    await page.locator('[data-testid="share-audit"] [data-what="refused"]').waitFor();

    await rowOf(page, 'for the review').getByTestId('share-revoke').click();
    await bea.page.locator('[data-testid="guest-error"] [data-code="share_revoked"]').waitFor();
    await page.getByText('One link has ended').waitFor();
    expect(await page.getByTestId('share-revoke').count()).toBe(0);
  },
);

it('a link that has expired, one that was cut and one that was revoked each say so, and what to do', async () => {
  const { id: session } = await gateway.client.sessions.create({ argv: ['/bin/cat'] });
  const short = await gateway.client.shares.create({ session, expiresInMs: 1 });
  const revoked = await gateway.client.shares.create({ session });
  await gateway.client.shares.revoke(revoked.id);
  const { page } = await openContext();
  for (const [url, code, advice] of [
    [short.url, 'share_expired', 'Ask the sender'],
    [revoked.url, 'share_revoked', 'Ask the sender'],
    [short.url.slice(0, -5), 'unauthorized', 'ask the sender'],
  ] as const) {
    await page.goto(url);
    await page.locator(`[data-testid="guest-error"] [data-code="${code}"]`).waitFor();
    expect(await page.getByTestId('guest-error').innerText()).toContain(advice);
    await page.goto('about:blank');
  }
});

it('a guest of a conversation writes as itself, hears the answer, and has nothing to steer with', async () => {
  const { key } = await makeConversation(gateway);
  await sendTo(gateway, key, { text: 'said before' });
  const owner = await sharePage(gateway);
  await openConversation(owner.page, key);
  const url = await makeLink(owner.page, { type: true });
  await owner.page.getByTestId('share-done').click();

  const requests: string[] = [];
  const { page, complaints, context } = await come(url, 'Dan', { viewport: { width: 390, height: 780 } });
  context.on('request', (request) => requests.push(`${request.method()} ${new URL(request.url()).pathname}`));
  await page.getByText('said before').first().waitFor();
  await write(page, 'typed by a guest');
  await answers(page).nth(1).getByText('typed by a guest').waitFor();
  await owner.page
    .locator('[data-testid="message"]')
    .filter({ hasText: 'typed by a guest' })
    .getByText('Dan')
    .waitFor();
  // What is no typing is not offered.
  for (const button of ['share', 'export', 'visibility', 'stop', 'stop-all']) {
    expect(await page.getByTestId(button).count()).toBe(0);
  }
  requests.length = 0;
  await gateway.client.conversation(key).update({ title: 'Another name' });
  await page.getByTestId('conversation-title').getByText('Another name').waitFor();
  // The event of the gateway changed it, without a request.
  expect(requests.filter((one) => one.endsWith(`/v1/conversations/${encodeURIComponent(key)}`))).toEqual([]);
  expect(complaints).toEqual([]);

  await gateway.client.conversation(key).delete();
  await page.locator('[data-testid="guest-error"] [data-code="conversation_not_found"]').waitFor();
  await until('the owner is told too', async () => (await owner.page.getByTestId('empty').count()) === 1);
});

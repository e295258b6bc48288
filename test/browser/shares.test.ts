// A share link in a browser: a guest and an owner, each with what is theirs, and how it ends.

import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { makeConversation, sendTo, writeConfig } from '../conversations/conversation.fixture.ts';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { type OpenPage, openContext } from '../support/page.ts';
import { until } from '../support/until.ts';
import { seeLine, sharePage, startShell, type } from './page.fixture.ts';

const agents = { entries: { main: { driver: 'echo', default: true } } };
let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ prepare: (dir) => writeConfig(dir, { agents }) });
});

const share = (session: string, more: object = {}, at: GatewayAccess = gateway) =>
  at.client.shares.create({ session, ...more });

/** A guest in a browser of their own, who sees the session. */
async function openGuest(url: string): Promise<OpenPage> {
  const opened = await openContext();
  await opened.page.goto(url);
  await enterAsGuest(opened.page);
  return opened;
}

/** Passes the welcome page of a share link without a name. */
async function enterAsGuest(page: Page): Promise<void> {
  await page.getByTestId('guest-enter').click();
  await page.locator('[data-testid="guest"][data-link="open"]').waitFor();
}

it('a guest sees the session live and nothing else; the secret is gone from the address, and is sent in no address', async () => {
  const owner = await sharePage(gateway);
  const session = await startShell(owner.page);
  await startShell(owner.page);
  const { url, secret, id } = await share(session, { uses: 1 });

  const { page, complaints, context } = await openContext();
  const requests: string[] = [];
  context.on('request', (request) => requests.push(request.url(), request.headers().referer ?? ''));
  await page.goto(url);
  // Before one has come in, a reload does not lose the link.
  await page.getByTestId('guest-enter').waitFor();
  await page.reload();
  await enterAsGuest(page);
  await page.locator(`[data-testid="session-view"][data-session="${session}"]`).waitFor();
  expect(page.url()).toBe(`${gateway.url}/`);
  const left = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  expect(left).not.toContain(secret);
  expect(requests.join('\n')).not.toContain(secret.slice(3));

  await gateway.client.session(session).write('echo seen-by-$((40+2))\r');
  await seeLine(page, 'seen-by-42');
  // There is no list, and its data is not requested.
  expect(await page.getByTestId('session').count()).toBe(0);
  const paths = new Set(requests.filter((one) => one.startsWith(gateway.url)).map((one) => new URL(one).pathname));
  expect([...paths].filter((path) => path.startsWith('/v1/')).sort()).toEqual(
    expect.arrayContaining(['/v1/me', '/v1/shared', '/v1/shares/look', '/v1/shares/redeem']),
  );
  for (const path of ['/v1/sessions', '/v1/conversations', '/v1/notices', '/v1/plugins', '/v1/tokens']) {
    expect([...paths]).not.toContain(path);
  }
  expect(complaints).toEqual([]);
  const { viewers } = await gateway.client.shares.get(id);
  expect(viewers).toMatchObject([{ name: 'guest 1', driving: false }]);

  // A reload is no second use, and the link itself in the same tab is none either.
  await page.reload();
  await page.locator('[data-testid="guest"][data-link="open"]').waitFor();
  await seeLine(page, 'seen-by-42');
  await page.goto('about:blank');
  await page.goto(url);
  await page.locator('[data-testid="guest"][data-link="open"]').waitFor();
  expect((await gateway.client.shares.get(id)).used).toBe(1);
  // Another browser comes too late.
  const late = await openContext();
  await late.page.goto(url);
  await late.page.getByTestId('guest-error').waitFor();
  await late.page.locator('[data-code="share_used_up"]').waitFor();
});

inAll('an owner who opens a share link is a guest in that tab, and stays logged in', async () => {
  const owner = await sharePage(gateway);
  const session = await startShell(owner.page);
  const { url } = await share(session);
  const before = await owner.context.cookies();
  const tab = await owner.context.newPage();
  await tab.goto(url);
  await enterAsGuest(tab);
  expect(await tab.getByTestId('guest').getAttribute('data-mode')).toBe('view');
  expect(await owner.context.cookies()).toEqual(before);
  await owner.page.reload();
  await owner.page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  const next = await owner.context.newPage();
  await next.goto(gateway.url);
  await next.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  // In a tab where the page is already, too.
  await next.evaluate((hash) => {
    location.hash = hash;
  }, new URL(url).hash);
  await enterAsGuest(next);
  expect(next.url()).not.toContain('share=');
});

it('a link to type takes control from the owner like any other viewer, and a link to view cannot', async () => {
  const owner = await sharePage(gateway);
  const session = await startShell(owner.page);
  const typing = await share(session, { mode: 'type' });
  const guest = await openGuest(typing.url);
  await guest.page.getByRole('button', { name: /take/i }).first().click();
  await owner.page.locator('[data-testid="lease"]:not([data-lease="yours"])').waitFor();
  await type(guest.page, 'echo typed-by-$((6*7))');
  await seeLine(owner.page, 'typed-by-42');
  // Only what is typing is offered.
  for (const button of ['interrupt', 'kill', 'menu-search']) {
    expect(await guest.page.getByTestId(button).count()).toBe(0);
  }
  const { viewers } = await gateway.client.shares.get(typing.id);
  expect(viewers).toMatchObject([{ driving: true }]);

  const viewing = await openGuest((await share(session)).url);
  await viewing.page.locator(`[data-testid="session-view"][data-session="${session}"]`).waitFor();
  expect(await viewing.page.getByRole('button', { name: /take/i }).count()).toBe(0);
});

it('a link that is revoked says so on the open page at once, and after a reload', async () => {
  const { id: session } = await gateway.client.sessions.create({ argv: ['/bin/cat'] });
  const { url, id } = await share(session);
  const { page } = await openGuest(url);
  const begun = performance.now();
  await gateway.client.shares.revoke(id);
  await page.locator('[data-testid="guest-error"] [data-code="share_revoked"]').waitFor();
  expect(performance.now() - begun).toBeLessThan(2000);
  await page.reload();
  await page.locator('[data-testid="guest-error"] [data-code="share_revoked"]').waitFor();
  await page.getByTestId('guest-leave').click();
  await page.getByTestId('login').waitFor();
});

inAll('goes on over a kill of the gateway as the same guest', async () => {
  const killed = await openGatewayProcess({ flags: [] });
  const { id: session } = await killed.client.sessions.create({ argv: ['/bin/cat'] });
  const { url, id } = await share(session, { uses: 1 }, killed);
  const { page } = await openGuest(url);
  await page.locator('[data-testid="session-view"][data-phase="live"]').waitFor();
  await killed.kill();
  await killed.restart();
  await killed.client.session(session).write('back\r');
  await seeLine(page, 'back');
  await until('it is counted again', async () => (await killed.client.shares.get(id)).viewers.length === 1);
  expect((await killed.client.shares.get(id)).used).toBe(1);
});

inAll('what the page had not loaded yet when the gateway was killed comes once it is back', async () => {
  const killed = await openGatewayProcess({ flags: [] });
  const { id: session } = await killed.client.sessions.create({ argv: ['/bin/cat'] });
  const { url } = await share(session, {}, killed);
  const { page } = await openContext();
  let setRequested = (): void => undefined;
  const requests = new Promise<void>((resolve) => {
    setRequested = resolve;
  });
  // The terminal code is requested, and the gateway dies before the answer.
  await page.route('**/assets/xterm-*', async (route) => {
    setRequested();
    await route.abort();
  });
  await page.goto(url);
  await page.getByTestId('guest-enter').click();
  await requests;
  await killed.kill();
  await page.getByTestId('error-boundary').locator('[data-code="unreachable"]').waitFor();
  await page.unroute('**/assets/xterm-*');
  await killed.restart();
  await page.locator('[data-testid="session-view"][data-phase="live"]').waitFor();
  await killed.client.session(session).write('back again\r');
  await seeLine(page, 'back again');
});

it('a conversation is shown as it goes on, and a guest who views cannot write', async () => {
  const { key } = await makeConversation(gateway);
  await sendTo(gateway, key, { text: 'said before anybody came' });
  const { url } = await gateway.client.shares.create({ conversation: key });
  const { page, complaints } = await openGuest(url);
  await page.getByText('said before anybody came').first().waitFor();
  await sendTo(gateway, key, { text: 'said while somebody looks' });
  await page.getByText('said while somebody looks').first().waitFor();
  expect(await page.locator('.composer textarea').count()).toBe(0);
  expect(complaints).toEqual([]);
});

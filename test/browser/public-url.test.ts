// The page below a path of a reverse proxy, which takes the path away or passes it on: everything follows the public URL.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { inAll, isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openContext } from '../support/page.ts';
import { atEnd } from '../support/teardown.ts';
import { loginLink, seeLine, startShell, type } from './page.fixture.ts';
import { openProxy, type ReverseProxy } from './proxy.fixture.ts';

describe.each([
  { what: 'takes the path away and passes the Host on', strips: true, passesHost: true },
  { what: 'passes the path on and names the gateway as the Host', strips: false, passesHost: false },
])('behind a proxy that $what', ({ strips, passesHost }) => {
  let proxy: ReverseProxy;
  let gateway: Gateway;
  beforeAll(async () => {
    proxy = await openProxy({ path: '/deep/binnacle/', strips, passesHost });
    atEnd(() => proxy.close());
    gateway = await openGateway({ publicUrl: proxy.url });
    proxy.to(gateway.url);
  });

  it('a login link opens the page, which works below the path: terminal, reload, worker, download, share link', async () => {
    const link = await loginLink(gateway);
    expect(link.startsWith(`${proxy.url}#ticket=`)).toBe(true);
    const { page, context, complaints, sockets } = await openContext({ serviceWorkers: 'allow' });
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(proxy.url)) elsewhere.push(request.url());
    });
    await page.goto(link);
    await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
    await startShell(page);
    await type(page, 'echo below-$((6*7))');
    await seeLine(page, 'below-42');
    const path = new URL(proxy.url).pathname;
    expect(await context.cookies()).toMatchObject([{ path, httpOnly: true, sameSite: 'Strict' }]);
    expect(new Set(sockets)).toEqual(new Set([`${proxy.url.replace('http', 'ws')}v1/ws`]));
    const scope = await page.evaluate(async () => (await navigator.serviceWorker.ready).scope);
    expect(scope).toBe(proxy.url);
    // The page makes the rest of its own address, which is the same behind both.
    if (!strips && !isAll) return;

    await page.reload();
    await seeLine(page, 'below-42');
    await page.getByTestId('export').click();
    const coming = page.waitForEvent('download');
    await page.getByTestId('export-text').click();
    expect(readFileSync(await (await coming).path(), 'utf8')).toContain('below-42');
    await page.keyboard.press('Escape');
    const shots = process.env.BINNACLE_SHOTS;
    if (shots !== undefined) await page.screenshot({ path: join(shots, `public-url-${strips}.png`) });
    expect(elsewhere).toEqual([]);
    expect(complaints).toEqual([]);

    const id = (await page.getByTestId('session-view').getAttribute('data-session')) ?? '';
    const { url } = await gateway.client.shares.create({ session: id, mode: 'view' });
    expect(url.startsWith(`${proxy.url}#share=`)).toBe(true);
    const guest = await openContext();
    await guest.page.goto(url);
    await guest.page.getByTestId('guest-enter').click();
    await seeLine(guest.page, 'below-42');

    await page.getByTestId('logout').click();
    await page.getByTestId('login').waitFor();
    expect(await context.cookies()).toEqual([]);
  });

  it('an address without the last slash, and one where nothing is, lead to the page', async () => {
    const { page } = await openContext();
    const direct = await page.goto(`${proxy.url}nowhere/at/all`);
    expect(direct?.status()).toBe(404);
    await page.getByRole('link', { name: 'Open Binnacle' }).click();
    await page.getByTestId('login').waitFor();
    expect(page.url()).toBe(proxy.url);
    if (strips) return; // the proxy answers it
    const bare = await fetch(gateway.url + new URL(proxy.url).pathname.replace(/\/$/, '?x=1'), { redirect: 'manual' });
    expect([bare.status, bare.headers.get('location')]).toEqual([308, `${new URL(proxy.url).pathname}?x=1`]);
  });

  const inBoth = strips ? it : inAll;
  inBoth('the direct address goes on to work, with a login of its own', async () => {
    const { page, context } = await openContext();
    await page.goto((await loginLink(gateway)).replace(proxy.url, `${gateway.url}/`));
    await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
    expect(await context.cookies()).toMatchObject([{ path: '/' }]);
  });
});

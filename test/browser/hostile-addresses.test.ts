// The effects of a foreign link on the page (S5), and what a share link reveals or permits (S33).

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeConversation, writeConfig } from '../conversations/conversation.fixture.ts';
import { inAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { openWatched, residue, TRACE, type WatchedPage } from './alarms.fixture.ts';
import { choose, closePages, loginLink, openBrowser, openContext, seeLine } from './page.fixture.ts';

let gateway: Gateway;
let browser: Browser;
let elsewhere: Server;
/** Of another site: `localhost` is not `127.0.0.1`. */
let elsewhereUrl: string;
let heard: { readonly url: string; readonly headers: IncomingHttpHeaders }[];
beforeAll(async () => {
  browser = await openBrowser();
  const agents = { entries: { main: { driver: 'echo', default: true } } };
  gateway = await openGateway({ prepare: (dir) => writeConfig(dir, { agents }) });
  heard = [];
  elsewhere = createServer((request, response) => {
    heard.push({ url: request.url ?? '', headers: request.headers });
    response.setHeader('content-type', 'text/html').end(`<!doctype html><title>elsewhere</title>`);
  }).listen(0, 'localhost');
  await once(elsewhere, 'listening');
  elsewhereUrl = `http://localhost:${(elsewhere.address() as AddressInfo).port}`;
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await gateway?.close();
  elsewhere?.close();
});

const MARKUP = `<img src=x onerror="window.${TRACE}=1"><script>window.${TRACE}=1</script>`;
const open = (page: Page): Promise<void> => page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
const go = (page: Page, hash: string): Promise<void> =>
  page.evaluate((to) => {
    location.hash = to;
  }, hash);

/** Passes the welcome page of a share link. */
async function passWelcome(page: Page): Promise<void> {
  await page.getByTestId('guest-enter').click();
  await page.locator('[data-testid="guest"][data-link="open"]').waitFor();
}

async function enter(): Promise<WatchedPage> {
  const visit = await openWatched(browser, gateway.url);
  await visit.page.goto(await loginLink(gateway));
  await open(visit.page);
  return visit;
}

it('the alarms of these tests ring: a page that does what must not happen is heard', async () => {
  const visit = await openWatched(browser, gateway.url);
  const { page, alarms } = visit;
  await page.goto(gateway.url);
  await page.getByTestId('login').waitFor();
  expect(alarms.filter((alarm) => !alarm.includes('401'))).toEqual([]);
  expect(await residue(page)).toEqual([]);
  // As a script of ours could, were it made to.
  await page.evaluate(
    ([trace, far]) => {
      (window as unknown as Record<string, unknown>)[trace] = 1;
      const box = document.createElement('div');
      box.innerHTML = `<img src=x onerror="1"><a href="javascript:1">x</a><svg onload="1"></svg><iframe src="about:blank"></iframe>`;
      document.body.append(box);
      fetch(far).catch(() => undefined);
      window.open('about:blank');
      window.print();
      alert('hello');
    },
    [TRACE, elsewhereUrl] as const,
  );
  const rings = (...expected: readonly string[]): Promise<void> =>
    until(`it rings: ${expected.join(', ')}`, async () => expected.every((one) => alarms.join('\n').includes(one)));
  // A refusal by the policy is reported later: leaving the page at once would lose the report.
  await rings(
    'policy connect-src',
    'policy script-src-attr',
    'frame about:blank',
    'called open',
    'called print',
    'window about:blank',
    'dialog hello',
  );
  await page.evaluate((far) => {
    const away = document.createElement('a');
    away.href = far;
    document.body.append(away);
    away.click();
  }, elsewhereUrl);
  await page.waitForURL(`${elsewhereUrl}/`);
  await rings(`navigation ${elsewhereUrl}`);

  await page.goto(`${gateway.url}/`);
  await page.getByTestId('login').waitFor();
  const left = await page.evaluate((trace) => {
    (Object.prototype as Record<string, unknown>)[trace] = 1;
    const box = document.createElement('div');
    box.innerHTML = '<a href="javascript:1" onclick="1">x</a><object></object>';
    document.body.append(box);
    return true;
  }, TRACE);
  expect(left).toBe(true);
  expect(await residue(page)).toEqual(['a script ran', 'a href=javascript:1', 'a onclick', 'object']);
});

describe('S5: nothing in an address', () => {
  /** Each with what the page must show in the end. */
  const FRAGMENTS: readonly (readonly [fragment: string, shows: string])[] = [
    ['#/__proto__', '[data-testid="empty"]'],
    ['#/constructor', '[data-testid="empty"]'],
    ['#/c/__proto__', '[data-testid="empty"]'],
    ['#/c/constructor', '[data-testid="empty"]'],
    [`#/c/${encodeURIComponent(MARKUP)}`, '[data-testid="empty"]'],
    ['#/c/agent%3Amain%3A..%2F..%2F..%2Fv1%2Flogout', '[data-testid="empty"]'],
    [`#/javascript:window.${TRACE}=1`, '[data-testid="empty"]'],
    ['#//evil.example/', '[data-testid="empty"]'],
    ['#/%E0%A4%A', '[data-testid="empty"]'],
    [`#/${'a'.repeat(100_000)}`, '[data-testid="empty"]'],
    ['#/00000000-0000-7000-8000-000000000000?at=1e99', '[data-testid="empty"]'],
    [`#/search?q=${encodeURIComponent(MARKUP)}`, '.page'],
    [`#/search?q=__proto__&__proto__[${TRACE}]=1&constructor[prototype][${TRACE}]=1`, '.page'],
    ['#/search?q=%00%ff%F0%9F&session=..%2F..%2Fv1%2Flogout&source=__proto__', '.page'],
    [`#/search?q=${'%22'.repeat(3000)}`, '.page'],
    [`#/traffic?source=${encodeURIComponent(MARKUP)}&label=__proto__&command=${encodeURIComponent(MARKUP)}`, '.page'],
    ['#/traffic?session=..%2F..%2Fv1%2Flogout&exit=9999999999&final=__proto__&hours=Infinity', '.page'],
    [`#/plugins?__proto__[${TRACE}]=1`, '.page'],
    ['#javascript:alert(1)', '[data-testid="empty"]'],
    ['#ticket', '[data-testid="empty"]'],
  ];

  it('makes the page run, ask, or go anywhere else, whatever its fragment names', async () => {
    const { page, alarms } = await enter();
    const requests: string[] = [];
    page.on('request', (request) => requests.push(`${request.method()} ${new URL(request.url()).pathname}`));
    for (const [fragment, shows] of some(FRAGMENTS, 10)) {
      await go(page, '');
      await page.getByTestId('empty').waitFor();
      await go(page, fragment);
      await page.locator(shows).first().waitFor();
      expect(await residue(page), fragment.slice(0, 80)).toEqual([]);
    }
    // The page may report refused requests; only reads were requested.
    expect(alarms.filter((alarm) => !/console Failed to load resource.* (400|404)/.test(alarm))).toEqual([]);
    expect(requests.filter((one) => !one.startsWith('GET ') || /logout|tokens|evil/.test(one))).toEqual([]);
    await go(page, '');
    await page.getByTestId('empty').waitFor();
    expect(await page.locator('[data-testid="app-shell"]').getAttribute('data-link')).toBe('open');
  });

  it('is taken for a place to connect to, a token or a redirect: the query counts for nothing', async () => {
    const { page, alarms, sockets } = await enter();
    const far = encodeURIComponent(elsewhereUrl);
    const names = [
      'gatewayUrl',
      'gateway',
      'url',
      'ws',
      'token',
      'next',
      'redirect',
      'returnTo',
      'theme',
      '__proto__[x]',
    ];
    const query = names.map((name) => `${name}=${name === 'token' ? 'x' : far}`).join('&');
    for (const path of some([`/?${query}`, `/?${query}#${query}`, `/?next=javascript:window.${TRACE}=1`], 2)) {
      await page.goto(`${gateway.url}${path}`);
      await open(page);
      expect(await residue(page)).toEqual([]);
    }
    expect(alarms).toEqual([]);
    expect(new Set(sockets)).toEqual(new Set([`${gateway.url.replace('http', 'ws')}/v1/ws`]));
    const paths = [
      '//evil.example/',
      '/%2f%2fevil.example',
      '/\\evil.example',
      '/..//evil.example',
      '/?next=//evil.example',
    ];
    for (const path of paths) {
      const answer = await page.context().request.get(`${gateway.url}${path}`, { maxRedirects: 0 });
      expect([path, answer.headers().location]).toEqual([path, undefined]);
      expect(answer.status() === 200 || answer.status() === 400 || answer.status() === 404, path).toBe(true);
    }
    expect(heard.filter(({ url }) => url.includes('token') || url.includes('ws'))).toEqual([]);
  });

  it('that is a hostile ticket or secret does more than fail, says why, and stays in the address', async () => {
    const visit = await openWatched(browser, gateway.url);
    const { page, alarms } = visit;
    const refused = (alarm: string): boolean =>
      /console Failed to load resource.* (400|401|403|404|410|413|422|429)/.test(alarm);
    for (const ticket of some([MARKUP, '../../v1/tokens', '%00%', 'x'.repeat(50_000)], 2)) {
      await page.goto('about:blank');
      await page.goto(`${gateway.url}/#ticket=${ticket}`);
      await page.getByTestId('login').waitFor();
      expect(new URL(page.url()).hash).toBe('');
      expect(await residue(page)).toEqual([]);
    }
    for (const secret of some([MARKUP, '__proto__', 'x'.repeat(50_000)], 2)) {
      await page.goto('about:blank');
      await page.goto(`${gateway.url}/#share=${secret}`);
      await page.getByTestId('guest-error').waitFor();
      expect(new URL(page.url()).hash).toBe('');
      expect(await residue(page)).toEqual([]);
    }
    expect(alarms.filter((alarm) => !refused(alarm))).toEqual([]);
    // It was nobody's: the tab is as before.
    await page.getByTestId('guest-leave').click();
    await page.getByTestId('login').waitFor();
  });
});

describe('S33: a share link', () => {
  const share = (session: string, more: object = {}) => gateway.client.shares.create({ session, ...more });
  const cat = async (): Promise<string> => (await gateway.client.sessions.create({ argv: ['/bin/cat'] })).id;

  async function comeBy(url: string): Promise<WatchedPage> {
    const visit = await openWatched(browser, gateway.url);
    await visit.page.goto(url);
    await passWelcome(visit.page);
    return visit;
  }

  it('leaves its secret in no address, header, history, title or store, and no cookie', async () => {
    const { url, secret } = await share(await cat());
    const messages: string[] = [];
    const visit = await openWatched(browser, gateway.url);
    const { page, context } = visit;
    context.on('request', (request) => messages.push(request.url(), JSON.stringify(request.headers())));
    await page.goto(`${gateway.url}/`);
    await page.getByTestId('login').waitFor();
    // In a tab where the page is already, and then anew.
    await go(page, new URL(url).hash);
    await passWelcome(page);
    await page.reload();
    await page.locator('[data-testid="guest"][data-link="open"]').waitFor();
    const places = await page.evaluate(() => {
      const { navigation } = window as unknown as { navigation: { entries(): { url: string }[] } };
      return JSON.stringify([
        navigation.entries().map((entry) => entry.url),
        history.state,
        document.title,
        document.documentElement.outerHTML,
        { ...localStorage },
        { ...sessionStorage },
      ]);
    });
    const bare = secret.slice(4);
    expect(bare.length).toBeGreaterThan(30);
    expect(`${places}${messages.join('')}`).not.toContain(bare);
    expect(await context.cookies()).toEqual([]);
    expect(visit.alarms.filter((alarm) => !alarm.includes('401'))).toEqual([]);
  });

  it('shows its one session, and no other page is behind any address in its tab', async () => {
    const other = await cat();
    const { key } = await makeConversation(gateway);
    const { page, alarms } = await comeBy((await share(await cat())).url);
    const requests: string[] = [];
    page.on('request', (request) => requests.push(new URL(request.url()).pathname));
    const hashes = [`#/${other}`, `#/c/${encodeURIComponent(key)}`, '#/search?q=x', '#/traffic', '#/plugins'];
    for (const hash of some(hashes, 2)) {
      await page.goto(`${gateway.url}/${hash}`);
      await page.reload();
      await page.locator('[data-testid="guest"][data-link="open"]').waitFor();
      await page.getByTestId('session-view').waitFor();
      expect(await page.locator('.sidebar, [data-testid="session"], .page').count()).toBe(0);
      expect(await page.getByTestId('session-view').getAttribute('data-session')).not.toBe(other);
    }
    expect(requests.filter((path) => /^\/v1\/(?!me$|shared$|ws$)/.test(path))).toEqual([]);
    // With all that the tab has, as a script in it could.
    const answers = await page.evaluate(
      async ([session, talk]) => {
        const { credential } = JSON.parse(sessionStorage.getItem('binnacle.guest') ?? '{}') as { credential: string };
        const headers = { authorization: `Bearer ${credential}` };
        const paths = [
          `/v1/sessions/${session}`,
          `/v1/sessions/${session}/output`,
          `/v1/conversations/${talk}`,
          '/v1/tokens',
          '/v1/plugins',
          '/v1/shares',
        ];
        return await Promise.all(paths.map(async (path) => (await fetch(path, { headers })).status));
      },
      [other, encodeURIComponent(key)] as const,
    );
    for (const status of answers) expect([403, 404]).toContain(status);
    expect(alarms.filter((alarm) => !/ (403|404)/.test(alarm))).toEqual([]);
  });

  inAll.each(['expired', 'used_up', 'revoked'] as const)('that is %s says so, and shows nothing', async (how) => {
    const session = await cat();
    await gateway.client.session(session).write('for guests only\r');
    const { url, id } = await share(
      session,
      how === 'used_up' ? { uses: 1 } : how === 'expired' ? { expiresInMs: 1500 } : {},
    );
    const first = how === 'expired' ? undefined : await comeBy(url);
    if (first !== undefined) await seeLine(first.page, 'for guests only');
    if (how === 'revoked') {
      await gateway.client.shares.revoke(id);
      await first?.page.locator('[data-testid="guest-error"] [data-code="share_revoked"]').waitFor();
      expect(await first?.page.locator('.xterm').count()).toBe(0);
    }
    await until('it is over', async () => (await gateway.client.shares.get(id)).state !== 'open');
    const late = await openWatched(browser, gateway.url);
    await late.page.goto(url);
    await late.page.locator(`[data-testid="guest-error"] [data-code="share_${how}"]`).waitFor();
    expect(await late.page.locator('.xterm').count()).toBe(0);
    expect(late.alarms.filter((alarm) => !/console Failed to load resource/.test(alarm))).toEqual([]);
  });

  it('takes nothing along to where a link in its terminal leads: no address, no cookie, no way back', async () => {
    // The browser has a cookie of the gateway, too: a logged-in user opened the link.
    const { context, page } = await openContext(browser);
    await page.goto(await loginLink(gateway));
    await open(page);
    const { id } = await gateway.client.sessions.create({
      argv: [
        '/bin/sh',
        '-c',
        `printf '\\033]8;;${elsewhereUrl}/from-the-terminal\\033\\\\press-me\\033]8;;\\033\\\\\\n'; exec sleep 60`,
      ],
    });
    await choose(page, id);
    await page.locator('.xterm-rows').getByText('press-me').click({ force: true });
    expect(await page.getByTestId('link-target').innerText()).toBe(`${elsewhereUrl}/from-the-terminal`);
    expect(await page.getByTestId('link-host').innerText()).toBe(new URL(elsewhereUrl).host);
    const [opened] = await Promise.all([
      context.waitForEvent('page'),
      page.getByRole('button', { name: 'Open in a new tab' }).click(),
    ]);
    await opened.waitForURL(`${elsewhereUrl}/from-the-terminal`);
    expect(await opened.evaluate(() => [window.opener, document.referrer])).toEqual([null, '']);
    await until('it was asked for', () => heard.some(({ url }) => url === '/from-the-terminal'));
    const request = heard.find(({ url }) => url === '/from-the-terminal');
    expect(request?.headers.referer).toBeUndefined();
    expect(request?.headers.cookie).toBeUndefined();
  });

  // The last one: from then on this address waits.
  it('is not found by guessing: after some wrong ones the page says to wait, and does not go on by itself', async () => {
    const visit = await openWatched(browser, gateway.url);
    const { page } = visit;
    let tries = 0;
    page.on('request', (request) => {
      if (/\/v1\/shares\/(look|redeem)$/.test(request.url())) tries += 1;
    });
    await page.goto(`${gateway.url}/#share=shr_wrong`);
    await page.getByTestId('guest-error').waitFor();
    const statuses = await page.evaluate(async () => {
      const found: number[] = [];
      for (let at = 0; at < 200; at += 1) {
        const body = JSON.stringify({ secret: `shr_${at}` });
        const answer = await fetch('/v1/shares/redeem', {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json' },
        });
        found.push(answer.status);
        if (answer.status === 429) break;
      }
      return found;
    });
    expect(statuses.at(-1)).toBe(429);
    expect(statuses.length).toBeLessThan(200);
    await page.goto('about:blank');
    tries = 0;
    await page.goto(`${gateway.url}/#share=shr_wrong_again`);
    await page.locator('[data-testid="guest-error"] [data-code="rate_limited"]').waitFor();
    expect(tries).toBe(1);
    expect(visit.alarms.filter((alarm) => !/console Failed to load resource/.test(alarm))).toEqual([]);
  });
});

it('an address where nothing is says so in words, and leads to the page', async () => {
  for (const colorScheme of some(['dark', 'light'] as const, 1)) {
    const { page, complaints } = await openContext(browser, { colorScheme, viewport: { width: 390, height: 700 } });
    const answer = await page.goto(`${gateway.url}/no/such/${encodeURIComponent(MARKUP)}?q=1`);
    expect(answer?.status()).toBe(404);
    await page.getByRole('heading', { name: 'Nothing is at this address' }).waitFor();
    expect(await page.evaluate(() => [...document.images].map(({ naturalWidth }) => naturalWidth))).toEqual([192]);
    expect(await page.evaluate(() => document.styleSheets[0]?.cssRules.length)).toBeGreaterThan(3);
    await page.getByRole('link', { name: 'Open Binnacle' }).click();
    await page.getByTestId('login').waitFor();
    expect(new URL(page.url()).pathname).toBe('/');
    // The browser reports the status and the missing login; the policy reports nothing.
    expect(complaints).toEqual([expect.stringContaining('404'), expect.stringContaining('401')]);
  }
});

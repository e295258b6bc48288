// A login belongs to one origin, port included: what other ports of the same host get of it, or do to it, changes nothing.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Gateway, openGateway } from '../support/gateway.ts';
import {
  loginLink,
  openBrowser,
  openContext,
  openLoggedIn,
  seeLine,
  sharePage,
  startShell,
  type,
} from './page.fixture.ts';

let gateway: Gateway;
let browser: Browser;
/** Something else on this host, as a dev server that an agent has started. */
let other: Server;
let otherUrl: string;
/** The Cookie headers that it was sent. */
const received: string[] = [];
/** Cookies that its answers set. */
let sets: string[] = [];

beforeAll(async () => {
  other = createServer((request, response) => {
    received.push(request.headers.cookie ?? '');
    response.setHeader('Set-Cookie', sets);
    response.end('<!doctype html>something else');
  });
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
  browser = await openBrowser();
  gateway = await openGateway();
});
afterEach(() => {
  received.length = 0;
  sets = [];
});
afterAll(async () => {
  await gateway?.close();
  other?.close();
});

/** The status that an upgrade is answered with; 101 where it opens. */
const upgrade = (headers: Record<string, string>, protocols: string[] = []): Promise<number> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/ws`, protocols, { headers });
    socket.on('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      socket.terminate();
      resolve(response.statusCode ?? 0);
    });
    socket.on('error', () => undefined);
  });

it('the cookie that another port of this host is sent opens nothing there: no request, no stream, no socket', async () => {
  const { page } = await sharePage(gateway);
  const session = await startShell(page);
  const tab = await page.context().newPage();
  await tab.goto(otherUrl);
  const cookie = received.join('; ');
  expect(cookie).toMatch(/binnacle_\d+=bn_/);

  // Headers as our own page would send them, as far as they can be known.
  const headers = {
    ...{ cookie, origin: gateway.url, 'sec-fetch-site': 'same-origin', 'x-binnacle': '1' },
    'content-type': 'application/json',
  };
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(gateway.url + path, { ...init, headers: { ...headers, ...init.headers } });
    await response.body?.cancel();
    return [path, response.status];
  };
  const output = `/v1/sessions/${session}/output`;
  expect(
    await Promise.all([
      ask('/v1/me'),
      ask('/v1/sessions'),
      ask(`${output}?follow=1`, { headers: { accept: 'text/event-stream' } }),
      ask(`/v1/sessions/${session}/export`),
      ask('/v1/tickets', { method: 'POST', body: '{}' }),
      ask(`/v1/sessions/${session}/input`, { method: 'POST', body: 'x' }),
      ask('/v1/logout', { method: 'POST' }),
      ask(`/v1/sessions/${session}`, { method: 'DELETE' }),
    ]),
  ).toEqual([
    ['/v1/me', 401],
    ['/v1/sessions', 401],
    [`${output}?follow=1`, 401],
    [`/v1/sessions/${session}/export`, 401],
    ['/v1/tickets', 401],
    [`/v1/sessions/${session}/input`, 401],
    ['/v1/logout', 401],
    [`/v1/sessions/${session}`, 401],
  ]);
  expect(await upgrade({ cookie, origin: gateway.url })).toBe(401);
  expect(await upgrade({ cookie, origin: gateway.url }, ['binnacle', `binnacle.key.bn_${'x'.repeat(43)}`])).toBe(401);

  // The page is not affected.
  await page.reload();
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  expect((await gateway.client.sessions.get(session)).running).toBe(true);
});

it('a second cookie of the name, which another port has set, locks nobody out', async () => {
  const { page, context } = await openLoggedIn(browser, gateway);
  const [ours] = await context.cookies();
  sets = [
    `${ours?.name}=bn_${'x'.repeat(43)}; Path=/v1`,
    `${ours?.name}=bn_${'y'.repeat(43)}; Path=/v1/`,
    `${ours?.name}=; Path=/v1/ws`,
    `${ours?.name}=bn_${'z'.repeat(43)}; Path=/v1/me`,
  ];
  const tab = await context.newPage();
  await tab.goto(otherUrl);
  expect(await context.cookies(`${gateway.url}/v1/me`)).toHaveLength(4);

  await page.reload();
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  await startShell(page);
  await type(page, 'echo still-$((6*7))');
  await seeLine(page, 'still-42');
});

it('a cookie that another port has put in the place of ours is said to be that, and a fresh link lets in again', async () => {
  const { page, context } = await sharePage(gateway);
  const [ours] = await context.cookies();
  sets = [`${ours?.name}=bn_${'x'.repeat(43)}; Path=/; HttpOnly`];
  const tab = await context.newPage();
  await tab.goto(otherUrl);
  await page.reload();
  const failure = page.locator('[data-testid="failure"][data-code="login_incomplete"]');
  await failure.waitFor();
  expect(await failure.innerText()).toMatch(/Something else on this host has put its own in the place.*new link/s);
  await page.getByTestId('ticket').fill(await loginLink(gateway));
  await page.getByTestId('enter').click();
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
});

it('a login whose storage was cleared, as one of before an upgrade, is said to be half, and a fresh link mends it', async () => {
  const { page } = await sharePage(gateway);
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  const failure = page.locator('[data-testid="failure"][data-code="login_incomplete"]');
  await failure.waitFor();
  expect(await failure.innerText()).toMatch(/from before an upgrade, or its storage was cleared.*new link/s);
  await page.getByTestId('ticket').fill(await loginLink(gateway));
  await page.getByTestId('enter').click();
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  await page.reload();
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
});

it('where storage is blocked the page works until it is closed, and says so', async () => {
  const { page, context } = await openContext(browser);
  await context.addInitScript(() => {
    for (const name of ['localStorage', 'sessionStorage']) {
      Object.defineProperty(window, name, {
        get: () => {
          throw new DOMException('The user denied permission.', 'SecurityError');
        },
      });
    }
  });
  await page.goto(await loginLink(gateway));
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  await page.locator('[data-testid="notice"][data-about="login-not-stored"]').waitFor();
  await startShell(page);
  await type(page, 'echo without-$((6*7))');
  await seeLine(page, 'without-42');
});

it('a file is saved by a pass that works once, and by nothing that another port is sent', async () => {
  const { page, context } = await openLoggedIn(browser, gateway);
  await startShell(page);
  await type(page, 'echo saved-$((6*7))');
  await seeLine(page, 'saved-42');
  await page.getByTestId('export').click();
  const coming = page.waitForEvent('download');
  await page.getByTestId('export-text').click();
  const download = await coming;
  expect(download.suggestedFilename()).toMatch(/\.txt$/);
  expect(readFileSync(await download.path(), 'utf8')).toContain('saved-42');
  const address = download.url();
  expect(address).toMatch(/\/export\?format=text&pass=bn_/);
  const [ours] = await context.cookies();
  const again = await fetch(address, { headers: { cookie: `${ours?.name}=${ours?.value}` } });
  expect(again.status).toBe(401);
});

// A page with our React package in a real Chromium, served from the address of a real gateway. Knows no test.

import { readFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { openContext } from '../browser/page.fixture.ts';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { atEnd, forFile } from '../support/teardown.ts';
import type { Ask, Look } from './page.tsx';

declare global {
  var look: Look;
}

const root = resolve(import.meta.dirname, '../..');
const source = (path: string): string => resolve(root, 'packages', path);

/** The parts of the page by their names. */
export type Bundle = ReadonlyMap<string, string>;

/** For the life of the worker: bundling costs as much as several pages. */
let bundled: Promise<Bundle> | undefined;

/** As a developer has it: React's strict mode and its warnings are on. */
export function bundlePage(): Promise<Bundle> {
  bundled ??= bundle();
  return bundled;
}

async function bundle(): Promise<Bundle> {
  const building = await rolldown({
    input: { page: resolve(import.meta.dirname, 'page.tsx') },
    platform: 'browser',
    resolve: {
      alias: {
        '@binnacle/protocol': source('protocol/src/index.ts'),
        '@binnacle/client/react': source('client/src/react/index.ts'),
        '@binnacle/client': source('client/src/index.ts'),
      },
    },
    transform: { define: { 'process.env.NODE_ENV': '"development"' } },
    logLevel: 'silent',
  });
  const { output } = await building.generate({
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
  });
  await building.close();
  const css = [resolve(root, 'node_modules/@xterm/xterm/css/xterm.css'), source('client/src/react/react.css')];
  return new Map([
    ...output.map((part) => [part.fileName, part.type === 'chunk' ? part.code : String(part.source)] as const),
    ['page.css', css.map((path) => readFileSync(path, 'utf8')).join('\n')],
    ['', HTML],
  ]);
}

const HTML = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>React</title>
<link rel="stylesheet" href="page.css"><link rel="icon" href="data:,">
<style>html, body, #root { height: 100%; margin: 0 }</style>
</head><body><div id="root"></div><script type="module" src="page.js"></script></body></html>`;
const TYPES: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.css': 'text/css', '': 'text/html' };

export interface App {
  readonly page: Page;
  /** Errors, warnings of React among them. */
  readonly complaints: readonly string[];
  /** Every WebSocket that it opened: its address, and whether it is still open. */
  readonly sockets: readonly { readonly path: string; readonly isOpen: boolean; readonly sent: readonly string[] }[];
  show(ask: Ask): Promise<void>;
}

/** The page, logged in; it shows nothing yet. */
export async function openApp(browser: Browser, gateway: GatewayAccess, bundle: Bundle): Promise<App> {
  const { context, page, complaints } = await openContext(browser);
  // A document that a route makes up comes from nowhere, and may not open sockets to 127.0.0.1 by itself.
  await context.grantPermissions(['local-network-access']);
  const sockets: { path: string; isOpen: boolean; sent: string[] }[] = [];
  page.on('websocket', (socket) => {
    const known = { path: new URL(socket.url()).pathname, isOpen: true, sent: [] as string[] };
    sockets.push(known);
    socket.on('close', () => {
      known.isOpen = false;
    });
    socket.on('framesent', ({ payload }) => known.sent.push(String(payload)));
  });
  await page.route('**/react-test/**', (route) => {
    const name = new URL(route.request().url()).pathname.replace('/react-test/', '');
    const body = bundle.get(name);
    return body === undefined
      ? route.fulfill({ status: 404 })
      : route.fulfill({ body, contentType: `${TYPES[extname(name)] ?? 'text/plain'}; charset=utf-8` });
  });
  await page.goto(`${gateway.url}/react-test/`);
  const { ticket } = await gateway.client.createTicket();
  await page.evaluate((secret) => look.client.login(secret), ticket);
  return { page, complaints, sockets, show: (ask) => page.evaluate((asked) => look.show(asked), ask) };
}

/** The shared page of each gateway. */
const shared = new WeakMap<object, Promise<App>>();

/**
 * One page for all tests of a file that count no sockets, no states and no commits: it shows nothing yet, has its first
 * size, and has heard nothing. After a failed test the next one has a fresh page.
 */
export async function shareApp(browser: Browser, gateway: GatewayAccess, bundle: Bundle): Promise<App> {
  atEnd(async (failed) => {
    if (failed === undefined) return;
    const opened = await shared.get(gateway);
    shared.delete(gateway);
    await opened?.page.context().close();
  });
  const known = shared.get(gateway);
  if (known === undefined) {
    const opening = forFile(() => openApp(browser, gateway, bundle));
    shared.set(gateway, opening);
    return await opening;
  }
  const app = await known;
  await app.show({ view: 'none' });
  // What was shown before is gone when it is drawn.
  await app.page.locator('#root:empty').waitFor({ state: 'attached' });
  await app.page.evaluate(() => {
    look.said = undefined;
  });
  await app.page.setViewportSize({ width: 1000, height: 640 });
  (app.complaints as string[]).length = 0;
  return app;
}

/** Waits until the hook of the view is in that state. */
export const inState = (page: Page, state: string): Promise<unknown> =>
  page.waitForFunction((wanted) => look.said?.state === wanted, state, { timeout: 20_000 });

/** Waits until the output that the session hook has ends so. */
export const ends = (page: Page, text: string): Promise<unknown> =>
  page.waitForFunction((wanted) => look.text().endsWith(wanted), text, { timeout: 20_000 });

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { createServer, type ViteDevServer } from 'vite';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { closePages, loginLink, openBrowser, openContext, seeLine } from '../browser/page.fixture.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';

const EXAMPLE = resolve(import.meta.dirname, '../../examples/react-app');
let gateway: Gateway;
let browser: Browser;
let vite: ViteDevServer;
let address: string;
const cacheDir = mkdtempSync(join(tmpdir(), 'binnacle-vite-'));
beforeAll(async () => {
  // The gateway must know the address of the page, and the page that of the gateway.
  const port = await freePort();
  address = `http://localhost:${port}`;
  [gateway, browser] = await Promise.all([openGateway({ origins: [address] }), openBrowser()]);
  process.env.BINNACLE_URL = gateway.url;
  const configFile = join(EXAMPLE, 'vite.config.ts');
  vite = await createServer({ configFile, cacheDir, server: { port, strictPort: true }, logLevel: 'error' });
  await vite.listen();
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await vite?.close();
  await gateway?.close();
  delete process.env.BINNACLE_URL;
  rmSync(cacheDir, { recursive: true, force: true });
});

it('the example app logs in with a link, starts a shell, and shows it as a terminal and as a log', async () => {
  const { page, complaints } = await openContext(browser);
  await page.goto(address);
  await page.getByLabel('Login link').fill(await loginLink(gateway));
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'New shell' }).click();
  await page.locator('.binnacle-terminal[data-state="live"] .xterm-rows').waitFor();
  await page.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type('echo from-$((40+2))\n');
  await seeLine(page, 'from-42');
  await page.locator('[data-line]', { hasText: /^from-42$/ }).waitFor();
  await page.keyboard.type('exit 3\n');
  await page.locator('.binnacle-log .binnacle-status', { hasText: 'Exited with code 3.' }).waitFor();
  await page.getByRole('button', { name: /exited|closed/ }).waitFor();
  // The line that says how it ended takes room from the terminal, which is still seen whole.
  await page.waitForFunction(() => {
    const [box, screen] = ['.binnacle-terminal-box', '.xterm-screen'].map((name) => document.querySelector(name));
    return box != null && screen != null && screen.clientHeight <= box.clientHeight;
  });
  if (process.env.BINNACLE_SHOTS !== undefined) {
    await page.screenshot({ path: join(process.env.BINNACLE_SHOTS, 'react-app.png') });
  }
  // Before it is logged in, it asks whether it is.
  expect(complaints.filter((words) => !words.includes('401'))).toEqual([]);
}, 60_000);

async function freePort(): Promise<number> {
  const server = createTcpServer();
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

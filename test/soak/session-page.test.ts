// The page of a session that wrote very much: it opens with the right screen. How long that takes is told.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBrowser, openLoggedIn, seeLine } from '../browser/page.fixture.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
const TOTAL = 1024 * MIB;

let gateway: Gateway;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openGateway();
});
afterAll(async () => {
  await gateway?.close();
});

it('a session of 1 GiB opens with its screen, for a bounded number of bytes', async () => {
  const { id } = await gateway.client.sessions.create({
    command: `yes "$(printf %0999d 7)" | head -c ${TOTAL}; printf '\\e[2J\\e[Hthe-screen\\n'; read stop`,
  });
  const outputOffset = async (): Promise<number> => (await gateway.client.sessions.get(id)).outputOffset;
  await until('all of it is there', async () => (await outputOffset()) > TOTAL, 600_000);
  const { page, complaints } = await openLoggedIn(browser, gateway);
  let bytes = 0;
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      bytes += payload.length;
    });
  });
  await page.reload();
  await page.locator('[data-testid="app-shell"][data-link="open"]').waitFor();
  const began = performance.now();
  await page.locator(`[data-testid="session"][data-session="${id}"]`).click();
  await seeLine(page, 'the-screen', 60_000);
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(`1 GiB: its screen after ${seconds.toFixed(1)} s, ${(bytes / MIB).toFixed(1)} MiB fetched\n`);
  expect(bytes).toBeLessThan(3 * MIB);
  expect(complaints).toEqual([]);
}, 900_000);

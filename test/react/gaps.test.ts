import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { closePages, openBrowser } from '../browser/page.fixture.ts';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { type Bundle, bundlePage, ends, openApp } from './react.fixture.ts';

let gateway: Gateway;
let browser: Browser;
let bundle: Bundle;
beforeAll(async () => {
  [gateway, browser, bundle] = await Promise.all([
    openGateway({ retainBytes: 128 * 1024 }),
    openBrowser(),
    bundlePage(),
  ]);
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await gateway?.close();
});

it('output that retention has removed is a gap with its numbers, named in the log where it was', async () => {
  const command = `seq 1 ${count({ quick: 80_000, all: 200_000 })}; echo the-end; read go`;
  const { id } = await gateway.client.sessions.create({ command, mode: 'pipe' });
  // The runner looks for what to remove every ten seconds.
  const oldest = async (): Promise<number> => (await gateway.client.sessions.get(id)).oldestOffset;
  await until('the oldest output is gone', async () => (await oldest()) > 0, 20_000);
  const app = await openApp(browser, gateway, bundle);
  await app.show({ view: 'session', id, props: { from: { offset: 0 } } });
  await ends(app.page, 'the-end\n');
  const gaps = await app.page.evaluate(() => look.said.gaps as { from: number; to: number; reason: string }[]);
  expect(gaps).toEqual([expect.objectContaining({ from: 0, to: await oldest(), reason: 'retention' })]);
  await app.show({ view: 'none' });
  await app.show({ view: 'log', id, props: { options: { from: { offset: 0 }, maxLines: 200_000 } } });
  await app.page.locator('[data-line]', { hasText: 'the-end' }).waitFor();
  await app.page.locator('.binnacle-log-lines').focus();
  await app.page.keyboard.press('Home');
  await app.page.locator('[data-kind="notice"]', { hasText: 'of output are no longer kept.' }).waitFor();
  // Asked for what there is, there is no gap; how much lies before it is told.
  await app.show({ view: 'none' });
  await app.show({ view: 'session', id });
  await ends(app.page, 'the-end\n');
  const oldestOffset = await oldest();
  await until(
    'the bytes before it are counted',
    async () => (await app.page.evaluate(() => look.said.skippedBytes)) === oldestOffset,
  );
  expect(app.complaints).toEqual([]);
}, 60_000);

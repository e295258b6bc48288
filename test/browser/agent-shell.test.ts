import type { Client } from '@modelcontextprotocol/client';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { call, connectStdio } from '../mcp/mcp.fixture.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { choose, closePages, openBrowser, openLoggedIn, seeLine } from './page.fixture.ts';

let gateway: Gateway;
let browser: Browser;
let agent: Client;
beforeAll(async () => {
  browser = await openBrowser();
  gateway = await openGateway();
  agent = await connectStdio(gateway);
});
afterEach((test) => closePages(browser, test));
afterAll(async () => {
  await agent?.close();
  await gateway?.close();
});

it('a long command of an agent is watched and interrupted on the page, and the agent reads what became of it', async () => {
  const command = `trap 'echo stopped by hand; exit 7' INT; echo working; while :; do sleep 0.1; done`;
  const started = await call(agent, 'bash_start', { command, pty: true, name: 'long build' });
  expect(started.isError).toBe(false);
  const { id } = started.data;
  const { page } = await openLoggedIn(browser, gateway);
  await choose(page, id);
  await seeLine(page, 'working');
  const ending = call(agent, 'bash_output', { id, offset: 0, block: true });
  await page.getByTestId('interrupt').click();
  const ended = await ending;
  expect(ended.data).toMatchObject({ exit_code: 7, status: 'closed' });
  expect(ended.data.text).toContain('working\n');
  expect(ended.data.text).toContain('stopped by hand\n');
  await seeLine(page, 'stopped by hand');
});

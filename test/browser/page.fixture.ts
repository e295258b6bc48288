// Earlier names of test/support/page.ts. Remove this file with the last test that uses them.

import type { Browser } from 'playwright-core';
import type { TestContext } from 'vitest';
import { type ContextOptions, type OpenPage, openPage, openContext as openProfile } from '../support/page.ts';

export { openBrowser } from '../support/browser.ts';
export {
  choose,
  keyOf,
  lines,
  loginLink,
  screenfuls,
  seeLine,
  sharePage,
  shown,
  startShell,
  tell,
  type,
} from '../support/page.ts';
export type { OpenPage };

export const openContext = (browser: Browser, options: ContextOptions = {}): Promise<OpenPage> =>
  openProfile({ ...options, browser });

export const openLoggedIn = (
  browser: Browser,
  gateway: Parameters<typeof openPage>[0],
  options: ContextOptions & { readonly via?: string } = {},
): Promise<OpenPage> => openPage(gateway, { ...options, browser });

/** Contexts close by themselves; those that a `beforeAll` opened are closed after each test here. */
export async function closePages(browser: Browser, _test: TestContext): Promise<void> {
  for (const context of browser.contexts()) await context.close();
}

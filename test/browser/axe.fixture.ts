// axe-core in a page of the gateway, and a gateway with something on each page.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { makeSessions } from './many-sessions.fixture.ts';

// Run in the page by the debugger's hand: its Content-Security-Policy would let no script of ours in.
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** `builds`: a session that takes commands, with one behind it: there is a timeline. `waits` is waited for. */
export async function openBuilds(sessions: number): Promise<{ gateway: Gateway; builds: string }> {
  const gateway = await openGateway({ prepare: (dir) => makeSessions(dir, sessions) });
  await gateway.client.sessions.create({ name: 'waits', command: "printf '\\033]9;Run the tests?\\007'; read go" });
  const builds = (await gateway.client.sessions.create({ name: 'builds', runs: true, cols: 80, rows: 24 })).id;
  await gateway.client.session(builds).run('echo built').ended;
  return { gateway, builds };
}

export const THEMES = ['dark', 'light'] as const;

/** What a person with a screen reader, a keyboard or weak eyes would stumble over, in short. */
export async function violations(
  page: Page,
  where: string,
  themes: readonly (typeof THEMES)[number][] = THEMES,
): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
  const found: string[] = [];
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    await page.locator(`html[data-theme="${theme}"]`).waitFor();
    // What is built of names, roles and order is the same in the next theme: only its colours are looked at.
    const only = theme === themes[0] ? {} : { runOnly: ['color-contrast'] };
    const violationTexts = await page.evaluate(async (options) => {
      const { axe } = globalThis as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } };
      interface Violation {
        readonly id: string;
        readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[];
      }
      const { violations } = await axe.run({ ...options, resultTypes: ['violations'] });
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary.replace(/\s+/g, ' ')}`),
      );
    }, only);
    found.push(...violationTexts.map((text) => `${where}, ${theme}: ${text}`));
  }
  return found;
}

export const SIZES = {
  desktop: { viewport: { width: 1100, height: 760 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
} as const;

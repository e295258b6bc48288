// A real Chromium. Launched once per worker; each test has contexts of its own, which close by themselves. The browser
// ends with the worker: Playwright then ends its processes and removes its profile.

import { accessSync, constants } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { atFileEnd } from './teardown.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const SHELL = '/usr/bin/chromium-headless-shell';
const FLAGS = [
  '--no-sandbox', // tests run as root in containers, where Chromium's own sandbox does not start
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** By whether it is a whole browser. For the life of the worker: a launch costs 1.4 s of CPU. */
const launched = new Map<boolean, Promise<Browser>>();

/**
 * The browser of this worker. No test closes it. Throws, and never skips, where there is no Chromium. `isWhole`: with all that belongs to a
 * browser and not to a page, as notifications and being installed.
 */
export function openBrowser({ isWhole = false } = {}): Promise<Browser> {
  const known = launched.get(isWhole);
  if (known !== undefined) return known;
  const executablePath = (isWhole ? undefined : shellPath()) ?? chromiumPath();
  const browser = chromium.launch({ executablePath, args: FLAGS }).then((opened) => {
    opened.on('disconnected', () => launched.delete(isWhole));
    return opened;
  });
  launched.set(isWhole, browser);
  // A whole browser that is ended with its worker leaves a directory behind.
  if (isWhole) {
    atFileEnd(async () => {
      launched.delete(isWhole);
      await (await browser.catch(() => undefined))?.close();
    });
  }
  browser.catch(() => launched.delete(isWhole));
  return browser;
}

function chromiumPath(): string {
  const named = process.env.BINNACLE_CHROMIUM ?? process.env.CHROMIUM;
  const found = (named === undefined ? PLACES : [named]).find(isProgram);
  if (found !== undefined) return found;
  throw new Error(
    `The browser tests need a Chromium, and there is none at ${named ?? PLACES.join(', ')}. ` +
      'Install it (Debian: apt-get install chromium), or set BINNACLE_CHROMIUM to the path of a Chrome.',
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not for us
  }
}

/** The same engine without windows, where it is there: a page in it costs half as much. */
function shellPath(): string | undefined {
  const { BINNACLE_CHROMIUM: named, BINNACLE_CHROMIUM_SHELL: shell = named === undefined ? SHELL : undefined } =
    process.env;
  return shell !== undefined && isProgram(shell) ? shell : undefined;
}

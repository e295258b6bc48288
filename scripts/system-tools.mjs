// Finds what the tests need of the system, and installs Debian's packages of it where that can be done without asking.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './run.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const SHELL = 'chromium-headless-shell';

/** The path of a Chromium, `$BINNACLE_CHROMIUM` first. */
export const findChromium = () => process.env.BINNACLE_CHROMIUM ?? NAMES.map(findProgram).find(Boolean);

/**
 * The same engine without windows: each page of a test costs half the processor time. What belongs to a whole browser
 * (notifications, push, being installed) it has not. Whoever names a browser gets that one for everything.
 */
export const findShell = () => (process.env.BINNACLE_CHROMIUM === undefined ? findProgram(SHELL) : undefined);

/** Its package is named `bubblewrap`. */
const findBubblewrap = () => findProgram('bwrap');

export async function installTools() {
  const hasOwn = process.env.BINNACLE_CHROMIUM !== undefined;
  const missing = [
    findChromium() === undefined ? 'chromium' : undefined,
    // It only saves time: where it cannot be had, as on other systems, the browser does its work.
    hasOwn || findShell() !== undefined ? undefined : SHELL,
    findBubblewrap() === undefined ? 'bubblewrap' : undefined,
  ].filter((name) => name !== undefined);
  if (missing.length > 0) await installPackages(missing);
  if (findChromium() === undefined) {
    console.error(
      'There is no chromium, so the browser tests will fail. Install it (on Debian, as root: apt-get install chromium),\n' +
        'or set BINNACLE_CHROMIUM to the path of a Chrome.',
    );
  }
  if (findBubblewrap() === undefined) {
    console.error(
      'There is no bubblewrap, so many tests of plugins will fail. Install it (on Debian, as root: apt-get install bubblewrap).',
    );
  }
}

async function installPackages(names) {
  if (process.getuid?.() !== 0 || findProgram('apt-get') === undefined) return;
  console.error(`Installing ${names.join(', ')} for the tests …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const stdio = ['ignore', 'ignore', 'inherit'];
  await run('apt-get', ['update', '-qq'], { env, stdio });
  // One after the other: what one release does not have must not keep the rest away.
  for (const name of names)
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], { env, stdio });
}

function findProgram(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

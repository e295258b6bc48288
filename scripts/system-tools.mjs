// Finds what the tests need of the system, and installs Debian's packages of it where that can be done without asking.
import { accessSync, constants, mkdirSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root, run } from './run.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const SHELL = 'chromium-headless-shell';

/** The path of a Chromium, `$BINNACLE_CHROMIUM` first. */
export const findChromium = () => process.env.BINNACLE_CHROMIUM ?? NAMES.map((name) => findProgram(name)).find(Boolean);

/**
 * The same engine without windows: each page of a test costs half the processor time. What belongs to a whole browser
 * (notifications, push, being installed) it has not. Whoever names a browser gets that one for everything.
 */
export const findShell = () => (process.env.BINNACLE_CHROMIUM === undefined ? findProgram(SHELL) : undefined);

/** Unpacked beside the dependencies: installed, its package starts a server of Prometheus. */
const unpackedPromtool = join(root, 'node_modules/.cache/promtool');

/** The checker of `/metrics`, which Debian has in the package `prometheus`. */
export const findPromtool = () => findProgram('promtool') ?? findProgram('promtool', join(unpackedPromtool, 'usr/bin'));

/** Its package is named `bubblewrap`. */
const findBubblewrap = () => findProgram('bwrap');

/** `isAll`: also what only `npm run test:all` needs. */
export async function installTools(isAll) {
  const hasOwn = process.env.BINNACLE_CHROMIUM !== undefined;
  const missing = [
    findChromium() === undefined ? 'chromium' : undefined,
    // It only saves time: where it cannot be had, as on other systems, the browser does its work.
    hasOwn || findShell() !== undefined ? undefined : SHELL,
    findBubblewrap() === undefined ? 'bubblewrap' : undefined,
    findProgram('asciinema') === undefined ? 'asciinema' : undefined,
    isAll && findProgram('faketime') === undefined ? 'faketime' : undefined,
  ].filter((name) => name !== undefined);
  if (missing.length > 0) await installPackages(missing);
  if (findPromtool() === undefined) await unpackPromtool();
  for (const [name, found] of [
    ['asciinema', findProgram('asciinema')],
    ['promtool', findPromtool()],
  ]) {
    if (found === undefined) console.error(`There is no ${name}, so the test that needs it is skipped.`);
  }
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

async function unpackPromtool() {
  if (process.getuid?.() !== 0 || findProgram('apt-get') === undefined) return;
  console.error('Unpacking promtool for the tests …');
  mkdirSync(unpackedPromtool, { recursive: true });
  const options = { cwd: unpackedPromtool, stdio: ['ignore', 'ignore', 'inherit'] };
  await run('apt-get', ['update', '-qq'], options);
  await run('apt-get', ['download', '-qq', 'prometheus'], options);
  const archive = readdirSync(unpackedPromtool).find((name) => name.endsWith('.deb'));
  if (archive !== undefined) await run('dpkg-deb', ['-x', archive, '.'], options);
}

function findProgram(name, path = process.env.PATH ?? '') {
  for (const folder of path.split(delimiter)) {
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

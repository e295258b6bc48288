// Finds the browser of the browser tests, and installs Debian's where that can be done without asking.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './run.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The path of a Chromium, `$BINNACLE_CHROMIUM` first. */
export const findChromium = () => process.env.BINNACLE_CHROMIUM ?? NAMES.map(findProgram).find(Boolean);

export async function installChromium() {
  if (findChromium() !== undefined) return;
  if (process.getuid?.() === 0 && findProgram('apt-get') !== undefined) {
    console.error('Installing chromium for the browser tests …');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const stdio = ['ignore', 'ignore', 'inherit'];
    await run('apt-get', ['update', '-qq'], { env, stdio });
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], { env, stdio });
  }
  if (findChromium() === undefined) {
    console.error(
      'There is no chromium, so the browser tests will fail. Install it (on Debian, as root: apt-get install chromium),\n' +
        'or set BINNACLE_CHROMIUM to the path of a Chrome.',
    );
  }
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

// Installs the packed packages into an empty folder, as a user does: this needs the registry and half a minute.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/pack-install.mjs', import.meta.url));

it('can be installed without install scripts, serves a page and runs a session', { timeout: 300_000 }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT], { encoding: 'utf8' });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain('in a terminal: /dev/pts/');
  expect(stdout).toContain('What is packed can be installed and runs.');
});

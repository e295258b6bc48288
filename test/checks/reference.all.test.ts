// The API reference, made as `npm run docs` makes it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';

const FOLDER = fileURLToPath(new URL('../../docs/reference', import.meta.url));
let out = '';
afterEach(() => rmSync(out, { recursive: true, force: true }));

it('the reference has a page for each entry point and type, and typedoc warns of nothing', {
  timeout: 240_000,
}, () => {
  out = mkdtempSync(join(tmpdir(), 'binnacle-reference-'));
  const made = spawnSync(join(FOLDER, 'node_modules/.bin/typedoc'), ['--out', out], { cwd: FOLDER, encoding: 'utf8' });
  expect({ status: made.status, said: made.stdout + made.stderr }).toMatchObject({ status: 0 });
  expect(made.stdout).not.toContain('[warning]');
  const page = (path: string) => readFileSync(join(out, path), 'utf8');
  for (const name of ['client', 'client_react', 'client_terminal', 'emit', 'protocol']) {
    expect(page(`modules/_binnacle_${name}.html`)).toContain('<h1');
  }
  expect(page('interfaces/_binnacle_client.Session.html')).toContain('Example');
  expect(page('interfaces/_binnacle_client.Session.html')).toContain('lease_held');
});

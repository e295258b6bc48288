// The counts of docs/performance.md that stay: `npm run bench -- guard`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

it('no count of the guard is worse than committed', async () => {
  const bench = spawn(process.execPath, [join(ROOT, 'scripts/bench.mjs'), 'guard'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [said, [code]] = await Promise.all([text(bench.stderr), once(bench, 'exit')]);
  expect(said.split('\n').filter((line) => line.startsWith('Worse'))).toEqual([]);
  expect(code, said).toBe(0);
}, 180_000);

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FolderChanges } from './folder-changes.ts';

let dir: string;
const over = new AbortController();
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-changes-'));
  mkdirSync(join(dir, 'lib'));
  writeFileSync(join(dir, 'lib/a.js'), '0');
});
afterEach(() => rmSync(dir, { recursive: true }));

async function recorded(): Promise<FolderChanges> {
  const changes = new FolderChanges(dir, 5);
  await changes.record();
  return changes;
}

it('each of twenty saves is seen, in place and by a file that takes the place of the one before', async () => {
  const changes = await recorded();
  for (let save = 1; save <= 20; save += 1) {
    writeFileSync(join(dir, 'lib/a.js'), `in place ${save}`);
    expect(await changes.next(over.signal)).toBe(true);
    writeFileSync(join(dir, 'lib/.a.swp'), `replaced ${save}`);
    renameSync(join(dir, 'lib/.a.swp'), join(dir, 'lib/a.js'));
    expect(await changes.next(over.signal)).toBe(true);
  }
});

it('files that come, go, and are others with the same size and time are seen', async () => {
  const changes = await recorded();
  const acts = [
    () => writeFileSync(join(dir, 'b.js'), '1'),
    () => mkdirSync(join(dir, 'src')),
    () => writeFileSync(join(dir, 'src/c.js'), '1'),
    () => rmSync(join(dir, 'b.js')),
    () => symlinkSync('src/c.js', join(dir, 'd.js')),
    () => {
      writeFileSync(join(dir, 'src/c.js'), '2');
      utimesSync(join(dir, 'src/c.js'), 1, 1);
    },
    () => rmSync(join(dir, 'src'), { recursive: true }),
  ];
  for (const act of acts) {
    act();
    expect(await changes.next(over.signal)).toBe(true);
  }
});

it('changes since the last scan are found, and files that are no part of a plugin are ignored', async () => {
  const changes = await recorded();
  writeFileSync(join(dir, 'lib/a.js'), 'while nobody waited');
  expect(await changes.next(over.signal)).toBe(true);

  mkdirSync(join(dir, 'node_modules/left'), { recursive: true });
  mkdirSync(join(dir, '.git'));
  writeFileSync(join(dir, '.git/index'), '1');
  writeFileSync(join(dir, 'node_modules/left/pad.js'), '1');
  const stop = new AbortController();
  const next = changes.next(stop.signal);
  const seen = Promise.race([next, new Promise((resolve) => setTimeout(resolve, 100, 'nothing'))]);
  expect(await seen).toBe('nothing');
  stop.abort();
  expect(await next).toBe(false);
});

it('a folder that is written without end is taken up all the same', async () => {
  const changes = await recorded();
  let n = 0;
  const writer = setInterval(() => {
    n += 1;
    writeFileSync(join(dir, 'lib/a.js'), String(n));
  }, 1);
  try {
    expect(await changes.next(over.signal)).toBe(true);
  } finally {
    clearInterval(writer);
  }
});

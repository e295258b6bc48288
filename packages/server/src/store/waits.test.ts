import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionId } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Catalogue } from './store.ts';
import { MAX_WAITS, SAME_MS } from './waits.ts';

let dir: string;
let catalogue: Catalogue;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-waits-'));
  catalogue = Catalogue.open(dir);
});
afterEach(() => {
  catalogue.close();
  rmSync(dir, { recursive: true });
});

const sinceOf = (id: string): number[] => catalogue.waits.list(id).map(({ since }) => since);

it('the newest waits of a session are kept, those of others beside them, and one that is found again is no other', () => {
  for (let n = 0; n <= MAX_WAITS; n++) {
    catalogue.waits.put('a', { since: n * SAME_MS, offset: n, text: `${n}` });
    catalogue.waits.put('a', { since: n * SAME_MS + SAME_MS / 2, offset: n, text: 'again' });
  }
  catalogue.waits.put('b', { since: 5, offset: 1, text: '' });
  expect(sinceOf('a')).toEqual(Array.from({ length: MAX_WAITS }, (_, n) => (n + 1) * SAME_MS));
  catalogue.close();
  catalogue = Catalogue.open(dir);
  expect(catalogue.waits.list('a').at(-1)).toEqual({
    since: MAX_WAITS * SAME_MS,
    offset: MAX_WAITS,
    text: `${MAX_WAITS}`,
  });
  expect(catalogue.waits.list('b')).toEqual([{ since: 5, offset: 1, text: '' }]);
});

it('they go with their session', () => {
  const id = uuidv7() as SessionId;
  const spec = { argv: ['sh'], mode: 'pty', cwd: '/', envNames: [], cols: 80, rows: 24, takesRuns: false } as const;
  catalogue.sessions.insert({ id, name: 'x', spec });
  catalogue.waits.put(id, { since: 1, offset: 0, text: '' });
  catalogue.waits.put('another', { since: 1, offset: 0, text: '' });
  catalogue.sessions.remove(id);
  expect(sinceOf(id)).toEqual([]);
  expect(sinceOf('another')).toEqual([1]);
});

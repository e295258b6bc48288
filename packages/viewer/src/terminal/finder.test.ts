import { Terminal } from '@xterm/xterm';
import { expect, it } from 'vitest';
import { Finder, type FindResult } from './finder.ts';

it('a search addon that fails to load is reported, and the next search loads it again', async () => {
  const reports: FindResult[] = [];
  let tries = 0;
  const terminal = new Terminal({ allowProposedApi: true });
  const finder = new Finder(
    terminal,
    (found) => reports.push(found),
    async () => {
      tries += 1;
      if (tries === 1) throw new TypeError('Failed to fetch dynamically imported module');
      return await import('@xterm/addon-search');
    },
  );
  await finder.find('words', true, false);
  expect(reports).toEqual([{ at: 0, count: 0, isMore: false, isFailed: true }]);
  await finder.clear();
  await finder.find('', true, false);
  expect(tries).toBe(2);
  expect(reports.at(-1)).toEqual({ at: 0, count: 0, isMore: false });
  finder.dispose();
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionId, SessionQuery } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { count, some } from '../../../../test/support/count.ts';
import { prepareDataDir } from '../data-dir/data-dir.ts';
import { Catalogue } from '../store/store.ts';
import { listSessions } from './list.ts';

const ALL = count({ quick: 3_000, all: 10_000 });
let dir: string;
let catalogue: Catalogue;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-list-'));
  catalogue = Catalogue.open(prepareDataDir(dir));
  for (let n = 0; n < ALL; n++) {
    const id = `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}` as SessionId;
    const argv = ['sh', '-c', n % 7 === 0 ? 'Make "all"' : 'sleep'];
    const spec = {
      argv,
      mode: 'pty',
      cwd: `/home/u${n % 3}`,
      envNames: ['SECRET'],
      cols: 80,
      rows: 24,
      takesRuns: false,
      ...(n % 13 === 0 ? { labels: { team: n % 2 === 0 ? 'red' : 'blue', 'a=b': 'c' } } : {}),
    } as const;
    const conversation = n % 5 === 0 ? 'private' : null;
    catalogue.sessions.insert({ id, name: `n${n}`, spec, state: n % 11 === 0 ? 'running' : 'closed', conversation });
  }
});
afterAll(() => {
  catalogue.close();
  rmSync(dir, { recursive: true, force: true });
});

const rows = () => ({ store: catalogue.sessions, live: () => [] });
const isPublic = ({ conversation }: { readonly conversation: string | null }): boolean => conversation === null;

async function paged(query: SessionQuery): Promise<string[]> {
  const ids: string[] = [];
  for (let after: string | null = null; ; ) {
    const request: SessionQuery = after === null ? query : { ...query, after };
    const page = await listSessions(rows(), request, isPublic);
    ids.push(...page.records.map(({ name }) => name));
    if (page.next === null) return ids;
    expect(page.records).toHaveLength(query.limit ?? 100);
    after = page.next;
  }
}

const expected = (fits: (n: number) => boolean): string[] =>
  Array.from({ length: ALL }, (_, n) => ALL - 1 - n)
    .filter((n) => n % 5 !== 0 && fits(n))
    .map((n) => `n${n}`);

const QUERIES: readonly (readonly [string, SessionQuery, (n: number) => boolean])[] = [
  ['all', { limit: 1000 }, () => true],
  ['by words', { q: ' /U1  make "ALL" ' }, (n) => n % 7 === 0 && n % 3 === 1],
  ['by what has ended', { activity: 'exited', limit: 1000 }, (n) => n % 11 !== 0],
  ['by both, a few at a time', { activity: 'exited', q: 'make', limit: 37 }, (n) => n % 11 !== 0 && n % 7 === 0],
  ['by a name', { q: `n${ALL - 124}`, limit: 1 }, (n) => n === ALL - 124],
  ['by what is not there', { q: 'nowhere' }, () => false],
  ['by names of variables, which nobody can read', { q: 'SECRET' }, () => false],
  ['by a label', { label: 'team', limit: 50 }, (n) => n % 13 === 0],
  ['by a label and its value', { label: 'team=red' }, (n) => n % 26 === 0],
  ['by a label as a word', { q: 'TEAM=blue' }, (n) => n % 26 === 13],
  ['by a label that none has', { label: 'team=r' }, () => false],
];
it.each(some(QUERIES, 6))(
  `${ALL} sessions are listed %s: each once, newest first, in full pages`,
  async (_, query, fits) => {
    expect(await paged(query)).toEqual(expected(fits));
  },
);

it('others have their turn while a question looks through all of them', async () => {
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await listSessions(rows(), { q: 'nowhere' }, isPublic);
  isOver = true;
  expect(turns).toBeGreaterThan(ALL / 1000);
});

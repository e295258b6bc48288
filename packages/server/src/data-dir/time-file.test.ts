import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SetClocks } from '../base/clocks.fixture.ts';
import { Catalogue } from '../store/store.ts';
import { prepareDataDir } from './data-dir.ts';
import { StoredTime } from './time-file.ts';

const HOUR = 3600_000;
const YEAR = 365 * 24 * HOUR;
let dir: string;
let clocks: SetClocks;
const faults: unknown[] = [];
const open = (): StoredTime => new StoredTime(dir, (error) => faults.push(error), clocks);

beforeEach(() => {
  dir = prepareDataDir(mkdtempSync(join(tmpdir(), 'binnacle-time-')));
  clocks = new SetClocks(Date.now());
});
afterEach(() => {
  rmSync(dir, { recursive: true });
  expect(faults).toEqual([]);
});

test('a machine that starts with its clock ahead is found out by what the last gateway knew', () => {
  const first = open();
  const before = first.time.now();
  first.stop();
  clocks.set(YEAR);
  const second = open();
  expect(second.time.now()).toBe(before);
  clocks.pass(HOUR);
  expect(second.time.now()).toBe(before + HOUR + YEAR);
  second.stop();
});

test('a file that is damaged says nothing: the wall clock is believed, as at a first start', () => {
  writeFileSync(join(dir, 'time.json'), '{"at": "soon"', { mode: 0o600 });
  const stored = open();
  expect(stored.time.now()).toBe(clocks.wall());
  stored.stop();
});

test('tokens, logins and share links that expired by a leap lose their rows an hour later, and not at once', () => {
  const stored = open();
  const catalogue = Catalogue.open(dir, {}, stored.time);
  const expiresAt = clocks.wall() + 60_000;
  const make = (expiry: number): string => {
    const id = randomUUID();
    const sha256 = createHash('sha256').update(id).digest();
    const common = { id, name: 'n', scope: 'view', user: 'ann', sha256, expiresAt: expiry } as const;
    catalogue.tokens.insert(common);
    catalogue.logins.insert({ ...common, keySha256: sha256, issuer: 'x' });
    const share = { label: '', kind: 'session', target: 's', mode: 'view', uses: null, issuer: 'x' } as const;
    catalogue.shares.insert({ ...common, ...share, by: common, createdAt: clocks.wall() }, null);
    return id;
  };
  const rows = (id: string): boolean[] =>
    [catalogue.tokens.get(id), catalogue.logins.get(id), catalogue.shares.get(id)].map((row) => row !== undefined);
  const old = make(expiresAt);
  clocks.set(YEAR);
  make(clocks.wall() + YEAR);
  expect(rows(old)).toEqual([true, true, true]);
  clocks.pass(HOUR);
  make(clocks.wall() + YEAR);
  expect(rows(old)).toEqual([false, false, false]);
  catalogue.close();
  stored.stop();
});

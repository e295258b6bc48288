import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionId } from '@binnacle/protocol';
import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPrivateFile } from '../data-dir/data-dir.ts';
import { openCatalogueFile } from './schema.ts';
import type { SessionSpec } from './sessions.ts';
import { type Database, openDatabase } from './sqlite.ts';
import { Catalogue } from './store.ts';
import { MAX_LOGINS, MAX_TOKENS } from './tokens.ts';

let dir: string;
let catalogue: Catalogue;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-catalogue-'));
  catalogue = Catalogue.open(dir);
});
afterEach(() => {
  catalogue.close();
  rmSync(dir, { recursive: true });
});

const newId = () => uuidv7() as SessionId;
const hash = (text: string) => new Uint8Array(Buffer.from(text.padEnd(32, '.')));
const spec: SessionSpec = {
  argv: ['sh', '-c', 'true'],
  mode: 'pty',
  cwd: '/',
  envNames: ['A'],
  cols: 80,
  rows: 24,
  takesRuns: false,
};
/** Puts a file of an older version in its place. Catalogue.open makes it one of today. */
function openOlder(version: number): Database {
  catalogue.close();
  for (const name of readdirSync(dir)) rmSync(join(dir, name));
  const path = join(dir, 'catalogue.db');
  createPrivateFile(path);
  return openCatalogueFile(path, version);
}
const reopen = (): void => {
  catalogue.close();
  catalogue = Catalogue.open(dir);
};

describe('the catalogue file', () => {
  test('and what SQLite puts beside it can be read by nobody else', () => {
    catalogue.sessions.insert({ id: newId(), name: 'x', spec });
    const names = readdirSync(dir).sort();
    expect(names).toEqual(['catalogue.db', 'catalogue.db-shm', 'catalogue.db-wal']);
    for (const name of names) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
  });

  test('that others could have written is refused', () => {
    catalogue.close();
    chmodSync(join(dir, 'catalogue.db'), 0o644);
    expect(() => Catalogue.open(dir)).toThrow('has mode 0644');
    chmodSync(join(dir, 'catalogue.db'), 0o600);
    catalogue = Catalogue.open(dir);
  });

  test('of a newer version is refused and left as it is', () => {
    catalogue.close();
    const path = join(dir, 'catalogue.db');
    const db = openDatabase(path);
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
    db.exec('PRAGMA user_version = 1000');
    db.close();
    expect(() => Catalogue.open(dir)).toThrow('newer Binnacle (schema 1000');
    const again = openDatabase(path);
    again.exec(`PRAGMA user_version = ${version}`);
    again.close();
    catalogue = Catalogue.open(dir);
  });

  test('of the first version becomes one of today, with what is in it', () => {
    const id = newId();
    const db = openOlder(1);
    db.exec(
      `INSERT INTO sessions (id, name, spec, state, created_at) VALUES ('${id}', 'old', '{}', 'closed', 1);
       INSERT INTO leases (session_id, fence) VALUES ('${id}', 3)`,
    );
    db.close();
    catalogue = Catalogue.open(dir);
    catalogue.commands.put(id, 5);
    expect(catalogue.sessions.require(id).name).toBe('old');
    expect(catalogue.leases.get(id)?.fence).toBe(3);
    expect(catalogue.commands.get(id)).toEqual({ session: id, deadline: 5, timedOut: false });
  });

  test('of the second version gives every token a user of its own, and every login that of its token', () => {
    const db = openOlder(2);
    // The first two were made in one minute; the third pair differs in the middle of the id alone.
    const ids = [
      '0193a2b4-1111-7000-8000-00009f31c0de',
      '0193a2b4-2222-7000-8000-0000aaaaaaaa',
      '0193a2b5-1111-7000-8000-0000bbbbbbbb',
      '0193a2b5-2222-7000-8000-0000bbbbbbbb',
    ];
    for (const id of ids) {
      db.prepare("INSERT INTO tokens (id, name, scope, sha256, created_at) VALUES (?, 'n', 'view', ?, 1)").run(
        id,
        hash(id),
      );
    }
    const logins = [
      ['of-admin', 'admin:0011223344556677'],
      ['of-of-admin', 'of-admin'],
      ['of-token', ids[0] ?? ''],
      ['of-of-token', 'of-token'],
      ['of-of-of-token', 'of-of-token'],
      ['of-nobody', 'gone'],
    ] as const;
    for (const [id, issuer] of logins) {
      db.prepare(
        "INSERT INTO logins (id, name, scope, sha256, issuer, created_at, expires_at) VALUES (?, 'n', 'view', ?, ?, 1, ?)",
      ).run(id, hash(id), issuer, Date.now() + 60_000);
    }
    const session = newId();
    db.prepare("INSERT INTO sessions (id, name, spec, state, created_at) VALUES (?, 'old', '{}', 'closed', 1)").run(
      session,
    );
    db.close();
    catalogue = Catalogue.open(dir);
    const usersOf = (records: readonly { readonly id: string; readonly user: string }[]) =>
      Object.fromEntries(records.map(({ id, user }) => [id, user]));
    expect(usersOf(catalogue.tokens.list())).toEqual({
      [ids[0] ?? '']: 'token-0193a2b4-9f31c0de',
      [ids[1] ?? '']: 'token-0193a2b4-aaaaaaaa',
      [ids[2] ?? '']: 'token-0193a2b5-bbbbbbbb',
      [ids[3] ?? '']: `token-${ids[3]}`,
    });
    expect(usersOf(catalogue.logins.list())).toEqual({
      'of-admin': 'admin',
      'of-of-admin': 'admin',
      'of-token': 'token-0193a2b4-9f31c0de',
      'of-of-token': 'token-0193a2b4-9f31c0de',
      'of-of-of-token': 'token-0193a2b4-9f31c0de',
      'of-nobody': 'token-of-nobody',
    });
    expect(catalogue.sessions.require(session)).toMatchObject({ name: 'old', conversation: null, hidden: false });
  });

  test('runs in WAL mode', () => {
    const db = openDatabase(join(dir, 'catalogue.db'));
    expect(db.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
    db.close();
  });
});

describe('sessions', () => {
  test('are kept as they were, over a restart', () => {
    const id = newId();
    catalogue.sessions.insert({ id, name: "Robert'); DROP TABLE sessions;--", spec, createdAt: 1000.4 });
    catalogue.sessions.update(id, { state: 'running', runner: 'r1', epoch: 'e1', pid: 42, cols: 132 });
    const head = { place: 2 ** 40, offset: 7 };
    catalogue.sessions.update(id, { state: 'exited', exitCode: null, signal: 'SIGTERM', exitedAt: 2000.6, head });
    reopen();
    expect(catalogue.sessions.get(id)).toEqual({
      id,
      name: "Robert'); DROP TABLE sessions;--",
      spec: { ...spec, cols: 132 },
      state: 'exited',
      runner: 'r1',
      epoch: 'e1',
      pid: 42,
      exitCode: null,
      signal: 'SIGTERM',
      createdAt: 1000,
      head,
      exitedAt: 2001,
      deleted: false,
      conversation: null,
      lostReason: null,
      hidden: false,
      foreign: null,
    });
  });

  test('keep whose they are and that they are hidden, also once they are deleted', () => {
    const [theirs, hidden] = [newId(), newId()];
    catalogue.sessions.insert({ id: theirs, name: 'x', spec, conversation: 'c1' });
    catalogue.sessions.insert({ id: hidden, name: 'x', spec, conversation: 'c1', hidden: true });
    catalogue.sessions.update(theirs, { state: 'running' });
    catalogue.sessions.remove(hidden);
    reopen();
    expect(catalogue.sessions.get(theirs)).toMatchObject({ conversation: 'c1', hidden: false, deleted: false });
    expect(catalogue.sessions.get(hidden)).toMatchObject({ conversation: 'c1', hidden: true, deleted: true });
  });

  test('never keep the value of an environment variable', () => {
    const careless = { ...spec, env: { SECRET: 'canary-value' } } as SessionSpec;
    const id = newId();
    catalogue.sessions.insert({ id, name: 'x', spec: careless });
    catalogue.sessions.update(id, { state: 'running', ...({ env: { SECRET: 'canary-value' } } as object) });
    catalogue.close();
    expect(readFileSync(join(dir, 'catalogue.db'), 'latin1')).not.toContain('canary-value');
    catalogue = Catalogue.open(dir);
  });

  test('are listed newest first, page by page, each once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 15 }), (count, limit) => {
        for (const { id } of catalogue.sessions.list({ limit: 1000 }).records) catalogue.sessions.remove(id);
        const ids = Array.from({ length: count }, newId);
        for (const id of ids) catalogue.sessions.insert({ id, name: '', spec });
        const seen: string[] = [];
        let after: string | null | undefined;
        do {
          const page = catalogue.sessions.list({ limit, ...(after == null ? {} : { after }) });
          expect(page.records.length).toBeLessThanOrEqual(limit);
          seen.push(...page.records.map(({ id }) => id));
          after = page.next;
        } while (after !== null);
        expect(seen).toEqual(ids.toReversed());
      }),
      { numRuns: 20 },
    );
  });

  test('that are not finished are found again', () => {
    const states = ['starting', 'running', 'exited', 'closed', 'lost'] as const;
    for (const state of states) catalogue.sessions.insert({ id: newId(), name: state, spec, state });
    const missing = newId();
    catalogue.sessions.insert({ id: missing, name: 'gone', spec, state: 'running' });
    catalogue.sessions.remove(missing);
    const names = catalogue.sessions.listUnfinished().map(({ name }) => name);
    expect(names).toEqual(['starting', 'running', 'exited']);
  });

  test('that were deleted are gone, not unknown, and take their lease along', () => {
    const id = newId();
    catalogue.sessions.insert({ id, name: 'x', spec });
    catalogue.leases.put({ sessionId: id, holder: 'me', leaseSha256: hash('a'), fence: 3 });
    expect(catalogue.sessions.remove(id)).toBe(true);
    expect(catalogue.sessions.remove(id)).toBe(false);
    expect(catalogue.leases.get(id)).toBeUndefined();
    expect(catalogue.sessions.list().records).toEqual([]);
    expect(catalogue.sessions.count()).toBe(0);
    expect(() => catalogue.sessions.require(id)).toThrow(expect.objectContaining({ code: 'session_gone' }));
    expect(() => catalogue.sessions.update(id, { state: 'lost' })).toThrow(
      expect.objectContaining({ code: 'session_gone' }),
    );
    expect(() => catalogue.sessions.require(newId())).toThrow(expect.objectContaining({ code: 'session_not_found' }));
    expect(() => catalogue.sessions.insert({ id, name: 'again', spec })).toThrow('is taken');
  });
});

describe('leases', () => {
  test('never go back to an older fence', () => {
    const sessionId = newId();
    catalogue.sessions.insert({ id: sessionId, name: 'x', spec });
    expect(catalogue.leases.put({ sessionId, holder: 'a', leaseSha256: hash('a'), fence: 5 })).toBe(true);
    expect(catalogue.leases.put({ sessionId, holder: 'b', leaseSha256: hash('b'), fence: 4 })).toBe(false);
    expect(catalogue.leases.get(sessionId)).toMatchObject({ holder: 'a', fence: 5 });
    expect(catalogue.leases.put({ sessionId, holder: null, leaseSha256: null, fence: 5 })).toBe(true);
    reopen();
    expect(catalogue.leases.get(sessionId)).toEqual({ sessionId, holder: null, leaseSha256: null, fence: 5 });
  });
});

describe('tokens and logins', () => {
  const token = (n: number, expiresAt: number | null = null) =>
    ({ id: `t${n}`, name: 'x', scope: 'view', user: `u${n}`, sha256: hash(`t${n}`), expiresAt }) as const;
  const login = (n: number, expiresAt = Date.now() + 60_000) =>
    ({ ...token(n), id: `l${n}`, sha256: hash(`l${n}`), keySha256: hash(`k${n}`), issuer: 'i', expiresAt }) as const;

  test('are found by their hash alone', () => {
    catalogue.tokens.insert(token(1));
    catalogue.logins.insert(login(1));
    expect(catalogue.tokens.findByHash(hash('t1'))?.id).toBe('t1');
    expect(catalogue.tokens.findByHash(hash('l1'))).toBeUndefined();
    expect(catalogue.logins.findByKey(hash('k1'))).toMatchObject({ id: 'l1', sha256: hash('l1') });
    for (const other of ['l1', 't1']) expect(catalogue.logins.findByKey(hash(other))).toBeUndefined();
  });

  test('know which users there are', () => {
    catalogue.tokens.insert(token(1));
    catalogue.logins.insert({ ...login(1), user: 'of-a-login' });
    expect(['u1', 'of-a-login', 'u', 'U1'].map((user) => catalogue.tokens.hasUser(user))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(catalogue.tokens.get('t1')?.user).toBe('u1');
    expect(catalogue.logins.findByKey(hash('k1'))?.user).toBe('of-a-login');
  });

  test('note their use at most once a minute', () => {
    catalogue.tokens.insert(token(1));
    const read = () => catalogue.tokens.get('t1');
    const first = read();
    if (first !== undefined) catalogue.tokens.touch(first);
    const used = read();
    expect(used?.lastUsed).toBeGreaterThan(0);
    if (used !== undefined) catalogue.tokens.touch({ ...used, lastUsed: Date.now() - 1000 });
    expect(read()?.lastUsed).toBe(used?.lastUsed);
  });

  test('have a limit, which expired ones do not count for', () => {
    for (let n = 0; n < MAX_TOKENS - 1; n += 1) catalogue.tokens.insert(token(n));
    catalogue.tokens.insert(token(5000, Date.now() - 1));
    catalogue.tokens.insert(token(5001));
    expect(() => catalogue.tokens.insert(token(5002))).toThrow(expect.objectContaining({ code: 'too_many_tokens' }));
    expect(catalogue.tokens.list()).toHaveLength(MAX_TOKENS);
  });

  test('end with the oldest login when there are too many', () => {
    for (let n = 0; n < MAX_LOGINS; n += 1) expect(catalogue.logins.insert(login(n)).ended).toEqual([]);
    const { ended } = catalogue.logins.insert(login(MAX_LOGINS));
    expect(ended).toHaveLength(1);
    expect(catalogue.logins.list()).toHaveLength(MAX_LOGINS);
  });

  test('of a larger scope do not end for those of a smaller one', () => {
    const { id } = catalogue.logins.insert({ ...login(0), scope: 'admin' }).record;
    for (let n = 1; n <= MAX_LOGINS; n += 1) catalogue.logins.insert({ ...login(n), scope: 'view' });
    expect(catalogue.logins.get(id)?.scope).toBe('admin');
  });
});

describe('commands', () => {
  test('are due until their session has ended, also where their time was over before', () => {
    const [due, late, over, none] = [newId(), newId(), newId(), newId()];
    for (const id of [due, late, over, none]) {
      catalogue.commands.put(id, id === none ? null : 1);
      catalogue.sessions.insert({ id, name: 'n', spec });
    }
    catalogue.commands.markTimedOut(late);
    catalogue.sessions.update(over, { state: 'exited' });
    expect(catalogue.commands.listDue().map(({ session }) => session)).toEqual([due, late]);
    expect(catalogue.commands.get(late)?.timedOut).toBe(true);
  });

  test('go with their session, and those that were never started go at the next start', () => {
    const [deleted, never] = [newId(), newId()];
    catalogue.commands.put(deleted, 1);
    catalogue.sessions.insert({ id: deleted, name: 'n', spec });
    catalogue.sessions.remove(deleted);
    expect(catalogue.commands.get(deleted)).toBeUndefined();
    catalogue.commands.put(never, 1);
    reopen();
    catalogue.sessions.insert({ id: never, name: 'n', spec });
    expect(catalogue.commands.get(never)).toBeUndefined();
  });
});

describe('terminals that wait', () => {
  test('are kept over a restart, counted, and forgotten by age', () => {
    const [one, two] = [newId(), newId()];
    catalogue.ptys.insert(one, { cwd: '/tmp', cols: 90, envNames: ['KEY'] });
    catalogue.ptys.insert(two, { command: 'x', envNames: [] });
    reopen();
    expect(catalogue.ptys.get(one)?.spec).toEqual({ cwd: '/tmp', cols: 90, envNames: ['KEY'] });
    expect(catalogue.ptys.count()).toBe(2);
    expect(catalogue.ptys.remove(two)).toBe(true);
    expect(catalogue.ptys.remove(two)).toBe(false);
    expect(catalogue.ptys.removeOlder(Date.now() - 60_000)).toEqual([]);
    expect(catalogue.ptys.removeOlder(Date.now() + 1)).toEqual([one]);
    expect(catalogue.ptys.get(one)).toBeUndefined();
  });
});

// The tables and the migrations from older files.

import { BinnacleError } from '@binnacle/protocol';
import { type Database, openDatabase } from './sqlite.ts';

/** Migration n brings a file from `user_version` n to n + 1. Append only: files of every version exist. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE sessions (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, spec TEXT NOT NULL, state TEXT NOT NULL,
     runner TEXT, epoch TEXT, pid INTEGER, exit_code INTEGER, signal TEXT,
     head_place INTEGER, head_offset INTEGER,
     created_at INTEGER NOT NULL, exited_at INTEGER, deleted_at INTEGER
   ) STRICT;
   CREATE INDEX sessions_listed ON sessions (id) WHERE deleted_at IS NULL;
   CREATE INDEX sessions_deleted ON sessions (deleted_at) WHERE deleted_at IS NOT NULL;
   CREATE INDEX sessions_unfinished ON sessions (state) WHERE deleted_at IS NULL AND state NOT IN ('closed', 'lost');

   CREATE TABLE tokens (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, sha256 BLOB NOT NULL UNIQUE,
     created_at INTEGER NOT NULL, expires_at INTEGER, last_used INTEGER
   ) STRICT;

   CREATE TABLE logins (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, sha256 BLOB NOT NULL UNIQUE,
     issuer TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, last_used INTEGER
   ) STRICT;
   CREATE INDEX logins_issuer ON logins (issuer);

   CREATE TABLE leases (
     session_id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
     holder TEXT, lease_sha256 BLOB, fence INTEGER NOT NULL
   ) STRICT;`,

  `CREATE TABLE commands (
     session_id TEXT PRIMARY KEY, deadline INTEGER, timed_out INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE INDEX commands_due ON commands (deadline) WHERE deadline IS NOT NULL;

   CREATE TABLE ptys (
     id TEXT PRIMARY KEY, spec TEXT NOT NULL, created_at INTEGER NOT NULL
   ) STRICT;`,

  // Tokens from before users get a user each, so that an upgrade shares nothing between them; see `ownUserOf`.
  `ALTER TABLE tokens ADD COLUMN user TEXT NOT NULL DEFAULT '';
   ALTER TABLE logins ADD COLUMN user TEXT NOT NULL DEFAULT '';
   UPDATE tokens SET user = 'token-' || substr(id, 1, 8) || '-' || substr(id, -8);
   UPDATE tokens SET user = 'token-' || id
     WHERE EXISTS (SELECT 1 FROM tokens AS other WHERE other.user = tokens.user AND other.id < tokens.id);
   WITH RECURSIVE whose (id, user) AS (
     SELECT id, user FROM tokens
     UNION SELECT id, 'admin' FROM logins WHERE substr(issuer, 1, 6) = 'admin:'
     UNION SELECT logins.id, whose.user FROM logins JOIN whose ON logins.issuer = whose.id
   )
   UPDATE logins SET user =
     coalesce((SELECT whose.user FROM whose WHERE whose.id = logins.id), 'token-' || logins.id);

   ALTER TABLE sessions ADD COLUMN conversation TEXT;
   ALTER TABLE sessions ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;`,

  // The logs of conversations contain all of this as well; `place` is the end of the part that the rows contain.
  `CREATE TABLE conversations (
     id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, owner TEXT, visibility TEXT NOT NULL,
     title TEXT NOT NULL, epoch TEXT NOT NULL, place INTEGER NOT NULL, state TEXT NOT NULL, lease TEXT, process TEXT,
     created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX conversations_owner ON conversations (owner);
   CREATE INDEX conversations_listed ON conversations (updated_at, id);
   CREATE INDEX conversations_busy ON conversations (id) WHERE state <> 'idle' OR process IS NOT NULL;

   CREATE TABLE messages (
     conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
     n INTEGER NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
     PRIMARY KEY (conversation, n), UNIQUE (conversation, id)
   ) STRICT;
   CREATE INDEX messages_waiting ON messages (conversation, n) WHERE state = 'queued';

   CREATE TABLE conversation_runs (
     conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
     id TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL,
     PRIMARY KEY (conversation, id)
   ) STRICT;

   CREATE TABLE replies (
     conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
     run TEXT NOT NULL, url TEXT NOT NULL, tries INTEGER NOT NULL, due_at INTEGER NOT NULL,
     PRIMARY KEY (conversation, run)
   ) STRICT;
   CREATE INDEX replies_due ON replies (due_at);`,

  // The logs of these sessions contain the rest; `place` is the end of the part that the row contains.
  `CREATE TABLE foreign_sessions (
     session TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
     emitted_id TEXT NOT NULL UNIQUE, user TEXT NOT NULL, producer TEXT, source TEXT NOT NULL, labels TEXT NOT NULL,
     epoch INTEGER NOT NULL, next_seq INTEGER NOT NULL, place INTEGER NOT NULL, offset INTEGER NOT NULL,
     heard_at INTEGER NOT NULL
   ) STRICT;`,

  `CREATE TABLE plugin_storage (
     plugin TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, bytes INTEGER NOT NULL,
     PRIMARY KEY (plugin, key)
   ) STRICT;`,

  // A share link shows a session or a conversation by its id: a key can belong to another conversation later.
  `CREATE TABLE shares (
     id TEXT PRIMARY KEY, label TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, mode TEXT NOT NULL,
     sha256 BLOB NOT NULL UNIQUE, uses INTEGER, used INTEGER NOT NULL DEFAULT 0, issuer TEXT NOT NULL,
     by_name TEXT NOT NULL, by_user TEXT NOT NULL, by_scope TEXT NOT NULL,
     created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, revoked_at INTEGER, revoked_by TEXT
   ) STRICT;
   CREATE INDEX shares_issuer ON shares (issuer);
   CREATE TABLE share_guests (
     id TEXT PRIMARY KEY, share TEXT NOT NULL REFERENCES shares (id) ON DELETE CASCADE,
     n INTEGER NOT NULL, name TEXT NOT NULL, sha256 BLOB NOT NULL UNIQUE, redeemed_at INTEGER NOT NULL,
     UNIQUE (share, n)
   ) STRICT;
   CREATE TABLE share_audit (
     share TEXT NOT NULL REFERENCES shares (id) ON DELETE CASCADE,
     at INTEGER NOT NULL, what TEXT NOT NULL, by TEXT NOT NULL, address TEXT
   ) STRICT;
   CREATE INDEX share_audit_share ON share_audit (share);
   CREATE INDEX sessions_conversation ON sessions (conversation) WHERE conversation IS NOT NULL;`,

  `ALTER TABLE conversations ADD COLUMN plugin TEXT;
   CREATE INDEX conversations_plugin ON conversations (plugin) WHERE plugin IS NOT NULL;`,

  `CREATE TABLE push_subscriptions (
     n INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL UNIQUE, p256dh BLOB NOT NULL, auth BLOB NOT NULL,
     user TEXT NOT NULL, issuer TEXT NOT NULL, created_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX push_subscriptions_user ON push_subscriptions (user);
   CREATE INDEX push_subscriptions_issuer ON push_subscriptions (issuer);
   CREATE TABLE mutes (
     user TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (user, kind, target)
   ) STRICT;
   CREATE INDEX mutes_target ON mutes (target);`,

  // The usage of all its runs: the runs themselves are dropped with the oldest messages.
  `ALTER TABLE conversations ADD COLUMN usage TEXT;
   UPDATE conversations SET usage = (
     SELECT json_object(
       'inputTokens', sum(json_extract(body, '$.usage.inputTokens')),
       'outputTokens', sum(json_extract(body, '$.usage.outputTokens')),
       'costUsd', sum(json_extract(body, '$.usage.costUsd')))
     FROM conversation_runs WHERE conversation = conversations.id
       AND json_extract(body, '$.usage') IS NOT NULL HAVING count(*) > 0);`,

  `CREATE TABLE waits (
     session_id TEXT NOT NULL, since INTEGER NOT NULL, offset INTEGER NOT NULL, text TEXT NOT NULL,
     PRIMARY KEY (session_id, since)
   ) STRICT, WITHOUT ROWID;
   CREATE TRIGGER waits_gone AFTER UPDATE OF deleted_at ON sessions WHEN NEW.deleted_at IS NOT NULL
   BEGIN DELETE FROM waits WHERE session_id = NEW.id; END;`,

  // Users who want notifications of waiting programs only, and not of turns that have ended.
  'CREATE TABLE hail_wishes (user TEXT PRIMARY KEY) STRICT;',

  // Reason for which a session counts as lost: `LostReason`. Null for other sessions, and in older rows.
  'ALTER TABLE sessions ADD COLUMN lost_reason TEXT;',
  // Makers of tokens and logins. `line`: the ids of all makers above, so that nothing is lost when one in between ends.
  `CREATE TABLE issued (
     id TEXT PRIMARY KEY, by_id TEXT NOT NULL, by_name TEXT NOT NULL, by_user TEXT NOT NULL, line TEXT NOT NULL
   ) STRICT;
   CREATE TRIGGER issued_token_gone AFTER DELETE ON tokens BEGIN DELETE FROM issued WHERE id = OLD.id; END;
   CREATE TRIGGER issued_login_gone AFTER DELETE ON logins BEGIN DELETE FROM issued WHERE id = OLD.id; END;`,

  // Older logins have no key, and grant no access: an exchange would give a key to every port that has the cookie.
  // Their rows stay until they expire, because of the share links and push subscriptions made with them.
  `ALTER TABLE logins ADD COLUMN key_sha256 BLOB;
   CREATE UNIQUE INDEX logins_key ON logins (key_sha256);`,

  // Grants that people gave to programs by a login with OAuth. The secret of such a token ends before the token does.
  `ALTER TABLE tokens ADD COLUMN secret_expires_at INTEGER;
   CREATE TABLE oauth_grants (
     token TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
     client TEXT NOT NULL,
     resource TEXT NOT NULL,
     issuer TEXT NOT NULL,
     refresh_sha256 BLOB NOT NULL UNIQUE
   ) STRICT;
   CREATE INDEX oauth_grants_issuer ON oauth_grants (issuer);
   CREATE TABLE oauth_used (
     id INTEGER PRIMARY KEY,
     sha256 BLOB NOT NULL UNIQUE,
     token TEXT NOT NULL REFERENCES oauth_grants (token) ON DELETE CASCADE
   ) STRICT;
   CREATE INDEX oauth_used_token ON oauth_used (token);`,
];

/**
 * Maximum wait of a statement for another connection's lock, in ms. The gateway is alone on the file; only a backup or
 * a curious person can lock it, and every viewer would notice a longer block of the event loop.
 */
const BUSY_TIMEOUT_MS = 1000;

/**
 * Opens the catalogue and migrates it to the newest schema (or to `version`, as an older gateway would have left it).
 * Throws `bad_data_dir` for a file of a newer version.
 */
export function openCatalogueFile(path: string, version = MIGRATIONS.length): Database {
  const db = openDatabase(path);
  try {
    // NORMAL: a commit survives any kill of this process; a power loss may take the last commits, never the file.
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;`);
    migrate(db, path, version);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

function migrate(db: Database, path: string, to: number): void {
  const found = schemaVersion(db);
  if (found > MIGRATIONS.length) {
    throw new BinnacleError('bad_data_dir', {
      message: `${path} was written by a newer Binnacle (schema ${found}; this one knows ${MIGRATIONS.length}).`,
      hint: 'Start that version or a newer one, or pass another --data.',
    });
  }
  if (found >= to) return;
  // One transaction: a new file takes a third of the time of one for each, and an interrupted upgrade leaves the old schema.
  transaction(db, () => {
    for (const migration of MIGRATIONS.slice(found, to)) db.exec(migration);
    db.exec(`PRAGMA user_version = ${to}`);
  });
}

function schemaVersion(db: Database): number {
  const row = db.prepare('PRAGMA user_version').get() as { readonly user_version: number };
  return row.user_version;
}

/** Runs `work` in one transaction; a failure rolls everything back. Must not be nested. */
export function transaction<T>(db: Database, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    try {
      db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
    throw error;
  }
}

// Owns the catalogue's database and hands out its stores. Knows no SQL beyond opening.

import { join } from 'node:path';
import { CommandStore } from './commands.ts';
import { ConversationStore } from './conversations.ts';
import { createPrivateFile } from './data-dir.ts';
import type { Database } from './driver.ts';
import { ForeignStore } from './foreign.ts';
import { LeaseStore } from './leases.ts';
import { PluginStorage } from './plugin-storage.ts';
import { PtyStore } from './ptys.ts';
import { openCatalogueFile } from './schema.ts';
import { SessionStore } from './sessions.ts';
import { ShareStore } from './shares.ts';
import { LoginStore, TokenStore } from './tokens.ts';

export class Catalogue {
  readonly sessions: SessionStore;
  readonly tokens: TokenStore;
  readonly logins: LoginStore;
  readonly leases: LeaseStore;
  readonly commands: CommandStore;
  readonly ptys: PtyStore;
  readonly conversations: ConversationStore;
  readonly foreign: ForeignStore;
  readonly pluginStorage: PluginStorage;
  readonly shares: ShareStore;
  readonly #db: Database;

  private constructor(db: Database) {
    this.#db = db;
    this.sessions = new SessionStore(db);
    this.tokens = new TokenStore(db);
    this.logins = new LoginStore(db);
    this.leases = new LeaseStore(db);
    this.commands = new CommandStore(db);
    this.ptys = new PtyStore(db);
    this.conversations = new ConversationStore(db);
    this.foreign = new ForeignStore(db, this.sessions);
    this.pluginStorage = new PluginStorage(db);
    this.shares = new ShareStore(db);
  }

  /** Opens DIR/catalogue.db. `dir` was checked by `prepareDataDir` and is locked by `DataDirLock`. */
  static open(dir: string): Catalogue {
    const path = join(dir, 'catalogue.db');
    // SQLite gives the -wal and -shm files the mode of this one.
    createPrivateFile(path);
    return new Catalogue(openCatalogueFile(path));
  }

  /** The stores throw after this. */
  close(): void {
    this.#db.close();
  }
}

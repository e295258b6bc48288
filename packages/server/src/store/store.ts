// Owns the catalogue's database and its stores.

import { join } from 'node:path';
import { TrustedTime } from '../base/trusted-time.ts';
import { createPrivateFile } from '../data-dir/data-dir.ts';
import { checkHeader, checkPages, explained } from './check.ts';
import { CommandStore } from './commands.ts';
import { ConversationStore } from './conversations.ts';
import { ForeignStore } from './foreign-sessions.ts';
import { IssuedStore } from './issued.ts';
import { LeaseStore } from './leases.ts';
import { MAX_MUTES_OF_USER, MuteStore } from './mutes.ts';
import { NotificationSettingsStore } from './notification-settings.ts';
import { OAuthGrantStore } from './oauth-grants.ts';
import { PluginStorage } from './plugin-storage.ts';
import { PtyStore } from './ptys.ts';
import { MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS_OF_USER, PushSubscriptionStore } from './push-subscriptions.ts';
import { ReplyStore } from './replies.ts';
import { openCatalogueFile } from './schema.ts';
import { SessionStore } from './sessions.ts';
import { ShareStore } from './shares.ts';
import type { Database } from './sqlite.ts';
import { LoginStore, TokenStore } from './tokens.ts';
import { WaitStore } from './waits.ts';

/** Maximum numbers of rows that users can create. */
export interface CatalogueLimits {
  /** Browsers that are notified, of all users. Default 10,000. */
  readonly maxPushSubscriptions: number;
  /** The same per user. Default 20. */
  readonly maxPushSubscriptionsOfUser: number;
  /** Sessions and conversations that one user has muted. Default 1000. */
  readonly maxMutesOfUser: number;
}

export class Catalogue {
  readonly sessions: SessionStore;
  readonly tokens: TokenStore;
  readonly logins: LoginStore;
  readonly issued: IssuedStore;
  readonly leases: LeaseStore;
  readonly commands: CommandStore;
  readonly ptys: PtyStore;
  readonly conversations: ConversationStore;
  readonly replies: ReplyStore;
  readonly foreign: ForeignStore;
  readonly pluginStorage: PluginStorage;
  readonly shares: ShareStore;
  readonly pushSubscriptions: PushSubscriptionStore;
  readonly mutes: MuteStore;
  readonly waits: WaitStore;
  readonly notificationSettings: NotificationSettingsStore;
  /** Time by which rows are old enough to be removed. */
  readonly time: TrustedTime;
  readonly oauthGrants: OAuthGrantStore;
  readonly #db: Database;

  private constructor(db: Database, limits: Partial<CatalogueLimits>, time: TrustedTime) {
    this.#db = db;
    this.time = time;
    this.sessions = new SessionStore(db);
    this.tokens = new TokenStore(db, time);
    this.logins = new LoginStore(db, time);
    this.oauthGrants = new OAuthGrantStore(db);
    this.issued = new IssuedStore(db);
    this.leases = new LeaseStore(db);
    this.commands = new CommandStore(db);
    this.ptys = new PtyStore(db);
    this.conversations = new ConversationStore(db);
    this.replies = new ReplyStore(db);
    this.foreign = new ForeignStore(db, this.sessions);
    this.pluginStorage = new PluginStorage(db);
    this.shares = new ShareStore(db, time);
    this.waits = new WaitStore(db);
    this.pushSubscriptions = new PushSubscriptionStore(db, {
      all: limits.maxPushSubscriptions ?? MAX_SUBSCRIPTIONS,
      ofUser: limits.maxPushSubscriptionsOfUser ?? MAX_SUBSCRIPTIONS_OF_USER,
    });
    this.mutes = new MuteStore(db, limits.maxMutesOfUser ?? MAX_MUTES_OF_USER);
    this.notificationSettings = new NotificationSettingsStore(db);
  }

  /**
   * Opens DIR/catalogue.db. `dir` was checked by `prepareDataDir` and is locked by `DataDirLock`. Throws
   * `catalogue_damaged`, `bad_data_dir` and `disk_full`, each with the name of the file.
   */
  static open(dir: string, limits: Partial<CatalogueLimits> = {}, time: TrustedTime = new TrustedTime()): Catalogue {
    const path = join(dir, 'catalogue.db');
    // SQLite gives the -wal and -shm files the mode of this file.
    createPrivateFile(path);
    let db: Database | undefined;
    try {
      checkHeader(path);
      db = openCatalogueFile(path);
      checkPages(db, path);
      return new Catalogue(db, limits, time);
    } catch (error) {
      db?.close();
      throw explained(path, error);
    }
  }

  /** Moves the journal (-wal) into the file. Never throws: the next start finds the rest in the journal. */
  checkpoint(): void {
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // The disk is full, or another connection reads the file.
    }
  }

  /** Closes the database. The stores throw after this. */
  close(): void {
    this.checkpoint();
    this.#db.close();
  }
}

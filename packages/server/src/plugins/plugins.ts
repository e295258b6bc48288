// All plugins of a gateway: the installed plugins, their settings in the config file, and the offers in force. Read
// this file first, then plugin.ts.

import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  BinnacleError,
  type PluginAuditEntry,
  type PluginGrantValue,
  type PluginInfo,
  type PluginInherits,
  type PluginPreview,
} from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import { KeyedSerialQueue } from '../base/serial-queue.ts';
import { defaultSettings, type PluginSettings, policyOf } from '../config/plugin-settings.ts';
import { DEFAULT_PATH } from '../process/environment.ts';
import { PluginAudit } from './audit.ts';
import { BrokenPlugin } from './broken-plugin.ts';
import { Gate } from './grant/gate.ts';
import { NONE, readGrant, spellGrant } from './grant/grants.ts';
import { isPermission, type PermissionName } from './grant/permissions.ts';
import { thisMachine } from './grant/world.ts';
import { chooseLevel, type Level } from './host/isolation-level.ts';
import type { PluginLimits } from './host/limits.ts';
import { probeSandbox, type Sandbox } from './host/sandbox.ts';
import { type InheritanceDecision, inheritanceOf, otherOrigin } from './inheritance.ts';
import { consentedIn, type Installation, needsConsent } from './install/install-record.ts';
import { Installations } from './install/installation.ts';
import { readManifestIn } from './install/manifest.ts';
import type { InstallCaller } from './install/scan-limits.ts';
import type { OfferInForce, OfferKind, OfferOf, Offers } from './offers/offers.ts';
import { StoredOffers } from './offers/stored-offers.ts';
import { Plugin } from './plugin.ts';
import { permissionsOf, problemOf } from './plugin-info.ts';
import { PluginLog } from './plugin-log.ts';
import type { Powers } from './powers/powers.ts';

export interface PluginsParts {
  readonly dataDir: string;
  /** Path of the script that runs in a plugin's process. */
  readonly runtimeScript: string;
  /** Returns the plugin settings of the current config file. */
  settings(): ReadonlyMap<string, PluginSettings>;
  /** Sets a key of the config file, or removes it (undefined), and applies the file. */
  editConfig(path: readonly string[], value: unknown): Promise<void>;
  /** Returns the number of values in the storage of a plugin. */
  stored(plugin: string): number;
  /** Removes the stored values of a plugin. */
  forget(plugin: string): void;
  readonly limits?: Partial<PluginLimits>;
  readonly log: Log;
}

export class Plugins implements Offers {
  readonly #parts: PluginsParts;
  readonly #installations: Installations;
  readonly #audit: PluginAudit;
  readonly #plugins = new Map<string, Plugin>();
  /** Installed plugins whose files can no longer be read. */
  readonly #broken = new Map<string, BrokenPlugin>();
  /** Logs by plugin, over all its versions. */
  readonly #logs = new Map<string, PluginLog>();
  readonly #listeners = new Set<() => void>();
  /** Offers in force by kind: a cache, because each key press looks for hooks. */
  readonly #inForce = new Map<OfferKind, readonly OfferInForce[]>();
  /** Serializes the actions of people on each plugin. */
  readonly #work = new KeyedSerialQueue();
  #sandbox: Promise<Sandbox> | undefined;
  #powers: Powers | undefined;
  #closing: Promise<void> | undefined;

  /** Opens all plugins without starting them. Hooks that fail closed are in force. */
  static async open(parts: PluginsParts): Promise<Plugins> {
    const plugins = new Plugins(parts);
    for (const one of await plugins.#installations.list()) {
      if (one.problem !== undefined) plugins.#addBroken(one.id, one.problem);
      else plugins.#add(one);
    }
    return plugins;
  }

  private constructor(parts: PluginsParts) {
    this.#parts = parts;
    const script = join(dirname(parts.runtimeScript), 'plugin-types.mjs');
    this.#installations = new Installations(join(parts.dataDir, 'plugins'), { script });
    this.#audit = new PluginAudit(this.#stateDir);
  }

  /** Starts all plugins. Settles once each is ready or has failed. */
  async start(powers: Powers): Promise<void> {
    this.#powers = powers;
    await Promise.all([...this.#plugins.values()].map((plugin) => plugin.start()));
  }

  inForce<Kind extends OfferKind>(kind: Kind): readonly OfferInForce<OfferOf<Kind>>[] {
    const known = this.#inForce.get(kind);
    if (known !== undefined) return known as readonly OfferInForce<OfferOf<Kind>>[];
    const ids = [...this.#plugins.keys()].sort();
    const found: OfferInForce<OfferOf<Kind>>[] = ids.flatMap((id) => this.#plugins.get(id)?.inForce(kind) ?? []);
    if (kind === 'hook') {
      for (const broken of this.#broken.values()) found.push(...(broken.hooks() as OfferInForce<OfferOf<Kind>>[]));
    }
    this.#inForce.set(kind, found);
    return found;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Applies a changed config file. */
  configChanged(): void {
    for (const plugin of this.#plugins.values()) void plugin.apply(this.#settingsOf(plugin.id));
    for (const [id, { problem }] of this.#broken) this.#addBroken(id, problem);
  }

  list(): PluginInfo[] {
    const ids = [...this.#plugins.keys(), ...this.#broken.keys()].sort();
    return ids.map((id) => this.info(id));
  }

  /** Describes a plugin. Throws `plugin_not_found`. */
  info(id: string): PluginInfo {
    const broken = this.#broken.get(id);
    return broken === undefined ? this.#get(id).info : broken.info;
  }

  /** Returns the log of a plugin. Throws `plugin_not_found`. */
  logOf(id: string): PluginLog {
    this.info(id);
    return this.#log(id);
  }

  /** Ends all waits for log lines and installations when the gateway stops. */
  quiet(): void {
    this.#installations.quiet();
    for (const log of this.#logs.values()) log.quiet();
  }

  /** Returns true if the plugin is installed, broken or not. */
  has(id: string): boolean {
    return this.#plugins.has(id) || this.#broken.has(id);
  }

  /**
   * Returns audit entries, newest first; for a removed plugin only the actions of people. Throws `plugin_not_found`.
   */
  auditOf(id: string, limit: number): PluginAuditEntry[] {
    if (this.has(id)) return this.#audit.recent(id, limit);
    const done = this.#audit.done(id, limit);
    if (done.length === 0) throw new BinnacleError('plugin_not_found');
    return done;
  }

  /**
   * Describes a plugin before its installation. Throws `unsafe_plugin`, `bad_manifest`, `bad_typescript`,
   * `too_many_installs`, and `client_closed` if the caller has disconnected.
   */
  async preview(path: string, caller: InstallCaller): Promise<PluginPreview> {
    const { manifest, digest } = await this.#installations.preview(path, caller);
    const before = this.#plugins.get(manifest.id);
    const consented = before === undefined ? NONE : consentedIn(before.installed.record);
    const settings = this.#settingsOf(manifest.id);
    const { level, problem } = await this.#levelOf(settings);
    return {
      id: manifest.id,
      name: manifest.name,
      version: manifest.version,
      description: manifest.description,
      permissions: permissionsOf(manifest, settings.grants),
      replaces: before?.installed.record.version ?? null,
      widens: needsConsent(consented, manifest).map(({ permission }) => permission),
      inherits: await this.#inherits(manifest.id, path),
      level,
      problem: problem === undefined ? null : problemOf(problem),
      digest,
    };
  }

  /**
   * Installs a plugin. `digest`: of the preview that the person has consented to. `grants`: put in force before the
   * entry is loaded. `inherit`: whether the plugin gets the data of an earlier plugin with its id from another folder;
   * throws `other_origin` if that decision is missing. Throws also the errors of `preview`, `plugin_changed`,
   * `consent_needed`, and the errors of `grant`: the plugin is then installed with only a part of the grants.
   */
  async install(
    path: string,
    digest: string,
    caller: InstallCaller,
    grants: Readonly<Record<string, PluginGrantValue>> = {},
    inherit?: InheritanceDecision,
  ): Promise<PluginInfo> {
    const { by } = caller;
    const spelled = Object.entries(grants).map(([permission, value]) => spelledGrant(permission, value));
    const { id } = await readManifestIn(path);
    let started: Promise<void> | undefined;
    const plugin = await this.#serially(id, async () => {
      const inherits = await this.#inherits(id, path);
      if (inherits !== null && inherit === undefined) throw otherOrigin(id, inherits);
      const isFresh = inherits !== null && inherit === 'nothing';
      // Comes first: an interruption leaves the earlier plugin without its grants, never the new plugin with them.
      const ready = isFresh ? () => this.#disinherit(id) : async () => undefined;
      const installed = await this.#installations.install(path, digest, Date.now(), { caller, ready });
      this.#audit.did(id, 'install', `${installed.record.version} ${installed.record.hash}`, by);
      const before = this.#plugins.get(id);
      // Replaces the earlier plugin before that one closes, so that a hook that fails closed is in force throughout.
      const plugin = this.#add(installed);
      await before?.close();
      // Removes values that the earlier version stored until it ended.
      if (isFresh) this.#parts.forget(id);
      try {
        for (const { permission, value } of spelled) await this.#grantInFile(id, permission, value, by);
      } finally {
        started = plugin.start();
      }
      return plugin;
    });
    // Outside the serial queue: a plugin that hangs at its start must not block the revocation of its grants.
    await started;
    return plugin.info;
  }

  /**
   * Removes a plugin with its log, its stored values and its grants. Throws `plugin_not_found`, and the errors of
   * editing the config file.
   */
  remove(id: string, by: string): Promise<void> {
    return this.#serially(id, async () => {
      this.info(id);
      // Comes first: no grant outlives its plugin.
      if (this.#parts.settings().has(id)) await this.#parts.editConfig(['plugins', 'entries', id], undefined);
      await this.#plugins.get(id)?.close();
      await this.#installations.remove(id);
      this.#plugins.delete(id);
      this.#broken.delete(id);
      this.#storedOffersOf(id).forget();
      this.#log(id).clear();
      this.#changed();
      this.#parts.forget(id);
      this.#audit.forget(id);
      this.#audit.did(id, 'remove', '', by);
    });
  }

  /**
   * Sets a grant; false revokes it. Throws `plugin_not_found`, `bad_request`, and the errors of editing the config
   * file.
   */
  grant(id: string, permission: string, value: PluginGrantValue, by: string): Promise<PluginInfo> {
    return this.#serially(id, async () => {
      this.info(id);
      const spelled = spelledGrant(permission, value);
      await this.#grantInFile(id, spelled.permission, spelled.value, by);
      return this.info(id);
    });
  }

  setEnabled(id: string, isEnabled: boolean, by: string): Promise<PluginInfo> {
    return this.#serially(id, async () => {
      this.info(id);
      this.#audit.did(id, isEnabled ? 'start' : 'stop', '', by);
      await this.#parts.editConfig(['plugins', 'entries', id, 'enabled'], isEnabled ? undefined : false);
      await this.#applied(id);
      return this.info(id);
    });
  }

  async restart(id: string, by: string): Promise<PluginInfo> {
    const plugin = this.#get(id);
    this.#audit.did(id, 'start', 'restart', by);
    await plugin.restart();
    return plugin.info;
  }

  /** Ends all plugins. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#installations.close();
    const closeAll = () => Promise.all([...this.#plugins.values()].map((plugin) => plugin.close()));
    await closeAll();
    // Also closes plugins whose installation was under way.
    await this.#work.drained;
    await closeAll();
    for (const log of this.#logs.values()) log.close();
    this.#audit.close();
    this.#listeners.clear();
  }

  /** Returns the data that a plugin would inherit if it were installed from `path`; null if no decision is needed. */
  async #inherits(id: string, path: string): Promise<PluginInherits | null> {
    if (!this.has(id)) return null;
    const from = this.#plugins.get(id)?.installed.record.origin ?? null;
    return inheritanceOf({
      from,
      to: await realpath(path),
      settings: this.#settingsOf(id),
      values: this.#parts.stored(id),
    });
  }

  /** Removes the grants and stored values of a plugin. Only its log and the audit of people's actions stay. */
  async #disinherit(id: string): Promise<void> {
    if (this.#parts.settings().has(id)) await this.#parts.editConfig(['plugins', 'entries', id], undefined);
    await this.#applied(id);
    this.#parts.forget(id);
  }

  async #grantInFile(id: string, permission: PermissionName, value: PluginGrantValue, by: string): Promise<void> {
    this.#audit.did(id, value === false ? 'revoke' : 'grant', `${permission} ${JSON.stringify(value)}`, by);
    const path = ['plugins', 'entries', id, 'permissions', permission];
    const forget = this.#plugins.get(id)?.announceGrant(permission, value);
    try {
      await this.#parts.editConfig(path, value === false ? undefined : value);
      await this.#applied(id);
    } finally {
      forget?.();
    }
  }

  /**
   * Applies the current settings from the file. Other settings may have been in force before the file was read again.
   */
  async #applied(id: string): Promise<void> {
    const broken = this.#broken.get(id);
    if (broken !== undefined) this.#addBroken(id, broken.problem);
    else await this.#get(id).apply(this.#settingsOf(id));
  }

  get #stateDir(): string {
    return join(this.#parts.dataDir, 'plugin-state');
  }

  #add(installed: Installation): Plugin {
    const { runtimeScript, log, limits = {} } = this.#parts;
    const { id } = installed.record;
    const plugin = new Plugin({
      installed,
      settings: this.#settingsOf(id),
      output: this.#log(id),
      storedOffers: this.#storedOffersOf(id),
      runtimeScript,
      limits,
      world: thisMachine(process.env.PATH ?? DEFAULT_PATH),
      audit: this.#audit,
      log,
      powers: () => this.#powers,
      sandbox: () => this.#walls(),
      stage: () => this.#installations.stage(id),
      changed: () => this.#changed(),
    });
    this.#broken.delete(id);
    this.#plugins.set(id, plugin);
    this.#changed();
    return plugin;
  }

  #addBroken(id: string, problem: BinnacleError): void {
    const { grants, isEnabled } = this.#settingsOf(id);
    const world = thisMachine(process.env.PATH ?? DEFAULT_PATH);
    const gate = new Gate({ plugin: id, grants, world, audit: (decision) => this.#audit.decided(decision) });
    this.#broken.set(
      id,
      new BrokenPlugin({ id, problem, gate, storedOffers: this.#storedOffersOf(id), isEnabled: () => isEnabled }),
    );
    this.#changed();
  }

  #log(id: string): PluginLog {
    const log = this.#logs.get(id) ?? new PluginLog(this.#stateDir, id);
    this.#logs.set(id, log);
    return log;
  }

  #storedOffersOf(id: string): StoredOffers {
    return new StoredOffers(this.#stateDir, id, this.#parts.log);
  }

  /** Returns the sandbox, probed once, when the first process needs it. */
  #walls(): Promise<Sandbox> {
    this.#sandbox ??= probeSandbox();
    return this.#sandbox;
  }

  async #levelOf(settings: PluginSettings): Promise<{ level: Level | null; problem?: BinnacleError }> {
    try {
      return { level: chooseLevel(settings.id, policyOf(settings), await this.#walls()) };
    } catch (error) {
      if (error instanceof BinnacleError) return { level: null, problem: error };
      throw error;
    }
  }

  #settingsOf(id: string): PluginSettings {
    return this.#parts.settings().get(id) ?? defaultSettings(id);
  }

  #get(id: string): Plugin {
    const plugin = this.#plugins.get(id);
    if (plugin === undefined) throw this.#broken.get(id)?.problem ?? new BinnacleError('plugin_not_found');
    return plugin;
  }

  #serially<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#work.run(id, () => {
      if (this.#closing !== undefined) throw new BinnacleError('going_away');
      return work();
    });
  }

  #changed(): void {
    this.#inForce.clear();
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#parts.log.error({ err: error }, 'a listener of plugins failed');
      }
    }
  }
}

/** Validates a grant. Throws `bad_request`. */
function spelledGrant(
  permission: string,
  value: PluginGrantValue,
): { readonly permission: PermissionName; readonly value: PluginGrantValue } {
  if (!isPermission(permission)) {
    throw new BinnacleError('bad_request', { message: `There is no permission "${permission.slice(0, 100)}".` });
  }
  const read = readGrant(permission, value);
  if ('wrong' in read) throw new BinnacleError('bad_request', { message: `${permission}: ${read.wrong}.` });
  return { permission, value: spellGrant(permission, read.grant) };
}

// One installed plugin: what it is granted, what it offers, and its process. Knows no other plugin, and nobody who uses
// what it offers.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BinnacleError, type PluginInfo, type PluginState } from '@binnacle/protocol';
import type { Log } from '../http/answer.ts';
import type { PluginAudit } from './audit.ts';
import { offersOf, permissionsOf, problemOf } from './facts.ts';
import type { World } from './grant/calls.ts';
import { Gate } from './grant/gate.ts';
import { type Grants, grantIn, spellGrant } from './grant/grants.ts';
import { PERMISSION_NAMES } from './grant/permissions.ts';
import type { Installed } from './install/install-record.ts';
import type { Staged } from './install/installation.ts';
import { type PluginSettings, policyOf } from './install/settings.ts';
import { methodOf, needOf, type Offer, type Offered, type OfferKind, type OfferOf, OffersShape } from './offers.ts';
import { PluginLog } from './plugin-log.ts';
import { deadlineOf } from './powers/all.ts';
import type { Powers } from './powers.ts';
import { PluginHost } from './process/host.ts';
import type { Level } from './process/level.ts';
import type { PluginLimits } from './process/limits.ts';
import type { Sandbox } from './process/sandbox.ts';
import type { AfterStop, StopReason } from './process/stopping.ts';

export interface PluginParts {
  readonly installed: Installed;
  readonly settings: PluginSettings;
  /** For its log, and what it offered last. */
  readonly stateDir: string;
  readonly guest: string;
  readonly limits: Partial<PluginLimits>;
  readonly world: World;
  readonly audit: PluginAudit;
  readonly log: Log;
  powers(): Powers;
  sandbox(): Promise<Sandbox>;
  /** Throws `plugin_changed`, `unsafe_plugin`, `bad_manifest`, `consent_needed`. */
  stage(): Promise<Staged>;
  /** What it offers, or whether it runs, is another now. */
  changed(): void;
}

export class Plugin {
  readonly id: string;
  readonly output: PluginLog;
  readonly #parts: PluginParts;
  readonly #gate: Gate;
  #settings: PluginSettings;
  /** As of the last time that its entry was loaded, also by an earlier gateway: a hook that fails closed is one before. */
  #offers: readonly Offer[];
  #host: PluginHost | undefined;
  #level: Level | undefined;
  #staged: Staged | undefined;
  #problem: BinnacleError | undefined;
  /** One change of its process after the other. */
  #work: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: PluginParts) {
    const { installed, settings, world, audit } = parts;
    this.#parts = parts;
    this.id = installed.record.id;
    this.#settings = settings;
    this.#gate = new Gate({
      plugin: this.id,
      grants: settings.grants,
      world,
      audit: (decision) => audit.decided(decision),
    });
    this.output = new PluginLog(parts.stateDir, this.id);
    this.#offers = this.#remembered();
  }

  get info(): PluginInfo {
    const { manifest, record } = this.#parts.installed;
    const facts = this.#host?.facts;
    return {
      id: this.id,
      name: manifest.name,
      version: manifest.version,
      description: manifest.description,
      level: this.#level ?? null,
      state: this.#state,
      problem: this.#problem === undefined ? null : problemOf(this.#problem),
      permissions: permissionsOf(manifest, this.#gate.grants),
      offers: offersOf(this.id, this.#offers, this.#gate),
      missing: facts?.missing ?? [],
      pid: facts?.pid ?? null,
      memoryBytes: facts?.memoryBytes ?? null,
      restarts: facts?.restarts ?? 0,
      installedAt: record.installedAt,
    };
  }

  get installed(): Installed {
    return this.#parts.installed;
  }

  get isEnabled(): boolean {
    return this.#settings.isEnabled;
  }

  /** In force. Hooks also while it does not run and may not: who fails closed must be heard of. */
  inForce<Kind extends OfferKind>(kind: Kind): Offered<OfferOf<Kind>>[] {
    const state = this.#state;
    const runs = state === 'running' || state === 'starting' || state === 'waiting';
    if (!this.isEnabled || (kind !== 'hook' && !runs)) return [];
    return this.#offers.flatMap((offer): Offered<OfferOf<Kind>>[] => {
      const { permission, args } = needOf(offer);
      if (offer.kind !== kind || !this.#gate.holds(permission, args)) return [];
      return [
        {
          plugin: this.id,
          offer: offer as OfferOf<Kind>,
          invoke: (params, deadlineMs) => this.#invoke(methodOf(offer), params, deadlineMs),
          invokeOther: (method, params, deadlineMs) => this.#invoke(method, params, deadlineMs),
        },
      ];
    });
  }

  /** Settles once its process is ready, or it is known why there is none. */
  start(): Promise<void> {
    return this.#then(() => this.#launch());
  }

  /** Other grants hold for the next call; what else is changed takes another process. */
  apply(settings: PluginSettings): Promise<void> {
    const before = this.#settings;
    this.#settings = settings;
    this.#tellGrants(this.#gate.grants, settings.grants);
    this.#gate.replace(settings.grants);
    this.#parts.changed();
    return this.#then(async () => {
      if (this.#settings !== settings) return; // A later one is on its way.
      if (!(await this.#needsRestart(before, settings))) return;
      await this.#halt();
      await this.#launch();
    });
  }

  restart(): Promise<void> {
    return this.#then(async () => {
      await this.#halt();
      await this.#launch();
    });
  }

  /** For good. `forgets`: nothing of it is left here. */
  async close(forgets = false): Promise<void> {
    this.#isClosed = true;
    await this.#then(() => this.#halt());
    if (!forgets) this.output.close();
    else {
      this.output.remove();
      rmSync(this.#offersPath, { force: true });
    }
  }

  get #state(): PluginState {
    if (!this.isEnabled) return 'off';
    if (this.#host === undefined) return this.#problem === undefined ? 'stopped' : 'refused';
    const { state } = this.#host.facts;
    return state === 'idle' || state === 'stopping' ? 'stopped' : state;
  }

  #then(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      this.#parts.log.error({ err: error, plugin: this.id }, 'a plugin could not be started or stopped');
    });
    return this.#work;
  }

  async #launch(): Promise<void> {
    const { powers, guest, limits, log, changed } = this.#parts;
    if (this.#isClosed || !this.isEnabled) return;
    try {
      const sandbox = await this.#parts.sandbox();
      this.#staged = await this.#parts.stage();
      const { dir, entry, manifest } = this.#staged;
      const config = manifest.config?.check(this.id, this.#settings.config) ?? this.#settings.config;
      const host = new PluginHost({
        id: this.id,
        dir,
        entry,
        config,
        policy: policyOf(this.#settings),
        sandbox,
        guest,
        limits,
        call: async (method, params, signal) => {
          const all = powers();
          const power = Object.hasOwn(all, method) ? all[method] : undefined;
          if (power === undefined) throw new BinnacleError('not_found', { message: `There is no call ${method}.` });
          return await power(params, { plugin: this.id, gate: this.#gate, signal });
        },
        deadlineOf,
        ready: (_methods, offers) => this.#ready(offers),
        stopped: (reason, next) => this.#stopped(reason, next),
        output: (stream, text) => this.output.add(stream, text),
        broke: (error) => log.error({ err: error, plugin: this.id }, 'a call of a plugin failed'),
      });
      this.#level = host.facts.level;
      this.#problem = undefined;
      this.#host = host;
      changed();
      // What goes wrong from here on is told by `stopped`.
      await host.start().catch(() => undefined);
    } catch (error) {
      await this.#dispose();
      const known = error instanceof BinnacleError;
      this.#problem = known ? error : new BinnacleError('internal', { cause: error });
      if (!known) log.error({ err: error, plugin: this.id }, 'a plugin could not be loaded');
      this.output.add('gateway', this.#problem.message);
      changed();
    }
  }

  async #halt(): Promise<void> {
    await this.#host?.stop();
    this.#host = undefined;
    this.#level = undefined;
    this.#problem = undefined;
    await this.#dispose();
    this.#parts.changed();
  }

  async #dispose(): Promise<void> {
    const staged = this.#staged;
    this.#staged = undefined;
    await staged?.dispose();
  }

  #invoke(method: string, params: unknown, deadlineMs: number): Promise<unknown> {
    const details = { plugin: this.id };
    return (
      this.#host?.invoke(method, params, deadlineMs) ?? Promise.reject(new BinnacleError('plugin_stopped', { details }))
    );
  }

  /** Throws what is wrong with its offers: it is ended for that. */
  #ready(given: unknown): void {
    const read = OffersShape.safeParse(given);
    if (!read.success) {
      const [issue] = read.error.issues;
      throw new Error(`What it offers is wrong: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
    }
    this.#offers = read.data;
    this.#problem = undefined;
    this.#remember();
    this.output.add('gateway', `It runs, ${this.#level ?? ''}.`);
    for (const offer of this.#offers) this.#auditOffer(offer);
    this.#parts.changed();
  }

  #stopped({ code, message }: StopReason, next: AfterStop): void {
    const { audit, log, changed } = this.#parts;
    if (code !== 'stopped') {
      const details = { plugin: this.id, reason: code };
      this.#problem = new BinnacleError('plugin_stopped', { message, details });
      audit.did(this.id, 'stop', code, null);
      log.warn({ plugin: this.id, reason: code, next }, `a plugin has ended: ${message}`);
    }
    const then = { restarting: 'It is started again.', stopped: '', disabled: 'It is disabled: it ended too often.' };
    this.output.add('gateway', `It has ended: ${message} ${then[next]}`.trim());
    changed();
  }

  #auditOffer(offer: Offer): void {
    const { permission, args } = needOf(offer);
    try {
      this.#gate.allow(permission, args);
    } catch (error) {
      const { message, hint } = error as BinnacleError;
      this.output.add('gateway', `${methodOf(offer)} is not in force. ${message} ${hint ?? ''}`.trim());
    }
  }

  /** Of who changed the file is nothing known here. */
  #tellGrants(before: Grants, now: Grants): void {
    for (const name of PERMISSION_NAMES) {
      const [was, is] = [before, now].map((grants) => JSON.stringify(spellGrant(name, grantIn(grants, name))));
      if (was === is) continue;
      const what = is === 'false' ? 'revoke' : 'grant';
      this.#parts.audit.did(this.id, what, `${name} ${is ?? ''}`.slice(0, 500), null);
      this.output.add('gateway', `${name} is ${is} now.`);
    }
  }

  async #needsRestart(before: PluginSettings, now: PluginSettings): Promise<boolean> {
    if (before.isEnabled !== now.isEnabled || before.isTrusted !== now.isTrusted) return true;
    if (JSON.stringify(before.config ?? null) !== JSON.stringify(now.config ?? null)) return true;
    // It was kept from running, maybe by what is changed now.
    if (this.#state === 'refused') return true;
    return JSON.stringify(policyOf(before)) !== JSON.stringify(policyOf(now)) && this.#level === 'restricted';
  }

  get #offersPath(): string {
    return join(this.#parts.stateDir, `${this.id}.offers.json`);
  }

  #remembered(): readonly Offer[] {
    try {
      const kept = JSON.parse(readFileSync(this.#offersPath, 'utf8')) as { hash?: unknown; offers?: unknown };
      return kept.hash === this.#parts.installed.record.hash ? OffersShape.parse(kept.offers) : [];
    } catch {
      return [];
    }
  }

  #remember(): void {
    try {
      mkdirSync(this.#parts.stateDir, { recursive: true, mode: 0o700 });
      const text = JSON.stringify({ hash: this.#parts.installed.record.hash, offers: this.#offers });
      // Whole or not at all: with half of it a hook that fails closed would be forgotten.
      writeFileSync(`${this.#offersPath}.new`, text, { mode: 0o600 });
      renameSync(`${this.#offersPath}.new`, this.#offersPath);
    } catch (error) {
      this.#parts.log.warn({ err: error, plugin: this.id }, 'what a plugin offers could not be kept');
    }
  }
}

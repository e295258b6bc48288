// One installed plugin: its grants, its offers and its process.

import { BinnacleError, type PluginGrantValue, type PluginInfo, type PluginState } from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import { type PluginSettings, policyOf } from '../config/plugin-settings.ts';
import type { PluginAudit } from './audit.ts';
import type { MachineFacts } from './grant/calls.ts';
import { Gate } from './grant/gate.ts';
import { type Grants, grantIn, NONE, spellGrant } from './grant/grants.ts';
import { PERMISSION_NAMES, type PermissionName } from './grant/permissions.ts';
import { PluginHost } from './host/host.ts';
import type { Level } from './host/isolation-level.ts';
import type { PluginLimits } from './host/limits.ts';
import type { Sandbox } from './host/sandbox.ts';
import { type AfterStop, describeEnd, type StopReason } from './host/stop-reason.ts';
import type { Installation } from './install/install-record.ts';
import type { StagedPlugin } from './install/installation.ts';
import { readOffers } from './offers/offer-problems.ts';
import { methodOf, needOf, type Offer, type OfferInForce, type OfferKind, type OfferOf } from './offers/offers.ts';
import type { StoredOffers } from './offers/stored-offers.ts';
import { offersOf, permissionsOf, problemOf, settingsOf } from './plugin-info.ts';
import type { PluginLog } from './plugin-log.ts';
import { deadlineOf } from './powers/all.ts';
import { type Powers, powerNamed } from './powers/powers.ts';

export interface PluginParts {
  readonly installed: Installation;
  readonly settings: PluginSettings;
  readonly output: PluginLog;
  readonly storedOffers: StoredOffers;
  readonly runtimeScript: string;
  readonly limits: Partial<PluginLimits>;
  readonly world: MachineFacts;
  readonly audit: PluginAudit;
  readonly log: Log;
  powers(): Powers | undefined;
  sandbox(): Promise<Sandbox>;
  /** Copies the plugin into a stage. Throws `plugin_changed`, `unsafe_plugin`, `bad_manifest`, `consent_needed`. */
  stage(): Promise<StagedPlugin>;
  /** Called after a change of the offers or of the state. */
  changed(): void;
}

export class Plugin {
  readonly id: string;
  readonly #parts: PluginParts;
  readonly #gate: Gate;
  #settings: PluginSettings;
  /** Settings of the last launch or attempt; undefined before the first. */
  #launchedWith: PluginSettings | undefined;
  /**
   * Offers of the last load of the entry, possibly by an earlier gateway: a hook that fails closed is in force before
   * the next load.
   */
  #offers: readonly Offer[];
  #host: PluginHost | undefined;
  #level: Level | undefined;
  #staged: StagedPlugin | undefined;
  #problem: BinnacleError | undefined;
  /** Permissions with a denied call since their last grant or revocation. */
  readonly #denied = new Set<PermissionName>();
  /** Grants that a person has just made, and that the config file is about to contain. */
  readonly #announced = new Map<PermissionName, string>();
  /** Serializes the changes of the process. */
  readonly #work = new SerialQueue();
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
      audit: (decision) => {
        if (decision.outcome === 'denied') this.#denied.add(decision.permission);
        audit.decided(decision);
      },
    });
    this.#offers = parts.storedOffers.read(installed.record.hash);
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
      permissions: permissionsOf(manifest, this.#gate.grants, this.#needed),
      offers: offersOf(this.id, this.#offers, this.#gate),
      settings: settingsOf(manifest, this.#settings.config),
      missing: facts?.missing ?? [],
      pid: facts?.pid ?? null,
      memoryBytes: facts?.memoryBytes ?? null,
      restarts: facts?.restarts ?? 0,
      installedAt: record.installedAt,
    };
  }

  get output(): PluginLog {
    return this.#parts.output;
  }

  get installed(): Installation {
    return this.#parts.installed;
  }

  get isEnabled(): boolean {
    return this.#settings.isEnabled;
  }

  /**
   * Returns the offers in force. Hooks count even while the plugin does not and may not run, so that those that fail
   * closed refuse.
   */
  inForce<Kind extends OfferKind>(kind: Kind): OfferInForce<OfferOf<Kind>>[] {
    const state = this.#state;
    const runs = state === 'running' || state === 'starting' || state === 'waiting';
    if (!this.isEnabled || (kind !== 'hook' && !runs)) return [];
    return this.#offers.flatMap((offer): OfferInForce<OfferOf<Kind>>[] => {
      const { permission, args } = needOf(offer);
      if (offer.kind !== kind || !this.#gate.holds(permission, args)) return [];
      return [
        {
          plugin: this.id,
          offer: offer as OfferOf<Kind>,
          invoke: (params, deadlineMs) => this.#invoke(methodOf(offer), params, deadlineMs),
          note: (text) => this.output.note(text),
          invokeOther: (method, params, deadlineMs) => this.#invoke(method, params, deadlineMs),
        },
      ];
    });
  }

  /** Launches the process. Settles once it is ready or has failed. */
  start(): Promise<void> {
    return this.#then(() => this.#launch());
  }

  /** Applies settings. New grants hold for the next call; other changes need another process. */
  apply(settings: PluginSettings): Promise<void> {
    if (this.#isClosed) return this.#work.run(() => undefined);
    this.#settings = settings;
    this.#auditGrants(this.#gate.grants, settings.grants);
    this.#gate.replace(settings.grants);
    this.#parts.changed();
    if (this.#isOutdated()) this.#stopSoon();
    return this.#then(async () => {
      if (!this.#isOutdated()) return;
      await this.#halt();
      await this.#launch();
    });
  }

  /**
   * Announces a grant by a person, which is audited with the name of that person, so that the resulting change of the
   * config file is not audited again. The caller must call the returned function when the file is in force or could not
   * be written.
   */
  announceGrant(name: PermissionName, value: PluginGrantValue): () => void {
    this.#announced.set(name, JSON.stringify(value));
    return () => this.#announced.delete(name);
  }

  restart(): Promise<void> {
    this.#stopSoon();
    return this.#then(async () => {
      await this.#halt();
      await this.#launch();
    });
  }

  /** Closes the plugin for good. From now on every call of it is denied, including those still under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#gate.replace(NONE);
    this.#stopSoon();
    await this.#then(() => this.#halt());
  }

  get #state(): PluginState {
    if (!this.isEnabled) return 'off';
    if (this.#host === undefined) {
      if (this.#problem?.code === 'bad_plugin_config' && this.#problem.details?.missing !== undefined) return 'unset';
      return this.#problem === undefined ? 'stopped' : 'refused';
    }
    const { state } = this.#host.facts;
    return state === 'idle' || state === 'stopping' ? 'stopped' : state;
  }

  get #needed(): ReadonlySet<PermissionName> {
    const needs = this.#offers.map(needOf).filter(({ permission, args }) => !this.#gate.holds(permission, args));
    return new Set([...this.#denied, ...needs.map(({ permission }) => permission)]);
  }

  /** Stops the process at once, so that no caller waits for its start. */
  #stopSoon(): void {
    void this.#host?.stop();
  }

  #then(work: () => Promise<void>): Promise<void> {
    return this.#work.run(work).catch((error: unknown) => {
      this.#parts.log.error({ err: error, plugin: this.id }, 'a plugin could not be started or stopped');
    });
  }

  async #launch(): Promise<void> {
    const { powers, runtimeScript, limits, log, changed } = this.#parts;
    // At most one process, whatever the number of callers.
    if (this.#isClosed || this.#host !== undefined) return;
    const settings = this.#settings;
    this.#launchedWith = settings;
    if (!settings.isEnabled) return;
    try {
      const sandbox = await this.#parts.sandbox();
      this.#staged = await this.#parts.stage();
      if (this.#isClosed) {
        await this.#dispose();
        return;
      }
      const { dir, entry, manifest } = this.#staged;
      const config = manifest.config?.check(this.id, settings.config) ?? settings.config;
      const host = new PluginHost({
        id: this.id,
        dir,
        entry,
        config,
        policy: policyOf(settings),
        sandbox,
        runtimeScript,
        limits,
        call: async (method, params, signal) => {
          const all = powers();
          const power = all === undefined ? undefined : powerNamed(all, method);
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
      // From here on, `stopped` reports errors.
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
    const hint = `binnacle plugin ls ${this.id} shows why.`;
    const answer = this.#host?.invoke(method, params, deadlineMs);
    if (answer === undefined) return Promise.reject(new BinnacleError('plugin_stopped', { details, hint }));
    // The process itself logs the errors of handlers.
    answer.catch(({ code, message }: BinnacleError) => {
      if (code === 'plugin_timeout' || code === 'plugin_busy') this.output.note(`${method}: ${message}`);
    });
    return answer;
  }

  /** Takes the offers of the loaded entry. Throws for an invalid offer, which ends the process. */
  #ready(offers: unknown): void {
    this.#offers = readOffers(offers);
    this.#problem = undefined;
    this.#parts.storedOffers.keep(this.#parts.installed.record.hash, this.#offers);
    this.output.add('gateway', `It runs, ${this.#level ?? ''}.`);
    for (const offer of this.#offers) this.#auditOffer(offer);
    this.#parts.changed();
  }

  #stopped(reason: StopReason, next: AfterStop): void {
    const { audit, log, changed } = this.#parts;
    const { code, message } = reason;
    if (code !== 'stopped') {
      const details = { plugin: this.id, reason: code };
      const hint = `binnacle plugin logs ${this.id} shows its output.`;
      this.#problem = new BinnacleError('plugin_stopped', { message, hint, details });
      audit.did(this.id, 'stop', code, null);
      log.warn({ plugin: this.id, reason: code, next }, `a plugin has ended: ${message}`);
    }
    const disabled =
      reason.isFinal === true
        ? 'It is disabled until its files or its settings change, or a person restarts it.'
        : 'It is disabled: it ended too often.';
    const then = { restarting: 'It is started again.', stopped: '', disabled };
    this.output.add('gateway', `${describeEnd('It', reason)} ${then[next]}`.trim());
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

  /** Audits and logs changed grants. The author of a change in the file is unknown here. */
  #auditGrants(before: Grants, now: Grants): void {
    for (const name of PERMISSION_NAMES) {
      const [was, is] = [before, now].map((grants) => JSON.stringify(spellGrant(name, grantIn(grants, name))));
      if (was === is) continue;
      const what = is === 'false' ? 'revoke' : 'grant';
      this.#denied.delete(name);
      if (this.#announced.get(name) !== is)
        this.#parts.audit.did(this.id, what, `${name} ${is ?? ''}`.slice(0, 500), null);
      this.output.add('gateway', `${name} is ${is} now.`);
    }
  }

  /**
   * True if the process was started with other settings than the current ones, or failed for a reason that may be gone.
   */
  #isOutdated(): boolean {
    const [was, now] = [this.#launchedWith, this.#settings];
    if (was === undefined || was === now || this.#isClosed) return false;
    if (was.isEnabled !== now.isEnabled || was.isTrusted !== now.isTrusted) return true;
    if (JSON.stringify(was.config ?? null) !== JSON.stringify(now.config ?? null)) return true;
    const state = this.#state;
    if (state === 'refused' || state === 'disabled')
      return JSON.stringify(spelled(was)) !== JSON.stringify(spelled(now));
    return JSON.stringify(policyOf(was)) !== JSON.stringify(policyOf(now)) && this.#level === 'restricted';
  }
}

const spelled = ({ grants, allowsRestricted }: PluginSettings): object => ({
  allowsRestricted,
  grants: Array.from(grants, ([name, grant]) => [name, spellGrant(name, grant)]),
});

// `binnacle plugin test`: validates a folder like an install, and loads the plugin in its sandbox with the permissions
// that its manifest requests. Needs no gateway, and changes nothing.

import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import {
  bundledProgram,
  chooseLevel,
  type Decision,
  deadlineOf,
  defaultSettings,
  Gate,
  Installations,
  methodOf,
  needOf,
  type Offer,
  PluginHost,
  policyOf,
  powerNamed,
  probeSandbox,
  readOffers,
  requestedGrants,
  residentBytes,
  type Sandbox,
  type StagedPlugin,
  thisMachine,
} from '@binnacle/server/plugin-host';
import type { PermissionName } from '@binnacle/server/plugin-manifest';
import type { Options } from '../declarations/commands.ts';
import { EXIT, usage } from '../output/failure.ts';
import { printable, styleFor } from '../output/style.ts';
import { CALLED, callOne, type TestCall } from './test-call.ts';
import { REAL, type RealPower, standIns } from './test-powers.ts';

/** Result of a test, in the form of --json. */
interface TestReport {
  id: string;
  version: string;
  level: string | null;
  startMs: number | null;
  memoryBytes: number | null;
  offers: readonly { readonly method: string; readonly permission: PermissionName; readonly inForce: boolean }[];
  /** Actions that were denied during the load and the call. */
  denied: readonly string[];
  /** Lines to add to the manifest for the denied actions. */
  hints: readonly string[];
  answer?: unknown;
  /** Problems; empty if the plugin would work. */
  problems: string[];
}

export async function testPlugin(folder: string, options: Options<'plugin test'>): Promise<number> {
  const real = options.real.map(realNamed);
  const call = callOf(options);
  const config = options.config === undefined ? undefined : jsonIn('--config', options.config);
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-plugin-')));
  try {
    const installations = new Installations(join(root, 'plugins'), { script: bundledProgram('plugin-types.mjs') });
    const { manifest, digest } = await installations.preview(resolve(folder));
    await installations.install(resolve(folder), digest, 0);
    const staged = await installations.stage(manifest.id);
    const test = new PluginTest(staged, await probeSandbox(), real, config, (line) =>
      process.stderr.write(`  ${line}\n`),
    );
    const report = await test.run(call);
    if (options.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
    else process.stdout.write(reportText(report));
    return report.problems.length === 0 ? EXIT.ok : EXIT.failed;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The test of a plugin in one process, from its start to its end. */
class PluginTest {
  readonly #staged: StagedPlugin;
  readonly #sandbox: Sandbox;
  readonly #real: readonly RealPower[];
  readonly #config: unknown;
  readonly #report: (line: string) => void;
  readonly #decisions: Decision[] = [];
  #offers: readonly Offer[] = [];

  constructor(
    staged: StagedPlugin,
    sandbox: Sandbox,
    real: readonly RealPower[],
    config: unknown,
    report: (line: string) => void,
  ) {
    this.#staged = staged;
    this.#sandbox = sandbox;
    this.#real = real;
    this.#config = config;
    this.#report = (line) => report(printable(line));
  }

  async run(call: TestCall | undefined): Promise<TestReport> {
    const { manifest } = this.#staged;
    const report: TestReport = {
      id: manifest.id,
      version: manifest.version,
      level: null,
      startMs: null,
      memoryBytes: null,
      offers: [],
      denied: [],
      hints: [],
      problems: [],
    };
    const gate = new Gate({
      plugin: manifest.id,
      grants: requestedGrants(manifest),
      world: thisMachine(process.env.PATH ?? ''),
      audit: (decision) => this.#decisions.push(decision),
    });
    let host: PluginHost | undefined;
    try {
      host = this.#host(gate, report);
      report.level = host.facts.level;
      const before = performance.now();
      await host.start();
      report.startMs = Math.round(performance.now() - before);
      const { pid } = host.facts;
      report.memoryBytes = pid === null ? null : (residentBytes(pid) ?? null);
      this.#checkOffers(gate, report);
      if (call !== undefined) report.answer = await this.#call(host, call, report);
    } catch (error) {
      // The reason for a failed start may already be reported by `stopped`.
      if (!(error instanceof BinnacleError)) throw error;
      const isUnset = error.code === 'bad_plugin_config' && this.#config === undefined;
      const hint = isUnset ? ' Pass its settings with --config.' : '';
      if (report.problems.length === 0) report.problems.push(error.message + hint);
    } finally {
      await host?.stop();
      await this.#staged.dispose();
    }
    const denied = this.#decisions.filter(({ outcome }) => outcome !== 'allowed');
    report.denied = [
      ...new Set(denied.map(({ permission, target, outcome }) => `${outcome}: ${permission} ${target}`.trim())),
    ];
    const lacks = new Set(
      [...report.offers.filter(({ inForce }) => !inForce), ...denied].map(({ permission }) => permission),
    );
    report.hints = [...lacks]
      .filter((name) => !manifest.asks.has(name))
      .map((name) => `add "${name}": {"reason": "…"} to permissions in binnacle.plugin.json`);
    return report;
  }

  #host(gate: Gate, report: TestReport): PluginHost {
    const { dir, entry, manifest } = this.#staged;
    const policy = policyOf({ ...defaultSettings(manifest.id), grants: gate.grants });
    try {
      chooseLevel(manifest.id, policy, this.#sandbox);
    } catch (error) {
      if (!(error instanceof BinnacleError)) throw error;
      this.#report(`A gateway would refuse it on this machine. ${error.message} ${error.hint}`);
    }
    const powers = standIns(this.#real, this.#report);
    return new PluginHost({
      id: manifest.id,
      dir,
      entry,
      config: manifest.config?.check(manifest.id, this.#config) ?? this.#config,
      policy: { ...policy, allowRestricted: true },
      sandbox: this.#sandbox,
      runtimeScript: bundledProgram('plugin-runtime.mjs'),
      call: async (method, params, signal) => {
        const power = powerNamed(powers, method);
        if (power === undefined)
          throw new BinnacleError('not_found', { message: `There is no call ${method} in a test.` });
        return await power(params, { plugin: manifest.id, gate, signal });
      },
      deadlineOf,
      ready: (_methods, offers) => {
        this.#offers = readOffers(offers);
      },
      stopped: ({ code, message }) => {
        if (code !== 'stopped') report.problems.push(message);
      },
      output: (stream, text) => this.#report(`${stream}: ${text}`),
      broke: (error) => report.problems.push(String(error)),
    });
  }

  #checkOffers(gate: Gate, report: TestReport): void {
    report.offers = this.#offers.map((offer) => {
      const { permission, args } = needOf(offer);
      const inForce = gate.holds(permission, args);
      if (!inForce)
        report.problems.push(`${methodOf(offer)} is not covered by what the manifest asks for: ${permission}.`);
      return { method: methodOf(offer), permission, inForce };
    });
    if (report.offers.length === 0)
      this.#report('The plugin offers nothing: its offers must be made before its entry returns.');
  }

  #call(host: PluginHost, call: TestCall, report: TestReport): Promise<unknown> {
    const called = {
      plugin: this.#staged.manifest.id,
      offers: this.#offers,
      invoke: (method: string, params: unknown, deadlineMs: number) => host.invoke(method, params, deadlineMs),
      fault: (text: string) => {
        // Deduplicated: the first report names the fault, and a consequence of it is not another problem.
        if (!report.problems.some((one) => one.includes(text) || text.includes(one))) report.problems.push(text);
      },
    };
    return callOne(called, call);
  }
}

/** Returns the call; a test makes at most one. */
function callOf(options: Options<'plugin test'>): TestCall | undefined {
  const named = CALLED.flatMap((kind) => {
    const name = options[kind];
    return name === undefined ? [] : [{ kind, name }];
  });
  const [one, other] = named;
  if (other !== undefined) throw usage('A test makes one call.', `Pass one of ${flagsOf(named)}.`);
  if (one !== undefined) return { ...one, input: options.input === undefined ? {} : jsonIn('--input', options.input) };
  if (options.input !== undefined)
    throw usage('--input needs a call.', `Add ${flagsOf(CALLED.map((kind) => ({ kind })))}.`);
  return undefined;
}

const flagsOf = (calls: readonly { readonly kind: string }[]): string =>
  calls.map(({ kind }) => `--${kind}`).join(', ');

function reportText(report: TestReport): string {
  const style = styleFor(process.stdout);
  const { id, version, level, startMs, memoryBytes, offers, denied, hints, answer, problems } = report;
  const facts = [
    ...(level === null ? [] : [level]),
    ...(startMs === null ? [] : [`loaded in ${startMs} ms`]),
    ...(memoryBytes === null ? [] : [`${Math.round(memoryBytes / 1024 / 1024)} MiB`]),
  ];
  const lines = [
    `${style.bold(printable(id))} ${printable(version)}: ${facts.join(', ') || 'not loaded'}`,
    ...offers.map(
      ({ method, inForce }) => `  offers ${printable(method)}${inForce ? '' : style.red(' (not asked for)')}`,
    ),
    ...denied.map((line) => style.yellow(`  ${printable(line)}`)),
    ...hints.map((line) => `  ${line}`),
    ...(answer === undefined
      ? []
      : [typeof answer === 'string' ? safe(answer) : safe(JSON.stringify(answer, undefined, 2))]),
    ...(problems.length === 0 ? [style.green('It works.')] : problems.map((line) => style.red(printable(line)))),
  ];
  return `${lines.join('\n')}\n`;
}

const safe = (text: string): string => text.split('\n').map(printable).join('\n');

function realNamed(text: string): RealPower {
  const found = REAL.find((name) => name === text);
  if (found === undefined) throw usage(`--real takes no "${text}".`, `Use one of: ${REAL.join(', ')}`);
  return found;
}

function jsonIn(flag: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw usage(`${flag} takes JSON.`, `For example: ${flag} '{"name": "you"}'`);
  }
}

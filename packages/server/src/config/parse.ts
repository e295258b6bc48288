// Conversion of the text of a config file to the settings in force, and to problems with lines.

import { homedir } from 'node:os';
import { BinnacleError } from '@binnacle/protocol';
import type { z } from 'zod';
import { OWN_DRIVERS } from '../plugins/grant/permissions.ts';
import { type Binding, checkBindings, createRouter, type Router, type RoutingConfig } from '../routing/index.ts';
import { type JsonText, type Path, readJsonc, type SourceLocation } from './jsonc.ts';
import { readPluginSettings } from './plugin-settings.ts';
import { type AgentConfig, BindingShape, type ConfigFile, type FileContent, FileShape, NEEDS } from './schema.ts';

export interface ConfigProblem {
  /** `bindings[3].match.peer.id`; '' for the whole file. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** One or more sentences. */
  readonly message: string;
}

export interface ReadConfig {
  readonly file: ConfigFile;
  readonly router: Router;
  /** Ignored parts: unknown keys, dropped bindings, unknown agents. */
  readonly problems: readonly ConfigProblem[];
}

/** The settings in force without a file. */
export const NO_FILE = '{ "agents": { "entries": { "main": { "driver": "echo", "default": true } } } }';

/**
 * Maximum bytes of the file. 100 000 bindings take some 20 MB. Their parsing takes a second and blocks the event loop.
 */
export const MAX_CONFIG_BYTES = 24 * 1024 * 1024;

/** Maximum problems that are reported one by one; the rest is counted. */
const MAX_PROBLEMS = 100;
/** Maximum faulty bindings. A file with more was made by mistake. */
const MAX_WRONG = 1000;

/** Finds further faults of valid agents, for callers that know more than the file. */
export type AlsoWrong = (agents: ReadonlyMap<string, AgentConfig>) => readonly ConfigFault[];

/**
 * Parses a config file. Throws `bad_config` for a file that cannot be in force: invalid JSON, a wrong type, an unknown
 * driver. Its details: `problems`, all problems found, and `problem`, the first that keeps the file from being in
 * force.
 */
export function readConfig(text: string, alsoWrong: AlsoWrong = () => []): ReadConfig {
  const read = readJsonc(text.startsWith('\uFEFF') ? text.slice(1) : text);
  if ('wrong' in read) {
    const problem = { path: '', ...read.wrong.place, message: read.wrong.what };
    throw badConfig([problem], [problem], 0);
  }
  const reported: ConfigFault[] = [];
  let unreported = 0;
  const report = (at: Path, message: string): void => {
    if (reported.length < MAX_PROBLEMS) reported.push({ at, message });
    else unreported += 1;
  };
  const refused = (...wrong: readonly ConfigFault[]): BinnacleError => {
    const some = wrong.slice(0, MAX_PROBLEMS);
    return badConfig(
      placed(some, read.text),
      placed([...some, ...reported], read.text),
      wrong.length - some.length + unreported,
    );
  };
  const content = check(FileShape, read.value, report);
  if ('wrong' in content) throw refused(...content.wrong);
  const wrong: ConfigFault[] = [];
  const agents = agentsOf(content.value, report, (at, message) => void wrong.push({ at, message }));
  if (wrong.length > 0) throw refused(...wrong);
  const bindings = bindingsOf(content.value.bindings ?? [], report, refused);
  const routing = routingOf(content.value, agents, bindings);
  for (const { index, path, message, isDropped } of checkBindings(routing)) {
    const at = ['bindings', index, ...path.split('.').filter((name) => name !== '')];
    const isBlank = path === 'match.guildId' || path === 'match.teamId';
    if (bindings[index] === null) continue;
    // To the router, a blank guild is no condition. The author meant a condition: the binding would match too much.
    if (isDropped || isBlank) bindings[index] = null;
    report(at, `Binding ${index}: ${message}${bindings[index] === null ? ' It is left out.' : ''}`);
  }
  const inForce = { ...routing, bindings };
  const router = createRouter(inForce as RoutingConfig);
  const owner = router.explain({ channel: '-' });
  if (owner.error !== null) report(['agents'], owner.error.message);
  const plugins = readPluginSettings(content.value.plugins?.entries, (at, message) =>
    report(['plugins', 'entries', ...at], message),
  );
  for (const { at, message } of alsoWrong(agents)) report(at, message);
  const problems = placed(reported, read.text);
  if (unreported > 0) problems.push(unreportedProblem(unreported));
  return {
    file: Object.freeze({
      agents,
      defaultAgent: owner.route?.agentId,
      bindings: Object.freeze(bindings.filter((binding) => binding !== null)),
      session: routing.session ?? {},
      inbound: deepFreeze(content.value.inbound ?? {}),
      publicUrl: content.value.publicUrl,
      notify: deepFreeze(content.value.notify ?? {}),
      plugins,
    }),
    router,
    problems,
  };
}

export interface ConfigFault {
  readonly at: Path;
  readonly message: string;
}

/** Validates a value. Unknown keys are reported and removed; all other faults are returned. */
function check<Shape extends z.ZodType>(
  shape: Shape,
  value: unknown,
  report: (path: Path, message: string) => void,
): { readonly value: z.output<Shape> } | { readonly wrong: readonly ConfigFault[] } {
  const first = shape.safeParse(value);
  if (first.success) return { value: first.data };
  for (const issue of first.error.issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    for (const key of issue.keys) {
      const path = [...(issue.path as Path), key];
      report(path, unknownKey(path));
      // The value was just parsed, and has no other user.
      remove(value, path);
    }
  }
  const second = shape.safeParse(value);
  if (second.success) return { value: second.data };
  return { wrong: second.error.issues.map((issue) => ({ at: issue.path as Path, message: describeFault(issue) })) };
}

function remove(value: unknown, path: Path): void {
  let at = value;
  for (const key of path.slice(0, -1)) {
    if (typeof at !== 'object' || at === null) return;
    at = (at as Readonly<Record<string | number, unknown>>)[key];
  }
  const last = path.at(-1);
  if (typeof at === 'object' && at !== null && last !== undefined) Reflect.deleteProperty(at, last);
}

function agentsOf(
  { agents }: FileContent,
  report: (path: Path, message: string) => void,
  wrong: (at: Path, message: string) => void,
): Map<string, AgentConfig> {
  const { systemAgent: _, ...defaults } = agents?.defaults ?? {};
  const found = new Map<string, AgentConfig>();
  const entries = listOf(agents);
  for (const { id, entry, at } of entries) {
    if (!isAgentId(id)) {
      wrong(at, `"${id}" cannot be an agent: 1 to 64 of a-z 0-9 _ -, beginning with a letter or digit.`);
      continue;
    }
    if (found.has(id)) {
      report(at, `There is an agent "${id}" already. This one is left out.`);
      continue;
    }
    const { default: _marker, ...settings } = { ...defaults, ...entry };
    const { driver } = settings;
    if (driver === undefined) {
      wrong(at, `The agent "${id}" has no driver. One of: ${OWN_DRIVERS.join(', ')}, or <plugin>/<driver>.`);
      continue;
    }
    const need = NEEDS[driver];
    if (need !== undefined && settings[need] === undefined) {
      // The agent can still be named, and then fails with this message; the other agents are not affected.
      report(at, `The agent "${id}" has no ${need}, without which ${driver} cannot work, e.g. ${exampleOf(need)}.`);
    }
    // Undefined means absent: zod returns no such keys.
    found.set(id, deepFreeze({ id, ...settings, ...placesOf(settings) }) as AgentConfig);
  }
  return found;
}

/** Expands `~/` to the home directory, because no shell does it. */
function placesOf({ cwd, command }: Entry): Pick<Entry, 'cwd' | 'command'> {
  const [program, ...rest] = command ?? [];
  return {
    ...(cwd === undefined ? {} : { cwd: fromHome(cwd) }),
    ...(program === undefined ? {} : { command: [fromHome(program), ...rest] }),
  };
}

const fromHome = (path: string): string => (path === '~' || path.startsWith('~/') ? homedir() + path.slice(1) : path);

const isAgentId = (id: string): boolean => /^[a-z0-9][a-z0-9_-]{0,63}$/.test(id);

type Entry = NonNullable<NonNullable<FileContent['agents']>['entries']>[string];

function listOf(agents: FileContent['agents']): { readonly id: string; readonly entry: Entry; readonly at: Path }[] {
  if (agents?.entries !== undefined) {
    return Object.entries(agents.entries).map(([id, entry]) => ({ id, entry, at: ['agents', 'entries', id] }));
  }
  if (agents?.list !== undefined) {
    return agents.list.map(({ id, ...entry }, n) => ({ id, entry, at: ['agents', 'list', n] }));
  }
  // A file without agents has the default agent of an absent file.
  return [{ id: 'main', entry: { driver: 'echo', default: true }, at: ['agents'] }];
}

/** Returns the bindings with null for dropped ones, so that the others keep their index. */
function bindingsOf(
  rawBindings: readonly unknown[],
  report: (path: Path, message: string) => void,
  refused: (wrong: ConfigFault) => BinnacleError,
): (Binding | null)[] {
  let first: ConfigFault | undefined;
  let wrong = 0;
  return rawBindings.map((raw, index) => {
    const read = BindingShape.safeParse(raw);
    if (read.success) {
      for (const path of unknownIn(raw, read.data, ['bindings', index])) report(path, unknownKey(path));
      return deepFreeze(read.data) as Binding;
    }
    const [issue] = read.error.issues;
    const at = ['bindings', index, ...((issue?.path ?? []) as Path)];
    const message = `Binding ${index}: ${issue === undefined ? '' : describeFault(issue)}`;
    first ??= { at, message };
    wrong += 1;
    if (wrong > MAX_WRONG) {
      throw refused({ at: first.at, message: `More than ${MAX_WRONG} bindings are wrong. ${first.message}` });
    }
    report(at, `${message} It is left out.`);
    return null;
  });
}

/** Yields the paths of keys that the parsed value does not have. */
function* unknownIn(raw: unknown, read: unknown, at: Path): Generator<Path> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return;
  for (const [key, value] of Object.entries(raw)) {
    if (typeof read !== 'object' || read === null || !Object.hasOwn(read, key)) yield [...at, key];
    else if (typeof value === 'object') yield* unknownIn(value, (read as Record<string, unknown>)[key], [...at, key]);
  }
}

const unknownKey = (path: Path): string => `There is no setting "${path.at(-1)}" here. It is ignored.`;

function routingOf(
  { agents, session }: FileContent,
  found: ReadonlyMap<string, AgentConfig>,
  bindings: readonly (Binding | null)[],
): RoutingConfig {
  const marked = new Set(listOf(agents).flatMap(({ id, entry }) => (entry.default === true ? [id] : [])));
  const entries = Object.fromEntries(Array.from(found.keys(), (id) => [id, { default: marked.has(id) }]));
  const systemAgent = agents?.defaults?.systemAgent;
  return deepFreeze({
    agents: {
      entries,
      ...(agents?.ownership === undefined ? {} : { ownership: agents.ownership }),
      ...(systemAgent === undefined ? {} : { defaults: { systemAgent } }),
    },
    // The router ignores null.
    bindings: [...bindings],
    session: session ?? {},
  }) as RoutingConfig;
}

/** Returns the reported problems with their places, in the order of the file. */
function placed(faults: readonly ConfigFault[], text: JsonText): ConfigProblem[] {
  const places = text.places(faults.map(({ at }) => at));
  return faults
    .map(({ at, message }, i) => ({ path: pathText(at), ...(places[i] ?? BEGIN), message }))
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

const BEGIN: SourceLocation = { line: 1, column: 1 };

/**
 * Makes the error. `keeping`: the problems that keep the file from being in force. `unreported`: the number of further
 * problems.
 */
function badConfig(
  keeping: readonly ConfigProblem[],
  reported: readonly ConfigProblem[],
  unreported: number,
): BinnacleError {
  const [problem = { path: '', ...BEGIN, message: 'It cannot be read.' }] = keeping;
  const { path, line, column, message } = problem;
  const more = reported.length - 1 + unreported;
  const others = more === 0 ? '' : ` (And ${more} more; binnacle config check tells them.)`;
  return new BinnacleError('bad_config', {
    message: `Line ${line}, column ${column}${path === '' ? '' : ` (${path})`}: ${message}${others}`,
    details: { problem, problems: unreported === 0 ? reported : [...reported, unreportedProblem(unreported)] },
  });
}

const unreportedProblem = (unreported: number): ConfigProblem => ({
  path: '',
  ...BEGIN,
  message: `There are ${unreported} more problems.`,
});

const pathText = (path: Path): string =>
  path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  );

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

/** Examples by the name of the setting, in JSON. */
const EXAMPLES: Readonly<Record<string, string>> = {
  agents: '{"entries": {"main": {"driver": "echo"}}}',
  entries: '{"main": {"driver": "echo"}}',
  list: '[{"id": "main", "driver": "echo"}]',
  driver: '"codex"',
  command: '["opencode", "acp"]',
  cwd: '"~/project"',
  env: '{"LANG": "C.UTF-8"}',
  url: '"http://127.0.0.1:11434/v1"',
  model: '"qwen3"',
  apiKeyEnv: '"OPENAI_API_KEY"',
  instructions: '"Be brief."',
  timeoutMs: '1800000',
  approvalTimeoutMs: '300000',
  visibility: '"private", "everyone" or {"kind": "shared", "with": ["ada"]}',
  bindings: '[{"agentId": "main", "match": {"channel": "irc"}}]',
  agentId: '"main"',
  match: '{"channel": "irc"}',
  channel: '"irc"',
  peer: '{"kind": "group", "id": "release"}',
  roles: '["admin", "oncall"]',
  identityLinks: '{"ada": ["discord:42"]}',
  replies: '["https://example.org/hooks/"]',
  plugins: '{"entries": {"my-plugin": {"permissions": {"notify": true}}}}',
};

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
};

/** Returns a sentence, with an example if the setting has one. */
function describeFault(issue: z.core.$ZodIssue): string {
  const name = issue.path.findLast((key) => typeof key === 'string');
  // For a value inside of a list or an object, the example of its parent would be misleading.
  const example = name === issue.path.at(-1) ? EXAMPLES[String(name)] : undefined;
  const what = whatOf(issue).replace(/\.$/, '');
  const text = `${what.slice(0, 1).toUpperCase()}${what.slice(1)}`;
  return example === undefined ? `${text}.` : `${text}, e.g. ${example}.`;
}

function whatOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `expected ${KINDS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_union') return 'expected another value';
  return issue.message.replace(/^Invalid (input|option): /, '');
}

const exampleOf = (name: string): string => EXAMPLES[name] ?? '';

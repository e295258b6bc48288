import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { until } from '../../../../test/support/until.ts';
import { Config } from './config.ts';
import { readConfig } from './parse.ts';

let dir = '';
let path = '';
const open: Config[] = [];
let warned: string[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-config-'));
  path = join(dir, 'config.jsonc');
  warned = [];
});
afterEach(() => {
  for (const config of open.splice(0)) config.close();
  rmSync(dir, { recursive: true, force: true });
});

const log = { warn: (_: object, message: string) => void warned.push(message), info: () => undefined };
function openConfig(options: { pollMs?: number; isRequired?: boolean } = {}): Config {
  const config = Config.open({ path, log, debounceMs: 5, ...options });
  open.push(config);
  return config;
}
/** Inodes that this process watches, as the kernel says. */
const watchedInodes = (): number[] =>
  readdirSync('/proc/self/fdinfo')
    .map((fd) => readText(`/proc/self/fdinfo/${fd}`))
    .flatMap((text) => [...text.matchAll(/^inotify .* ?ino:([0-9a-f]+)/gm)])
    .map((match) => Number.parseInt(match[1] ?? '', 16));
/** Empty for a file that is gone: the directory was listed by a descriptor of its own. */
const readText = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
const failure = (
  act: () => unknown,
): { code?: string; message?: string; details?: { problem?: unknown; problems?: unknown } } => {
  try {
    act();
  } catch (error) {
    return error as { code?: string };
  }
  return {};
};

const TWO = `{
  // who answers
  "agents": {
    "defaults": { "timeoutMs": 1000 },
    "entries": {
      "main": { "driver": "echo", "default": true },
      "ops": { "driver": "command", "command": ["cat"], "timeoutMs": 5 },
    },
  },
  "bindings": [{ "agentId": "ops", "match": { "channel": "irc", "accountId": "*" } }],
}`;

describe('a config file', () => {
  it('may say what others reach the gateway by, and nothing that is no such address', () => {
    expect(openConfig().current.publicUrl).toBeUndefined();
    writeFileSync(path, '{ "publicUrl": "https://box.example.org:8443/binnacle/" }');
    expect(openConfig().current.publicUrl).toBe('https://box.example.org:8443/binnacle/');
    writeFileSync(path, '{ "publicUrl": "box.example.org" }');
    expect(failure(() => openConfig())).toMatchObject({
      code: 'bad_config',
      message: expect.stringMatching(/publicUrl.*a URL such as/is),
    });
  });

  it('may be missing: then one agent echoes', () => {
    const config = openConfig();
    expect([...config.current.agents.values()]).toEqual([{ id: 'main', driver: 'echo' }]);
    expect(config.current.defaultAgent).toBe('main');
    expect(config.problems).toEqual([]);
    expect(config.router.resolve({ channel: 'irc' })).toMatchObject({ agentId: 'main', matchedBy: 'default' });
  });

  it('may not be missing where it was named', () => {
    expect(failure(() => openConfig({ isRequired: true }))).toMatchObject({ code: 'bad_config' });
  });

  it('has comments and trailing commas, and its defaults go into every agent', () => {
    writeFileSync(path, `\uFEFF${TWO}`);
    const { current, problems, router } = openConfig();
    expect(problems).toEqual([]);
    expect(current.agents.get('main')).toEqual({ id: 'main', driver: 'echo', timeoutMs: 1000 });
    expect(current.agents.get('ops')).toMatchObject({ driver: 'command', timeoutMs: 5 });
    expect(router.resolve({ channel: 'IRC' })).toMatchObject({ agentId: 'ops', matchedBy: 'binding.channel' });
  });

  it('is frozen all the way down', () => {
    writeFileSync(path, TWO);
    const { current } = openConfig();
    expect(() => ((current as { defaultAgent?: string }).defaultAgent = 'x')).toThrow(TypeError);
    expect(() => (current.bindings as unknown[]).push(1)).toThrow(TypeError);
    expect(() => ((current.agents.get('ops')?.command as string[])[0] = 'x')).toThrow(TypeError);
  });

  it('that is no JSON is refused at the start, with its line and column', () => {
    writeFileSync(path, '{\n  "agents": {\n    "entries" { }\n  }\n}');
    const { code, message } = failure(() => openConfig());
    expect(code).toBe('bad_config');
    expect(message).toContain(path);
    expect(message).toContain('Line 3, column 15');
  });

  it.each([
    ['an unknown driver', '{\n"agents": {"entries": {\n"a": {"driver": "magic"}}}}', 'agents.entries.a.driver', 3],
    ['no driver', '{\n"agents": {"entries": {\n"a": {}}}}', 'agents.entries.a', 3],
    ['an agent that is no slug', '{\n"agents": {"entries": {\n"A b": {"driver":"echo"}}}}', 'agents.entries.A b', 3],
    ['a scope that there is not', '{\n"session": {\n"dmScope": "per-person"}}', 'session.dmScope', 3],
    [
      'a time below zero',
      '{"agents": {"entries": {"a": {"driver":"echo",\n"timeoutMs": -1}}}}',
      'agents.entries.a.timeoutMs',
      2,
    ],
    [
      'instructions without end',
      `{"agents": {"entries": {"a": {"driver":"echo",\n"instructions": "${'x'.repeat(65_536)}"}}}}`,
      'agents.entries.a.instructions',
      2,
    ],
    ['bindings that are no list', '{\n"bindings": {}}', 'bindings', 2],
    [
      'an address that is no web address',
      '{"agents": {"entries": {"a": {"driver":"openai",\n"url": "file:///x"}}}}',
      'agents.entries.a.url',
      2,
    ],
    ['no object at all', '[]', '', 1],
  ])('with %s is refused, and the line is named', (_, text, where, line) => {
    const { code, details } = failure(() => readConfig(text));
    expect(code).toBe('bad_config');
    expect(details?.problem).toMatchObject({ path: where, line });
  });

  it('with several mistakes is refused for all of them, each with an example of what is right', () => {
    const { message, details } = failure(() =>
      readConfig(`{"agents": {"entries": {
        "a": {"driver": "acp", "command": "opencode acp"},
        "b": {"driver": "magic", "timeoutMs": "5m", "sped": 1},
        "c": {"driver": "openai", "url": "localhost", "visibility": "me"}}}}`),
    );
    const problems = details?.problems as { path: string; line: number; message: string }[];
    expect(problems.map((problem) => [problem.path, problem.line])).toEqual([
      ['agents.entries.a.command', 2],
      ['agents.entries.b.driver', 3],
      ['agents.entries.b.timeoutMs', 3],
      ['agents.entries.b.sped', 3],
      ['agents.entries.c.url', 4],
      ['agents.entries.c.visibility', 4],
    ]);
    const messages = problems.map((problem) => problem.message);
    expect(messages[0]).toBe('Expected a list, e.g. ["opencode", "acp"].');
    expect(messages[1]).toMatch(/^Expected one of "echo"\|.*, e\.g\. "codex"\.$/);
    expect(messages[2]).toBe('Expected a number, e.g. 1800000.');
    expect(messages[4]).toBe('Invalid URL, e.g. "http://127.0.0.1:11434/v1".');
    expect(messages[5]).toContain('e.g. "private", "everyone" or {');
    expect(message).toContain('(agents.entries.a.command): Expected a list');
    expect(message).toContain('(And 5 more; binnacle config check tells them.)');
  });

  it('tells a hundred of its mistakes, and how many more there are', () => {
    const entries = Object.fromEntries(Array.from({ length: 250 }, (_, n) => [`a${n}`, { driver: 1 }]));
    const { details } = failure(() => readConfig(JSON.stringify({ agents: { entries } })));
    const problems = details?.problems as { message: string }[];
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)?.message).toBe('There are 150 more problems.');
  });

  it.each([
    ['acp', 'command'],
    ['command', 'command'],
    ['openai', 'url'],
  ])('with the driver %s and no %s holds, and says what is missing', (driver, need) => {
    const { problems, file } = readConfig(JSON.stringify({ agents: { entries: { a: { driver } } } }));
    expect(problems).toMatchObject([{ path: 'agents.entries.a', line: 1 }]);
    expect(problems[0]?.message).toContain(`has no ${need}`);
    expect(file.agents.has('a')).toBe(true);
    const defaults = { command: ['cat'], url: 'http://127.0.0.1/v1' };
    expect(readConfig(JSON.stringify({ agents: { defaults, entries: { a: { driver } } } })).problems).toEqual([]);
  });

  it('means the home directory by ~/ at the beginning of a directory and of a program', () => {
    const main = { driver: 'command', command: ['~/bin/agent', '~/x', 'a~/'], cwd: '~/project' };
    const other = { driver: 'command', command: ['/~/agent'], cwd: '~other/project' };
    const { file } = readConfig(JSON.stringify({ agents: { entries: { main, other } } }));
    const home = homedir();
    expect(file.agents.get('main')).toMatchObject({
      command: [`${home}/bin/agent`, '~/x', 'a~/'],
      cwd: `${home}/project`,
    });
    expect(file.agents.get('other')).toMatchObject(other);
  });

  it('of nothing, and one that is nested without end, are refused', () => {
    expect(failure(() => readConfig(''))).toMatchObject({ code: 'bad_config' });
    expect(failure(() => readConfig('['.repeat(200_000)))).toMatchObject({ code: 'bad_config' });
  });

  it('with unknown settings holds, and each is told with its line', () => {
    const { file, problems } = readConfig(
      '{\n"colour": 1,\n"agents": {"entries": {"a": {"driver":"echo",\n"sped": 1}}}}',
    );
    expect(problems.map(({ path: at, line }) => [at, line])).toEqual([
      ['colour', 2],
      ['agents.entries.a.sped', 4],
    ]);
    expect(file.agents.get('a')).toEqual({ id: 'a', driver: 'echo' });
  });

  it('with wrong bindings holds: they are left out and told by their index, the others keep theirs, none is widened', () => {
    const { file, router, problems } = readConfig(`{ "bindings": [
      null,
      { "agentId": "main", "match": { "channel": "x", "peer": { "kind": "somebody", "id": "1" } } },
      { "agentId": "main", "match": { "channel": "x", "peer": { "kind": "direct", "id": "" } } },
      { "agentId": "main", "match": { "channel": "x", "guildId": " " } },
      { "agentId": "main", "match": { "channel": " " } },
      { "agentId": "main", "match": { "channel": "x", "guildId": 123456789012345678901 } },
      { "agentId": "main", "match": { "channel": "x", "roles": "admin" } },
      { "agentId": "main", "match": { "channel": "x", "extra": 1, "guildId": "g" } },
      { "agentId": "gone", "match": { "channel": "x", "guildId": "h" } },
      { "agentId": "main", "match": { "channel": "x" }, "session": { "dmScope": "all" } }
    ] }`);
    expect(problems.map(({ path: at, line }) => [at, line])).toEqual([
      ['bindings[0]', 2],
      ['bindings[1].match.peer.kind', 3],
      ['bindings[2].match.peer.id', 4],
      ['bindings[3].match.guildId', 5],
      ['bindings[4].match.channel', 6],
      ['bindings[5].match.guildId', 7],
      ['bindings[6].match.roles', 8],
      ['bindings[7].match.extra', 9],
      ['bindings[8].agentId', 10],
      ['bindings[9].session.dmScope', 11],
    ]);
    expect(file.bindings).toHaveLength(2);
    expect(router.resolve({ channel: 'x', guildId: 'other', peer: { kind: 'direct', id: '1' } }).matchedBy).toBe(
      'default',
    );
    expect(router.explain({ channel: 'x', guildId: 'g' })).toMatchObject({
      binding: 7,
      route: { matchedBy: 'binding.guild' },
    });
    expect(router.explain({ channel: 'x', guildId: 'h' })).toMatchObject({
      route: null,
      error: { code: 'AGENT_SELECTION_REQUIRED' },
    });
  });

  it('tells a hundred problems, and how many more there are', () => {
    const { problems } = readConfig(JSON.stringify({ bindings: Array.from({ length: 250 }, () => 1) }));
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)?.message).toContain('150 more');
  });

  it('of which more than a thousand bindings are wrong is refused as a whole, and the first of them named', () => {
    const text = (wrong: number) =>
      `{"bindings": [\n${JSON.stringify({ agentId: 'main', match: { channel: 'x' } })},\n${Array(wrong).fill('{"agentId": 1}').join()}]}`;
    expect(readConfig(text(1000)).file.bindings).toHaveLength(1);
    const { code, details, message } = failure(() => readConfig(text(1001)));
    expect(code).toBe('bad_config');
    expect(details?.problem).toMatchObject({ path: 'bindings[1].agentId', line: 3 });
    expect(message).toContain('More than 1000 bindings are wrong');
  });

  const MANY = count({ quick: 10_000, all: 100_000 });
  it(`of ${MANY} bindings is read without a long stop, whatever is wrong with them`, () => {
    const bindings = (more: object, match: object = {}) =>
      Array.from({ length: MANY }, (_, i) => ({
        agentId: 'main',
        comment: 'for the crew',
        match: { channel: 'irc', peer: { kind: 'group', id: `room ${i}` }, ...match },
        ...more,
      }));
    for (const [what, list] of Object.entries({
      good: bindings({}),
      'agents that are not there': bindings({ agentId: 'gone' }),
      'unknown keys': bindings({ colour: 1 }, { shape: { a: 1 } }),
      'wrong channels': bindings({}, { channel: 5, accountId: ['x'] }),
      'no bindings': Array(MANY).fill(1),
    })) {
      const text = `// ${what}\n${JSON.stringify({ bindings: list }, null, 2)}`;
      // For 100 000: 0.1 to 1.5 s, of which half is the parsing and the router.
      const limit = (4 * MANY) / 100_000;
      let least = Number.POSITIVE_INFINITY;
      // Other processes share the caches, and the first reading compiles: the cheapest of three is the cost.
      for (let tries = 0; tries < 3 && least >= limit; tries += 1) {
        const from = process.cpuUsage();
        failure(() => readConfig(text));
        const { user, system } = process.cpuUsage(from);
        least = Math.min(least, (user + system) / 1e6);
      }
      expect(least, what).toBeLessThan(limit);
    }
  }, 60_000);

  it('that is larger than 24 MiB is refused unread', () => {
    writeFileSync(path, `{}${' '.repeat(24 * 1024 * 1024)}`);
    expect(failure(() => openConfig())).toMatchObject({
      code: 'bad_config',
      message: expect.stringContaining('bytes'),
    });
  });

  it('with several agents and no default says so', () => {
    const { problems, file } = readConfig('{"agents":{"entries":{"a":{"driver":"echo"},"b":{"driver":"echo"}}}}');
    expect(problems.map(({ path: at }) => at)).toEqual(['agents']);
    expect(file.defaultAgent).toBeUndefined();
  });
});

describe('a config file that is changed', () => {
  const agents = (...names: string[]) =>
    JSON.stringify({ agents: { entries: Object.fromEntries(names.map((name) => [name, { driver: 'echo' }])) } });
  const names = (config: Config) => [...config.current.agents.keys()].join();

  it('is in force without a restart, and listeners hear of it once', async () => {
    writeFileSync(path, agents('a'));
    const config = openConfig();
    const before = config.router;
    const heard: string[] = [];
    const stop = config.onChange((file) => void heard.push([...file.agents.keys()].join()));
    writeFileSync(path, agents('b'));
    await until('it is read', () => names(config) === 'b');
    expect(heard).toEqual(['b']);
    expect(config.router).not.toBe(before);
    stop();
    writeFileSync(path, agents('cc'));
    await until('it is read again', () => names(config) === 'cc');
    expect(heard).toEqual(['b']);
  });

  it('by renaming another into its place, as editors do, is seen, again and again', async () => {
    writeFileSync(path, agents('a'));
    const config = openConfig();
    for (const name of ['b', 'c', 'd']) {
      writeFileSync(join(dir, 'new'), agents(name));
      renameSync(join(dir, 'new'), path);
      await until(`${name} is read`, () => names(config) === name);
    }
  });

  it('where there was none is seen by looking', async () => {
    const config = openConfig({ pollMs: 10 });
    writeFileSync(path, agents('late'));
    await until('it is read', () => names(config) === 'late');
  });

  it('in a directory that is made later is seen by looking', async () => {
    path = join(dir, 'later/config.jsonc');
    const config = openConfig({ pollMs: 10 });
    mkdirSync(join(dir, 'later'));
    writeFileSync(path, agents('late'));
    await until('it is read', () => names(config) === 'late');
    expect(warned).toEqual([]);
  });

  it('is watched without its directory, which has files that change all the time, and still after an edit', async () => {
    writeFileSync(path, agents('a'));
    const config = openConfig({ pollMs: 3_600_000 });
    expect(watchedInodes()).toContain(statSync(path).ino);
    await config.edit(['agents', 'entries', 'b'], { driver: 'echo' });
    expect(names(config)).toBe('a,b');
    expect(watchedInodes()).toContain(statSync(path).ino);
    expect(watchedInodes()).not.toContain(statSync(dir).ino);
    linkSync(path, join(dir, 'backup'));
    for (const name of ['c', 'd']) {
      writeFileSync(join(dir, 'new'), agents(name));
      renameSync(join(dir, 'new'), path);
      await until(`${name} is read`, () => names(config) === name);
    }
  });

  it('to something broken stays as it was and says so, until it is right again', async () => {
    writeFileSync(path, agents('a'));
    const config = openConfig();
    writeFileSync(path, '{ "agents": ');
    await until('it is refused', () => config.problems.length > 0);
    expect(config.problems[0]).toMatchObject({ line: 1 });
    expect(names(config)).toBe('a');
    expect(warned.join()).toContain('the last valid one stays');
    writeFileSync(path, agents('b'));
    await until('it is read', () => names(config) === 'b');
    expect(config.problems).toEqual([]);
  });

  it('by being deleted stays as it was, and says so', async () => {
    writeFileSync(path, agents('a'));
    const config = openConfig();
    unlinkSync(path);
    await until('it is refused', () => config.problems.length > 0);
    expect(names(config)).toBe('a');
  });

  it('is heard of by all listeners, though one throws', () => {
    writeFileSync(path, agents('a'));
    const config = openConfig();
    const heard: string[] = [];
    config.onChange(() => {
      throw new Error('not today');
    });
    config.onChange(() => void heard.push('second'));
    writeFileSync(path, agents('b'));
    expect(config.reload()).toBe(true);
    expect(heard).toEqual(['second']);
  });
});

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FileShape } from '../../config/schema.ts';
import { CONFIG_KEYS } from './config-keys.ts';
import { CALLS, gateOf } from './gate.fixture.ts';
import type { Denial } from './gate.ts';
import { type Grant, lacking, readGrant, readGrants, spellGrant, together, wider } from './grants.ts';
import { configKey, isPermission, PERMISSION_NAMES, type PermissionName, permission } from './permissions.ts';

// The table of permissions as Markdown, which the docs contain.
const DOCS_BEGIN = '<!-- permissions: made from packages/server/src/plugins/grant/permissions.ts -->';
const DOCS_END = '<!-- permissions: end -->';

function permissionDocs(): string {
  const rows = PERMISSION_NAMES.map((name) => {
    const { sentence, lets, narrowing } = permission(name);
    const values =
      narrowing === null
        ? '`true`'
        : `\`true\`, or \`{"${narrowing.key}": ["${narrowing.example}"]}\`: ${narrowing.items}`;
    return `| \`${name}\` | ${cell(`Can ${sentence}. ${lets}`)} | ${cell(values)} |`;
  });
  return [DOCS_BEGIN, '| permission | what it allows | values |', '|---|---|---|', ...rows, DOCS_END].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const anyPermission = fc.constantFrom(...PERMISSION_NAMES);
const grantOf = (name: PermissionName, value: unknown): Grant => {
  const read = readGrant(name, value);
  if ('wrong' in read) throw new Error(read.wrong);
  return read.grant;
};

describe('every permission of the table', () => {
  it.each(PERMISSION_NAMES)(
    '%s is denied where nothing is said, and the denial names the config that grants it',
    (name) => {
      const { args } = CALLS[name];
      const { code, message, hint, details } = gateOf(undefined).refusal(name, args);
      const denial = details as unknown as Denial;
      expect(code).toBe('permission_denied');
      expect(denial).toMatchObject({
        plugin: 'probe',
        permission: name,
        key: `plugins.entries.probe.permissions.${name}`,
      });
      for (const part of ['"probe"', name]) expect(message).toContain(part);
      expect(hint).toContain(denial.key);
      expect(hint).toContain(JSON.stringify(denial.value));
      expect(gateOf({ [name]: denial.value }).ask(name, args)).toBeTypeOf('object');
      expect(gateOf({ [name]: true }).ask(name, args)).toBeTypeOf('object');
    },
  );

  it('can be granted to any plugin, whatever it had: what a denial names opens that call and closes none', () => {
    fc.assert(
      fc.property(anyPermission, fc.constantFrom('probe', 'a', 'x-9'), fc.boolean(), (name, plugin, wasNarrowed) => {
        const { args, closes } = CALLS[name];
        const before = wasNarrowed && closes !== undefined ? { [name]: closes } : {};
        const denial = gateOf(before, plugin).refusal(name, args).details as unknown as Denial;
        expect(denial.key).toBe(configKey(plugin, name));
        // As a person would: the value that is named, at the key that is named.
        const config = JSON.parse(JSON.stringify({ [denial.key.split('.').at(-1) ?? '']: denial.value }));
        expect(gateOf(config, plugin).ask(name, args)).toBeTypeOf('object');
        const had = grantOf(name, before[name]);
        expect(wider(name, grantOf(name, config[name]), had)).toBeUndefined();
      }),
    );
  });

  it.each(PERMISSION_NAMES)('%s has a sentence, and its example is a value that it takes', (name) => {
    const { sentence, lets, narrowing } = permission(name);
    expect(sentence).toMatch(/^[a-z].*[^.]$/);
    expect(lets).toMatch(/\.$/);
    if (narrowing === null) return;
    expect(grantOf(name, { [narrowing.key]: [narrowing.example] })).toEqual({
      kind: 'narrowed',
      items: [narrowing.example],
    });
    if (narrowing.all !== undefined)
      expect(grantOf(name, [narrowing.all])).toEqual({ kind: 'narrowed', items: [narrowing.all] });
  });

  it('is in the docs as it is in the table', () => {
    const docs = join(import.meta.dirname, '../../../../../docs');
    const holding = readdirSync(docs)
      .filter((name) => name.endsWith('.md'))
      .map((name) => ({ path: join(docs, name), text: readFileSync(join(docs, name), 'utf8') }))
      .filter(({ text }) => text.includes(DOCS_BEGIN));
    expect(holding.length).toBeGreaterThan(0);
    for (const { path, text } of holding) {
      if (process.env.WRITE_DOCS === '1') {
        const [before = '', rest = ''] = text.split(DOCS_BEGIN);
        writeFileSync(path, before + permissionDocs() + (rest.split(DOCS_END)[1] ?? ''));
      } else
        expect(text, `${path} is made anew by: WRITE_DOCS=1 npx vitest run grants.test.ts`).toContain(permissionDocs());
    }
  });
});

describe('a value of the config file', () => {
  const wrong: readonly unknown[] = [
    null,
    1,
    0,
    'true',
    'all',
    '*',
    '',
    {},
    { all: true },
    { names: true },
    { names: 'x' },
    { names: [1] },
    { names: [''] },
    { names: [null] },
    { names: [['a']] },
    { names: ['a'], more: true },
    [[]],
    JSON.parse('{"names":["a"],"__proto__":["b"]}'),
    JSON.parse('{"__proto__":{"names":["a"]}}'),
    { constructor: ['a'] },
    { names: ['x'.repeat(1000)] },
    { names: Array.from({ length: 201 }, (_, n) => `n${n}`) },
  ]; // prettier: one list

  it.each(PERMISSION_NAMES)('grants nothing of %s where it is wrong, and says so', (name) => {
    for (const value of wrong) {
      const problems: string[] = [];
      const grants = readGrants({ [name]: value }, (at, message) => void problems.push(`${at.join('.')} ${message}`));
      expect([value, grants.size]).toEqual([value, 0]);
      expect([value, problems.length]).toEqual([value, 1]);
      expect(problems[0]).toContain(`"${name}" is denied`);
    }
  });

  it.each([['runCommandWithTimout'], ['__proto__'], ['constructor'], ['toString'], ['NET'], ['net '], ['nеt'], ['']])(
    'grants nothing under a name that is no permission: %j',
    (name) => {
      const problems: string[] = [];
      const grants = readGrants(
        JSON.parse(`{${JSON.stringify(name)}: true}`),
        (at) => void problems.push(at.join('.')),
      );
      expect([grants.size, problems, isPermission(name)]).toEqual([0, [name], false]);
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    },
  );

  it('keeps the other permissions where one is wrong', () => {
    const problems: string[] = [];
    const grants = readGrants({ notify: true, net: 'all', storage: true }, (at) => void problems.push(at.join('.')));
    expect([[...grants.keys()], problems]).toEqual([['notify', 'storage'], ['net']]);
  });

  it.each<[PermissionName, string]>([
    ['runCommandWithTimeout', 'sh'],
    ['runCommandWithTimeout', '/usr/bin/env'],
    ['runCommandWithTimeout', '/bin/../bin/sudo'],
    ['runCommandWithTimeout', 'git status'],
    ['runCommandWithTimeout', 'g*t'],
    ['runCommandWithTimeout', './git'],
    ['runCommandWithTimeout', 'bin/git'],
    ['runCommandWithTimeout', 'git\n'],
    ['runCommandWithTimeout', 'gi\0t'],
    ['runCommandWithTimeout', '/usr/bin/*'],
    ['runCommandWithTimeout', '/'],
    ['runCommandWithTimeout', '..'],
    ['runCommandWithTimeout', 'gіt'],
    ['runCommandWithTimeout', '-x'],
    ['writeConfigFile', 'plugins'],
    ['writeConfigFile', 'plugins.entries.probe.permissions'],
    ['writeConfigFile', 'plugins.*'],
    ['writeConfigFile', 'agents.entries.*.command'],
    ['writeConfigFile', 'agents.entries.*.env'],
    ['writeConfigFile', 'agents.entries.main.url'],
    ['writeConfigFile', 'agents.defaults.cwd'],
    ['writeConfigFile', 'agents.entries.main.driver'],
    ['writeConfigFile', 'agents.entries.main.visibility'],
    ['writeConfigFile', 'inbound.replies'],
    ['writeConfigFile', 'session'],
    ['writeConfigFile', 'unheard.of'],
    ['writeConfigFile', 'agents..main'],
    ['writeConfigFile', 'agents.__proto__'],
    ['writeConfigFile', 'constructor'],
    ['writeConfigFile', 'bindings.0'],
    ['writeConfigFile', 'agents.defaults.model.x'],
    ['writeConfigFile', '**'],
    ['writeConfigFile', 'agents.entries.m*n.model'],
    ['readConfigFile', 'agents.entries.*.env'],
    ['readConfigFile', 'plugins'],
    ['readConfigFile', 'plugins.entries.*.config'],
    ['net', 'https://example.org'],
    ['net', 'example.org/path'],
    ['net', 'user@example.org'],
    ['net', '*.org'],
    ['net', '**'],
    ['net', 'a.*.org'],
    ['net', '*example.org'],
    ['net', 'example.org:0'],
    ['net', 'example.org:65536'],
    ['net', 'example.org:'],
    ['net', 'example.org:443:1'],
    ['net', '169.254.169.254'],
    ['net', '169.254.169.254:80'],
    ['net', '0xa9fea9fe:80'],
    ['net', '[::ffff:169.254.169.254]:80'],
    ['net', '[fd00:ec2::254]:80'],
    ['net', '100.100.100.200:80'],
    ['net', '0.0.0.0:80'],
    ['net', '[::]:80'],
    ['net', '127.0.0.1'],
    ['net', '10.0.0.1'],
    ['net', '[::1]'],
    ['net', '2130706433'],
    ['net', '[fe80::1]:80'],
    ['net', '[64:ff9b::a9fe:a9fe]:80'],
    ['net', '::1'],
    ['net', 'a b'],
    ['net', 'a\tb.org'],
    ['net', 'a..org'],
    ['net', 'a.org..'],
    ['net', '.org'],
    ['net', '%65xample.org'],
    ['net', 'exa\\mple.org'],
    ['net', '[::1'],
    ['net', '*.127.0.0.1'],
    ['net', 'example.org#'],
    ['hooks', 'beforeEverything'],
    ['hooks', '*'],
    ['hooks', '__proto__'],
    ['channels', 'main'],
    ['channels', 'direct'],
    ['agentDrivers', 'codex'],
    ['commands', '/deploy'],
    ['commands', 'Deploy'],
    ['tools', 'a b'],
    ['tools', '../../x'],
  ])('%s cannot be narrowed to %j', (name, item) => {
    expect(readGrant(name, [item])).toEqual({ wrong: expect.any(String) });
  });

  it.each<[PermissionName, string, string]>([
    ['runCommandWithTimeout', '/usr/bin/../local/bin/tool', '/usr/local/bin/tool'],
    ['runCommandWithTimeout', '/usr//bin/./git', '/usr/bin/git'],
    ['runCommandWithTimeout', '//usr/bin/git', '/usr/bin/git'],
    ['net', 'API.Example.ORG', 'api.example.org'],
    ['net', 'api.example.org.', 'api.example.org'],
    ['net', 'bücher.example', 'xn--bcher-kva.example'],
    ['net', 'аpi.example.org', 'xn--pi-6kc.example.org'],
    ['net', '*.Example.org:8443', '*.example.org:8443'],
    ['net', '0x7f.1:7000', '127.0.0.1:7000'],
    ['net', '[::FFFF:127.0.0.1]:7000', '127.0.0.1:7000'],
    ['net', '[0:0:0:0:0:0:0:1]:7000', '[::1]:7000'],
    ['net', '[2606:4700:0::1111]', '[2606:4700::1111]'],
    ['net', '1.1.1.1', '1.1.1.1'],
    ['net', '*', '*'],
    ['writeConfigFile', '*', '*'],
    ['writeConfigFile', 'bindings', 'bindings'],
    ['readConfigFile', 'agents.entries.*.command', 'agents.entries.*.command'],
  ])('%s has one spelling of %j', (name, item, canonical) => {
    expect(grantOf(name, [item])).toEqual({ kind: 'narrowed', items: [canonical] });
    // What is spelled so stays so.
    expect(grantOf(name, [canonical])).toEqual({ kind: 'narrowed', items: [canonical] });
    expect(grantOf(name, [item, canonical])).toEqual({ kind: 'narrowed', items: [canonical] });
  });
});

describe('the keys of the config file', () => {
  it('are all thought about: each setting of the schema has a row that says who may', () => {
    const schema = z.toJSONSchema(FileShape, { io: 'input', unrepresentable: 'any' });
    const leaves = leavesOf(schema as Schema, []);
    expect(leaves.length).toBeGreaterThan(30);
    const missing = leaves.filter(
      (leaf) => !CONFIG_KEYS.some(({ path }) => path.every((name, at) => name === leaf[at] || name === '*')),
    );
    expect(missing.map((leaf) => leaf.join('.'))).toEqual([]);
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
}

function leavesOf(schema: Schema, at: readonly string[]): string[][] {
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, one]) => leavesOf(one, [...at, name]));
  const any = [schema.additionalProperties, schema.items].flatMap((one) =>
    typeof one === 'object' && Object.keys(one).length > 0 ? leavesOf(one, [...at, '*']) : [],
  );
  return inner.length + any.length === 0 ? [[...at]] : [...inner, ...any];
}

describe('which grant is the wider one', () => {
  it.each<[PermissionName, unknown, unknown, unknown]>([
    ['net', ['a.org'], ['a.org'], undefined],
    ['net', ['a.org'], ['b.org', 'a.org'], ['b.org']],
    ['net', ['*.a.org'], ['x.a.org', '*.x.a.org', 'y.z.a.org'], undefined],
    ['net', ['*.a.org'], ['a.org', 'xa.org', 'x.a.org:8443'], ['a.org', 'xa.org', 'x.a.org:8443']],
    ['net', ['a.org'], ['*.a.org'], ['*.a.org']],
    ['net', ['a.org'], true, true],
    ['net', ['*'], true, undefined],
    ['net', ['*'], ['a.org', '1.1.1.1'], undefined],
    ['net', true, ['a.org'], undefined],
    ['net', true, ['127.0.0.1:80', 'a.org:8443', '10.0.0.1:443'], ['127.0.0.1:80', 'a.org:8443', '10.0.0.1:443']],
    ['net', ['*:8443'], ['a.org:8443', '*.a.org:8443'], undefined],
    ['net', undefined, ['a.org'], ['a.org']],
    ['net', undefined, [], undefined],
    ['runCommandWithTimeout', ['git'], ['git', 'rg'], ['rg']],
    ['runCommandWithTimeout', ['git'], ['/usr/bin/git'], ['/usr/bin/git']],
    ['runCommandWithTimeout', true, ['git'], undefined],
    ['writeConfigFile', ['agents'], ['agents.entries.*.model', 'agents.defaults'], undefined],
    ['writeConfigFile', ['agents.entries.main'], ['agents.entries.*.model'], ['agents.entries.*.model']],
    ['writeConfigFile', ['agents'], ['agents.entries.*.instructions'], ['agents.entries.*.instructions']],
    ['writeConfigFile', true, ['bindings'], ['bindings']],
    ['writeConfigFile', true, ['agents.defaults.model'], undefined],
    ['hooks', ['afterRun'], true, true],
    ['notify', undefined, true, true],
    ['notify', true, true, undefined],
    ['notify', true, undefined, undefined],
  ])('%s: behind %j, %j is more by %j', (name, had, wants, more) => {
    expect(wider(name, grantOf(name, had), grantOf(name, wants))).toEqual(
      more === undefined ? undefined : grantOf(name, more),
    );
  });
});

describe('what a plugin lacks', () => {
  it.each<[PermissionName, granted: unknown, asked: unknown, lacks: unknown]>([
    ['notify', false, true, true],
    ['notify', true, true, false],
    ['net', false, true, true],
    ['net', [], true, true],
    // Somebody has narrowed it, also to what `true` would not open.
    ['net', ['127.0.0.1:9000'], true, false],
    ['net', ['api.example.com'], ['*'], false],
    ['net', ['127.0.0.1:9000'], ['*'], false],
    ['net', ['api.example.com'], ['*.example.com', 'b.example.org'], { hosts: ['b.example.org'] }],
    ['net', ['*'], true, false],
    ['net', true, ['10.0.0.1:80', 'a.example'], { hosts: ['10.0.0.1:80'] }],
    ['tools', ['one'], true, false],
    ['tools', ['one'], ['one', 'two'], { names: ['two'] }],
    ['tools', true, ['one', 'two'], false],
    ['runCommandWithTimeout', ['git'], ['rg'], { commands: ['rg'] }],
    ['readConfigFile', ['agents.entries.main.model'], ['agents.entries'], false],
    ['net', true, false, false],
  ])('of %s, with %j where %j is asked for, is %j', (name, granted, requested, lacks) => {
    const missing = lacking(name, grantOf(name, granted), grantOf(name, requested));
    expect(missing === undefined ? false : spellGrant(name, missing)).toEqual(lacks);
  });
});

describe('a grant with another one', () => {
  it.each<[PermissionName, one: unknown, other: unknown, both: unknown]>([
    ['notify', false, true, true],
    ['net', false, ['a.example'], { hosts: ['a.example'] }],
    ['net', ['a.example'], false, { hosts: ['a.example'] }],
    ['net', ['a.example'], ['b.example', 'a.example'], { hosts: ['a.example', 'b.example'] }],
    ['net', ['a.example'], true, true],
    // `true` leaves out what has to be spelled: it stays.
    ['net', ['127.0.0.1:9000', 'a.example'], true, { hosts: ['*', '127.0.0.1:9000'] }],
    ['net', true, ['127.0.0.1:9000'], { hosts: ['*', '127.0.0.1:9000'] }],
    ['net', ['*', '127.0.0.1:9000'], true, { hosts: ['*', '127.0.0.1:9000'] }],
    ['readConfigFile', ['agents.entries.main.command'], true, { keys: ['*', 'agents.entries.main.command'] }],
    ['tools', ['one'], true, true],
  ])('of %s, %j with %j, is %j, and grants what each of them did', (name, one, other, both) => {
    const [first, second] = [grantOf(name, one), grantOf(name, other)];
    const made = together(name, first, second);
    expect(spellGrant(name, made)).toEqual(both);
    expect(wider(name, made, first)).toBeUndefined();
    expect(wider(name, made, second)).toBeUndefined();
    expect(readGrant(name, spellGrant(name, made))).toEqual({ grant: made });
  });
});

import { BinnacleError } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalAddress, kindOfAddress } from '../../base/addresses.ts';
import type { RunCall } from './calls.ts';
import type { Fetch } from './fetch-call.ts';
import { CALLS, gateOf, refusalOf, WORLD } from './gate.fixture.ts';
import type { Denial } from './gate.ts';
import { readGrants } from './grants.ts';
import { PERMISSION_NAMES, type PermissionName } from './permissions.ts';
import { readProgramItem } from './programs.ts';

describe('the gate of a plugin', () => {
  it.each(PERMISSION_NAMES)(
    '%s: closed by default, open by true, and a list opens what is in it alone; all in the audit',
    (name) => {
      const { args, opens, closes } = CALLS[name];
      const outcome = (value: unknown): string[] => {
        const { ask, decisions } = gateOf(value === undefined ? {} : { [name]: value });
        const result = ask(name, args);
        return [typeof result === 'string' ? result : 'came', ...decisions.map(({ outcome }) => outcome)];
      };
      expect(outcome(undefined)).toEqual(['permission_denied', 'denied']);
      expect(outcome(false)).toEqual(['permission_denied', 'denied']);
      expect(outcome(true)).toEqual(['came', 'allowed']);
      if (opens === undefined || closes === undefined) return;
      expect(outcome(opens)).toEqual(['came', 'allowed']);
      expect(outcome(closes)).toEqual(['permission_denied', 'denied']);
      expect(outcome({ [Object.keys(opens)[0] ?? '']: [] })).toEqual(['permission_denied', 'denied']);
    },
  );

  it.each(PERMISSION_NAMES)(
    '%s: arguments that are none are refused whatever is granted, and nothing is thrown but codes',
    (name) => {
      const { ask, decisions } = gateOf({ [name]: true });
      const { args } = CALLS[name];
      const bad = [
        null,
        undefined,
        7,
        'x',
        [],
        [args],
        { ...args, more: 1 },
        { ...args, env: { LD_PRELOAD: 'x' } },
        JSON.parse(`{"__proto__": ${JSON.stringify(args)}, "more": 1}`),
        Object.assign(JSON.parse('{"__proto__":{"a":1}}'), args),
        { ...args, constructor: 1 },
      ];
      for (const one of bad) expect([one, ask(name, one)]).toEqual([one, 'bad_request']);
      expect(decisions.every(({ outcome }) => outcome === 'malformed')).toBe(true);
    },
  );

  it.each(PERMISSION_NAMES)('%s: any JSON at all gets a code or a call', (name) => {
    const gates = [gateOf({}), gateOf({ [name]: true })];
    const { args } = CALLS[name];
    const mutated = fc
      .tuple(fc.constantFrom(...Object.keys(args), 'name', 'key'), fc.jsonValue())
      .map(([key, value]) => ({ ...args, [key]: value }));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), mutated), (value) => {
        for (const { ask } of gates) {
          const result = ask(name, value);
          if (typeof result === 'string')
            expect(['bad_request', 'permission_denied', 'not_grantable', 'command_not_found']).toContain(result);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('knows no permission by the name of a prototype', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'NET']) {
      expect(gateOf({ net: true }).ask(name as PermissionName, {})).toBe('bad_request');
    }
  });

  it('changes with the config: the next call is judged by the new one', () => {
    const { gate, ask } = gateOf({ notify: true });
    expect(ask('notify', CALLS.notify.args)).toBeTypeOf('object');
    gate.replace(readGrants({ storage: true }, () => undefined));
    expect(ask('notify', CALLS.notify.args)).toBe('permission_denied');
    expect(ask('storage', CALLS.storage.args)).toBeTypeOf('object');
  });

  it('gives out a frozen copy: what the plugin changes behind the check is not in it', () => {
    const { gate } = gateOf({ runCommandWithTimeout: { commands: ['git'] }, writeConfigFile: true });
    const argv = ['git', 'status'];
    const run = gate.allow('runCommandWithTimeout', { argv });
    argv[0] = 'sh';
    expect(run.argv).toEqual(['/usr/bin/git', 'status']);
    expect(() => (run.argv as string[]).push('x')).toThrow(TypeError);
    expect(() => Object.assign(run, { file: '/bin/sh' })).toThrow(TypeError);
    const value = { model: 'a' };
    const write = gate.allow('writeConfigFile', { key: 'agents.defaults.model', value });
    value.model = 'b';
    expect(write.value).toEqual({ model: 'a' });
    // An argument that is another one each time it is looked at is looked at once.
    let accesses = 0;
    const shifty = {
      get argv() {
        return [accesses++ === 0 ? 'git' : 'sh'];
      },
    };
    expect((gateOf({ runCommandWithTimeout: ['git'] }).ask('runCommandWithTimeout', shifty) as RunCall).file).toBe(
      '/usr/bin/git',
    );
  });

  it('audits what it is about, and never what is sent', () => {
    const { ask, decisions } = gateOf({
      runCommandWithTimeout: ['git'],
      net: true,
      notify: true,
      writeConfigFile: true,
    });
    ask('runCommandWithTimeout', { argv: ['git', 'push', 's3cret'], stdin: 's3cret' });
    ask('runCommandWithTimeout', { argv: ['sh', '-c', 's3cret'] });
    ask('net', {
      url: 'https://api.example.org/s3cret?k=s3cret',
      method: 'POST',
      headers: [['authorization', 's3cret']],
      body: 's3cret',
    });
    ask('net', { url: 'https://u:s3cret@api.example.org/' });
    ask('notify', { title: 's3cret', text: 's3cret' });
    ask('writeConfigFile', { key: 'agents.defaults.model', value: 's3cret' });
    expect(JSON.stringify(decisions)).not.toContain('s3cret');
    expect(decisions.map(({ permission, outcome, target }) => [permission, outcome, target])).toEqual([
      ['runCommandWithTimeout', 'allowed', 'git'],
      ['runCommandWithTimeout', 'denied', 'sh'],
      ['net', 'allowed', 'POST https://api.example.org'],
      ['net', 'malformed', ''],
      ['notify', 'allowed', ''],
      ['writeConfigFile', 'allowed', 'agents.defaults.model'],
    ]);
  });
});

describe('a call of a plugin that was granted nothing of it', () => {
  const closed = gateOf({});

  /** Counts how often it is looked into. */
  function watched<T extends object>(value: T): { readonly value: T; accesses(): number } {
    let accesses = 0;
    const seen = new Proxy(value, {
      get: (target, name, receiver) => {
        accesses += 1;
        return Reflect.get(target, name, receiver);
      },
      ownKeys: (target) => {
        accesses += 1;
        return Reflect.ownKeys(target);
      },
    });
    return { value: seen, accesses: () => accesses };
  }

  it.each<[PermissionName, string, object]>([
    ['writeConfigFile', 'value', { key: 'agents.entries.main.model' }],
    ['net', 'headers', { url: 'https://api.example.org/v1' }],
    ['net', 'body', { url: 'https://api.example.org/v1', method: 'POST' }],
    ['runCommandWithTimeout', 'stdin', { argv: ['git', 'status'] }],
    ['notify', 'text', {}],
    ['notify', 'title', {}],
    ['tools', 'more', { name: 'lookup' }],
  ])('%s: %s is not looked at, and the denial names what opens that very call', (name, heavy, args) => {
    const { value, accesses } = watched(new Array(100_000).fill([]));
    const { code, details } = closed.refusal(name, { ...args, [heavy]: value });
    expect([code, accesses()]).toEqual(['permission_denied', 0]);
    const { value: opener } = details as unknown as Denial;
    const opened = gateOf({ [name]: opener });
    expect(opened.ask(name, CALLS[name].args)).toBeTypeOf('object');
    if (CALLS[name].opens !== undefined) expect(opener).not.toBe(true);
  });

  it('is judged by the beginning of a list without end', () => {
    const argv = watched(['git', ...new Array(500_000).fill(0)]);
    expect(closed.ask('runCommandWithTimeout', { argv: argv.value })).toBeTypeOf('string');
    const key = watched(new Array(500_000).fill('agents'));
    expect(closed.ask('writeConfigFile', { key: key.value })).toBe('bad_request');
    expect([argv.accesses() < 100, key.accesses() < 100]).toEqual([true, true]);
  });

  it('has no key of it listed, however many there are', () => {
    const keys = watched(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, 0])));
    for (const name of PERMISSION_NAMES) {
      const { message } = closed.refusal(name, keys.value);
      expect(message.length).toBeLessThan(600);
    }
    expect(keys.accesses()).toBeLessThan(100);
  });

  it('is told apart by what it is about in the audit', () => {
    const { gate, decisions } = gateOf({});
    for (const name of PERMISSION_NAMES) {
      try {
        gate.allow(name, CALLS[name].args);
      } catch {
        // Denied.
      }
    }
    const open = gateOf(Object.fromEntries(PERMISSION_NAMES.map((name) => [name, true])));
    for (const name of PERMISSION_NAMES) open.ask(name, CALLS[name].args);
    expect(decisions.map(({ permission, target }) => [permission, target])).toEqual(
      open.decisions.map(({ permission, target }) => [permission, target]),
    );
  });
});

describe('a call that is granted', () => {
  it.each<[PermissionName, unknown, object]>([
    ['runCommandWithTimeout', true, { argv: new Array(20_000).fill(0) }],
    ['net', true, { url: 'https://a.example/', headers: new Array(20_000).fill([]) }],
    ['writeConfigFile', true, { key: new Array(20_000).fill(0), value: 1 }],
    ['notify', true, Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 0]))],
  ])('%s: what is too long is refused as such, with one short reason', (name, granted, args) => {
    const { code, message } = gateOf({ [name]: granted }).refusal(name, args);
    expect(code).toBe('bad_request');
    expect(message).toMatch(/[Tt]oo (?:big|many)|a key such as/);
    expect(message.length).toBeLessThan(200);
  });

  it.each(['GET', 'HEAD'])('net: %s has no body', (method) => {
    const gate = gateOf({ net: true });
    expect(gate.ask('net', { url: 'https://a.example/', method, body: 'GET /x HTTP/1.1\r\n\r\n' })).toBe('bad_request');
    expect(gate.ask('net', { url: 'https://a.example/', method, body: '' })).toBe('bad_request');
    expect(gate.ask('net', { url: 'https://a.example/', method })).toBeTypeOf('object');
  });
});

describe('running programs', () => {
  const onlyGit = gateOf({ runCommandWithTimeout: { commands: ['git'] } });
  const all = gateOf({ runCommandWithTimeout: true });

  it.each<[string, readonly unknown[]]>([
    ['another program', ['rg', 'x']],
    ['another program by its path', ['/opt/tools/rg']],
    ['env -S', ['env', '-S', 'git status']],
    ['env by its path', ['/usr/bin/env', 'git']],
    ['a shell', ['sh', '-c', 'git status']],
    ['a path that only ends in it', ['/tmp/evil/git']],
    ['a way round to another folder', ['/usr/bin/../../tmp/git']],
    ['another case', ['GIT']],
    ['a longer name', ['git-shell']],
    ['a name that is not there', ['gitt']],
  ])('with git alone, %s is denied: %j', (_, argv) => {
    expect(onlyGit.ask('runCommandWithTimeout', { argv })).toBe('permission_denied');
  });

  it.each<[string, unknown]>([
    ['no argv', undefined],
    ['an empty one', []],
    ['one line for a shell', 'git status'],
    ['an empty name', ['']],
    ['arguments in the name', ['git status']],
    ['a command behind it', ['git;id']],
    ['a line feed behind it', ['git\n']],
    ['a line feed and a program', ['git\nsh']],
    ['NUL in the name', ['git\0sh']],
    ['NUL in an argument', ['git', 'a\0b']],
    ['a relative path', ['./git']],
    ['a path up', ['../../bin/git']],
    ['a path into a folder', ['bin/git']],
    ['a folder', ['/usr/bin/']],
    ['the root', ['/']],
    ['dots', ['..']],
    ['a wildcard', ['g?t']],
    ['a wildcard in a path', ['/usr/bin/g*']],
    ['a variable', ['$SHELL']],
    ['a home', ['~/git']],
    ['Cyrillic', ['gіt']],
    ['full width', ['ｇｉｔ']],
    ['a joiner', ['g\u200dit']],
    ['a space before it', [' git']],
    ['a setting before it', ['A=b', 'git'].slice(0, 1)],
    ['a number', [1]],
    ['a list', [['git']]],
    ['half a character', ['git', '\ud800']],
    ['an option', ['-c']],
    ['1025 arguments', Array.from({ length: 1025 }, () => 'git')],
    ['an argument of 128 KiB', ['git', 'x'.repeat(128 * 1024)]],
    ['2 MiB of arguments', ['git', ...Array.from({ length: 20 }, () => 'x'.repeat(100_000))]],
  ])('%s is no argv, whatever is granted', (_, argv) => {
    for (const { ask } of [onlyGit, all]) expect(ask('runCommandWithTimeout', { argv })).toBe('bad_request');
  });

  it.each<[readonly string[], string]>([
    [['git', 'status'], '/usr/bin/git'],
    [['/usr/bin/git', 'status'], '/usr/bin/git'],
    [['/usr//bin/../bin/./git', 'status'], '/usr/bin/git'],
  ])('%j starts the very file that was compared, under its own name', (argv, file) => {
    expect(onlyGit.ask('runCommandWithTimeout', { argv })).toMatchObject({ file, argv: [file, 'status'] });
  });

  it('passes arguments as they are: no shell will read them', () => {
    const args = ['-m', 'one\ntwo', '$(id)', '*', '; rm -rf /', '`id`', '', '--', '日本'];
    expect(onlyGit.ask('runCommandWithTimeout', { argv: ['git', ...args] })).toMatchObject({
      argv: ['/usr/bin/git', ...args],
    });
  });

  it('compares files, and not what they are links to', () => {
    const { ask } = gateOf({ runCommandWithTimeout: { commands: ['/opt/tools/rg', 'ls'] } });
    expect(ask('runCommandWithTimeout', { argv: ['rg'] })).toMatchObject({ file: '/opt/tools/rg' });
    expect(ask('runCommandWithTimeout', { argv: ['sh'] })).toBe('permission_denied');
  });

  it('says that a program is not there only to who may start it', () => {
    expect(all.ask('runCommandWithTimeout', { argv: ['nowhere'] })).toBe('command_not_found');
    expect(gateOf({ runCommandWithTimeout: ['nowhere'] }).ask('runCommandWithTimeout', { argv: ['nowhere'] })).toBe(
      'command_not_found',
    );
    expect(onlyGit.ask('runCommandWithTimeout', { argv: ['nowhere'] })).toBe('permission_denied');
  });

  it('names true, and no list, as what opens a shell: a list with a shell in it narrows nothing', () => {
    const { details } = onlyGit.refusal('runCommandWithTimeout', { argv: ['sh', '-c', 'id'] });
    expect((details as unknown as Denial).value).toBe(true);
    expect(onlyGit.refusal('runCommandWithTimeout', { argv: ['rg'] }).details).toMatchObject({
      value: { commands: ['git', 'rg'] },
    });
  });

  it.each([
    ...['taskset', 'prlimit', 'setarch', 'linux32', 'x86_64', 'choom', 'setsid', 'sg', 'tmux', 'env', 'busybox'],
    ...['/usr/bin/taskset', '/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1', '/lib/ld-musl-x86_64.so.1'],
    ...['ld.so', 'ld-2.36.so', 'logsave', 'systemd-inhibit', 'systemd-cat', 'ssh-agent', 'debconf', 'fakeroot-tcp'],
  ])('takes no list with %s in it, which starts any other program', (program) => {
    expect(readProgramItem(program)).toMatch(/starts any other program/);
  });

  it.each(['ld', 'ldd', 'ld.gold', 'git', '/usr/bin/rg', 'timeout-tool'])('takes a list with %s in it', (program) => {
    expect(readProgramItem(program)).toEqual({ item: program });
  });

  it.each([
    { env: { PATH: '/tmp' } },
    { shell: true },
    { argv0: 'sh' },
    { file: '/bin/sh' },
    { program: 'sh' },
    { uid: 0 },
    { cwd: 'x' },
    { cwd: '/a\0' },
    { timeoutMs: 0 },
    { timeoutMs: 1e9 },
    { timeoutMs: '1' },
    { stdin: 7 },
  ])('takes nothing that would change what runs: %j', (more) => {
    expect(onlyGit.ask('runCommandWithTimeout', { argv: ['git'], ...more })).toBe('bad_request');
  });

  it('has one spelling of a folder, and a deadline always', () => {
    expect(onlyGit.ask('runCommandWithTimeout', { argv: ['git'], cwd: '/srv/../home/./a' })).toMatchObject({
      cwd: '/home/a',
      timeoutMs: 30_000,
    });
  });
});

describe('changing the config file', () => {
  const all = gateOf({ writeConfigFile: true });

  it.each([
    'plugins',
    'plugins.entries.probe.permissions.net',
    'plugins.entries.probe.enabled',
    'plugins.entries.other.config',
    'agents.entries.main.command',
    'agents.entries.main.env',
    'agents.entries.main.env.PATH',
    'agents.entries.main.url',
    'agents.entries.main.apiKeyEnv',
    'agents.entries.main.cwd',
    'agents.entries.main.driver',
    'agents.entries.main.visibility',
    'agents.defaults.command',
    'agents.list.0.command',
    'agents.list.0.model',
    'agents.list',
    'agents.entries.main',
    'agents.entries',
    'agents.defaults',
    'agents',
    'inbound.replies',
    'inbound',
    'session.dmScope',
    'session',
    'unheard',
    'agents.entries.main.unheard',
    'agents.entries.main.model.x',
    'bindings.0',
    '$schema',
  ])('%s can be written by no plugin: no config is named that would grant it', (key) => {
    for (const one of [key, key.split('.')]) {
      const { code, details, message } = all.refusal('writeConfigFile', { key: one, value: {} });
      expect([code, details]).toEqual(['not_grantable', { plugin: 'probe', permission: 'writeConfigFile' }]);
      expect(message).toContain(key);
    }
  });

  it.each<unknown>([
    '',
    '.',
    'agents.',
    '.agents',
    'agents..x',
    '__proto__',
    '__proto__.polluted',
    'agents.constructor.x',
    'a.prototype',
    'agents/defaults',
    'agents\0',
    'agents\n',
    'agents.entries.*.model',
    '*',
    'аgents.defaults.model',
    ['agents', 'entries', 'main.model'],
    ['agents', '__proto__', 'x'],
    [],
    7,
    null,
    { 0: 'agents' },
    ['agents', 1],
    'a.'.repeat(500),
  ])('%j is no key', (key) => {
    expect(all.ask('writeConfigFile', { key, value: 1 })).toBe('bad_request');
  });

  it('opens by true what is harmless, and the rest only by its own name', () => {
    for (const key of [
      'agents.entries.main.model',
      'agents.defaults.timeoutMs',
      'agents.entries.a-b.approvalTimeoutMs',
    ]) {
      expect(all.ask('writeConfigFile', { key, value: 1 })).toEqual({ path: key.split('.'), value: 1 });
    }
    for (const key of [
      'bindings',
      'agents.entries.main.instructions',
      'agents.entries.main.default',
      'agents.defaults.systemAgent',
    ]) {
      const { details } = all.refusal('writeConfigFile', { key, value: [] });
      expect((details as unknown as Denial).value).toEqual({ keys: ['*', key] });
      expect(gateOf({ writeConfigFile: ['agents'] }).ask('writeConfigFile', { key, value: [] })).toBe(
        'permission_denied',
      );
      expect(gateOf({ writeConfigFile: [key] }).ask('writeConfigFile', { key, value: [] })).toBeTypeOf('object');
    }
  });

  it('narrows by key, with what is below it', () => {
    const { ask } = gateOf({ writeConfigFile: { keys: ['agents.entries.main', 'agents.entries.*.timeoutMs'] } });
    const can = (key: string) => typeof ask('writeConfigFile', { key, value: 1 }) !== 'string';
    expect(can('agents.entries.main.model')).toBe(true);
    expect(can('agents.entries.ops.timeoutMs')).toBe(true);
    expect(can('agents.entries.ops.model')).toBe(false);
    expect(can('agents.entries.mai.model')).toBe(false);
    expect(can('agents.defaults.timeoutMs')).toBe(false);
    expect(can('agents.entries.main.command')).toBe(false);
  });

  it('takes JSON alone as a value, and no key of a prototype in it', () => {
    const write = (value: unknown) => all.ask('writeConfigFile', { key: 'agents.defaults.model', value });
    expect(write(JSON.parse('{"a":[{"__proto__":{"polluted":1}}]}'))).toBe('bad_request');
    expect(write({ constructor: 1 })).toBe('bad_request');
    expect(write('x'.repeat(1024 * 1024 + 1))).toBe('bad_request');
    expect(write(10n)).toBe('bad_request');
    expect(write(() => 1)).toBe('bad_request');
    expect(write(undefined)).toEqual({ path: ['agents', 'defaults', 'model'], value: undefined });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('reading the config file', () => {
  const FILE = {
    agents: {
      defaults: { model: 'm', env: { KEY: 's3cret' }, command: ['x', '--token', 's3cret'] },
      entries: {
        main: { driver: 'codex', env: { KEY: 's3cret' }, url: 'http://u:s3cret@h/' },
        ops: { driver: 'echo' },
      },
      list: [{ id: 'l', driver: 'echo', env: { A: 's3cret' } }],
    },
    bindings: [{ agentId: 'main', match: { channel: 'irc' } }],
    plugins: { entries: { other: { config: { password: 's3cret' } } } },
    unheard: 's3cret',
  };
  const at = (path: readonly string[]): unknown =>
    path.reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], FILE);
  const read = (permission: unknown, key: string): unknown => {
    const { gate, ask } = gateOf({ readConfigFile: permission });
    const call = ask('readConfigFile', { key });
    return typeof call === 'string' ? call : gate.pick(key.split('.'), at(key.split('.')));
  };

  it('shows no secrets, wherever it begins', () => {
    expect(read(true, 'agents')).toEqual({
      defaults: { model: 'm' },
      entries: { main: { driver: 'codex' }, ops: { driver: 'echo' } },
      list: [{ id: 'l', driver: 'echo' }],
    });
    expect(read(true, 'bindings')).toEqual(FILE.bindings);
    for (const key of [
      'plugins',
      'plugins.entries.other.config',
      'unheard',
      'agents.entries.main.env',
      'agents.entries.main.env.KEY',
    ]) {
      expect([key, read(true, key)]).toEqual([key, 'not_grantable']);
    }
    for (const key of ['agents.entries.main.url', 'agents.defaults.command']) {
      expect([key, read(true, key)]).toEqual([key, 'permission_denied']);
      expect([key, read([key], key)]).toEqual([key, at(key.split('.'))]);
    }
  });

  it('shows of what was asked for the part that was granted', () => {
    expect(read(['agents.entries.ops'], 'agents')).toEqual({ entries: { ops: { driver: 'echo' } } });
    expect(read(['agents.entries.*.driver'], 'agents.entries.main')).toEqual({ driver: 'codex' });
    expect(read(['agents.entries.ops'], 'agents.entries.main')).toBe('permission_denied');
    expect(read(['agents.entries.*.url'], 'agents.entries')).toEqual({ main: { url: 'http://u:s3cret@h/' } });
  });
});

describe('the network', () => {
  const any = gateOf({ net: true });
  const one = gateOf({
    net: {
      hosts: [
        'api.example.org',
        '*.cdn.example.org',
        'example.com:8443',
        'bücher.example',
        '127.0.0.1:7000',
        '[fd12::1]:80',
        '192.168.1.5:8080',
        '1.1.1.1',
      ],
    },
  });
  const get = (gated: typeof any, url: unknown): unknown => gated.ask('net', { url });

  it.each<[string, string]>([
    ['https://api.example.org/a?b=c#d', 'https://api.example.org/a?b=c'],
    ['HTTPS://API.EXAMPLE.ORG/', 'https://api.example.org/'],
    ['https://api.example.org:443/', 'https://api.example.org/'],
    ['http://api.example.org:80/', 'http://api.example.org/'],
    ['https://api.example.org./', 'https://api.example.org/'],
    ['https://api%2eexample.org/', 'https://api.example.org/'],
    ['https://ａｐｉ.example.org/', 'https://api.example.org/'],
    ['https://api。example。org/', 'https://api.example.org/'],
    ['https://a.cdn.example.org/', 'https://a.cdn.example.org/'],
    ['https://a.b.cdn.example.org/', 'https://a.b.cdn.example.org/'],
    ['https://example.com:8443/', 'https://example.com:8443/'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
    ['http://xn--bcher-kva.example/', 'http://xn--bcher-kva.example/'],
    ['http://127.0.0.1:7000/', 'http://127.0.0.1:7000/'],
    ['http://0x7f.1:7000/', 'http://127.0.0.1:7000/'],
    ['http://[::ffff:7f00:1]:7000/', 'http://127.0.0.1:7000/'],
    ['http://[FD12:0::1]/', 'http://[fd12::1]/'],
    ['https://1.1.1.1/', 'https://1.1.1.1/'],
  ])('%s is sent as %s', (url, sent) => {
    expect(get(one, url)).toMatchObject({ url: sent, method: 'GET' });
    const call = get(one, url) as Fetch;
    // What is connected to is what is written in the request.
    expect(canonicalAddress(new URL(call.url).hostname) ?? new URL(call.url).hostname).toBe(call.host);
  });

  it.each([
    'https://example.org/',
    'https://xapi.example.org/',
    'https://api.example.org.evil.net/',
    'https://evil.net/api.example.org',
    'https://evil.net/?https://api.example.org',
    'https://evil.net#api.example.org',
    'https://api.example.org:8443/',
    'https://api.example.org:22/',
    'https://cdn.example.org/',
    'https://xcdn.example.org/',
    'https://cdn.example.org.evil.net/',
    'https://example.com/',
    'https://example.com:443/',
    'https://аpi.example.org/',
    'https://xn--pi-6kc.example.org/',
    'https://bucher.example/',
    'http://1.1.1.2/',
    'https://1.1.1.1.evil.net/',
    'http://127.0.0.1/',
    'http://127.0.0.1:7001/',
    'http://127.0.0.2:7000/',
    'http://localhost:7000/',
    'http://127.evil.com:7000/',
    'http://192.168.1.5/',
    'http://192.168.1.6:8080/',
    'http://[fd12::2]/',
    'http://[::1]:7000/',
    'http://2130706434:7000/',
  ])('%s is not in the list, and the denial names a list that has it', (url) => {
    const error = one.refusal('net', { url });
    expect(error.code).toBe('permission_denied');
    const { value } = error.details as unknown as Denial;
    expect(get(gateOf({ net: value }), url)).toBeTypeOf('object');
    expect(get(gateOf({ net: value }), 'https://api.example.org/')).toBeTypeOf('object');
  });

  it.each<unknown>([
    'https://user@api.example.org/',
    'https://api.example.org@evil.net/',
    'https://api.example.org:443@evil.net/',
    'https://@evil.net/',
    'https://:@evil.net/',
    'https://u:p@api.example.org/',
    'https://api.example.org\\@evil.net/',
    'https:\\\\evil.net',
    'https://evil.net\t/',
    'https://ev\nil.net/',
    ' https://evil.net/',
    'https://evil.net/ a',
    'https://evil.net/\0',
    'https:/evil.net',
    'https:evil.net',
    'https:///evil.net',
    '//evil.net/',
    'evil.net',
    '',
    'https://',
    'https:// /',
    'https://a..b/',
    'https://./',
    'https://evil.net:99999/',
    'https://evil.net:0/',
    'https://[::1',
    'https://[fe80::1%25eth0]/',
    'https://[1.2.3.4]/',
    'https://1.2.3.4.5/',
    'https://256.1.1.1/',
    'ftp://evil.net/',
    'file:///etc/passwd',
    'data:text/plain,x',
    'javascript:1',
    'unix:/run/x.sock',
    'blob:https://evil.net/x',
    'ws://evil.net/',
    'gopher://evil.net/',
    `https://evil.net/${'x'.repeat(9000)}`,
    `https://${'a'.repeat(64)}.net/`,
    'https://*.example.org/',
    'https://exa%00mple.org/',
    'https://a%2fb/',
    7,
    null,
    ['https://evil.net/'],
  ])('%j is no address', (url) => {
    for (const gated of [any, one]) expect([url, get(gated, url)]).toEqual([url, 'bad_request']);
  });

  it.each([
    'http://169.254.169.254/latest/meta-data',
    'http://0xa9fea9fe/',
    'http://2852039166/',
    'http://0251.0376.0251.0376/',
    'http://169.254.43518/',
    'http://[::ffff:169.254.169.254]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://169.254.169.254./',
    'http://[fd00:ec2::254]/',
    'http://[fd20:ce::254]/',
    'http://100.100.100.200/',
    'http://168.63.129.16/',
    'http://192.0.0.192/',
    'http://[fe80::1]/',
    'http://0/',
    'http://0.0.0.0:7000/',
    'http://[::]:7000/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[::7f00:1]/',
    'http://[2001:0:1::1]/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://[ff02::1]/',
    'http://①⑥⑨.254.169.254/',
    'http://[64:ff9b:1::1]/',
    'http://[100::1]/',
    'http://[fec0::1]/',
  ])('%s is opened by no grant', (url) => {
    for (const gated of [any, one]) {
      const { code, details } = gated.refusal('net', { url });
      expect([code, details]).toEqual(['not_grantable', { plugin: 'probe', permission: 'net' }]);
    }
  });

  it.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0x7f.1./',
    'http://127.255.0.9:80/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://10.1.2.3/',
    'http://172.16.0.1/',
    'http://172.31.255.255/',
    'http://192.168.0.1/',
    'http://100.64.0.1/',
    'http://[fd12::1]/',
    'http://[fc00::1]/',
    'http://198.18.0.1/',
    'http://198.41.0.4/',
    'http://198.41.0.4:7000/',
    'http://[2620:fe::fe]/',
    'http://[::ffff:198.41.0.4]/',
  ])('%s is private or this machine: true does not open it, its address and port do', (url) => {
    const error = any.refusal('net', { url });
    expect(error.code).toBe('permission_denied');
    const { value } = error.details as unknown as Denial;
    expect(value).toEqual({ hosts: ['*', expect.stringMatching(/^(\d+\.|\[).*:\d+$/)] });
    expect(get(gateOf({ net: value }), url)).toBeTypeOf('object');
    expect(get(gateOf({ net: ['*', '*:7000'] }), url)).toBe('permission_denied');
    // Its machine may have got the address since: without a port it was meant as a public one.
    expect(get(gateOf({ net: ['198.41.0.4', '[2620:fe::fe]'] }), url)).toBe('permission_denied');
  });

  it('checks where a name leads when it is connected to, whatever the name', () => {
    const call = get(any, 'http://innocent.example/') as Fetch;
    const code = (gated: typeof any, address: string, of = call) => {
      try {
        gated.gate.allowAddress(of, address);
        return 'allowed';
      } catch (error) {
        return error instanceof BinnacleError ? error.code : 'thrown';
      }
    };
    for (const address of ['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])
      expect([address, code(any, address)]).toEqual([address, 'allowed']);
    for (const address of [
      '127.0.0.1',
      '::1',
      '::ffff:127.0.0.1',
      '10.0.0.1',
      'fd12::1',
      '198.41.0.4',
      '2620:fe::fe',
      '192.168.1.5',
      '100.64.0.1',
    ]) {
      expect([address, code(any, address)]).toEqual([address, 'permission_denied']);
    }
    for (const address of [
      '169.254.169.254',
      '::ffff:169.254.169.254',
      'fe80::1%eth0',
      '0.0.0.0',
      '::',
      'fd00:ec2::254',
      '64:ff9b::7f00:1',
      'nonsense',
      '',
      '127.1',
      '0x7f.0.0.1',
    ]) {
      expect([address, code(any, address)]).toEqual([address, 'not_grantable']);
    }
    // A name of one's own network needs both: itself, and the address that it leads to.
    const nas = gateOf({ net: ['nas.lan:8080', '192.168.1.5:8080'] });
    const there = get(nas, 'http://nas.lan:8080/') as Fetch;
    expect([code(nas, '192.168.1.5', there), code(nas, '192.168.1.6', there)]).toEqual([
      'allowed',
      'permission_denied',
    ]);
    expect(code(gateOf({ net: ['nas.lan:8080'] }), '192.168.1.5', there)).toBe('permission_denied');
    // Taken away between the call and the connection.
    expect(code(gateOf({}), '8.8.8.8')).toBe('permission_denied');
    expect(refusalOf(() => any.gate.allowAddress(call, '10.0.0.1')).details).toMatchObject({
      value: { hosts: ['*', '10.0.0.1:80'] },
    });
    expect(any.decisions.at(-1)).toEqual({
      plugin: 'probe',
      permission: 'net',
      outcome: 'denied',
      target: '10.0.0.1:80',
    });
  });

  it('never takes an address for public that a resolver, a mapping or a translator makes private', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(octet, octet, octet, octet, (a, b, c, d) => {
        const dotted = [a, b, c, d].join('.');
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        const kind = kindOfAddress(dotted, WORLD.own());
        expect(kindOfAddress(`::ffff:${dotted}`, WORLD.own())).toBe(kind);
        expect(kindOfAddress(`0:0:0:0:0:ffff:${hex}`, WORLD.own())).toBe(kind);
        expect(kindOfAddress(`64:ff9b::${hex}`, WORLD.own())).toBe(kind === 'public' ? 'public' : 'never');
        const number = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
        expect(new URL(`http://${number}/`).hostname).toBe(dotted);
      }),
    );
  });

  it.each<[string, unknown]>([
    ['another host', [['Host', 'evil.net']]],
    ['another length', [['content-length', '1']]],
    ['chunks', [['Transfer-Encoding', 'chunked']]],
    ['a proxy', [['Proxy-Authorization', 'x']]],
    ['another protocol', [['upgrade', 'h2c']]],
    ['a line feed', [['a', 'b\r\nc: d']]],
    ['a line feed in a name', [['a\r\nb', 'c']]],
    ['NUL', [['a', '\0']]],
    ['an empty name', [['', 'x']]],
    ['a pseudo header', [[':authority', 'x']]],
    ['a space', [['host ', 'x']]],
    ['an origin of a browser', [['Sec-Fetch-Site', 'x']]],
    ['a record', { a: 'b' }],
    ['more than 64', Array.from({ length: 65 }, (_, n) => [`h${n}`, 'v'])],
    ['a letter beyond', [['a', '日']]],
  ])('sets no header that says %s', (_, headers) => {
    expect(any.ask('net', { url: 'https://evil.net/', headers })).toBe('bad_request');
  });

  it.each(['CONNECT', 'TRACE', 'get', 'GET\r\n', '', 7])('has no method %j', (method) => {
    expect(any.ask('net', { url: 'https://evil.net/', method })).toBe('bad_request');
  });
});

describe('names and keys', () => {
  it.each<[PermissionName, readonly object[]]>([
    [
      'httpRoutes',
      [
        '',
        'hook',
        '/..',
        '/a/../b',
        '/a//b',
        '/%2e%2e',
        '/a%2fb',
        '/a\\b',
        '/a?b',
        '/a#b',
        '/a\0',
        '/a\n',
        '/.env',
        '//evil',
        `/${'a'.repeat(300)}`,
        '/á',
      ].map((path) => ({ method: 'GET', path })),
    ],
    ['httpRoutes', [{ method: 'CONNECT', path: '/' }, { method: 'get', path: '/' }, { path: '/' }]],
    [
      'storage',
      [
        '',
        '..',
        '../../x',
        'a/../b',
        '/a',
        'a/',
        'a//b',
        '.hidden',
        'a/.x',
        'a\\b',
        'a\0',
        'a b',
        '%2e%2e/x',
        'a'.repeat(201),
      ].map((key) => ({ key })),
    ],
    [
      'storage',
      [
        ...['..', '../', 'a/../', '/a', 'a//', '.a', 'a/.x', '%', 'a*', 'a b', 'a\0', 'a'.repeat(201)].map(
          (prefix) => ({
            prefix,
          }),
        ),
        { key: 'a', prefix: 'a' },
        {},
      ],
    ],
    ['tools', ['', 'a b', '../../x', 'a\n', '__proto__', 'lооkup', '1a', 'a'.repeat(65)].map((name) => ({ name }))],
    ['commands', ['/deploy', 'Deploy', 'de ploy', ''].map((name) => ({ name }))],
    ['channels', ['', 'a:b', 'a/b', '.a', 'a\n'].map((name) => ({ name }))],
    ['hooks', ['', 'beforerun', 'constructor', '*'].map((on) => ({ on }))],
    ['readSessions', ['../../x', 'a/b', '', 'a\n', 'a'.repeat(201)].map((session) => ({ session }))],
    ['readConversations', ['', 'a\nb', 'a\0', 'x'.repeat(513)].map((key) => ({ key }))],
    [
      'notify',
      [
        { title: '' },
        { title: 'a\x1b]52;c;x\x07' },
        { title: 'a\u202eb' },
        { title: 'a', text: '\x9b31m' },
        { title: 'x'.repeat(201) },
      ],
    ],
  ])('%s takes none of the odd ones', (name, calls) => {
    const { ask } = gateOf({ [name]: true });
    for (const call of calls) expect([call, ask(name, call)]).toEqual([call, 'bad_request']);
  });

  it('takes the beginning of a key of the storage, wherever it is cut', () => {
    const { ask, decisions } = gateOf({ storage: true });
    for (const prefix of ['', 'a', 'a/', 'a/b', 'seen/la']) expect(ask('storage', { prefix })).toEqual({ prefix });
    expect(decisions.map(({ target }) => target)).toEqual(['*', 'a*', 'a/*', 'a/b*', 'seen/la*']);
    expect(gateOf({}).ask('storage', { prefix: '' })).toBe('permission_denied');
  });

  it('narrows by the very name', () => {
    const { ask } = gateOf({ tools: ['lookup'] });
    for (const name of ['Lookup', 'lookup2', 'look', 'toString', 'constructor'])
      expect([name, ask('tools', { name })]).toEqual([name, 'permission_denied']);
  });
});

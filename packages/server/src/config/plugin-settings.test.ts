import { describe, expect, it } from 'vitest';
import { readConfig } from './parse.ts';

const read = (plugins: string) => {
  const { file, problems } = readConfig(
    `{\n"agents": {"entries": {"main": {"driver": "echo"}}},\n"plugins": ${plugins}\n}`,
  );
  return { plugins: file.plugins, problems: problems.map(({ path, line, message }) => `${line} ${path}: ${message}`) };
};

describe('plugins in the config file', () => {
  it('are none where nothing is said', () => {
    expect(read('{}')).toMatchObject({ plugins: new Map(), problems: [] });
    expect(readConfig('{"agents": {"entries": {"main": {"driver": "echo"}}}}').file.plugins.size).toBe(0);
  });

  it('are as in the seed', () => {
    const { plugins, problems } = read(
      '{"entries": {"my-plugin": {"permissions": {"runCommandWithTimeout": true, "writeConfigFile": false}}}}',
    );
    expect(problems).toEqual([]);
    const { grants, ...rest } = plugins.get('my-plugin') ?? { grants: new Map() };
    expect([...grants]).toEqual([['runCommandWithTimeout', { kind: 'all' }]]);
    expect(rest).toEqual({
      id: 'my-plugin',
      isEnabled: true,
      config: undefined,
      allowsRestricted: false,
      isTrusted: false,
    });
  });

  it('may narrow with an object or with the list alone', () => {
    const { plugins, problems } = read(
      '{"entries": {"p": {"enabled": true, "allowRestricted": true, "config": {"a": 1}, "permissions": {"net": ["API.example.com"], "runCommandWithTimeout": {"commands": ["git", "rg"]}}}}}',
    );
    expect(problems).toEqual([]);
    expect(plugins.get('p')).toMatchObject({ isEnabled: true, allowsRestricted: true, config: { a: 1 } });
    expect([...(plugins.get('p')?.grants ?? [])]).toEqual([
      ['net', { kind: 'narrowed', items: ['api.example.com'] }],
      ['runCommandWithTimeout', { kind: 'narrowed', items: ['git', 'rg'] }],
    ]);
  });

  it('that are wrong close themselves, with a line, and nothing else', () => {
    const { plugins, problems } = read(`{"entries": {
      "typo": {"permissions": {"runCommandWithTimout": true, "notify": true}},
      "wide": {"permissions": {"net": {"hosts": ["a.org"], "ports": [443]}}},
      "text": {"permissions": "all", "enabled": "no", "allowRestricted": 1, "more": 1},
      "list": [],
      "Bad Id": {"permissions": {"net": true}},
      "__proto__": {"permissions": {"net": true}},
      "constructor": {"permissions": {"net": true}}
    }}`);
    expect([...plugins.keys()]).toEqual(['typo', 'wide', 'text', 'list']);
    expect(
      [...plugins.values()].map(({ isEnabled, allowsRestricted, grants }) => [
        isEnabled,
        allowsRestricted,
        [...grants.keys()],
      ]),
    ).toEqual([
      [true, false, ['notify']],
      [true, false, []],
      [false, false, []],
      [false, false, []],
    ]);
    expect(problems.map((one) => one.split(':')[0])).toEqual([
      '4 plugins.entries.typo.permissions.runCommandWithTimout',
      '5 plugins.entries.wide.permissions.net',
      ...['permissions', 'enabled', 'allowRestricted', 'more'].map((key) => `6 plugins.entries.text.${key}`),
      '7 plugins.entries.list',
      '8 plugins.entries.Bad Id',
      '9 plugins.entries.__proto__',
      '10 plugins.entries.constructor',
    ]);
    expect(({} as Record<string, unknown>).permissions).toBeUndefined();
  });

  it('grant nothing where the place itself is wrong, and the rest of the file is in force', () => {
    for (const wrong of ['[]', '7', 'null', '"all"']) {
      const { plugins, problems } = read(`{"entries": ${wrong}}`);
      expect([plugins.size, problems]).toEqual([0, [expect.stringContaining('3 plugins.entries: Expected an object')]]);
    }
    expect(read('{"allow": ["x"]}').problems).toEqual([expect.stringContaining('There is no setting "allow" here')]);
    expect(() => read('[]')).toThrow('plugins');
  });
});

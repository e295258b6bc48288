import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Config } from '../../config/config.ts';
import { configPowers } from './config-file.ts';
import { gatedPowers } from './powers.fixture.ts';

let dir = '';
let path = '';
let config: Config;
const FILE = `{
  // mine
  "agents": { "entries": { "main": {
    "driver": "command", "command": ["agent", "--key", "canary-1"], "default": true,
    "model": "old", "env": { "KEY": "canary-2" }, "instructions": "be kind"
  } } },
  "plugins": { "entries": { "probe": { "config": { "token": "canary-3" } } } }
}
`;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-powers-'));
  path = join(dir, 'config.jsonc');
  writeFileSync(path, FILE);
  config = Config.open({
    path,
    log: { warn: () => undefined, info: () => undefined },
    debounceMs: 60_000,
    pollMs: 60_000,
  });
});
afterEach(() => {
  config.close();
  rmSync(dir, { recursive: true, force: true });
});

const MODEL = 'agents.entries.main.model';
const gated = (permissions: unknown) => gatedPowers(configPowers(config), permissions);
const text = () => readFileSync(path, 'utf8');

describe('the config file, for a plugin', () => {
  it('is changed by one key that was granted, and taken back', async () => {
    const { ask } = gated({ writeConfigFile: { keys: ['agents.entries.*.model'] } });
    expect(await ask('writeConfigFile', { key: MODEL, value: 'new' })).toBe(null);
    expect(text()).toBe(FILE.replace('"old"', '"new"'));
    expect(config.current.agents.get('main')?.model).toBe('new');
    expect(await ask('writeConfigFile', { key: ['agents', 'entries', 'main', 'model'] })).toBe(null);
    expect(config.current.agents.get('main')?.model).toBeUndefined();
  });

  // What the gate says of each key is tested where it is; here, that nothing comes to be written.
  it.each([
    ['what was not granted', {}, MODEL],
    ['what was granted once', { writeConfigFile: false }, MODEL],
    ['another key', { writeConfigFile: { keys: ['agents.entries.ops.model'] } }, MODEL],
    ['its own permissions', { writeConfigFile: true }, 'plugins.entries.probe.permissions'],
    ['its own entry', { writeConfigFile: true }, 'plugins.entries.probe'],
    ['all of it', { writeConfigFile: true }, 'agents'],
    ['the program of an agent', { writeConfigFile: true }, 'agents.entries.main.command'],
    ['the environment of an agent', { writeConfigFile: true }, 'agents.entries.main.env.PATH'],
    ['the instructions of an agent', { writeConfigFile: true }, 'agents.entries.main.instructions'],
    ['a prototype', { writeConfigFile: true }, 'agents.entries.__proto__.model'],
    [
      'a list as one name',
      { writeConfigFile: { keys: ['agents.entries.*.model'] } },
      ['agents.entries', 'main', 'model'],
    ],
    ['a wildcard', { writeConfigFile: true }, 'agents.entries.*.model'],
    ['a key with a line feed', { writeConfigFile: true }, `${MODEL}\nplugins`],
    ['nothing', { writeConfigFile: true }, ''],
  ])('is not changed at %s', async (_, permissions, key) => {
    const { ask, decisions } = gated(permissions);
    const answer = await ask('writeConfigFile', { key, value: 'x' });
    expect(['permission_denied', 'not_grantable', 'bad_request']).toContain(answer);
    expect(decisions.map(({ outcome }) => outcome)).toEqual([answer === 'bad_request' ? 'malformed' : 'denied']);
    expect(text()).toBe(FILE);
  });

  it('is not changed to what could not be in force', async () => {
    const { ask, decisions } = gated({ writeConfigFile: true });
    expect(await ask('writeConfigFile', { key: MODEL, value: 7 })).toBe('bad_config');
    expect(await ask('writeConfigFile', { key: 'agents.entries.other.model', value: 'x' })).toBe('bad_config');
    expect(decisions.map(({ outcome }) => outcome)).toEqual(['allowed', 'allowed']);
    expect(text()).toBe(FILE);
  });

  it('is changed so often and no more', async () => {
    const { ask } = gated({ writeConfigFile: true });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => ask('writeConfigFile', { key: MODEL, value: `m${n}` })),
    );
    expect(answers.filter((answer) => answer === null)).toHaveLength(4);
    expect(answers.filter((answer) => answer === 'plugin_busy')).toHaveLength(16);
    expect(config.current.agents.get('main')?.model).toBe('m3');
  });

  it('is read as it stands there, without what is closed', async () => {
    const { ask } = gated({ readConfigFile: true });
    expect(await ask('readConfigFile', { key: MODEL })).toBe('old');
    expect(await ask('readConfigFile', { key: 'agents.entries.main' })).toEqual({
      driver: 'command',
      default: true,
      model: 'old',
      instructions: 'be kind',
    });
    expect(JSON.stringify(await ask('readConfigFile', { key: 'agents' }))).not.toContain('canary');
    expect(await ask('readConfigFile', { key: 'agents.entries.nobody.model' })).toBe(null);
    expect(await ask('readConfigFile', { key: 'agents.entries.toString' })).toBe(null);
    for (const key of ['plugins', 'plugins.entries.probe.config', 'agents.entries.main.env']) {
      expect(['permission_denied', 'not_grantable']).toContain(await ask('readConfigFile', { key }));
    }
    const narrow = gated({ readConfigFile: { keys: ['agents.entries.*.command'] } });
    expect(await narrow.ask('readConfigFile', { key: 'agents.entries.main' })).toEqual({
      command: ['agent', '--key', 'canary-1'],
    });
    expect(await gated({}).ask('readConfigFile', { key: MODEL })).toBe('permission_denied');
  });

  it('is read in parts where all of it would be too much for one answer', async () => {
    const bindings = Array.from({ length: 12_000 }, (_, n) => ({
      agentId: 'main',
      match: { channel: 'irc', peer: { kind: 'direct', id: `somebody-of-a-long-name-${n}` } },
    }));
    writeFileSync(path, JSON.stringify({ agents: { entries: { main: { driver: 'echo', default: true } } }, bindings }));
    const { ask } = gated({ readConfigFile: true });
    expect(await ask('readConfigFile', { key: 'bindings' })).toBe('message_too_large');
    expect(await ask('readConfigFile', { key: 'agents' })).toMatchObject({ entries: { main: { driver: 'echo' } } });
  });
});

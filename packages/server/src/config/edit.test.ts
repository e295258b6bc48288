import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { Config } from './config.ts';
import { editText } from './edit.ts';
import { readJsonc } from './jsonc.ts';

let dir = '';
let path = '';
const open: Config[] = [];
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-edit-')));
  path = join(dir, 'config.jsonc');
});
afterEach(() => {
  for (const config of open.splice(0)) config.close();
  rmSync(dir, { recursive: true, force: true });
});
function openConfig(at = path): Config {
  // It learns of its own edits by itself: neither the watcher nor the clock is waited for.
  const config = Config.open({
    path: at,
    log: { warn: () => undefined, info: () => undefined },
    debounceMs: 60_000,
    pollMs: 60_000,
  });
  open.push(config);
  return config;
}
const codeOf = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(
    () => 'done',
    (error) => error.code,
  );
const text = () => readFileSync(path, 'utf8');
const modelOf = (config: Config) => config.current.agents.get('main')?.model;
const MODEL = ['agents', 'entries', 'main', 'model'];

const COMMENTED = `{
    // who answers
    "agents": {
        "entries": { /* one */
            "main": { "driver": "echo", "default": true, "model": "old" }, // the first
        },
    },
    "bindings": [], // none
}
`;

describe('an edit of the config file', () => {
  it('changes one key, leaves comments and formatting, and is in force at once', async () => {
    writeFileSync(path, COMMENTED);
    const config = openConfig();
    const heard: unknown[] = [];
    config.onChange((file) => heard.push(file.agents.get('main')?.model));
    await config.edit(MODEL, 'new');
    expect(text()).toBe(COMMENTED.replace('"old"', '"new"'));
    expect([modelOf(config), heard]).toEqual(['new', ['new']]);
    await config.edit(MODEL, undefined);
    expect(modelOf(config)).toBeUndefined();
    expect(text()).toContain('// the first');
    await config.edit(['agents', 'entries', 'main', 'timeoutMs'], 5000);
    await config.edit(['plugins', 'entries', 'probe', 'permissions', 'net'], { hosts: ['a.example'] });
    expect(config.current.plugins.get('probe')?.grants).toBeDefined();
    for (const comment of ['// who answers', '/* one */', '// the first', '// none']) expect(text()).toContain(comment);
    expect(text()).toContain('\n    "plugins": {');
    expect(config.problems).toEqual([]);
    expect(heard).toHaveLength(4);
  });

  it('of what stands there already, or of nothing that is to go, changes nothing', async () => {
    writeFileSync(path, COMMENTED);
    const config = openConfig();
    const { ino, mtimeMs } = statSync(path);
    await config.edit(MODEL, 'old');
    await config.edit(['agents', 'entries', 'main', 'instructions'], undefined);
    await config.edit(['plugins', 'entries', 'x', 'permissions'], undefined);
    expect(statSync(path)).toMatchObject({ ino, mtimeMs });
  });

  it('keeps line ends, tabs and a byte order mark', () => {
    const crlf =
      '\uFEFF{\r\n\t"agents": {\r\n\t\t"entries": { "main": { "driver": "echo", "default": true } }\r\n\t}\r\n}\r\n';
    const edited = editText(crlf, ['plugins', 'entries', 'x', 'enabled'], false);
    expect(edited.startsWith('\uFEFF{\r\n\t"agents"')).toBe(true);
    expect(edited).toContain('\r\n\t"plugins": {\r\n\t\t"entries"');
    expect(edited.replaceAll('\r\n', '')).not.toContain('\n');
  });

  it('makes the file where there is none, and what was in force stays so', async () => {
    const config = openConfig();
    await config.edit(['plugins', 'entries', 'x', 'permissions', 'notify'], true);
    expect([...config.current.agents.keys()]).toEqual(['main']);
    expect(config.current.defaultAgent).toBe('main');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(config.raw).toMatchObject({ plugins: { entries: { x: { permissions: { notify: true } } } } });
  });

  it.each([
    ['a wrong type', MODEL, 7],
    ['an empty text', MODEL, ''],
    ['a time below zero', ['agents', 'entries', 'main', 'timeoutMs'], -1],
    ['a driver that there is not', ['agents', 'entries', 'main', 'driver'], 'magic'],
    ['an agent without a driver', ['agents', 'entries', 'new', 'model'], 'x'],
    ['a key that there is not', ['agents', 'entries', 'main', 'nonsense'], 1],
    ['a permission that there is not', ['plugins', 'entries', 'x', 'permissions', 'fly'], true],
    [
      'an item that opens nothing',
      ['plugins', 'entries', 'x', 'permissions', 'net'],
      { hosts: ['169.254.169.254:80'] },
    ],
    ['bindings that are left out', ['bindings'], [{ agentId: 'main', match: {} }]],
    ['what is below a text', [...MODEL, 'deeper'], 1],
  ])('with %s is refused before anything is written', async (_, key, value) => {
    writeFileSync(path, COMMENTED);
    const config = openConfig();
    const before = config.current;
    expect(await codeOf(config.edit(key, value))).toBe('bad_config');
    expect(text()).toBe(COMMENTED);
    expect(config.current).toBe(before);
    expect(readdirSync(dir)).toEqual(['config.jsonc']);
    // Nor does it keep the next from being done.
    await config.edit(MODEL, 'next');
    expect(modelOf(config)).toBe('next');
  });

  it('of a key that stands twice is refused: the other one would be read', async () => {
    const twice = '{"agents": {"entries": {"main": {"driver": "echo", "model": "a", "model": "b"}}}}';
    writeFileSync(path, twice);
    expect(await codeOf(openConfig().edit(MODEL, 'c'))).toBe('bad_config');
    expect(text()).toBe(twice);
  });

  it('of a file that somebody broke meanwhile is refused, and leaves it to them', async () => {
    writeFileSync(path, COMMENTED);
    const config = openConfig();
    writeFileSync(path, `${COMMENTED}}`);
    expect(await codeOf(config.edit(MODEL, 'new'))).toBe('bad_config');
    // The removed setting is still in force: the file was not written.
    expect(await codeOf(config.edit(MODEL, undefined))).toBe('bad_config');
    expect(text()).toBe(`${COMMENTED}}`);
    expect(modelOf(config)).toBe('old');
  });

  it('holds together with others at once', async () => {
    writeFileSync(path, COMMENTED);
    const config = openConfig();
    const ids = Array.from({ length: 20 }, (_, n) => `p${String.fromCharCode(97 + n)}`);
    await Promise.all(ids.map((id) => config.edit(['plugins', 'entries', id, 'permissions', 'notify'], true)));
    expect([...config.current.plugins.keys()].sort()).toEqual(ids);
    expect(readdirSync(dir)).toEqual(['config.jsonc']);
    expect(text()).toContain('// who answers');
  });

  it('is done upon what another program has just written', async () => {
    writeFileSync(path, COMMENTED);
    const config = openConfig();
    writeFileSync(path, COMMENTED.replace('// none', '// changed by hand').replace('"old"', '"by hand"'));
    await config.edit(['agents', 'entries', 'main', 'timeoutMs'], 5);
    expect(text()).toContain('// changed by hand');
    expect(config.current.agents.get('main')).toMatchObject({ model: 'by hand', timeoutMs: 5 });
  });

  it('keeps the mode, and changes the file that a link leads to', async () => {
    const target = join(dir, 'elsewhere', 'real.jsonc');
    mkdirSync(join(dir, 'elsewhere'));
    writeFileSync(target, COMMENTED);
    chmodSync(target, 0o640);
    symlinkSync('elsewhere/real.jsonc', path);
    const config = openConfig();
    await config.edit(MODEL, 'new');
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(readFileSync(target, 'utf8')).toContain('"new"');
    expect(statSync(target).mode & 0o777).toBe(0o640);
    expect(modelOf(config)).toBe('new');
  });

  it.each<[string, () => void]>([
    [
      'is read-only',
      () => {
        writeFileSync(path, COMMENTED);
        chmodSync(path, 0o444);
      },
    ],
    ['is a link to nothing', () => symlinkSync(join(dir, 'nothing'), path)],
    ['is a link to itself', () => symlinkSync(path, path)],
    ['is a folder', () => mkdirSync(path)],
    ['is in a folder that is gone', () => rmSync(dir, { recursive: true })],
  ])('of a file that %s is refused by a code', async (_, prepare) => {
    const config = openConfig();
    prepare();
    expect(await codeOf(config.edit(MODEL, 'new'))).toBe('config_not_writable');
    expect(existsSync(join(dir, 'nothing'))).toBe(false);
  });

  it('of a large file is done, in a time', async () => {
    const many = count({ quick: 6_000, all: 20_000 });
    const bindings = Array.from({ length: many }, (_, n) => ({
      agentId: 'main',
      match: { channel: 'irc', peer: { kind: 'direct', id: `u${n}` } },
    }));
    writeFileSync(
      path,
      `${JSON.stringify({ agents: { entries: { main: { driver: 'echo', default: true } } }, bindings }, null, 2)}\n`,
    );
    const config = openConfig();
    await config.edit(MODEL, 'new');
    expect(modelOf(config)).toBe('new');
    expect(config.current.bindings).toHaveLength(many);
  });

  it('never leaves half a file: it is another one, and the old one is whole', async () => {
    writeFileSync(path, COMMENTED);
    linkSync(path, join(dir, 'old'));
    const config = openConfig();
    await config.edit(MODEL, 'new');
    expect(readFileSync(join(dir, 'old'), 'utf8')).toBe(COMMENTED);
    expect('wrong' in readJsonc(text())).toBe(false);
  });
});

describe('what the file says', () => {
  it('is told as it stands there, and nothing where there is none', async () => {
    const config = openConfig();
    expect(config.raw).toBeUndefined();
    writeFileSync(path, COMMENTED);
    expect(config.raw).toMatchObject({ bindings: [], agents: { entries: { main: { model: 'old' } } } });
    expect(config.raw).toBe(config.raw);
    writeFileSync(path, 'no JSON');
    expect(() => config.raw).toThrow(expect.objectContaining({ code: 'bad_config' }));
  });
});

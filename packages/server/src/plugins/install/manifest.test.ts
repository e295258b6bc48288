import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusalOf } from '../grant/gate.fixture.ts';
import { readGrants } from '../grant/grants.ts';
import { needsConsent } from './install-record.ts';
import { MANIFEST_FILE, type Manifest, readManifest, readManifestIn, requestedGrants } from './manifest.ts';

const GOOD = {
  id: 'ship-log',
  version: '1.2.3',
  name: 'Ship’s log',
  description: 'Writes down what happens.',
  entry: 'dist/index.js',
  permissions: {
    hooks: { reason: 'To see what happens.', on: ['afterRun'] },
    net: { reason: 'To send it to the log.', hosts: ['API.example.org'] },
    storage: { reason: 'To keep what could not be sent.' },
  },
  config: {
    type: 'object',
    properties: { token: { type: 'string', minLength: 1 }, size: { type: 'integer', default: 7 } },
    required: ['token'],
    additionalProperties: false,
  },
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (manifest: unknown): Manifest => readManifest(bytes(JSON.stringify(manifest)));
const refused = (manifest: unknown): BinnacleError => refusalOf(() => read(manifest));

describe('a manifest', () => {
  it('says what a plugin is and what it asks for, in one spelling', () => {
    const manifest = read(GOOD);
    expect(manifest).toMatchObject({ id: 'ship-log', version: '1.2.3', name: 'Ship’s log', entry: 'dist/index.js' });
    expect(Object.fromEntries(manifest.asks)).toEqual({
      hooks: { grant: { kind: 'narrowed', items: ['afterRun'] }, reason: 'To see what happens.' },
      net: { grant: { kind: 'narrowed', items: ['api.example.org'] }, reason: 'To send it to the log.' },
      storage: { grant: { kind: 'all' }, reason: 'To keep what could not be sent.' },
    });
  });

  it('may be as short as this', () => {
    const manifest = read({ id: 'x', version: '0.0.1-beta.1+a', entry: './x.mjs' });
    expect([manifest.name, manifest.entry, manifest.asks.size, manifest.config]).toEqual(['x', 'x.mjs', 0, undefined]);
  });

  it('may be told of in any script, with accents, and with pictures', () => {
    for (const name of [
      'Zo\u0308e\u0301',
      'Tie\u0302\u0301ng Vi\u1ec7t',
      'שָׁלוֹם',
      'ที่นี่',
      'हिन्दी',
      'བོད་སྐད',
      '日本語\u3000です',
      '한국어',
      '⚓\ufe0f Ship',
      '❤️',
      '→ 5 €',
    ]) {
      expect([read({ ...GOOD, name, description: name }).name, name]).toEqual([name, name]);
    }
  });

  it.each<[string, object]>([
    ['an unknown field', { scripts: { postinstall: 'x' } }],
    ['no id', { id: undefined }],
    ['no version', { version: undefined }],
    ['no entry', { entry: undefined }],
    ...[
      '',
      'A',
      'a_b',
      'a.b',
      '../../x',
      'a/b',
      '-a',
      'a-',
      'a--b',
      '1a',
      'a b',
      'a\n',
      'a\0',
      'а',
      'constructor',
      'prototype',
      '__proto__',
      'binnacle',
      'a'.repeat(65),
      'a%2e',
    ].map((id): [string, object] => [`the id ${JSON.stringify(id).slice(0, 30)}`, { id }]),
    ...[
      '',
      '1',
      '1.2',
      'v1.2.3',
      '01.2.3',
      '1.2.3.4',
      '1.2.3\n',
      '1.2.3 ',
      'latest',
      '^1.0.0',
      '1.2.3-',
      `1.2.3-${'a'.repeat(100)}`,
    ].map((version): [string, object] => [`the version ${JSON.stringify(version).slice(0, 30)}`, { version }]),
    ...[
      '',
      '.',
      '..',
      '../../index.js',
      'a/../../index.js',
      '/etc/index.js',
      'a//b.js',
      'a\\b.js',
      '..\\b.js',
      'C:\\x.js',
      'file:///x.js',
      'https://x/y.js',
      'data:text/javascript,x.js',
      '%2e%2e/x.js',
      'index.js\0',
      'index.js\n',
      '.hidden.js',
      'a/.b/c.js',
      'index',
      'index.json',
      'index.node',
      'index.wasm',
      'index.js/',
      '~/x.js',
      '$HOME/x.js',
      'a b.js',
      '-r.js'.repeat(100),
      'índex.js',
      './../x.js',
      '././x.js',
    ].map((entry): [string, object] => [`the entry ${JSON.stringify(entry).slice(0, 30)}`, { entry }]),
    ['two lines as a name', { name: 'a\nb' }],
    ['a name that runs backwards', { name: 'a\u202eb' }],
    ['an empty name', { name: ' ' }],
    ['a name of 81 characters', { name: 'x'.repeat(81) }],
    ['an unseen character', { description: 'a\u200bb' }],
    ...[
      'a\u115fb',
      'a\u3164b',
      '\u2800',
      'a\u2800b',
      'a\u034fb',
      'a\uffa0',
      'a\ufe0f',
      'a\u17b4b',
      'a\u{e0061}',
      '\u{1d159}',
      '\u0301',
      'a \u0301',
      '\u0301a',
      `a${'\u0300'.repeat(5)}`,
      `a${'\u0300'.repeat(299)}`.slice(0, 80),
      'x\u2028y',
      '\u00a0\u3000\u2003',
    ].flatMap((text): [string, object][] => {
      const spelled = JSON.stringify(text).replace(/[^\x20-\x7e]/gu, (one) => `{${one.codePointAt(0)?.toString(16)}}`);
      return [
        [`the name ${spelled.slice(0, 30)}`, { name: text }],
        [`the description ${spelled.slice(0, 30)}`, { description: text }],
        [`the reason ${spelled.slice(0, 30)}`, { permissions: { notify: { reason: text } } }],
      ];
    }),
    ['a list of permissions', { permissions: ['net'] }],
    ['a permission that is not there', { permissions: { netw: { reason: 'x' } } }],
    ['true without a reason', { permissions: { notify: true } }],
    ['no reason', { permissions: { notify: {} } }],
    ['an empty reason', { permissions: { notify: { reason: '  ' } } }],
    ['a reason of two lines', { permissions: { notify: { reason: 'a\nYou agreed to all.' } } }],
    ['a terminal’s order in a reason', { permissions: { notify: { reason: 'a\x1b[2Jb' } } }],
    ['a reason of 301', { permissions: { notify: { reason: 'x'.repeat(301) } } }],
    ['a list for what has none', { permissions: { notify: { reason: 'x', names: ['a'] } } }],
    ['a list by another name', { permissions: { net: { reason: 'x', host: ['a.org'] } } }],
    ['a host that nobody may', { permissions: { net: { reason: 'x', hosts: ['169.254.169.254:80'] } } }],
    ['a shell', { permissions: { runCommandWithTimeout: { reason: 'x', commands: ['bash'] } } }],
    ['keys that nobody may', { permissions: { writeConfigFile: { reason: 'x', keys: ['plugins'] } } }],
    ['a config that is no schema', { config: 7 }],
    ['a schema of a list', { config: { type: 'array' } }],
    [
      'a schema with a pattern',
      { config: { type: 'object', properties: { a: { type: 'string', pattern: '(a+)+$' } } } },
    ],
    ['a schema with a reference', { config: { type: 'object', properties: { a: { $ref: '#' } } } }],
    ['an unknown type', { config: { type: 'object', properties: { a: { type: 'function' } } } }],
    ['types', { config: { type: 'object', properties: { a: { type: ['string'] } } } }],
  ])('with %s is refused', (_, change) => {
    expect(refused({ ...GOOD, ...change }).code).toBe('bad_manifest');
  });

  it.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a comment', '{"id":"x" /* */}'],
    ['a comma', '{"id":"x",}'],
    ['two values', '{} {}'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"x"'],
    ['a key twice', '{"id":"a","id":"b","version":"1.0.0","entry":"x.js"}'],
    ['a key twice in another spelling', '{"id":"a","\\u0069d":"b","version":"1.0.0","entry":"x.js"}'],
    [
      'a permission twice',
      '{"id":"a","version":"1.0.0","entry":"x.js","permissions":{"net":{"reason":"x","hosts":["a.org"]},"net":{"reason":"x"}}}',
    ],
    ['__proto__', '{"id":"a","version":"1.0.0","entry":"x.js","__proto__":{"permissions":{}}}'],
    [
      '__proto__ as a permission',
      '{"id":"a","version":"1.0.0","entry":"x.js","permissions":{"__proto__":{"reason":"x"}}}',
    ],
    ['constructor', '{"id":"a","version":"1.0.0","entry":"x.js","permissions":{"constructor":{"reason":"x"}}}'],
    [
      'an escaped __proto__',
      '{"id":"a","version":"1.0.0","entry":"x.js","config":{"type":"object","properties":{"\\u005f_proto__":{"type":"string"}}}}',
    ],
    ['100 000 lists', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['100 000 objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['65 KiB', `${JSON.stringify(GOOD)}${' '.repeat(65 * 1024)}`],
    ['UTF-16', new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00])],
    ['broken UTF-8', new Uint8Array([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])],
    [
      'broken UTF-8 inside of a text',
      Buffer.from(JSON.stringify({ ...GOOD, description: 'a~b' })).map((byte) => (byte === 0x7e ? 0xc3 : byte)),
    ],
    ['two marks', `\uFEFF\uFEFF${JSON.stringify(GOOD)}`],
    ['NUL', `${JSON.stringify(GOOD)}\0`],
  ])('that is %s is refused', (_, content) => {
    const error = refusalOf(() => readManifest(typeof content === 'string' ? bytes(content) : content));
    expect(error.code).toBe('bad_manifest');
    expect(error.message.length).toBeLessThan(1000);
    expect(({} as Record<string, unknown>).permissions).toBeUndefined();
  });

  it('may begin with a byte order mark, as some editors write it', () => {
    expect(readManifest(bytes(`\uFEFF${JSON.stringify(GOOD)}`)).id).toBe('ship-log');
  });

  it('of whatever bytes is a manifest or a code', () => {
    const good = Buffer.from(JSON.stringify(GOOD));
    const flipped = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
      .map((flips) => {
        const copy = Buffer.from(good);
        for (const [at, byte] of flips) copy[at] = byte;
        return copy;
      });
    const swapped = fc
      .tuple(fc.constantFrom(...Object.keys(GOOD)), fc.jsonValue())
      .map(([key, value]) => bytes(JSON.stringify({ ...GOOD, [key]: value })));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), flipped, swapped), (content) => {
        try {
          const manifest = readManifest(content);
          expect(manifest.entry).not.toMatch(/\.\.\/|^\/|\\/);
          expect(manifest.id).toMatch(/^[a-z][a-z0-9-]*$/);
        } catch (error) {
          expect(error).toBeInstanceOf(BinnacleError);
          expect((error as BinnacleError).code).toBe('bad_manifest');
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('the settings of a plugin', () => {
  const { config } = read(GOOD);
  it('are checked by the schema, with its defaults', () => {
    expect(config?.check('ship-log', { token: 'a' })).toEqual({ token: 'a', size: 7 });
    const error = refusalOf(() => config?.check('ship-log', { token: '' }));
    expect([error.code, error.details]).toEqual([
      'bad_plugin_config',
      { plugin: 'ship-log', key: 'plugins.entries.ship-log.config.token' },
    ]);
    for (const wrong of [
      undefined,
      null,
      7,
      [],
      { token: 1 },
      { token: 'a', more: 1 },
      { token: 'a', size: 0.5 },
      JSON.parse('{"token":"a","__proto__":{"x":1}}'),
    ]) {
      expect([wrong, refusalOf(() => config?.check('ship-log', wrong)).code]).toEqual([wrong, 'bad_plugin_config']);
    }
  });
});

describe('the file of a manifest', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'binnacle-manifest-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const code = async (): Promise<string> => {
    try {
      return (await readManifestIn(dir)).id;
    } catch (error) {
      return error instanceof BinnacleError ? error.code : String(error);
    }
  };
  const path = () => join(dir, MANIFEST_FILE);

  it('is read from its folder', async () => {
    writeFileSync(path(), JSON.stringify(GOOD));
    expect(await code()).toBe('ship-log');
  });

  it.each<[string, () => void]>([
    ['is not there', () => undefined],
    [
      'is a link',
      () => {
        writeFileSync(join(dir, 'other.json'), JSON.stringify(GOOD));
        symlinkSync('other.json', path());
      },
    ],
    ['is a folder', () => mkdirSync(path())],
    ['is a pipe that nobody writes to', () => void execFileSync('mkfifo', [path()])],
    ['is a device', () => symlinkSync('/dev/zero', path())],
    ['is huge', () => writeFileSync(path(), Buffer.alloc(20 * 1024 * 1024, ' '))],
  ])('that %s is refused', async (_, make) => {
    make();
    expect(await code()).toBe('bad_manifest');
  });
});

describe('a manifest that asks for more than was agreed to', () => {
  const agreed = requestedGrants(read(GOOD));
  const withAsks = (permissions: object) => read({ ...GOOD, permissions });
  const { hooks, net, storage } = GOOD.permissions;

  it.each<[string, object, readonly object[]]>([
    ['the same', GOOD.permissions, []],
    ['less', { storage }, []],
    [
      'another reason and another order',
      { storage: { reason: 'Other.' }, net: { ...net, hosts: ['api.EXAMPLE.org.'] }, hooks },
      [],
    ],
    ['fewer items', { hooks: { ...hooks, on: [] } }, []],
    [
      'a permission more',
      { ...GOOD.permissions, notify: { reason: 'x' } },
      [{ permission: 'notify', key: 'plugins.entries.ship-log.permissions.notify', more: true }],
    ],
    [
      'a host more',
      { net: { ...net, hosts: ['api.example.org', 'evil.net'] } },
      [{ permission: 'net', key: 'plugins.entries.ship-log.permissions.net', more: { hosts: ['evil.net'] } }],
    ],
    [
      'a wildcard',
      { net: { ...net, hosts: ['*.example.org'] } },
      [{ permission: 'net', key: 'plugins.entries.ship-log.permissions.net', more: { hosts: ['*.example.org'] } }],
    ],
    [
      'another port',
      { net: { ...net, hosts: ['api.example.org:8443'] } },
      [expect.objectContaining({ more: { hosts: ['api.example.org:8443'] } })],
    ],
    [
      'a look-alike',
      { net: { ...net, hosts: ['аpi.example.org'] } },
      [expect.objectContaining({ more: { hosts: ['xn--pi-6kc.example.org'] } })],
    ],
    [
      'all instead of a list',
      { net: { reason: 'x' }, hooks: { reason: 'x' } },
      [
        expect.objectContaining({ permission: 'net', more: true }),
        expect.objectContaining({ permission: 'hooks', more: true }),
      ],
    ],
  ])('%s', (_, permissions, more) => {
    expect(needsConsent(agreed, withAsks(permissions))).toEqual(more);
  });

  it('needs consent for all of it where nothing was agreed to, and for nothing behind all of it', () => {
    expect(needsConsent(new Map(), read(GOOD)).map(({ permission }) => permission)).toEqual([
      'hooks',
      'net',
      'storage',
    ]);
    const everything = readGrants({ hooks: true, net: true, storage: true }, () => undefined);
    expect(needsConsent(everything, read(GOOD))).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inAll } from '../../../../../test/support/count.ts';
import { PluginStorage } from '../../store/plugin-storage.ts';
import { openCatalogueFile } from '../../store/schema.ts';
import type { Database } from '../../store/sqlite.ts';
import { gatedPowers } from './powers.fixture.ts';
import { storagePowers } from './storage.ts';

let db: Database;
let storage: PluginStorage;
beforeEach(() => {
  db = openCatalogueFile(':memory:');
  storage = new PluginStorage(db);
});
afterEach(() => db.close());

const of = (plugin: string, permissions: unknown = { storage: true }) =>
  gatedPowers(storagePowers(storage), permissions, { plugin });

describe('what a plugin keeps', () => {
  it('is there again, by its key, and apart from that of others', async () => {
    const [one, other] = [of('one'), of('other')];
    const value = { a: [1, null, 'é'], __proto__: { b: 1 } };
    expect(await one.ask('storage', { op: 'get', key: 'seen/last' })).toBe(null);
    await one.ask('storage', { op: 'set', key: 'seen/last', value });
    await other.ask('storage', { op: 'set', key: 'seen/last', value: 2 });
    await one.ask('storage', { op: 'set', key: 'seen/last', value: [value] });
    expect(await one.ask('storage', { op: 'get', key: 'seen/last' })).toEqual([JSON.parse(JSON.stringify(value))]);
    await other.ask('storage', { op: 'delete', key: 'seen/last' });
    await other.ask('storage', { op: 'delete', key: 'seen/last' });
    expect(await other.ask('storage', { op: 'get', key: 'seen/last' })).toBe(null);
    expect(await one.ask('storage', { op: 'keys' })).toEqual(['seen/last']);
    expect(storage.usage('other')).toEqual({ keys: 0, bytes: 0 });
  });

  it('is listed by how its keys begin', async () => {
    const { ask } = of('one');
    for (const key of ['a', 'a/b', 'a/b~~~', 'a/c', 'a-', 'b', 'A', '~'])
      await ask('storage', { op: 'set', key, value: 1 });
    await of('two').ask('storage', { op: 'set', key: 'a/other', value: 1 });
    expect(await ask('storage', { op: 'keys' })).toEqual(['A', 'a', 'a-', 'a/b', 'a/b~~~', 'a/c', 'b', '~']);
    expect(await ask('storage', { op: 'keys', prefix: 'a/' })).toEqual(['a/b', 'a/b~~~', 'a/c']);
    expect(await ask('storage', { op: 'keys', prefix: 'a/b' })).toEqual(['a/b', 'a/b~~~']);
    expect(await ask('storage', { op: 'keys', prefix: 'zz' })).toEqual([]);
  });

  it.each([
    [{ op: 'get', key: '../x' }],
    [{ op: 'get', key: '' }],
    [{ op: 'get', key: 'a b' }],
    [{ op: 'get', key: 'a\nb' }],
    [{ op: 'get', key: "'; DROP TABLE plugin_storage; --" }],
    [{ op: 'get', key: 'x'.repeat(201) }],
    [{ op: 'get' }],
    [{ op: 'get', key: 'a', plugin: 'other' }],
    [{ op: 'set', key: 'a' }],
    [{ op: 'keys', prefix: '%' }],
    [{ op: 'keys', prefix: '/..' }],
    [{ op: 'keys', key: 'a' }],
    [{ op: 'clear', key: 'a' }],
    [null],
    [[]],
  ])('is not reached by %j', async (params) => {
    await of('other').ask('storage', { op: 'set', key: 'a', value: 1 });
    expect(await of('one').ask('storage', params)).toBe('bad_request');
    expect(storage.keys('other', '')).toEqual(['a']);
  });

  it('may have 64 KiB for each value', async () => {
    const { ask } = of('one');
    expect(await ask('storage', { op: 'set', key: 'a', value: 'x'.repeat(65_534) })).toBe(null);
    expect(await ask('storage', { op: 'set', key: 'a', value: 'x'.repeat(65_535) })).toBe('message_too_large');
    expect(await ask('storage', { op: 'set', key: 'a', value: 'é'.repeat(32_768) })).toBe('message_too_large');
    expect(await ask('storage', { op: 'get', key: 'a' })).toHaveLength(65_534);
  });

  it('may have 8 MiB in all; what is over it is refused, and what is there stays', async () => {
    const { ask, refusal } = of('one');
    const value = 'x'.repeat(65_000);
    let stored = 0;
    while ((await ask('storage', { op: 'set', key: `k${stored}`, value })) === null) stored += 1;
    expect(stored).toBe(Math.floor((8 * 1024 * 1024) / 65_006));
    expect(await refusal('storage', { op: 'set', key: 'more', value })).toMatchObject({
      code: 'storage_full',
      details: { plugin: 'one', maxBytes: 8 * 1024 * 1024 },
    });
    expect(await of('two').ask('storage', { op: 'set', key: 'a', value })).toBe(null);
    // Less of it is always taken.
    expect(await ask('storage', { op: 'set', key: 'k0', value: 1 })).toBe(null);
    expect(await ask('storage', { op: 'delete', key: 'k1' })).toBe(null);
    expect(await ask('storage', { op: 'set', key: 'more', value })).toBe(null);
    expect(storage.usage('one')).toEqual(new PluginStorage(db).usage('one'));
  });

  it('may have 10 000 keys, whose list fits into an answer or is refused', async () => {
    const long = 'x'.repeat(194);
    db.exec('BEGIN');
    for (let n = 0; n < 10_000; n += 1) storage.set('one', `${long}/${n}`, '1');
    db.exec('COMMIT');
    const { ask } = of('one');
    expect(await ask('storage', { op: 'set', key: 'one-more', value: 1 })).toBe('storage_full');
    expect(await ask('storage', { op: 'set', key: `${long}/7`, value: 2 })).toBe(null);
    expect(await ask('storage', { op: 'keys' })).toBe('message_too_large');
    expect(await ask('storage', { op: 'keys', prefix: `${long}/1` })).toHaveLength(1111);
  });

  it('is gone with the plugin, and that of others is not', async () => {
    for (const plugin of ['one', 'two']) await of(plugin).ask('storage', { op: 'set', key: 'a', value: 1 });
    storage.clear('one');
    expect([storage.usage('one'), storage.usage('two')]).toEqual([
      { keys: 0, bytes: 0 },
      { keys: 1, bytes: 2 },
    ]);
    expect(await of('one').ask('storage', { op: 'get', key: 'a' })).toBe(null);
  });

  it.each([[{}], [{ storage: false }]])('is neither read nor written where %j is granted', async (permissions) => {
    storage.set('probe', 'a', '1');
    const gated = gatedPowers(storagePowers(storage), permissions);
    const asks = [
      { op: 'get', key: 'a' },
      { op: 'set', key: 'a', value: 2 },
      { op: 'delete', key: 'a' },
      { op: 'keys', prefix: '' },
    ];
    for (const ask of asks) expect(await gated.ask('storage', ask)).toBe('permission_denied');
    expect(gated.decisions.map(({ outcome, target }) => [outcome, target])).toEqual([
      ['denied', 'a'],
      ['denied', 'a'],
      ['denied', 'a'],
      ['denied', '*'],
    ]);
    expect(storage.get('probe', 'a')).toBe('1');
  });

  it('is not looked at where nothing is granted, whatever was sent', async () => {
    const { refusal } = of('one', {});
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 0]));
    for (const params of [
      null,
      7,
      [many],
      many,
      { op: 'nothing' },
      { op: 'keys' },
      { op: 'set', key: 'a', value: many },
    ]) {
      const { code, message, details } = await refusal('storage', params);
      expect([code, details]).toEqual([
        'permission_denied',
        { plugin: 'one', permission: 'storage', key: 'plugins.entries.one.permissions.storage', value: true },
      ]);
      expect(message.length).toBeLessThan(300);
    }
    const { code, message } = await of('one').refusal('storage', many);
    expect([code, message.length < 300]).toEqual(['bad_request', true]);
  });

  inAll(
    'cannot be asked for without end: who asks faster than everybody can bear is told so',
    async () => {
      const { ask } = of('one');
      const answers = await Promise.all(Array.from({ length: 300 }, () => ask('storage', { op: 'keys' })));
      expect(answers.filter((answer) => answer === 'plugin_busy').length).toBeGreaterThan(100);
      expect(answers.filter((answer) => Array.isArray(answer)).length).toBeGreaterThan(79);
    },
    10_000,
  );
});

import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kindOfAddress } from '../../base/addresses.ts';
import { Gate } from './gate.ts';
import { ALL } from './grants.ts';
import { thisMachine } from './world.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-world-'));
  for (const name of ['one', 'two']) mkdirSync(join(dir, name));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const program = (path: string, mode = 0o755): string => {
  writeFileSync(join(dir, path), '#!/bin/sh\n');
  chmodSync(join(dir, path), mode);
  return join(dir, path);
};

describe('this machine', () => {
  it('has a program where a shell would find it first', () => {
    program('one/data', 0o644);
    mkdirSync(join(dir, 'one/folder'));
    const [data, both, link] = [program('two/data'), program('one/both'), join(dir, 'two/link')];
    program('two/both');
    symlinkSync(data, link);
    const { find } = thisMachine(`${join(dir, 'nowhere')}:${join(dir, 'one')}::.:${join(dir, 'two')}`);
    expect([find('data'), find('both'), find('folder'), find('none')]).toEqual([data, both, undefined, undefined]);
    // A link is a program of its own name: busybox is many.
    expect(find('link')).toBe(link);
    for (const name of ['', '.', '..', '../../one/both', 'a/b', 'both\n', '__proto__', both])
      expect([name, find(name)]).toEqual([name, undefined]);
  });

  it('has none in a relative folder of PATH: it would be another one in another place', () => {
    program('one/tool');
    const { find } = thisMachine(`${relative(process.cwd(), join(dir, 'one'))}:.:`);
    expect(find('tool')).toBeUndefined();
  });

  it('is reached by none of its addresses without being named', () => {
    const world = thisMachine('');
    const addresses = Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));
    expect(addresses.length).toBeGreaterThan(0);
    const gate = new Gate({ plugin: 'probe', grants: new Map([['net', ALL]]), world, audit: () => undefined });
    const call = gate.allow('net', { url: 'http://example.org/' });
    for (const address of addresses) {
      expect([address, kindOfAddress(address, world.own())]).not.toEqual([address, 'public']);
      expect(() => gate.allowAddress(call, address)).toThrow();
    }
  });
});

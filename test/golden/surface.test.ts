// The public surface: every name that a package exports, by entry point. A name that goes is a breaking change.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { compareWithGolden } from './compare.fixture.ts';

const PACKAGES = resolve(import.meta.dirname, '../../packages');

it('packages export the names that they did', () => {
  const blocks = readdirSync(PACKAGES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => entriesOf(join(PACKAGES, name)))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([entry, names]) => `${entry}\n${names.map((one) => `  ${one}\n`).join('')}`);
  expect(blocks.length).toBeGreaterThan(7);
  compareWithGolden('surface.golden.txt', blocks.join('\n'));
});

/** Entry points of a package with their names, as `class Session` or `type Scope`. */
function entriesOf(dir: string): (readonly [string, readonly string[]])[] {
  const { name, exports = {} } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  return Object.entries<{ readonly types?: string }>(exports).flatMap(([path, { types }]) => {
    if (types === undefined) return [];
    const names = [...namesIn(join(dir, types))].map(([exported, kind]) => `${exported}: ${kind}`);
    return [[join(name, path), names.sort()] as const];
  });
}

/** Exported names of a file of declarations, and of those that it exports from, with what each is. */
function namesIn(path: string): Map<string, string> {
  const names = new Map<string, string>();
  const text = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const from = (specifier: string): Map<string, string> =>
    namesIn(join(dirname(path), specifier.replace(/\.[tj]sx?$/, '.d.ts')));
  for (const [, kind = '', name = ''] of text.matchAll(
    /^export (?:declare )?(?:abstract )?(const|function|class|interface|type|enum) (\w+)/gm,
  )) {
    names.set(name, kind === 'interface' ? 'type' : kind);
  }
  for (const [, specifier = ''] of text.matchAll(/^export \* from '(\.[^']+)'/gm)) {
    for (const [name, kind] of from(specifier)) names.set(name, kind);
  }
  for (const [, isType, list = '', specifier] of text.matchAll(/^export (type )?\{([^}]*)\}(?: from '([^']+)')?/gm)) {
    const there = specifier?.startsWith('.') === true ? from(specifier) : undefined;
    for (const item of list.split(',').map((one) => one.trim())) {
      const [, ownType, name = '', as] = /^(type )?(\w+)(?: as (\w+))?$/.exec(item) ?? [];
      if (name === '') continue;
      const kind = there?.get(name) ?? (specifier === undefined ? names.get(name) : undefined);
      const isTypeAlone = isType !== undefined || ownType !== undefined;
      names.set(as ?? name, isTypeAlone ? 'type' : (kind ?? 'value'));
    }
  }
  return names;
}

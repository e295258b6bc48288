import { expect, it } from 'vitest';
import { type BuiltPart, entryBytes, overBudget } from './bundle-budget.ts';

const part = (bytes: number, imports: readonly string[] = [], isEntry = false): BuiltPart => ({
  bytes,
  imports,
  isEntry,
});
const parts = new Map([
  ['index', part(100, ['react', 'shared', 'index.css'], true)],
  ['index.css', part(10)],
  ['react', part(60, ['shared'])],
  ['shared', part(5)],
  ['terminal', part(1000, ['shared'])],
]);

it('counts what the entry loads, each part once, and not what is loaded later', () => {
  expect(entryBytes(parts)).toBe(175);
});

it('reports an exceeded budget, and nothing at the limit', () => {
  expect(overBudget(parts, 175)).toBeUndefined();
  expect(overBudget(parts, 174)).toMatch(/175 bytes .*; 174 are allowed/);
});

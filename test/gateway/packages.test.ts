// Contents of the npm packages: everything that their users need, and nothing that only we need.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

interface Packed {
  readonly name: string;
  /** Bytes of the archive, and of what is in it. */
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** Bytes, packed and unpacked, with a quarter to grow by; source maps alone were 12.7 MB of the server. */
const MOST: Readonly<Record<string, readonly [packed: number, unpacked: number]>> = {
  '@binnacle/server': [3_500_000, 12_000_000],
  '@binnacle/cli': [330_000, 1_250_000],
  '@binnacle/client': [200_000, 700_000],
  '@binnacle/emit': [30_000, 100_000],
  '@binnacle/protocol': [60_000, 210_000],
  '@binnacle/plugin': [10_000, 40_000],
  '@binnacle/mock-llm': [20_000, 60_000],
};

let packages: readonly Packed[];
beforeAll(async () => {
  const args = ['pack', '--dry-run', '--json', ...Object.keys(MOST).flatMap((name) => ['--workspace', name])];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  packages = JSON.parse(stdout);
});

/** Every file that `exports` and `bin` name, with the directory of types beside it. */
function named(value: unknown): string[] {
  if (typeof value === 'string') return [value.replace(/^\.\//, '')];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(named) : [];
}

describe('a package', () => {
  it('has no source maps, no state of the compiler and no tests in it, and stays small', () => {
    expect(packages.map(({ name }) => name).sort()).toEqual(Object.keys(MOST).sort());
    for (const { name, size, unpackedSize, files } of packages) {
      const ours = files.filter(({ path }) => /\.map$|\.tsbuildinfo$|\.(test|fixture)\.|\/\.built$/.test(path));
      expect.soft({ name, ours }).toEqual({ name, ours: [] });
      const [packed = 0, unpacked = 0] = MOST[name] ?? [];
      expect.soft(size, name).toBeLessThan(packed);
      expect.soft(unpackedSize, name).toBeLessThan(unpacked);
    }
  });

  it('has every file that it names', () => {
    for (const { name, files } of packages) {
      const folder = join(ROOT, 'packages', name.replace('@binnacle/', ''));
      const { exports, bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const paths = new Set(files.map(({ path }) => path));
      const missing = [...named(exports), ...named(bin)].filter((path) => !paths.has(path));
      expect.soft({ name, missing }).toEqual({ name, missing: [] });
    }
  });
});

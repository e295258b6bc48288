import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markOf } from './data-dir.ts';
import { makeSocketDir, removeSocketDir } from './socket-dir.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

let root: string;
let dataDir: string;
/** Directory like /tmp: everybody's, and sticky. */
let temporary: string;
const make = (runtime?: string) => makeSocketDir(dataDir, { runtime, temporary });
const modeOf = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'binnacle-sockets-'));
  chmodSync(root, 0o755);
  dataDir = join(root, 'data');
  temporary = join(root, 'tmp');
  mkdirSync(dataDir, { mode: 0o700 });
  mkdirSync(temporary);
  chmodSync(temporary, 0o1777);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Makes the path as another user where root allows it; else as ourselves with another mode, which is refused alike. */
function takeAsAnother(path: string, how: 'directory' | 'link'): void {
  const argv = how === 'link' ? ['ln', '-s', root, path] : ['mkdir', '-m', '755', path];
  const as = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];
  execFileSync(isRoot ? 'setpriv' : 'env', isRoot ? [...as, ...argv] : argv);
}

describe('the directory of the runners’ sockets', () => {
  it('is in the runtime directory where that is ours alone, by the same name each time', () => {
    const runtime = join(root, 'run');
    mkdirSync(runtime, { mode: 0o700 });
    const dir = make(runtime);
    expect(dir).toBe(join(runtime, `binnacle-${markOf(dataDir)}`));
    expect([modeOf(dir), make(runtime), readdirSync(temporary)]).toEqual(['700', dir, []]);
  });

  it('is in the temporary directory by a random name of its own, mode 0700, found again while it is there', () => {
    const dir = make();
    expect([dirname(dir), modeOf(dir)]).toEqual([temporary, '700']);
    expect(basename(dir)).toMatch(new RegExp(`^binnacle-${markOf(dataDir)}-[A-Za-z0-9]{6}$`));
    expect(make()).toBe(dir);
    removeSocketDir(dir);
    expect(make()).not.toBe(dir);
    expect(modeOf(join(dataDir, 'sockets'))).toBe('600');
  });

  it.each(['directory', 'link'] as const)('cannot be taken first by another user: as a %s', (how) => {
    // The older names, which could be foretold.
    const mark = markOf(dataDir);
    for (const name of [`binnacle-${mark}`, `binnacle-${mark}-${process.getuid?.()}`]) {
      takeAsAnother(join(temporary, name), how);
    }
    const first = make();
    removeSocketDir(first);
    // The one name that was seen.
    takeAsAnother(first, how);
    const second = make();
    expect(second).not.toBe(first);
    const { uid } = lstatSync(second);
    expect([uid, modeOf(second), lstatSync(second).isDirectory()]).toEqual([process.getuid?.(), '700', true]);
    expect(make()).toBe(second);
  });

  it.runIf(isRoot)(
    'is not in a runtime directory of another user, as it is after sudo, nor in one that others enter',
    () => {
      const theirs = join(root, 'theirs');
      execFileSync('install', ['-d', '-m', '700', '-o', `${NOBODY}`, theirs]);
      expect(dirname(make(theirs))).toBe(temporary);
      const open = join(root, 'open');
      mkdirSync(open);
      chmodSync(open, 0o777);
      expect(dirname(make(open))).toBe(temporary);
      const link = join(root, 'link');
      symlinkSync(root, link);
      expect(dirname(make(link))).toBe(temporary);
    },
  );

  it('is nowhere where others could rename it: that is refused with the way out', () => {
    chmodSync(temporary, 0o777);
    expect(() => make()).toThrow(
      expect.objectContaining({ code: 'bad_data_dir', hint: expect.stringContaining('TMPDIR') }),
    );
    expect(readdirSync(temporary)).toEqual([]);
  });
});

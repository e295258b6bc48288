// Where the sockets of runners are: paths to them must be short, and a directory nobody else can enter must hold them.

import { chmodSync, existsSync, lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';

/** In the runtime directory, else in the temporary one; `mark` tells whose it is. Throws `bad_data_dir`. */
export function makeSocketDir(mark: string): string {
  const name = `binnacle-${mark}`;
  const runtime = process.env.XDG_RUNTIME_DIR;
  const uid = process.getuid?.() ?? 0;
  const dir = runtime !== undefined && existsSync(runtime) ? join(runtime, name) : join(tmpdir(), `${name}-${uid}`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const found = lstatSync(dir);
  if (!found.isDirectory() || found.uid !== uid) {
    throw new BinnacleError('bad_data_dir', {
      message: `${dir} is not a directory of ours.`,
      hint: 'Remove it, or set XDG_RUNTIME_DIR.',
    });
  }
  chmodSync(dir, 0o700);
  return dir;
}

/** Unless runners that go on have their sockets in it. */
export function removeSocketDir(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // It is not empty.
  }
}

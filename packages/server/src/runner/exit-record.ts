// The exit status on disk: written whole and synced before any client learns of it, so that no crash can lose it.

import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExitStatus } from '../process/program.ts';

const NAME = 'exit.json';

export interface ExitRecord extends ExitStatus {
  /** Milliseconds since 1970. */
  readonly exitedAt: number;
}

export async function writeExitRecord(dir: string, record: ExitRecord): Promise<void> {
  const path = join(dir, NAME);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(record));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** Returns undefined if no exit of the program was recorded. */
export async function readExitRecord(dir: string): Promise<ExitRecord | undefined> {
  try {
    return JSON.parse(await readFile(join(dir, NAME), 'utf8')) as ExitRecord;
  } catch {
    return undefined; // Absent, or torn by a power loss before the rename: no client has learned of it.
  }
}

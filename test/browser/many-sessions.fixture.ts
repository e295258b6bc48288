// A data directory with many sessions that have ended, as they are after months. Knows no gateway and no browser.

import { join } from 'node:path';
import { createPrivateFile } from '../../packages/server/src/data-dir/data-dir.ts';
import { openCatalogueFile } from '../../packages/server/src/store/schema.ts';

const FIRST = Date.UTC(2026, 0, 1);
const SPEC = { argv: ['/bin/true'], mode: 'pty', cwd: '/tmp', envNames: [], cols: 80, rows: 24, takesRuns: false };

/** The id of the nth, which sorts by its n. */
export function idOf(n: number): string {
  const time = (FIRST + n * 60_000).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** `night-00000` to the last one; each hundredth is a `rare` one. */
export const nameOf = (n: number): string => `${n % 100 === 0 ? 'rare' : 'night'}-${String(n).padStart(5, '0')}`;

export function makeSessions(dir: string, count: number): void {
  const path = join(dir, 'catalogue.db');
  createPrivateFile(path);
  const db = openCatalogueFile(path);
  const insert = db.prepare(
    `INSERT INTO sessions (id, name, spec, state, exit_code, created_at, exited_at, hidden)
     VALUES (?, ?, ?, 'closed', 0, ?, ?, 0)`,
  );
  db.exec('BEGIN');
  for (let n = 0; n < count; n += 1) {
    const at = FIRST + n * 60_000;
    insert.run(idOf(n), nameOf(n), JSON.stringify(SPEC), at, at + 30_000);
  }
  db.exec('COMMIT');
  db.close();
}

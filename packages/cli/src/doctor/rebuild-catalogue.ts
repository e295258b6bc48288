// `binnacle doctor --rebuild-catalogue`: rebuilds the catalogue from the readable part of the old one and from the
// logs. The old catalogue is kept under another name.

import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AdoptionCounts,
  adoptUnlisted,
  Catalogue,
  createPrivateFile,
  dropOrphans,
  openCatalogueFile,
  prepareDataDir,
  type SalvagedTable,
  salvage,
} from '@binnacle/server/maintenance';
import type { Options } from '../declarations/commands.ts';
import { dataDir } from '../gateway/address.ts';
import { EXIT, Failure } from '../output/failure.ts';
import { locked } from './locked.ts';

interface RebuildResult {
  /** New path of the old catalogue; null if there was none. */
  readonly aside: string | null;
  readonly tables: readonly SalvagedTable[];
  readonly adopted: AdoptionCounts;
}

const FILES = ['', '-wal', '-shm'];
/** Tables whose data exists only in the catalogue. */
const LOST_FOR_GOOD: Readonly<Record<string, string>> = {
  tokens: 'tokens',
  logins: 'logins of browsers',
  shares: 'share links',
  share_guests: 'guests of share links',
  plugin_storage: 'what plugins stored',
  push_subscriptions: 'browsers that are notified',
  mutes: 'mutes',
};

export async function rebuildCatalogue(options: Options<'doctor'>): Promise<number> {
  const dir = dataDir(options.data);
  if (!existsSync(dir)) throw new Failure(EXIT.failed, `There is no data directory at ${dir}.`);
  prepareDataDir(dir);
  const rebuilt = locked(dir, () => rebuild(dir));
  if (rebuilt === undefined) {
    throw new Failure(
      EXIT.failed,
      `A gateway uses ${dir}.`,
      'Stop the gateway first; programs keep running. Then run this command again.',
    );
  }
  process.stdout.write(options.json === true ? `${JSON.stringify(rebuilt)}\n` : report(rebuilt));
  return EXIT.ok;
}

function rebuild(dir: string): RebuildResult {
  const path = join(dir, 'catalogue.db');
  const made = join(dir, 'catalogue.db.new');
  for (const suffix of FILES) rmSync(made + suffix, { force: true });
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  createPrivateFile(made);
  const db = openCatalogueFile(made);
  let tables: readonly SalvagedTable[] = [];
  try {
    if (isFile) tables = salvage(path, db);
    dropOrphans(db);
    const isReported = ['messages', 'conversation_runs'].every((name) =>
      tables.some(({ table, isWhole }) => table === name && isWhole),
    );
    // If these rows are incomplete, the logs of conversations are read again; existing rows stay.
    if (!isReported) db.exec("UPDATE conversations SET place = 0, state = 'busy'");
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
  const aside = setAside(path);
  renameSync(made, path);
  const catalogue = Catalogue.open(dir);
  try {
    return { aside, tables, adopted: adoptUnlisted(dir, catalogue) };
  } finally {
    catalogue.close();
  }
}

/** Renames the old catalogue with its journal, and returns the new path. Never deletes any of it. */
function setAside(path: string): string | null {
  const time = new Date().toISOString().replace(/[:.]/g, '-');
  const aside = `${path}.damaged-${time}`;
  for (const suffix of FILES) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  return existsSync(aside) ? aside : null;
}

function report({ aside, tables, adopted }: RebuildResult): string {
  const lines = ['The catalogue was rebuilt.'];
  if (aside !== null) lines.push(`The old catalogue is kept as ${aside}`);
  const damaged = tables.filter(({ isWhole }) => !isWhole);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  if (tables.length === 0) lines.push('Nothing could be read from the old catalogue.');
  else lines.push(`Read from it: ${rows} rows${damaged.length === 0 ? ', all of them' : ''}.`);
  for (const { table, rows: readable } of damaged) {
    const content = LOST_FOR_GOOD[table];
    if (content !== undefined) lines.push(`Incomplete: ${content} (${readable} could be read). The others are lost.`);
  }
  if (tables.length === 0) lines.push(`Lost: ${Object.values(LOST_FOR_GOOD).join(', ')}.`);
  lines.push(`Restored from logs: ${adopted.sessions} sessions, ${adopted.conversations} conversations.`);
  if (adopted.undescribed > 0) {
    lines.push(`${adopted.undescribed} sessions are known from their logs only; only an admin sees them.`);
  }
  if (adopted.left > 0)
    lines.push(`${adopted.left} logs of conversations stay where they are: their owners are not known.`);
  if (tables.length === 0 || damaged.length > 0) {
    lines.push(
      'Recently revoked tokens and links may be valid again, and recent ones may be missing. Check them with:',
    );
    lines.push('  binnacle token ls; binnacle share ls');
  }
  return `${lines.join('\n')}\n`;
}

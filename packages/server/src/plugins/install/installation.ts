// Installed plugins on the disk, below `<data>/plugins/<id>/`: the files, and the record of the consent.
//
// The record names the folder of the files, so that renaming the record is the atomic step of an installation: a kill
// before it leaves the earlier version, a kill after it the new one. The next start removes the remains.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';
import { KeyedSerialQueue } from '../../base/serial-queue.ts';
import { isPluginId } from '../../config/plugin-id.ts';
import { checkInstall, copyInstall, type Installation, InstallRecordShape, recordInstall } from './install-record.ts';
import type { Manifest } from './manifest.ts';
import { type FolderScan, type InstallCaller, type ScanBounds, ScanQueue } from './scan-limits.ts';
import { type BuiltPlugin, buildFrom, type StripTypes } from './source.ts';
import { type TypeScripts, withoutTypes } from './type-stripping.ts';
import { loadedName } from './typescript.ts';

/** A copy from which a plugin is loaded. */
export interface StagedPlugin {
  /** Real path of a private folder in which everything was checked. */
  readonly dir: string;
  /** Path within `dir`: the entry of the manifest in the form that Node can load. */
  readonly entry: string;
  readonly manifest: Manifest;
  /** Removes the copy. Call after the process has ended. */
  dispose(): Promise<void>;
}

export type InstalledPlugin =
  | (Installation & { readonly id: string; readonly problem?: undefined })
  | { readonly id: string; readonly problem: BinnacleError };

/** A caller within this process. */
const NO_CALLER: InstallCaller = { by: '' };
const RECORD = 'record.json';
const MAX_RECORD_BYTES = 8 * 1024 * 1024;
/** Folders under construction, in use or being removed. No plugin id looks like that. */
const WORK = /^\.(?:new|run|gone)-/;
const FILES = /^files-[0-9a-f]{16}$/;

const StoredRecord = z.strictObject({ files: z.string().regex(FILES), record: InstallRecordShape });
type StoredRecord = z.output<typeof StoredRecord>;

export class Installations {
  readonly #dir: string;
  readonly #types: TypeScripts;
  readonly #scans: ScanQueue;
  #swept: Promise<void> | undefined;
  /** Serializes operations on the files, by plugin. */
  readonly #queue = new KeyedSerialQueue();

  /** `dir`: `<data>/plugins`, private to the gateway; created by the first installation. */
  constructor(dir: string, types: TypeScripts, bounds: Partial<ScanBounds> = {}) {
    this.#dir = dir;
    this.#types = types;
    this.#scans = new ScanQueue(bounds);
  }

  /** Lists the plugins, each with its checked files or with its error. */
  async list(): Promise<InstalledPlugin[]> {
    await this.#sweep();
    const ids = (await namesIn(this.#dir)).filter(isPluginId).sort();
    const found = await Promise.all(ids.map((id) => this.#queue.run(id, () => this.#read(id))));
    return found.filter((one) => one !== undefined);
  }

  /**
   * Previews an installation. Throws the errors of `install`, so that no person is asked about a plugin that cannot be
   * installed.
   */
  async preview(source: string, caller: InstallCaller = NO_CALLER): Promise<BuiltPlugin> {
    return await this.#built(source, caller, async (built, dir, scan) => {
      await recordInstall(dir, built.manifest, 0, { scan });
      return built;
    });
  }

  /**
   * Installs a plugin. Call after the consent of a person. `digest`: of the preview that the person saw. Throws
   * `plugin_changed` if the folder has changed since, `unsafe_plugin`, `bad_manifest`, `bad_typescript`,
   * `too_many_installs`, `client_closed` if the caller has disconnected, `going_away`, and the errors of `ready`, which
   * is called when all checks have passed; after an error the earlier version stays.
   */
  async install(
    source: string,
    digest: string,
    now: number,
    { caller = NO_CALLER, ready }: { readonly caller?: InstallCaller; readonly ready?: () => Promise<void> } = {},
  ): Promise<Installation> {
    return await this.#built(source, caller, async (built, dir, scan) => {
      if (built.digest !== digest) throw changedSince(source, built.manifest);
      const { record } = await recordInstall(dir, built.manifest, now, { scan, origin: await realpath(source) });
      await ready?.();
      return await this.#queue.run(record.id, () => this.#put(dir, record));
    });
  }

  /** Aborts all scans when the gateway stops. */
  quiet(): void {
    this.#scans.end();
  }

  /** Aborts all scans, refuses new ones, and waits for the end of the running ones. */
  async close(): Promise<void> {
    await this.#scans.close();
  }

  /** Removes a plugin with everything in its folder. Throws `plugin_not_found`. */
  async remove(id: string): Promise<void> {
    await this.#sweep();
    await this.#queue.run(id, async () => {
      if (!isPluginId(id)) throw notFound(id);
      const removed = join(this.#dir, `.gone-${random()}`);
      await rename(join(this.#dir, id), removed).catch((error: unknown) => {
        throw codeOf(error) === 'ENOENT' ? notFound(id) : error;
      });
      await rm(removed, { recursive: true, force: true });
    });
  }

  /**
   * Makes a new copy, checked during the copy. Throws `plugin_not_found`, `plugin_changed`, `unsafe_plugin`,
   * `consent_needed` …
   */
  async stage(id: string): Promise<StagedPlugin> {
    await this.#sweep();
    return await this.#queue.run(id, async () => {
      const stored = await this.#readRecord(id);
      if (stored === undefined) throw notFound(id);
      const to = join(this.#dir, `.run-${id}-${random()}`);
      const dispose = () => rm(to, { recursive: true, force: true });
      try {
        const { manifest, dir } = await copyInstall(stored.record, join(this.#dir, id, stored.files), to);
        return { dir, entry: loadedName(manifest.entry), manifest, dispose };
      } catch (error) {
        await dispose();
        throw error;
      }
    });
  }

  async #built<T>(
    source: string,
    caller: InstallCaller,
    use: (built: BuiltPlugin, dir: string, scan: FolderScan) => Promise<T>,
  ): Promise<T> {
    return await this.#scans.run(source, caller, async (scan) => {
      await this.#sweep();
      await mkdir(this.#dir, { recursive: true, mode: 0o700 });
      const dir = join(this.#dir, `.new-${random()}`);
      const serially = (act: () => Promise<void>): Promise<void> => this.#queue.run('.types', act);
      const strip: StripTypes = (to, paths) =>
        withoutTypes(to, paths, { thread: this.#types, signal: scan.signal, serially });
      try {
        return await use(await buildFrom(source, dir, strip, scan), dir, scan);
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    });
  }

  async #put(from: string, record: StoredRecord['record']): Promise<Installation> {
    const home = join(this.#dir, record.id);
    await mkdir(home, { recursive: true, mode: 0o700 });
    const files = `files-${random()}`;
    await rename(from, join(home, files));
    const stored: StoredRecord = { files, record };
    await writeWhole(home, RECORD, JSON.stringify(stored));
    await this.#clean(record.id, files);
    return await checkInstall(record, join(home, files));
  }

  async #read(id: string): Promise<InstalledPlugin | undefined> {
    try {
      const stored = await this.#readRecord(id);
      if (stored === undefined) return undefined;
      return { id, ...(await checkInstall(stored.record, join(this.#dir, id, stored.files))) };
    } catch (error) {
      return { id, problem: error instanceof BinnacleError ? error : unreadable(id, error) };
    }
  }

  /** Reads the record; undefined if nothing is installed. Throws `plugin_changed` for an invalid record. */
  async #readRecord(id: string): Promise<StoredRecord | undefined> {
    if (!isPluginId(id)) return undefined;
    const path = join(this.#dir, id, RECORD);
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
      (error: unknown) => {
        if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
        throw unreadable(id, error);
      },
    );
    if (file === undefined) return undefined;
    try {
      const stat = await file.stat();
      if (!stat.isFile() || stat.size > MAX_RECORD_BYTES) throw new Error('it is not a file of this kind');
      const stored = StoredRecord.parse(JSON.parse(await file.readFile('utf8')));
      if (stored.record.id !== id) throw new Error('it is of another plugin');
      return stored;
    } catch (error) {
      throw unreadable(id, error);
    } finally {
      await file.close();
    }
  }

  /**
   * Removes unfinished work, once, before anything else. Only this process uses the folder, so all unfinished work is
   * left over.
   */
  #sweep(): Promise<void> {
    this.#swept ??= (async () => {
      for (const name of await namesIn(this.#dir)) {
        if (WORK.test(name)) await rm(join(this.#dir, name), { recursive: true, force: true });
        if (!isPluginId(name)) continue;
        // An unreadable record does not tell which files belong to it: they stay for a person to examine.
        const stored = await this.#readRecord(name).catch(() => null);
        if (stored !== null) await this.#clean(name, stored?.files);
      }
    })();
    return this.#swept;
  }

  /** Removes old file folders and unfinished records, but not the files of the record, nor files of others. */
  async #clean(id: string, files: string | undefined): Promise<void> {
    const home = join(this.#dir, id);
    for (const name of await namesIn(home)) {
      const isOld = FILES.test(name) && name !== files;
      if (isOld || UNFINISHED.test(name)) await rm(join(home, name), { recursive: true, force: true });
    }
    // Removes the folder if it is empty and nothing was installed.
    if (files === undefined) await rmdir(home).catch(() => undefined);
  }
}

const UNFINISHED = /^record\.json\.[0-9a-f]{16}$/;

/** Writes a file atomically: whole or not at all, and synced to the disk when the promise settles. */
async function writeWhole(dir: string, name: string, text: string): Promise<void> {
  const temporary = join(dir, `${name}.${random()}`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(dir, name));
}

const random = (): string => randomBytes(8).toString('hex');

async function namesIn(dir: string): Promise<string[]> {
  return await readdir(dir).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return [];
    throw error;
  });
}

const notFound = (id: string): BinnacleError =>
  new BinnacleError('plugin_not_found', {
    message: `There is no plugin "${id.slice(0, 100)}".`,
    details: { plugin: id },
  });

const unreadable = (id: string, cause: unknown): BinnacleError =>
  new BinnacleError('plugin_changed', {
    message: `The record of the plugin "${id}" cannot be read: ${cause instanceof Error ? cause.message.slice(0, 200) : ''}.`,
    details: { plugin: id },
    cause,
  });

const changedSince = (source: string, { id }: Manifest): BinnacleError =>
  new BinnacleError('plugin_changed', {
    message: `The files in ${source} have changed since they were inspected.`,
    hint: 'Check what it asks for now, and install it: binnacle plugin install.',
    details: { plugin: id },
  });

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

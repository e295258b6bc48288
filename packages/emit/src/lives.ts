// The directory of a buffer on disk: one folder for each life of its producer, named by the epoch. Takes the next
// epoch, and finds the folders of dead processes.
//
//   producer          the id, chosen once
//   0000000007/       a life: its owner, and the segments of its journal
//
// The highest folder is never removed: it stores the epoch. Two processes at once are two lives. A living process that is
// taken for dead is harmless: both send the same epoch and numbers, which are stored once.

import { randomUUID } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { readRegular } from './regular-file.ts';

/** A process of another container has no pid here: the time of its owner file shows that it lives. */
export const HEARTBEAT_MS = 5000;
const DEAD_AFTER_MS = 6 * HEARTBEAT_MS;
const NEW = '.new-';
const LIFE = /^\d{10,16}$/;
/** Above every life: beyond 2^53 numbers have no successor. */
const MAX_EPOCH = 2 ** 52;
const ID = /^[A-Za-z0-9][A-Za-z0-9._:@+=,~-]{0,127}$/;

export interface LifeFolder {
  readonly path: string;
  readonly producer: string;
  readonly epoch: number;
}

interface Owner {
  readonly producer: string;
  readonly pid: number;
  /** Start of the process in ticks since boot; empty if not known. */
  readonly started: string;
  /** Identity of a boot of a machine and of a namespace of process ids. */
  readonly where: string;
}

export class Lives {
  private readonly dir: string;
  readonly own: LifeFolder;
  /** Folders that are named like lives and cannot be any. They are left alone. */
  readonly strange: readonly string[];

  /** `chosenProducer`: a producer id that a person chose. Throws what the file system throws. */
  constructor(dir: string, chosenProducer: string | undefined, now: number) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.dir = dir;
    this.strange = readdirSync(dir).filter((name) => LIFE.test(name) && !isLife(name));
    const producer = chosenProducer ?? storedId(join(dir, 'producer'));
    this.own = this.begin(producer, chosenProducer === undefined ? 0 : now);
  }

  /** Directories of processes that have ended, oldest first, without those in `known`. */
  left(known: (epoch: number) => boolean): LifeFolder[] {
    return this.epochs()
      .filter((epoch) => epoch < this.own.epoch && !known(epoch))
      .flatMap((epoch) => {
        const path = this.pathOf(epoch);
        const owner = readOwner(path);
        // Without a readable owner there is no process to check, and no producer to send as.
        if (owner === undefined || isAlive(owner, path)) return [];
        return [{ path, producer: owner.producer, epoch }];
      });
  }

  /** All of it was delivered. */
  remove({ path }: LifeFolder): void {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // An empty folder that stays costs one check at the next start.
    }
  }

  beat(now: number): void {
    try {
      utimesSync(join(this.own.path, 'owner'), now / 1000, now / 1000);
    } catch {
      // Taken for dead by a process of another container: harmless, see above.
    }
  }

  /** This process does not use it any more; another emitter of it may send what is left. */
  release(): void {
    const owner: Owner = { producer: this.own.producer, pid: 0, started: 'released', where: here() };
    try {
      writeFileSync(join(this.own.path, 'owner'), JSON.stringify(owner));
      utimesSync(join(this.own.path, 'owner'), 0, 0);
    } catch {
      // The directory is then free when this process has ended.
    }
  }

  /** Made aside and renamed, so that a visible life has its owner. The rename fails if the epoch is taken. */
  private begin(producer: string, atLeast: number): LifeFolder {
    this.sweep();
    const made = mkdtempSync(join(this.dir, NEW));
    const owner: Owner = { producer, pid: process.pid, started: startOf(process.pid), where: here() };
    writeFileSync(join(made, 'owner'), JSON.stringify(owner), { mode: 0o600 });
    for (let epoch = Math.max(atLeast, (this.epochs().at(-1) ?? -1) + 1); ; epoch += 1) {
      const path = this.pathOf(epoch);
      try {
        renameSync(made, path);
        return { path, producer, epoch };
      } catch (error) {
        if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    }
  }

  /** Remains of processes that died while they began. */
  private sweep(): void {
    for (const name of readdirSync(this.dir).filter((name) => name.startsWith(NEW))) {
      const made = statSync(join(this.dir, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
      if (Math.abs(Date.now() - made) > DEAD_AFTER_MS) rmSync(join(this.dir, name), { recursive: true, force: true });
    }
  }

  private epochs(): number[] {
    return readdirSync(this.dir)
      .filter(isLife)
      .map(Number)
      .sort((a, b) => a - b);
  }

  private pathOf(epoch: number): string {
    return join(this.dir, String(epoch).padStart(10, '0'));
  }
}

const isLife = (name: string): boolean => LIFE.test(name) && Number(name) <= MAX_EPOCH;

/** Two processes that begin at once agree: a link is made by one of them only. */
function storedId(path: string): string {
  const made = `${path}.${randomUUID()}`;
  writeFileSync(made, randomUUID(), { mode: 0o600 });
  try {
    const stored = readId(path);
    if (stored !== undefined) return stored;
    // Not readable as an id: after a power loss it may be empty.
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile() === false) throw new Error(`${path} is not a regular file.`);
    if (found !== undefined) renameSync(made, path);
    else linkSync(made, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(made, { force: true });
  }
  const id = readId(path);
  if (id === undefined) throw new Error(`${path} cannot be read.`);
  return id;
}

function readId(path: string): string | undefined {
  try {
    const id = readRegular(path).toString().trim();
    return ID.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

function readOwner(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(readRegular(join(path, 'owner')).toString()) as Partial<Owner> | null;
    if (typeof owner?.producer !== 'string' || !ID.test(owner.producer) || typeof owner.pid !== 'number')
      return undefined;
    return { producer: owner.producer, pid: owner.pid, started: String(owner.started), where: String(owner.where) };
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner, path: string): boolean {
  if (owner.where === here() && owner.where !== '') return startOf(owner.pid) === owner.started;
  const beat = statSync(join(path, 'owner'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  // A beat in the future is from before the clock was set back: a living process beats again.
  return Math.abs(Date.now() - beat) < DEAD_AFTER_MS;
}

/** Identifies a process together with its pid; empty if not known. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie is dead: ended, with its exit code not collected yet.
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

function here(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return ''; // Not Linux.
  }
}

// Files that programs print: no two of their blocks are alike, so that what is lost, doubled or swapped shows.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

const BLOCK = 64 * KIB;

export interface Payload {
  readonly path: string;
  readonly bytes: number;
  readonly crc: number;
}

export class Payloads {
  readonly #dir: string;
  readonly #made = new Map<number, Payload>();
  #gates = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Printable and without line ends: a terminal passes it on as it is, whatever its mode. */
  file(bytes: number): Payload {
    const made = this.#made.get(bytes) ?? write(join(this.#dir, `payload-${bytes}`), bytes);
    this.#made.set(bytes, made);
    return made;
  }

  /** A program waits for it by reading it; opening it lets go. */
  gate(): Gate {
    this.#gates += 1;
    const path = join(this.#dir, `gate-${this.#gates}`);
    execFileSync('mkfifo', [path]);
    return { path, open: () => execFileSync('sh', ['-c', `: > '${path}'`]) };
  }

  /** Prints a payload once the gate opens. In a terminal without any translation by it. */
  command(payload: Payload, gate: Gate, mode: 'pty' | 'pipe'): string {
    return `${mode === 'pty' ? 'stty -echo -opost; ' : ''}cat '${gate.path}'; exec cat '${payload.path}'`;
  }
}

export interface Gate {
  readonly path: string;
  open(): void;
}

function write(path: string, bytes: number): Payload {
  const isThere = existsSync(path);
  const fd = isThere ? -1 : openSync(path, 'wx', 0o600);
  // 16 blocks of noise, and in front of each block written its number.
  const noise = Array.from({ length: 16 }, (_, i) => noiseOf(i));
  let crc = 0;
  for (let at = 0, n = 0; at < bytes; at += BLOCK, n += 1) {
    const block = noise[n % noise.length] ?? Buffer.alloc(BLOCK);
    block.write(n.toString().padStart(16, '0'), 'latin1');
    const part = block.subarray(0, Math.min(BLOCK, bytes - at));
    crc = crc32(part, crc);
    if (fd >= 0) writeSync(fd, part);
  }
  if (fd >= 0) closeSync(fd);
  return { path, bytes, crc };
}

function noiseOf(seed: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  for (let at = 0; at < BLOCK; at += 64) {
    block.write(createHash('sha256').update(`${seed} ${at}`).digest('hex'), at, 'latin1');
  }
  return block;
}

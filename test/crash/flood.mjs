// A program that floods, and what it has written up to any byte. Run by node itself, so it is plain JavaScript.

import { createHash } from 'node:crypto';
import { existsSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const LINE_BYTES = 64;
const LINES = 1024;
export const BLOCK_BYTES = LINES * LINE_BYTES;
const DIGITS = 12;

/** Counted lines: no two of them are alike within a flood, and no two floods of different labels share one. */
export class Pattern {
  #buffer;

  constructor(label) {
    const text = `${'0'.repeat(DIGITS)} ${label.slice(0, 16).padEnd(16)} `;
    const line = `${text.padEnd(LINE_BYTES - 1, 'binnacle')}\n`;
    this.#buffer = Buffer.from(line.repeat(LINES));
  }

  /** Valid until the next call. */
  block(n) {
    const buffer = this.#buffer;
    for (let i = 0; i < LINES; i++) {
      let number = n * LINES + i;
      for (let at = i * LINE_BYTES + DIGITS - 1; at >= i * LINE_BYTES; at--) {
        const digit = number % 16;
        buffer[at] = digit < 10 ? 48 + digit : 87 + digit;
        number = Math.floor(number / 16);
      }
    }
    return buffer;
  }
}

/** Bytes `from` up to `to` of a flood. */
export function floodBytes(label, from, to) {
  const pattern = new Pattern(label);
  const parts = [];
  for (let at = from; at < to; ) {
    const n = Math.floor(at / BLOCK_BYTES);
    const end = Math.min(to, (n + 1) * BLOCK_BYTES);
    parts.push(Buffer.from(pattern.block(n).subarray(at - n * BLOCK_BYTES, end - n * BLOCK_BYTES)));
    at = end;
  }
  return Buffer.concat(parts);
}

/** SHA-256 of the first `bytes` bytes of a flood. */
export function floodDigest(label, bytes) {
  const pattern = new Pattern(label);
  const hash = createHash('sha256');
  for (let at = 0; at < bytes; at += BLOCK_BYTES)
    hash.update(pattern.block(at / BLOCK_BYTES).subarray(0, Math.min(BLOCK_BYTES, bytes - at)));
  return hash.digest('hex');
}

function writeAll(fd, bytes) {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/**
 * `bytes` at least, and on until `stopFile` exists where one is named. `rate`: MiB/s at most, 0: as fast as it goes.
 * `both`: every block to stdout is followed by a quarter of one to stderr, of a flood labelled `label`-err.
 */
function flood({ label, bytes, rate, stopFile, both }) {
  const out = new Pattern(label);
  const err = new Pattern(`${label}-err`);
  const begun = performance.now();
  const idle = new Int32Array(new SharedArrayBuffer(4));
  for (let n = 0; ; n++) {
    const at = n * BLOCK_BYTES;
    if (at >= bytes && (stopFile === '' || existsSync(stopFile))) return;
    const size = stopFile === '' ? Math.min(BLOCK_BYTES, bytes - at) : BLOCK_BYTES;
    writeAll(1, out.block(n).subarray(0, size));
    if (both) {
      const quarter = BLOCK_BYTES / 4;
      writeAll(2, err.block(Math.floor(n / 4)).subarray((n % 4) * quarter, ((n % 4) + 1) * quarter));
    }
    if (rate === 0) continue;
    const ahead = (at / (rate * 1024 * 1024)) * 1000 - (performance.now() - begun);
    if (ahead > 1) Atomics.wait(idle, 0, 0, ahead);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) flood(JSON.parse(process.argv[2]));

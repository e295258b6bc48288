// Role of a program: prints blocks, each with the time at which it was written. Started in a session, not by the bench.

import { readFileSync, writeSync } from 'node:fs';

const BLOCK = 64 * 1024;

export interface FloodSpec {
  readonly bytes: number;
  readonly gate: string;
}

export function main({ bytes, gate }: FloodSpec): void {
  const block = Buffer.alloc(BLOCK, 'binnacle ');
  readFileSync(gate);
  for (let left = bytes; left > 0; ) {
    block.write(String(process.hrtime.bigint() / 1000n).padStart(16, '0'), 'latin1');
    const size = Math.min(left, BLOCK);
    for (let at = 0; at < size; ) at += writeSync(1, block, at, size - at);
    left -= size;
  }
}

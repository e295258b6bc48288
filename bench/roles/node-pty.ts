// Role: node-pty's own spawn, for what it loses and, where no compiler is, as the bare reader of a PTY.

import { spawn } from '@lydell/node-pty';
import { onBenchMessage, sendToBench } from '../role.ts';

export interface NodePtySpec {
  readonly runs: readonly { readonly path: string; readonly bytes: number; readonly times: number }[];
  /** Instead of runs: one command, timed. */
  readonly command?: string;
}

export interface NodePtyReport {
  readonly losses: readonly {
    readonly bytes: number;
    readonly runs: number;
    readonly short: number;
    readonly most: number;
  }[];
  readonly bytes: number;
  readonly ms: number;
}

export async function main({ runs, command }: NodePtySpec): Promise<void> {
  onBenchMessage({});
  const losses = [];
  for (const { path, bytes, times } of runs) {
    let short = 0;
    let most = 0;
    for (let i = 0; i < times; i++) {
      const got = await read('cat', [path]);
      if (got.bytes !== bytes) short += 1;
      most = Math.max(most, bytes - got.bytes);
    }
    losses.push({ bytes, runs: times, short, most });
  }
  sendToBench('ready');
  const timed = command === undefined ? { bytes: 0, ms: 0 } : await read('sh', ['-c', command]);
  sendToBench('done', { losses, ...timed } satisfies NodePtyReport);
}

function read(file: string, args: string[]): Promise<{ bytes: number; ms: number }> {
  return new Promise((resolve) => {
    const pty = spawn(file, args, { cols: 80, rows: 24, encoding: null });
    let bytes = 0;
    let firstAt = 0;
    let lastAt = 0;
    pty.onData((data) => {
      lastAt = performance.now();
      if (bytes === 0) firstAt = lastAt;
      bytes += data.length;
    });
    pty.onExit(() => resolve({ bytes, ms: lastAt - firstAt }));
  });
}

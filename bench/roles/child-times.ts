// Role: a parent that reads a program by a pipe and measures the delay of each word by the time that it carries.

import { spawn } from 'node:child_process';
import { onBenchMessage, sendToBench } from '../role.ts';

export function main({ command }: { command: readonly [string, ...string[]] }): void {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const latenciesMs: number[] = [];
  child.stdout.on('data', (data: Buffer) => {
    const now = process.hrtime.bigint();
    for (const [, at] of data.toString().matchAll(/@(\d+) /g)) latenciesMs.push(Number(now - BigInt(at ?? 0)) / 1e6);
  });
  child.on('close', () => sendToBench('done', { latenciesMs, missing: 0, wrong: 0 }));
  onBenchMessage({});
}

// Role: the bare reader that pipe lines are compared with. A child of Node, its output counted and thrown away.

import { spawn } from 'node:child_process';
import { onBenchMessage, sendToBench } from '../role.ts';

export function main({ command }: { command: string }): void {
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
  let bytes = 0;
  let firstAt = 0;
  let lastAt = 0;
  child.stdout.on('data', (data: Buffer) => {
    lastAt = performance.now();
    if (bytes === 0) firstAt = lastAt;
    bytes += data.length;
  });
  child.on('spawn', () => sendToBench('ready'));
  child.on('close', () => sendToBench('done', { bytes, ms: lastAt - firstAt }));
  onBenchMessage({});
}

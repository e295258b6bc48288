// Shows a program that runs here at a gateway elsewhere: runs it, passes its output on, and emits the same.
//
//   node examples/client/emit.mjs COMMAND [ARGUMENT …]
//
// The token needs no more than the scope `ingest` (`binnacle token create ci --scope ingest`). The program never waits
// for the gateway, and never fails because of it.
import { spawn } from 'node:child_process';
import { createEmitter } from '@binnacle/emit';
import { token, url } from './gateway.mjs';

const [command, ...args] = process.argv.slice(2);
if (command === undefined) throw new Error('usage: emit.mjs COMMAND [ARGUMENT …]');

const emitter = createEmitter({ url, token, source: 'emit.mjs' });
const session = emitter.session({ command: [command, ...args].join(' '), cwd: process.cwd(), stream: 'stdout' });

const child = spawn(command, args, { stdio: ['inherit', 'pipe', 'pipe'] });
child.stdout.on('data', (bytes) => {
  process.stdout.write(bytes);
  session.output(bytes);
});
child.stderr.on('data', (bytes) => {
  process.stderr.write(bytes);
  session.output(bytes, { stream: 'stderr' });
});
child.on('close', async (exitCode, signal) => {
  session.end({ exitCode, signal });
  const left = await emitter.close(); // Sends what waits, for five seconds at most.
  if (left.bytes > 0) console.error(`${left.bytes} bytes were not delivered.`);
  process.exitCode = exitCode ?? 1;
});

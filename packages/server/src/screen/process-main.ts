// A process that draws screens, one after the other. Not a thread: what drawing takes for moments would count as the
// gateway's memory, and the system can let others go first.

import { setPriority } from 'node:os';
import { BinnacleError, invariant } from '@binnacle/protocol';
import { Drawer } from './drawer.ts';
import type { FromProcess, ToProcess } from './wire.ts';

const NICE = 5;

function serve(send: (message: FromProcess) => void): void {
  const drawer = new Drawer();
  let last: Promise<void> = Promise.resolve();
  process.on('message', (message) => {
    const { n, job, answers } = message as ToProcess;
    last = last.then(async () => {
      try {
        send({ t: 'drawn', n, ...(await drawer.draw(job, answers)) });
      } catch (error) {
        const known = error instanceof BinnacleError ? error : new BinnacleError('internal', { cause: error });
        send({ t: 'failed', n, error: known.toWire() });
      }
    });
  });
  // The gateway is gone, however it went.
  process.on('disconnect', () => process.exit(0));
  // What is meant for the gateway's terminal; it ends us itself.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => undefined);
}

invariant(process.send !== undefined, 'This is the entry of a process that the gateway starts.');
setPriority(NICE);
serve((message) => process.send?.(message));

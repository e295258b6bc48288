// A thread that draws screens, one after the other.

import { type MessagePort, parentPort } from 'node:worker_threads';
import { BinnacleError, invariant } from '@binnacle/protocol';
import { Drawer } from './drawer.ts';
import type { FromThread, ToThread } from './wire.ts';

function serve(port: MessagePort): void {
  const drawer = new Drawer();
  const answer = (message: FromThread): void => port.postMessage(message);
  let last: Promise<void> = Promise.resolve();
  port.on('message', ({ n, job, answers }: ToThread) => {
    last = last.then(async () => {
      try {
        answer({ t: 'drawn', n, ...(await drawer.draw(job, answers)) });
      } catch (error) {
        const known = error instanceof BinnacleError ? error : new BinnacleError('internal', { cause: error });
        answer({ t: 'failed', n, error: known.toWire() });
      }
    });
  });
}

invariant(parentPort !== null, 'This is the entry of a thread.');
serve(parentPort);

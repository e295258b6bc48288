// A process that draws screens, one after the other. Not a thread: what drawing takes for moments would count as the
// gateway's memory, and the system can let others go first.

import { BinnacleError } from '@binnacle/protocol';
import { serveGateway } from '../process/worker-entry.ts';
import { Drawer } from './renderer.ts';
import type { FromProcess, ToProcess } from './wire.ts';

serveGateway<ToProcess, FromProcess>((send) => {
  const drawer = new Drawer();
  let last: Promise<void> = Promise.resolve();
  return ({ n, job, answers }) => {
    last = last.then(async () => {
      try {
        send({ t: 'drawn', n, ...(await drawer.draw(job, answers)) });
      } catch (error) {
        const known = BinnacleError.of(error);
        send({ t: 'failed', n, error: known.toWire() });
      }
    });
  };
});

// A process that draws screens, one after the other. Not a thread: the temporary memory of drawing would count as the
// gateway's, and the system can give a process a lower priority.

import { BinnacleError } from '@binnacle/protocol';
import { SerialQueue } from '../base/serial-queue.ts';
import { serveGateway } from '../process/worker-entry.ts';
import { ScreenDrawer } from './renderer.ts';
import type { FromProcess, ToProcess } from './wire.ts';

serveGateway<ToProcess, FromProcess>((send) => {
  const drawer = new ScreenDrawer();
  const queue = new SerialQueue();
  return ({ n, job, answers }) => {
    void queue.run(async () => {
      send({ t: 'begun', n });
      try {
        const { screen, reached } = await drawer.draw(job, answers);
        send({ t: 'drawn', n, drawn: screen, reached });
      } catch (error) {
        const known = BinnacleError.of(error);
        send({ t: 'failed', n, error: known.toWire() });
      }
    });
  };
});

// The thread that draws one screen and ends.

import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '@binnacle/protocol';
import { type Drawing, draw } from './drawing.ts';

invariant(parentPort !== null, 'This is the entry of a thread.');
parentPort.postMessage(await draw(workerData as Drawing));

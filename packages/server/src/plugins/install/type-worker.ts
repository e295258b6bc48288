// The thread that strips the types of one plugin, and ends.

import { parentPort, workerData } from 'node:worker_threads';
import { BinnacleError, invariant, type WireError } from '@binnacle/protocol';
import { type Stripping, stripTypes } from './typescript.ts';

invariant(parentPort !== null, 'This is the entry of a thread.');
let wrong: WireError | null = null;
try {
  await stripTypes(workerData as Stripping);
} catch (error) {
  if (!(error instanceof BinnacleError)) throw error;
  wrong = error.toWire();
}
parentPort.postMessage(wrong);

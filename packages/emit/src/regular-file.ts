// Reads whole files of the buffer's directory. Knows nothing of what they hold.

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** Throws unless it is a regular file: to open a FIFO without a writer would block the program for ever. */
export function readRegular(path: string): Buffer {
  // Not known on Windows, which has no FIFOs in directories either.
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`${path} is not a regular file.`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

// Input from a file or a program, with back-pressure from the session.

import type { Session } from '@binnacle/client';
import { BinnacleError } from '@binnacle/protocol';

/** Delay before a full queue is tried again: short for a person, long compared with a round trip. */
const RETRY_MS = 50;

/** Writes all input in order, and returns the number of accepted bytes. */
export async function feed(session: Session, source: AsyncIterable<Uint8Array>): Promise<number> {
  let accepted = 0;
  for await (const chunk of source) accepted += await writeWhole(session, chunk);
  return accepted;
}

async function writeWhole(session: Session, chunk: Uint8Array): Promise<number> {
  for (;;) {
    try {
      return (await session.write(chunk)).accepted;
    } catch (error) {
      // A refused message is refused as a whole, so all of it is sent again.
      if (!(error instanceof BinnacleError) || error.code !== 'input_full') throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

// Input that is not typed but comes from a file or a program: no faster than the session takes it.

import type { Session } from '@binnacle/client';
import { BinnacleError } from '@binnacle/protocol';

/** How long until a full queue is tried again: short beside what a person notices, long beside a round trip. */
const RETRY_MS = 50;

/** Writes all of it, in order, and returns how many bytes were taken. */
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
      // Nothing of a refused message was taken, so the whole of it is sent again.
      if (!(error instanceof BinnacleError) || error.code !== 'input_full') throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

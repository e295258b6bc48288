// The log of a session as it was written, entry by entry, for one reader. Grows with the session for as long as it is open.

import type { LogReader } from '../log/log.ts';
import type { Session } from '../sessions/session.ts';

export interface EntryLog {
  readonly log: LogReader;
  /** The session has ended, and `log` knows of all of it. */
  isOver(): boolean;
  close(): void;
}

/** Throws what `Session.log` throws. The session must know its newest head. */
export function openEntryLog(session: Session): EntryLog {
  let cancel: (() => void) | undefined;
  const reader = session.openEntries((place) => {
    cancel?.();
    const { log } = session;
    cancel = log.wait(place, () => {
      reader.setOldest(log.oldest);
      reader.advance(log.head);
    });
  });
  return {
    log: reader,
    // It may have ended since it was looked at, with more in its log than was known then.
    isOver: () => !session.isHosted && reader.head.place >= session.log.head.place,
    close: () => {
      cancel?.();
      reader.close();
    },
  };
}

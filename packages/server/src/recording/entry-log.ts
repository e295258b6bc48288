// A session's log for one reader, entry by entry as written. Grows with the session while it is open.

import type { LogReader } from '../log/log.ts';
import type { Session } from '../sessions/session.ts';

export interface EntryLog {
  readonly log: LogReader;
  /** True if the session has ended, and `log` has learned of all of it. */
  isOver(): boolean;
  close(): void;
}

/** Opens the log of a session, which must know its newest head. Throws the errors of `Session.log`. */
export function openEntryLog(session: Session): EntryLog {
  let cancel: (() => void) | undefined;
  const reader = session.openEntries((place) => {
    cancel?.();
    const { log } = session;
    cancel = log.wait(place, () => {
      reader.setOldest(log.oldest);
      reader.takeReport(log.head, false);
    });
  });
  return {
    log: reader,
    // The session may have ended since the last read, with more in its log than was known then.
    isOver: () => !session.isHosted && reader.head.place >= session.log.head.place,
    close: () => {
      cancel?.();
      reader.close();
    },
  };
}

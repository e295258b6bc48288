// Which part of a session's log a stream shows, and what becomes of entries that are not output.

import type { Entry } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';

export interface Told {
  readonly event: string;
  readonly data: object;
}

export interface Selection {
  /** Output from this offset on is not part of it. Infinity while that is not known. */
  readonly limit: number;
  /** No output will be added to it. */
  readonly isClosed: boolean;
  /** What is told of an entry that is no output. */
  tell(entry: Entry): Told | undefined;
  /** Nothing behind this entry, which is no output, is part of it. */
  isLast(entry: Entry): boolean;
  /** What is told behind everything else. */
  ending(): readonly Told[];
}

/** All that a session has written and will write, as it is shown; without `seen` as it is. */
export function wholeLog(session: Session, seen?: SeenSessions): Selection {
  return {
    limit: Number.POSITIVE_INFINITY,
    get isClosed() {
      return !session.isHosted;
    },
    tell: (entry) => ({
      event: entry.kind,
      data: { time: entry.time, offset: entry.offset, ...(bodyOf(seen?.entryOf(entry) ?? entry) as object) },
    }),
    isLast: ({ kind }) => kind === 'closed',
    ending: () => [{ event: 'end', data: { info: seen?.infoOf(session) ?? session.info } }],
  };
}

/** The JSON of an entry that is no output. */
export const bodyOf = ({ bytes }: Entry): unknown => JSON.parse(Buffer.from(bytes).toString());

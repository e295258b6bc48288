// The part of a session's log that a stream shows, and the events made from entries other than output.

import type { Entry } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';

export interface LogEvent {
  readonly event: string;
  readonly data: object;
}

export interface Selection {
  /** Output offset at which the part ends (exclusive); Infinity while unknown. */
  readonly limit: number;
  /** True when no output will be added to the part. */
  readonly isClosed: boolean;
  /** Returns the event for an entry other than output, or undefined for none. */
  toEvent(entry: Entry): LogEvent | undefined;
  /** Returns true if the part ends with this entry, which is not output. */
  isLast(entry: Entry): boolean;
  /** Returns the events after all others. */
  ending(): readonly LogEvent[];
}

/** Selects the whole log of a session, as the viewer may see it; without `seen`, unfiltered. */
export function wholeLog(session: Session, seen?: SeenSessions): Selection {
  return {
    limit: Number.POSITIVE_INFINITY,
    get isClosed() {
      return !session.isHosted;
    },
    toEvent: (entry) => ({
      event: entry.kind,
      data: { time: entry.time, offset: entry.offset, ...(entryBodyOf(seen?.entryOf(entry) ?? entry) as object) },
    }),
    isLast: ({ kind }) => kind === 'closed',
    ending: () => [{ event: 'end', data: { info: seen?.infoOf(session) ?? session.info } }],
  };
}

/** Parses the JSON of an entry other than output. */
export const entryBodyOf = ({ bytes }: Entry): unknown => JSON.parse(Buffer.from(bytes).toString());

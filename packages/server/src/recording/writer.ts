// What every form of an export has in common. Knows no transport and no form.

import type { RecordingEvent, RunEvent, RunInfo, SessionInfo, TrafficMark } from '@binnacle/protocol';
import type { Gap } from '../cursor/pump.ts';
import type { Entry } from '../log/log.ts';

/** Makes text of a log, entry by entry in order. Keeps no more of it than an unfinished character or line. */
export interface ExportWriter {
  entry(entry: Entry): string;
  gap(gap: Pick<Gap, 'from' | 'to' | 'reason'>): string;
  /** `isOver`: nothing will follow. False: the session goes on, and this is what there is. */
  end(isOver: boolean): string;
}

/** What a writer may know of the session whose log it is given. */
export type RecordedSession = Pick<
  SessionInfo,
  'id' | 'name' | 'mode' | 'argv' | 'cwd' | 'cols' | 'rows' | 'createdAt' | 'foreign'
>;

/** The body of an entry of kind `event`, whichever it is. */
interface AnyEvent {
  readonly type: (RunEvent | RecordingEvent)['type'];
  readonly run: RunInfo;
  readonly label: string;
  readonly traffic: TrafficMark['traffic'];
}

/** The JSON of an entry that is no output: written by us, and checked by its checksum. Empty where it is too large. */
export function bodyOf<T extends object = AnyEvent>({ bytes }: Pick<Entry, 'bytes'>): Partial<T> {
  if (bytes.length === 0) return {};
  return JSON.parse(Buffer.from(bytes).toString()) as T;
}

/** In words, for people: what is not there. */
export const gapWords = ({ from, to, reason }: Pick<Gap, 'from' | 'to' | 'reason'>): string =>
  `${to - from} bytes of output are missing here (${reason === 'retention' ? 'not kept any more' : 'the log is damaged'})`;

/** One line, of a length that a list can show. No half of a character at its end. */
export const oneLine = (text: string, max = 200): string => {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return line.length <= max ? line : `${line.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
};

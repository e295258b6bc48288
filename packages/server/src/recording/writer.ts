// Common parts of all export formats.

import {
  type RecordingEvent,
  type RunEvent,
  type RunInfo,
  type SessionInfo,
  singleLine,
  type TrafficMark,
} from '@binnacle/protocol';
import type { Gap } from '../cursor/pump.ts';
import type { Entry } from '../log/log.ts';

/** Formats a log, entry by entry in order. Buffers only an unfinished character or line. */
export interface ExportWriter {
  entry(entry: Entry): string;
  gap(gap: Pick<Gap, 'from' | 'to' | 'reason'>): string;
  /** `isOver`: nothing will follow. False: the session continues, and the export ends here. */
  end(isOver: boolean): string;
}

/** Fields of the session that a writer may use. */
export type RecordedSession = Pick<
  SessionInfo,
  'id' | 'name' | 'mode' | 'argv' | 'cwd' | 'cols' | 'rows' | 'createdAt' | 'foreign'
>;

/** Body of an entry of kind `event`, of any type. */
interface AnyEvent {
  readonly type: (RunEvent | RecordingEvent)['type'];
  readonly run: RunInfo;
  readonly label: string;
  readonly traffic: TrafficMark['traffic'];
}

/**
 * Parses the JSON of an entry that is no output. The runner or gateway wrote it, and the checksum was verified. Returns
 * an empty object for a body that is too large.
 */
export function entryBody<T extends object = AnyEvent>({ bytes }: Pick<Entry, 'bytes'>): Partial<T> {
  if (bytes.length === 0) return {};
  return JSON.parse(Buffer.from(bytes).toString()) as T;
}

/** Describes a gap for people. */
export const gapText = ({ from, to, reason }: Pick<Gap, 'from' | 'to' | 'reason'>): string =>
  `${to - from} bytes of output are missing here (${reason === 'retention' ? 'not kept any more' : 'the log is damaged'})`;

/** Returns one line, short enough for a list. */
export const oneLine = (text: string, max = 200): string => singleLine(text, { max });

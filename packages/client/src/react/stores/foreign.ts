// Reports of the emitter of a foreign session, beside its output. Pure.

import type { TrafficMark } from '@binnacle/protocol';
import type { EntryEvent } from '../../session/attachment.ts';

/** Reports of the emitter of a program that runs elsewhere. */
export interface ForeignReport {
  /** Output bytes that never arrived: the emitter had no room for them. */
  readonly lostBytes: number;
  /** Time of its last event, milliseconds since 1970; at most a second late. 0: nothing arrived yet. */
  readonly heardAt: number;
  /** The latest command that it reported. */
  readonly command: string | undefined;
}

export const NO_REPORT: ForeignReport = { lostBytes: 0, heardAt: 0, command: undefined };

/** Throttle: a page is not drawn again for every event. */
const HEARD_EVERY_MS = 1000;

/** Returns the report after an event of the log; the same object if nothing changed. */
export function withEvent(report: ForeignReport, event: Extract<EntryEvent, { type: 'event' }>): ForeignReport {
  const { traffic } = event.data as Partial<TrafficMark>;
  if (typeof traffic !== 'object' || traffic === null || typeof traffic.bytes !== 'number') return report;
  const { command = report.command, lost_bytes: lost = 0 } = traffic;
  const heardAt = event.time - report.heardAt < HEARD_EVERY_MS ? report.heardAt : event.time;
  if (heardAt === report.heardAt && command === report.command && lost === 0) return report;
  return { lostBytes: report.lostBytes + lost, heardAt, command };
}

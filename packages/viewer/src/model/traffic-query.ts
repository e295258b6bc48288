// The filters of the page of traffic, as stored in the address and as sent to the gateway. Pure.

import type { TrafficQuery } from '@binnacle/client';
import { defined } from '@binnacle/protocol';

/** Filters, combined with AND. */
export interface TrafficFilter {
  readonly source?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  readonly command?: string;
  /** The emitter's name of a session, or the gateway's id of it. */
  readonly session?: string;
  readonly exit?: number;
  /** Restricts to events that ended a session. */
  readonly final?: true;
  /** Restricts to the last hours. */
  readonly hours?: number;
}

const TEXTS = ['source', 'label', 'command', 'session'] as const;
const HOUR_MS = 3_600_000;
/** Maximum hours of the filter; a year is as good as forever. */
const MOST_HOURS = 24 * 366;

/** Returns true for the text of a possible exit code. */
export const isExit = (text: string): boolean => /^-?\d{1,10}$/.test(text);

export function parseTrafficFilter(params: URLSearchParams): TrafficFilter {
  const texts = TEXTS.flatMap((name) => {
    const value = params.get(name)?.trim() ?? '';
    return value === '' ? [] : [[name, value]];
  });
  const exit = params.get('exit') ?? '';
  const hours = Number(params.get('hours') ?? Number.NaN);
  return {
    ...Object.fromEntries(texts),
    ...(isExit(exit) ? { exit: Number(exit) } : {}),
    ...(params.get('final') === '1' ? { final: true as const } : {}),
    ...(Number.isInteger(hours) && hours > 0 && hours <= MOST_HOURS ? { hours } : {}),
  };
}

export const filterParams = (filter: TrafficFilter): Readonly<Record<string, string | undefined>> => ({
  source: filter.source,
  label: filter.label,
  command: filter.command,
  session: filter.session,
  exit: filter.exit?.toString(),
  final: filter.final === true ? '1' : undefined,
  hours: filter.hours?.toString(),
});

export const isFilterEmpty = (filter: { readonly [K in keyof TrafficFilter]: TrafficFilter[K] | undefined }): boolean =>
  Object.values(filter).every((value) => value === undefined);

/** Builds the query. `now`: ms since 1970. */
export const queryOf = (filter: TrafficFilter, now: number): TrafficQuery => ({
  ...defined({
    source: filter.source,
    label: filter.label,
    command: filter.command,
    session_id: filter.session,
    exit_code: filter.exit,
  }),
  ...(filter.final === undefined ? {} : { is_final: true }),
  ...(filter.hours === undefined ? {} : { since: now - filter.hours * HOUR_MS }),
});

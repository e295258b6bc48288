// The filters of the page of traffic, as stored in the address and as sent to the gateway. Pure.

import type { TrafficQuery } from '@binnacle/client';

/** Filters, combined with AND. */
export interface TrafficAsk {
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

export function askIn(words: URLSearchParams): TrafficAsk {
  const texts = TEXTS.flatMap((name) => {
    const value = words.get(name)?.trim() ?? '';
    return value === '' ? [] : [[name, value]];
  });
  const exit = words.get('exit') ?? '';
  const hours = Number(words.get('hours') ?? Number.NaN);
  return {
    ...Object.fromEntries(texts),
    ...(isExit(exit) ? { exit: Number(exit) } : {}),
    ...(words.get('final') === '1' ? { final: true as const } : {}),
    ...(Number.isInteger(hours) && hours > 0 && hours <= MOST_HOURS ? { hours } : {}),
  };
}

export const askWords = (ask: TrafficAsk): Readonly<Record<string, string | undefined>> => ({
  source: ask.source,
  label: ask.label,
  command: ask.command,
  session: ask.session,
  exit: ask.exit?.toString(),
  final: ask.final === true ? '1' : undefined,
  hours: ask.hours?.toString(),
});

export const isAskEmpty = (ask: { readonly [K in keyof TrafficAsk]: TrafficAsk[K] | undefined }): boolean =>
  Object.values(ask).every((value) => value === undefined);

/** Builds the query. `now`: ms since 1970. */
export const queryOf = (ask: TrafficAsk, now: number): TrafficQuery => ({
  ...(ask.source === undefined ? {} : { source: ask.source }),
  ...(ask.label === undefined ? {} : { label: ask.label }),
  ...(ask.command === undefined ? {} : { command: ask.command }),
  ...(ask.session === undefined ? {} : { session_id: ask.session }),
  ...(ask.exit === undefined ? {} : { exit_code: ask.exit }),
  ...(ask.final === undefined ? {} : { is_final: true }),
  ...(ask.hours === undefined ? {} : { since: now - ask.hours * HOUR_MS }),
});

// What the page of traffic is asked for: its filters, as the address keeps them and as the gateway takes them. Pure.

import type { TrafficQuery } from '@binnacle/client';

/** All that are given must hold. */
export interface TrafficAsk {
  readonly source?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  readonly command?: string;
  /** The emitter's name of a session, or our id of it. */
  readonly session?: string;
  readonly exit?: number;
  /** Only events that ended a session. */
  readonly final?: true;
  /** Only what came in the last so many hours. */
  readonly hours?: number;
}

const TEXTS = ['source', 'label', 'command', 'session'] as const;
const HOUR_MS = 3_600_000;
/** What can be chosen; a year is as good as for ever. */
const MOST_HOURS = 24 * 366;

/** What an exit code can be written as. */
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

/** `now`: ms since 1970. */
export const queryOf = (ask: TrafficAsk, now: number): TrafficQuery => ({
  ...(ask.source === undefined ? {} : { source: ask.source }),
  ...(ask.label === undefined ? {} : { label: ask.label }),
  ...(ask.command === undefined ? {} : { command: ask.command }),
  ...(ask.session === undefined ? {} : { session_id: ask.session }),
  ...(ask.exit === undefined ? {} : { exit_code: ask.exit }),
  ...(ask.final === undefined ? {} : { is_final: true }),
  ...(ask.hours === undefined ? {} : { since: now - ask.hours * HOUR_MS }),
});

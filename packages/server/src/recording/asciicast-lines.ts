// The lines of an asciicast file of version 3 or 2 (docs.asciinema.org/manual/asciicast), written. Knows no log.

import type { CAST_VERSIONS, RecordingEvent } from '@binnacle/protocol';

/** 3: asciinema 3 and players of today. 2: asciinema 2, which Debian 12 and Ubuntu 24.04 have. */
export type CastVersion = (typeof CAST_VERSIONS)[number];
export type CastCode = 'o' | 'i' | 'm' | 'r' | 'x';

export interface CastHeader extends Omit<Extract<RecordingEvent, { type: 'recording' }>, 'type' | 'version'> {
  readonly cols: number;
  readonly rows: number;
}

/**
 * One event holds so many UTF-16 units at most: as UTF-8 it then fits into one entry of a log, so that an import of our
 * own export cuts nothing in two.
 */
export const MAX_EVENT_CHARS = 256 * 1024;

/** Of the command in a header. */
export const MAX_COMMAND_CHARS = 8 * 1024;

/** JSON leaves these as they are; the format wants all that is not printable escaped. */
const UNPRINTABLE = /[\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

export function headerLine(header: CastHeader, version: CastVersion = 3): string {
  const { cols, rows, term, timestamp, idleTimeLimit, command, title, env, tags } = header;
  if (version === 2) {
    const known = { width: cols, height: rows, timestamp, idle_time_limit: idleTimeLimit, command, title };
    // Version 2 has the type of the terminal in the environment, and no tags.
    const all = { ...(term?.type === undefined ? {} : { TERM: term.type }), ...env };
    return `${jsonText({ version, ...known, env: Object.keys(all).length === 0 ? undefined : all, theme: term?.theme })}\n`;
  }
  return `${jsonText({
    version: 3,
    term: { cols, rows, ...term },
    timestamp,
    idle_time_limit: idleTimeLimit,
    command,
    title,
    env,
    tags,
  })}\n`;
}

/**
 * Times in whole ms: intervals whose sum is the time that has passed, so that what is rounded off one comes to the next;
 * in version 2 the time that has passed itself. */
export class CastClock {
  readonly #startedAt: number;
  readonly #version: CastVersion;
  #told = 0;

  /** ms since 1970. */
  constructor(startedAt: number, version: CastVersion = 3) {
    this.#startedAt = startedAt;
    this.#version = version;
  }

  /** A time before the last one counts as that. */
  event(time: number, code: CastCode, data: string): string {
    const at = Math.max(this.#told, Math.round(time - this.#startedAt));
    const told = this.#version === 2 ? at : at - this.#told;
    this.#told = at;
    return `[${(told / 1000).toFixed(3)}, "${code}", ${jsonText(data)}]\n`;
  }
}

/** Parts of a text that an event can hold. No character is broken. */
export function eventTexts(text: string): readonly string[] {
  if (text.length <= MAX_EVENT_CHARS) return text === '' ? [] : [text];
  const parts: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + MAX_EVENT_CHARS);
    const last = text.charCodeAt(to - 1);
    if (to < text.length && last >= 0xd800 && last < 0xdc00) to -= 1;
    parts.push(text.slice(from, to));
    from = to;
  }
  return parts;
}

/** JSON that a terminal shows as it is: C1 controls and what turns the direction of text are escaped, too. */
export const jsonText = (value: object | string): string =>
  JSON.stringify(value).replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

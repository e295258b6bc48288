// Writes the lines of an asciicast file of version 3 or 2 (docs.asciinema.org/manual/asciicast).

import type { CAST_VERSIONS, RecordingEvent } from '@binnacle/protocol';

/** 3: asciinema 3 and current players. 2: asciinema 2, which Debian 12 and Ubuntu 24.04 have. */
export type CastVersion = (typeof CAST_VERSIONS)[number];
export type CastCode = 'o' | 'i' | 'm' | 'r' | 'x';

export interface CastHeader extends Omit<Extract<RecordingEvent, { type: 'recording' }>, 'type' | 'version'> {
  readonly cols: number;
  readonly rows: number;
}

/**
 * Maximum UTF-16 units per event. As UTF-8 the event then fits into one log entry, so that an import of an export
 * splits nothing.
 */
export const MAX_EVENT_CHARS = 256 * 1024;

/** Maximum characters of the command in a header. */
export const MAX_COMMAND_CHARS = 8 * 1024;

/** Characters that JSON leaves as they are. The format wants all unprintable characters escaped. */
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
 * Formats times in whole ms. In version 3 as intervals whose sum is the elapsed time, so that rounding errors do not
 * accumulate; in version 2 as the elapsed time itself.
 */
export class CastClock {
  readonly #startedAt: number;
  readonly #version: CastVersion;
  #writtenMs = 0;

  /** `startedAt`: ms since 1970. */
  constructor(startedAt: number, version: CastVersion = 3) {
    this.#startedAt = startedAt;
    this.#version = version;
  }

  /** Formats an event. A time before the last one counts as the last one. */
  event(time: number, code: CastCode, data: string): string {
    const at = Math.max(this.#writtenMs, Math.round(time - this.#startedAt));
    const stamp = this.#version === 2 ? at : at - this.#writtenMs;
    this.#writtenMs = at;
    return `[${(stamp / 1000).toFixed(3)}, "${code}", ${jsonText(data)}]\n`;
  }
}

/** Splits a text into parts that an event can contain. Never splits a character. */
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

/**
 * Returns JSON that a terminal can show: C1 controls and characters that change the direction of text are escaped, too.
 */
export const jsonText = (value: object | string): string =>
  JSON.stringify(value).replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

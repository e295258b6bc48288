// The log of a session as it was written, entry by entry with its time: read in parts as its reader asks for more, each
// part a request of its own, so that who stops for an hour holds nothing open. Knows no connection.

import { BinnacleError, CODES, type EntryData, type OutputKind } from '@binnacle/protocol';
import { fromBase64 } from '../transport/base64.ts';
import type { Http } from '../transport/http.ts';
import { pause } from '../transport/operation.ts';
import { type Backoff, backoffDelay } from '../transport/reconnect.ts';

/**
 * An entry of a session's log: output, another entry with its `data`, or a gap. `time` is a Unix time in milliseconds
 * with fractions.
 */
export type SessionEntry =
  | {
      readonly kind: OutputKind;
      /** Milliseconds since 1970, fractions allowed. */
      readonly time: number;
      /** Output bytes before it. */
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  | {
      readonly [K in keyof EntryData]: {
        readonly kind: K;
        readonly time: number;
        readonly offset: number;
        readonly data: EntryData[K];
      };
    }[keyof EntryData]
  /** Output from `offset` up to `to` is not kept any more, or is damaged. */
  | {
      readonly kind: 'gap';
      readonly offset: number;
      readonly to: number;
      readonly reason: 'retention' | 'damaged';
    };

/** Options of `Session.entries`. */
export interface EntriesOptions {
  /** Output offset of the first byte. Default 0. */
  readonly since?: number;
  /** Output offset behind the last byte. Default: the end of the log at the time when it is reached. */
  readonly until?: number;
  /**
   * Includes who typed how much, and for an imported recording that was stored with its input also what. Default false.
   */
  readonly input?: boolean;
  /** Ends the iteration, also while nothing comes. */
  readonly signal?: AbortSignal;
}

interface EndEntry {
  readonly kind: 'end';
  readonly offset: number;
}
type EntryLine = SessionEntry | EndEntry;

/** Output bytes of one part: as text a third more. */
const PART_BYTES = 512 * 1024;
/** Tries without anything new. */
const MAX_TRIES = 5;

export interface EntriesParts {
  readonly http: Http;
  readonly path: string;
  readonly backoff: Backoff;
  readonly random: () => number;
}

/**
 * Reads the entries in parts. A part that breaks off is requested again from its last entry. Leaving the loop ends the
 * reading.
 */
export async function* readEntries(parts: EntriesParts, options: EntriesOptions): AsyncGenerator<SessionEntry, void> {
  const { until = Number.POSITIVE_INFINITY, signal } = options;
  let since = options.since ?? 0;
  /** Entries without output bytes at `since` that were handed out: a repeated request begins with them. */
  let seen = 0;
  let tries = 0;
  while (since < until && !isAborted(signal)) {
    const to = Math.min(until, since + PART_BYTES);
    let skip = seen;
    let end: EndEntry | undefined;
    try {
      for await (const line of linesOf(parts, { since, until: to, input: options.input ?? false }, signal)) {
        if (line.kind === 'end') {
          end = line;
          break;
        }
        const next = behind(line);
        if (next === since && skip > 0) {
          skip -= 1;
          continue;
        }
        seen = next === since ? seen + 1 : 0;
        since = next;
        tries = 0;
        yield line;
      }
      if (isAborted(signal)) return;
      if (end === undefined) throw new BinnacleError('unreachable', { message: 'The answer broke off.' });
    } catch (error) {
      if (isAborted(signal)) return;
      tries += 1;
      if (!(error instanceof BinnacleError) || !CODES[error.code].retry || tries > MAX_TRIES) throw error;
      await pause(backoffDelay(tries - 1, parts.random(), parts.backoff), signal);
      continue;
    }
    // The head was reached.
    if (end.offset < to) return;
    if (end.offset > since) seen = 0;
    since = end.offset;
  }
}

const behind = (line: SessionEntry): number =>
  'bytes' in line ? line.offset + line.bytes.length : line.kind === 'gap' ? line.to : line.offset;

async function* linesOf(
  { http, path }: EntriesParts,
  { since, until, input }: { readonly since: number; readonly until: number; readonly input: boolean },
  signal: AbortSignal | undefined,
): AsyncGenerator<EntryLine, void> {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  signal?.addEventListener('abort', stop);
  try {
    if (isAborted(signal)) return;
    const query = { format: 'jsonl', encoding: 'base64', since, until, ...(input ? { input: 1 } : {}) };
    const response = await http.open({ path: `${path}/export`, query }, abort);
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let rest = '';
    while (reader !== undefined) {
      const { value } = await http.reading(() => reader.read());
      if (value === undefined) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield parsed(line);
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

function parsed(text: string): EntryLine {
  const line = JSON.parse(text) as EntryLine | { readonly kind: OutputKind; readonly bytes: string };
  return 'bytes' in line && typeof line.bytes === 'string'
    ? ({ ...line, bytes: fromBase64(line.bytes) } as EntryLine)
    : (line as EntryLine);
}

/** Reads the signal at each call: TypeScript would narrow a property by its first check. */
const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

// Export of sessions and conversations as files, and import of recordings. Streams both ways: nothing is held in
// memory.

import type { ExportQuery, ImportCounts, SessionInfo } from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';

/** Options of `Recordings.export`. */
export interface ExportOptions extends ExportQuery {
  /** Ends the iteration, also while nothing comes. */
  readonly signal?: AbortSignal;
}

/** Options of `Recordings.import`. */
export interface ImportOptions {
  /** Name of the session. Default: the title of the recording, or its command. */
  readonly name?: string;
  /** Stores what was typed, visible to everyone who may see the session. Default false. */
  readonly input?: boolean;
}

/** Result of an import. */
export interface ImportedRecording {
  /** The new session. */
  readonly session: SessionInfo;
  /** Counts of what was read and skipped. */
  readonly recording: ImportCounts;
}

/** A file of the page, or bytes as they come. */
export type RecordingBody = Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** The gateway takes a minute for a request. */
const UPLOAD_MS = 120_000;

/**
 * Exports and imports, as `Binnacle.recordings`.
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { pipeline } from 'node:stream/promises';
 *
 * await pipeline(binnacle.recordings.export(session.id, { format: 'cast' }), createWriteStream('session.cast'));
 * ```
 */
export class Recordings {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /**
   * Yields a session as a file: asciicast (default), plain text or JSON lines. Leaving the loop ends the request.
   * Throws `unreachable` if the answer breaks off.
   */
  export(session: string, options: ExportOptions = {}): AsyncGenerator<Uint8Array> {
    const { format, version, input, idleLimit, follow, signal } = options;
    const query = {
      ...{ format, version },
      idle_limit: idleLimit,
      ...(input === true ? { input: 1 } : {}),
      ...(follow === true ? { follow: 1 } : {}),
    };
    return this.#stream(`/v1/sessions/${encodeURIComponent(session)}/export`, query, signal);
  }

  /** Yields a conversation as Markdown (default) or JSON lines. */
  exportConversation(key: string, format: 'markdown' | 'jsonl' = 'markdown'): AsyncGenerator<Uint8Array> {
    return this.#stream(`/v1/conversations/${encodeURIComponent(key)}/export`, { format });
  }

  /**
   * Imports an asciicast file of version 1, 2 or 3 as a session. Throws `bad_recording`, `body_too_large`,
   * `too_many_imports`.
   *
   * @example
   * ```ts
   * import { readFile } from 'node:fs/promises';
   *
   * const { session: replay } = await binnacle.recordings.import(new Uint8Array(await readFile('demo.cast')));
   * console.log(replay.id);
   * ```
   */
  async import(recording: RecordingBody, { name, input }: ImportOptions = {}): Promise<ImportedRecording> {
    return await this.#http.json({
      method: 'POST',
      path: '/v1/recordings',
      query: { name, ...(input === true ? { input: 1 } : {}) },
      bytes: recording,
      waitMs: UPLOAD_MS,
    });
  }

  async *#stream(
    path: string,
    query: Readonly<Record<string, string | number | undefined>>,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const abort = new AbortController();
    const stop = () => abort.abort();
    if (signal !== undefined && isAborted(signal)) return;
    signal?.addEventListener('abort', stop);
    try {
      const response = await this.#http.open({ path, query }, abort);
      const reader = response.body?.getReader();
      while (reader !== undefined) {
        const { value } = await this.#http.reading(() => reader.read());
        if (value === undefined) return;
        yield value;
      }
    } catch (error) {
      if (signal === undefined || !isAborted(signal)) throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
      stop();
    }
  }
}

/** Reads the signal at each call: TypeScript would narrow a property by its first check. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;

// Sessions and conversations as files, and recordings as sessions. Streams both ways: nothing is held in memory.

import type { ExportQuery, ImportCounts, SessionInfo } from '@binnacle/protocol';
import type { Http } from './http.ts';

export interface ImportOptions {
  /** Default: the title of the recording, or its command. */
  readonly name?: string;
  /** Keep what was typed, for everybody who may see the session. Default false. */
  readonly input?: boolean;
}

export interface ImportedRecording {
  readonly session: SessionInfo;
  readonly recording: ImportCounts;
}

/** A file of the page, or bytes as they come. */
export type RecordingBody = Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** The gateway takes a minute for a request. */
const UPLOAD_MS = 120_000;

export class Recordings {
  private readonly http: Http;

  constructor(http: Http) {
    this.http = http;
  }

  /** Leaving the loop ends it. What is cut off in the middle throws `unreachable`. */
  export(session: string, { format, input, idleLimit, follow }: ExportQuery = {}): AsyncGenerator<Uint8Array> {
    return this.stream(`/v1/sessions/${encodeURIComponent(session)}/export`, {
      format,
      idle_limit: idleLimit,
      ...(input === true ? { input: 1 } : {}),
      ...(follow === true ? { follow: 1 } : {}),
    });
  }

  exportConversation(key: string, format: 'markdown' | 'jsonl' = 'markdown'): AsyncGenerator<Uint8Array> {
    return this.stream(`/v1/conversations/${encodeURIComponent(key)}/export`, { format });
  }

  /** An asciicast file of version 1, 2 or 3. Throws `bad_recording`, `body_too_large`, `too_many_imports`. */
  async import(recording: RecordingBody, { name, input }: ImportOptions = {}): Promise<ImportedRecording> {
    return await this.http.json({
      method: 'POST',
      path: '/v1/recordings',
      query: { name, ...(input === true ? { input: 1 } : {}) },
      bytes: recording,
      waitMs: UPLOAD_MS,
    });
  }

  private async *stream(
    path: string,
    query: Readonly<Record<string, string | number | undefined>>,
  ): AsyncGenerator<Uint8Array> {
    const abort = new AbortController();
    const response = await this.http.open({ path, query }, abort);
    const reader = response.body?.getReader();
    try {
      while (reader !== undefined) {
        const { value } = await this.http.reading(() => reader.read());
        if (value === undefined) return;
        yield value;
      }
    } finally {
      abort.abort();
    }
  }
}

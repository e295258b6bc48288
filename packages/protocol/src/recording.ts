// Recordings: queries for exports, results of imports, and the entries that only imported sessions have.

/** Formats of an export. */
export const EXPORT_FORMATS = ['cast', 'text', 'jsonl', 'markdown'] as const;
/** `cast`: asciicast. `text`: without escape sequences. `jsonl`: one entry per line. `markdown`: conversations only. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
/** Versions of asciicast that can be written. Versions 1, 2 and 3 can be read. */
export const CAST_VERSIONS = [2, 3] as const;

/** Query of an export. */
export interface ExportQuery {
  /** Default `cast` for a session. A conversation has `markdown` (default) and `jsonl`. */
  readonly format?: ExportFormat;
  /** Version of a `cast`. Default 3; asciinema 2 plays no later version than 2. */
  readonly version?: (typeof CAST_VERSIONS)[number];
  /**
   * Includes who typed how much, and for an imported recording that was stored with its input also what. Default false.
   */
  readonly input?: boolean;
  /** Seconds to which players shorten longer pauses; written into the header of a cast. */
  readonly idleLimit?: number;
  /** Goes on until the session has closed. Default: up to what there is now. */
  readonly follow?: boolean;
}

/** Counts of an imported recording. */
export interface ImportCounts {
  /** Version of the format: 1, 2 or 3. */
  readonly version: number;
  /** Events that were read. */
  readonly events: number;
  /** Events of unknown kinds or with invalid data. */
  readonly skipped: number;
  /** Keystrokes that were left out because `input` was not set. */
  readonly inputDropped: number;
  /** Times that went backwards and were set to the time before. */
  readonly timesMended: number;
  /** Whether the last line was incomplete and left out. */
  readonly isCut: boolean;
}

/** Entry of kind `event` in the log of a recording: its header, or a marker. */
export type RecordingEvent =
  | {
      readonly type: 'recording';
      readonly version: number;
      readonly title?: string;
      readonly command?: string;
      /** Seconds since 1970, as the recording says. */
      readonly timestamp?: number;
      readonly idleTimeLimit?: number;
      readonly term?: { readonly type?: string; readonly version?: string; readonly theme?: RecordingTheme };
      readonly env?: Readonly<Record<string, string>>;
      readonly tags?: readonly string[];
    }
  | { readonly type: 'marker'; readonly label: string };

/** Colours of a recording, as asciicast has them. */
export interface RecordingTheme {
  /** Colour of text. */
  readonly fg: string;
  /** Colour of the background. */
  readonly bg: string;
  /** Colours 0 to 7 or 0 to 15, joined by colons. */
  readonly palette: string;
}

/** The `source` of sessions that are recordings. */
export const RECORDING_SOURCE = 'recording';

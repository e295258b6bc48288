// Recordings: what an export is asked for, what an import answers, and the entries that only imported sessions have.

export const EXPORT_FORMATS = ['cast', 'text', 'jsonl', 'markdown'] as const;
/** `cast`: asciicast. `text`: without escape sequences. `jsonl`: one entry a line. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
/** Versions of asciicast that are written; 1, 2 and 3 are read. */
export const CAST_VERSIONS = [2, 3] as const;

export interface ExportQuery {
  /** Default `cast`; of a conversation `markdown`, and that and `jsonl` are all there is. */
  readonly format?: ExportFormat;
  /** Version of a `cast`. Default 3; asciinema 2 plays version 2 and no later one. */
  readonly version?: (typeof CAST_VERSIONS)[number];
  /** Who typed how much; of an imported recording that was kept with it, also what. Default false. */
  readonly input?: boolean;
  /** Written into the header of a cast: players make longer pauses this long. Seconds. */
  readonly idleLimit?: number;
  /** Go on until the session has closed. Default: up to what there is now. */
  readonly follow?: boolean;
}

/** What became of the events of an imported recording. */
export interface ImportCounts {
  /** Of the format: 1, 2 or 3. */
  readonly version: number;
  readonly events: number;
  /** Of kinds that are not known, or whose data makes no sense. */
  readonly skipped: number;
  /** Keystrokes that were left out: `input` was not asked for. */
  readonly inputDropped: number;
  /** Times that went backwards: taken as those before. */
  readonly timesMended: number;
  /** The last line was not whole: it is left out. */
  readonly isCut: boolean;
}

/** Entries of kind `event` in the log of a recording. */
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

export interface RecordingTheme {
  readonly fg: string;
  readonly bg: string;
  readonly palette: string;
}

/** `source` of sessions that are recordings. */
export const RECORDING_SOURCE = 'recording';

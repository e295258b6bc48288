// Entries of a log, as the wire names them.

/**
 * Kinds of entries. `tty`, `stdout` and `stderr` are output and count in the offset; all others carry JSON and do not.
 * The numbers are stored in logs and sent in binary frames: never renumber.
 */
export const KINDS = {
  tty: 1,
  stdout: 2,
  stderr: 3,
  input: 4,
  resize: 5,
  signal: 6,
  exit: 7,
  closed: 8,
  event: 9,
} as const;
/** Kind of an entry. */
export type EntryKind = keyof typeof KINDS;
/** Kind of an entry that is output. */
export type OutputKind = 'tty' | 'stdout' | 'stderr';

const NAMES: readonly (EntryKind | undefined)[] = [undefined, ...(Object.keys(KINDS) as EntryKind[])];
/** Returns the kind of a number; undefined for an unknown one. */
export const kindName = (number: number): EntryKind | undefined => NAMES[number];
/** Returns whether a kind is output. */
export const isOutput = (kind: EntryKind): kind is OutputKind => KINDS[kind] <= 3;

/** JSON bodies of the entries that are not output. */
export interface EntryData {
  /**
   * Author and number of typed bytes; never the bytes themselves, which may be a password. `text` exists in an imported
   * recording that was stored with its input.
   */
  readonly input: { readonly by: string; readonly bytes: number; readonly n?: number; readonly text?: string };
  /** The new size of the terminal. */
  readonly resize: { readonly cols: number; readonly rows: number };
  /** The signal, and who sent it. */
  readonly signal: { readonly signal: string; readonly by: string };
  /** How the program ended. */
  readonly exit: { readonly exitCode: number | null; readonly signal: string | null; readonly reason?: string };
  /** Why nothing follows. */
  readonly closed: { readonly reason: 'eof' | 'deleted' | 'lost' | 'copied' | 'linger' };
  /** Another event, such as a `RunEvent`. */
  readonly event: Readonly<Record<string, unknown>>;
}

// What a log holds, as the wire names it.

/**
 * `tty`, `stdout`, `stderr` are output and count in the offset; all others carry JSON and do not.
 * Numbers are stored in logs and sent in binary frames: never renumber.
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
export type Kind = keyof typeof KINDS;
export type OutputKind = 'tty' | 'stdout' | 'stderr';

const NAMES: readonly (Kind | undefined)[] = [undefined, ...(Object.keys(KINDS) as Kind[])];
export const kindName = (number: number): Kind | undefined => NAMES[number];
export const isOutput = (kind: Kind): kind is OutputKind => KINDS[kind] <= 3;

/** The JSON bodies of entries that are not output. */
export interface EntryData {
  /**
   * Who steered and how much; never the bytes themselves, which may be a password. `text`: of an imported recording
   * alone, where who imported it asked for that.
   */
  readonly input: { readonly by: string; readonly bytes: number; readonly n?: number; readonly text?: string };
  readonly resize: { readonly cols: number; readonly rows: number };
  readonly signal: { readonly signal: string; readonly by: string };
  readonly exit: { readonly exitCode: number | null; readonly signal: string | null; readonly reason?: string };
  readonly closed: { readonly reason: 'eof' | 'deleted' | 'lost' | 'copied' | 'linger' };
  readonly event: Readonly<Record<string, unknown>>;
}

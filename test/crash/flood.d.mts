// The types of flood.mjs.

export declare const LINE_BYTES: number;
export declare const BLOCK_BYTES: number;

/** What the program is told, as JSON in its first argument. */
export interface Flood {
  /** Up to 16 characters, 12 with `both`. */
  readonly label: string;
  readonly bytes: number;
  readonly rate: number;
  readonly stopFile: string;
  readonly both: boolean;
}

export declare class Pattern {
  constructor(label: string);
  block(n: number): Buffer;
}
export declare function floodBytes(label: string, from: number, to: number): Buffer;
export declare function floodDigest(label: string, bytes: number): string;

// The messages between a plugin's process and the gateway, and their frames. Runs at both ends, and therefore imports
// nothing. The gateway's validation is in messages.ts.

/** Version of these messages. Both ends come from one installation, so a different version is an error. */
export const PLUGIN_PROTOCOL = 1;

/** File descriptor of the connection to the gateway in a plugin's process. */
export const RPC_FD = 3;

/** Maximum bytes of JSON per frame. The announced length is checked before any byte is buffered. */
export const MAX_PLUGIN_FRAME_BYTES = 1024 * 1024;

/** The error of a failed call. From the gateway, `code` is one of its table. */
export interface WireFailure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** A call of either end to the other. Ids count up from 1 at each end. */
export type CallFrame = {
  readonly t: 'call';
  readonly id: number;
  readonly method: string;
  readonly params?: unknown;
};
export type AnswerFrame =
  | { readonly t: 'answer'; readonly id: number; readonly result?: unknown }
  | { readonly t: 'answer'; readonly id: number; readonly error: WireFailure };

export type ToPlugin =
  | {
      readonly t: 'start';
      readonly id: string;
      /** Path of the entry as the plugin's process sees it. */
      readonly entry: string;
      readonly config: unknown;
      /** Limits that the plugin's runtime observes. The gateway ends a process that exceeds them. */
      readonly maxInFlight: number;
      readonly maxInFlightBytes: number;
    }
  | { readonly t: 'ping'; readonly n: number }
  | { readonly t: 'stop' }
  | CallFrame
  | AnswerFrame;

export type FromPlugin =
  | { readonly t: 'hello'; readonly protocol: number }
  /** The entry was loaded, and these methods can be called. The reader of offers validates them. */
  | { readonly t: 'ready'; readonly methods: readonly string[]; readonly offers: unknown }
  /** `isFinal`: the error is in the plugin's files. */
  | { readonly t: 'failed'; readonly message: string; readonly isFinal?: boolean }
  | { readonly t: 'pong'; readonly n: number }
  | CallFrame
  | AnswerFrame;

/** A message that is too large for a frame. Nothing was sent. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge';
  readonly bytes: number;

  constructor(bytes: number) {
    super(`The message has ${bytes} bytes; at most ${MAX_PLUGIN_FRAME_BYTES} fit.`);
    this.bytes = bytes;
  }
}

/** Encodes a frame: u32 length of the rest, big-endian, and JSON. Throws TooLarge. */
export function encodeFrame(message: ToPlugin | FromPlugin): Buffer {
  const json = JSON.stringify(message);
  const length = Buffer.byteLength(json);
  if (length > MAX_PLUGIN_FRAME_BYTES) throw new TooLarge(length);
  const frame = Buffer.allocUnsafe(4 + length);
  frame.writeUInt32BE(length, 0);
  frame.write(json, 4, 'utf8');
  return frame;
}

/** Keys that would change the prototype of objects when a careless program merges the data. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
export const MAX_DEPTH = 100;

/** Describes why a value is invalid as external data; undefined if it is valid. */
export function badData(value: unknown, depth = 0): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= MAX_DEPTH) return `It is nested deeper than ${MAX_DEPTH}.`;
  if (Array.isArray(value)) {
    for (const item of value) {
      const fault = badData(item, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (FORBIDDEN_KEYS.has(key)) return `It has a key "${key}".`;
    const fault = badData((value as Readonly<Record<string, unknown>>)[key], depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

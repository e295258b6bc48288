// Binary output frames of /v1/ws: a fixed header, then the bytes as the program wrote them.

import { BinnacleError } from './codes.ts';
import { isOutput, KINDS, kindName, type OutputKind } from './entry.ts';
import type { Epoch, Position } from './position.ts';
import { isSessionId, type SessionId } from './session.ts';

/**
 * Size of the header of a binary frame. Header, big-endian: version u8 = 1, kind u8, reserved u16 = 0, offset u64 of
 * the first byte, place u64 behind the last byte, UUID of the session (16 bytes). The payload is the rest. Nothing in
 * it depends on the connection, so one encoding serves every viewer at that position.
 */
export const OUTPUT_HEADER_BYTES = 36;
const VERSION = 1;

/** A binary frame: output of one session. */
export interface OutputFrame {
  /** Id of the session. */
  readonly session: SessionId;
  /** Stream of the output. */
  readonly kind: OutputKind;
  /** Output offset of the first byte of `bytes`. */
  readonly offset: number;
  /** Place to resume at, together with `offset + bytes.length`. */
  readonly place: number;
  /** The output: a view into the frame. */
  readonly bytes: Uint8Array;
}

/** Writes the header to the front of `target`; the caller puts the payload behind it. */
export function writeOutputHeader(
  target: Uint8Array,
  head: {
    readonly sessionBytes: Uint8Array;
    readonly kind: OutputKind;
    readonly offset: number;
    readonly place: number;
  },
): void {
  const view = new DataView(target.buffer, target.byteOffset, OUTPUT_HEADER_BYTES);
  view.setUint8(0, VERSION);
  view.setUint8(1, KINDS[head.kind]);
  view.setUint16(2, 0);
  writeU64(view, 4, head.offset);
  writeU64(view, 12, head.place);
  target.set(head.sessionBytes, 20);
}

/** Decodes a frame; `bytes` is a view into `data`. Throws `protocol_error`. */
export function decodeOutput(data: Uint8Array): OutputFrame {
  if (data.length < OUTPUT_HEADER_BYTES)
    throw new BinnacleError('protocol_error', { message: 'The output frame is too short.' });
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const kind = kindName(view.getUint8(1));
  if (view.getUint8(0) !== VERSION || kind === undefined || !isOutput(kind)) {
    throw new BinnacleError('protocol_error', { message: 'The output frame has an unknown version or kind.' });
  }
  return {
    kind,
    offset: readU64(view, 4),
    place: readU64(view, 12),
    session: uuidText(data.subarray(20, 36)),
    bytes: data.subarray(OUTPUT_HEADER_BYTES),
  };
}

/** Returns the position behind a frame, to resume from. */
export const positionAfter = (frame: OutputFrame, epoch: Epoch): Position => ({
  epoch,
  place: frame.place,
  offset: frame.offset + frame.bytes.length,
});

/** Returns the 16 bytes of an id. */
export function uuidBytes(id: SessionId): Uint8Array {
  const hex = id.replaceAll('-', '');
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}

/** Returns the id of 16 bytes. */
export function uuidText(bytes: Uint8Array): SessionId {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  const text = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  if (!isSessionId(text)) throw new BinnacleError('protocol_error', { message: 'The output frame names no session.' });
  return text;
}

// Two 32-bit halves: offsets stay below 2^53, and BigInt would allocate on the hot path.
function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 4, value >>> 0);
}

function readU64(view: DataView, at: number): number {
  return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}

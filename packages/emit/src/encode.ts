// An event as the wire has it. Knows no buffer.

import { isUtf8 } from 'node:buffer';
import type { EventHead } from './fields.ts';

/** Base64 takes a third more; text of many control characters takes up to six times its bytes. */
const WORST_TEXT = 1.4;

/** Output is sent as text where that is exact and short, else as base64. */
export function encodeEvent(id: string, seq: number, head: EventHead, output: Uint8Array): string {
  const event = { session_id: id, seq, ...head };
  if (output.length === 0) return JSON.stringify(event);
  const bytes = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
  if (isUtf8(bytes) && !bytes.includes(0)) {
    const text = JSON.stringify({ ...event, response: bytes.toString('utf8') });
    if (text.length <= bytes.length * WORST_TEXT + 500) return text;
  }
  return JSON.stringify({ ...event, response_base64: bytes.toString('base64') });
}

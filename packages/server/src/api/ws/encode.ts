// Encoder of pages as frames of /v1/ws. Each page is encoded once for all readers.

import {
  type EntryFrame,
  formatPosition,
  isOutput,
  OUTPUT_HEADER_BYTES,
  type SessionId,
  uuidBytes,
  writeOutputHeader,
} from '@binnacle/protocol';
import type { Entry, Page } from '../../log/log.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';

/** A binary frame, or the JSON of an entry without the opening brace: the connection puts its `seq` in front. */
export type EncodedFrame = Uint8Array | string;

export interface EncodedPage {
  readonly frames: readonly EncodedFrame[];
  /** True if the log ends with this page. */
  readonly isLast: boolean;
}

const ENCODED = Symbol('frames of /v1/ws');
const ENCODED_FOR_GUESTS = Symbol('frames of /v1/ws for guests of share links');

/** Encodes a page. The caller must hold the page: binary frames share its memory. */
export function encodePage(
  page: Page,
  session: SessionId,
  seen: Pick<SeenSessions, 'isGuest' | 'entryOf'>,
): EncodedPage {
  const key = seen.isGuest ? ENCODED_FOR_GUESTS : ENCODED;
  return page.once(key, () => encode(page, session, (entry) => seen.entryOf(entry)));
}

function encode(page: Page, session: SessionId, shown: (entry: Entry) => Entry): EncodedPage {
  const sessionBytes = uuidBytes(session);
  let isLast = false;
  const frames = page.pinnedEntries.map((entry): EncodedFrame => {
    const { kind, offset, next: place, bytes } = entry;
    if (isOutput(kind)) {
      // The reader leaves room for the header, so the bytes are not copied again.
      const frame = new Uint8Array(
        bytes.buffer,
        bytes.byteOffset - OUTPUT_HEADER_BYTES,
        OUTPUT_HEADER_BYTES + bytes.length,
      );
      writeOutputHeader(frame, { sessionBytes, kind, offset, place });
      return frame;
    }
    if (kind === 'closed') isLast = true;
    const position = formatPosition({ epoch: page.from.epoch, place, offset });
    const data: unknown = JSON.parse(Buffer.from(shown(entry).bytes).toString());
    return tail({ t: 'entry', session, kind, time: entry.time, offset, position, data } as EntryFrame);
  });
  return { frames, isLast };
}

/** Returns the JSON of an object without its opening brace, to follow `{"seq":N,`. */
export const tail = (body: object): string => JSON.stringify(body).slice(1);

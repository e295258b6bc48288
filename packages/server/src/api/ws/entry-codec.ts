// Codec of a session on /v1/ws. Each page is encoded once for all readers.

import {
  type EntryFrame,
  formatPosition,
  isOutput,
  OUTPUT_HEADER_BYTES,
  type Position,
  type SessionId,
  type SessionInfo,
  uuidBytes,
  writeOutputHeader,
} from '@binnacle/protocol';
import type { Gap } from '../../cursor/pump.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Codec } from '../stream/log-stream.ts';
import type { Frame } from '../stream/wire.ts';

interface EncodedPage {
  /** Binary frames, and the JSON of entries without the opening brace: the connection puts its `seq` in front. */
  readonly frames: readonly Frame[];
  /** True if the log ends with this page. */
  readonly isLast: boolean;
}

const ENCODED = Symbol('frames of /v1/ws');
const ENCODED_FOR_GUESTS = Symbol('frames of /v1/ws for guests of share links');

export class EntryCodec implements Codec {
  /** Binary frames share the memory of their page. */
  readonly isPinned = true;
  isOver = false;
  readonly #session: Session;
  readonly #seen: SeenSessions;
  #at: Position;

  constructor(session: Session, seen: SeenSessions, at: Position) {
    this.#session = session;
    this.#seen = seen;
    this.#at = at;
  }

  page(page: Page): readonly Frame[] {
    this.#at = page.next;
    const key = this.#seen.isGuest ? ENCODED_FOR_GUESTS : ENCODED;
    const { frames, isLast } = page.once(key, () =>
      encode(page, this.#session.id, (entry) => this.#seen.entryOf(entry)),
    );
    this.isOver = isLast;
    return frames;
  }

  gap({ from, to, reason, next }: Gap): readonly [Frame] {
    this.#at = next;
    return [tail({ t: 'gap', session: this.#session.id, from, to, reason, position: formatPosition(next) })];
  }

  /** Ends with a closed session even if its log lacks `closed`: a power loss can destroy the last entry. */
  caughtUp(): readonly [] {
    this.isOver = !this.#session.isHosted;
    return [];
  }

  ending(): readonly [Frame] {
    const { id } = this.#session;
    const info: SessionInfo = this.#seen.infoOf(this.#session);
    return [tail({ t: 'end', session: id, position: formatPosition(this.#at), info })];
  }
}

function encode(page: Page, session: SessionId, shown: (entry: Entry) => Entry): EncodedPage {
  const sessionBytes = uuidBytes(session);
  let isLast = false;
  const frames = page.pinnedEntries.map((entry): Frame => {
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

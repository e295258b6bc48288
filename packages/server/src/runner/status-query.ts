// Detects a program's query whether its terminal takes reports of its state (OSC 7501 with a question mark). The runner
// takes them, and must answer itself: a viewer may be absent, and its support does not matter.

const QUERY = Buffer.from('\x1b]7501;?');
/** Searched without its ESC: colours contain an ESC every few bytes, and a search stops at each. */
const BODY = QUERY.subarray(1);
/** The whole reply of the protocol, which has the form of the query. */
export const STATUS_REPLY = Buffer.from('\x1b]7501;?\x1b\\');

export class StatusQuery {
  /** The end of the last bytes, if a query may begin there. */
  #tail: Buffer = Buffer.alloc(0);

  /** Returns true if a query ends in these bytes. Several queries in one piece get one reply. */
  take(bytes: Uint8Array): boolean {
    const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const all = this.#tail.length === 0 ? piece : Buffer.concat([this.#tail, piece]);
    const isFound = hasQuery(all);
    this.#tail = isFound ? Buffer.alloc(0) : begunIn(all.subarray(1 - QUERY.length));
    return isFound;
  }
}

function hasQuery(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(BODY); at >= 0; at = bytes.indexOf(BODY, at + 1)) {
    if (bytes[at - 1] === QUERY[0]) return true;
  }
  return false;
}

/** Returns a copy of the last bytes if a query may begin there. */
function begunIn(bytes: Buffer): Buffer {
  const at = bytes.lastIndexOf(QUERY[0] as number);
  const end = at < 0 ? bytes.subarray(0, 0) : bytes.subarray(at);
  return QUERY.subarray(0, end.length).equals(end) ? Buffer.from(end) : Buffer.alloc(0);
}

// Finds where a program asks whether its terminal takes reports of its state (OSC 7501 with a question mark). We do, and
// nobody else can say so: a viewer may not be there, and what it knows of it does not matter to us.

const QUERY = Buffer.from('\x1b]7501;?');
/** Searched for without its ESC: colours have one every few bytes, and a search stops at each. */
const BODY = QUERY.subarray(1);
/** Everything that the protocol knows; a reply is written like the query. */
export const STATUS_REPLY = Buffer.from('\x1b]7501;?\x1b\\');

export class StatusQuery {
  /** The end of what came last, where a query may begin with it. */
  #tail: Buffer = Buffer.alloc(0);

  /** True when a query ends in these bytes. Of several in one piece one is answered. */
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

/** A copy of the last bytes, where a query may begin with them. */
function begunIn(bytes: Buffer): Buffer {
  const at = bytes.lastIndexOf(QUERY[0] as number);
  const end = at < 0 ? bytes.subarray(0, 0) : bytes.subarray(at);
  return QUERY.subarray(0, end.length).equals(end) ? Buffer.from(end) : Buffer.alloc(0);
}

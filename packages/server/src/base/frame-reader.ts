// The frames of a stream of bytes: u32 length of the rest, big-endian, and the rest. Runs in plugins' processes too, and
// therefore imports nothing.

/** A violation of a protocol. Reading cannot continue. */
export class WireFault extends Error {
  override readonly name = 'WireFault';
}

const LENGTH_BYTES = 4;

/** Takes a frame: the bytes from `start` to `end`, which may be a part of a chunk. A view of them would cost time. */
export type FrameListener = (bytes: Buffer, start: number, end: number) => void;

/** Cuts a stream of bytes into frames. Buffers at most one partial frame, however small the chunks are. */
export class FrameReader {
  readonly #maxBytes: number;
  readonly #onFrame: FrameListener;
  readonly #head = Buffer.alloc(LENGTH_BYTES);
  #headBytes = 0;
  /** The partial frame; undefined while its length is being read. */
  #frame: Buffer | undefined;
  #frameBytes = 0;

  /** `maxBytes`: maximum of a frame, without its length. The announced length is checked before any byte is buffered. */
  constructor(maxBytes: number, onFrame: FrameListener) {
    this.#maxBytes = maxBytes;
    this.#onFrame = onFrame;
  }

  /** Takes a chunk. Throws WireFault, and the errors of `onFrame`. */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#frame === undefined) {
        let length: number;
        if (this.#headBytes === 0 && bytes.length - at >= LENGTH_BYTES) {
          length = bytes.readUInt32BE(at);
          at += LENGTH_BYTES;
        } else {
          const copied = bytes.copy(this.#head, this.#headBytes, at);
          this.#headBytes += copied;
          at += copied;
          if (this.#headBytes < LENGTH_BYTES) return;
          this.#headBytes = 0;
          length = this.#head.readUInt32BE(0);
        }
        if (length > this.#maxBytes) throw new WireFault(`A frame of ${length} bytes was announced.`);
        if (length === 0) throw new WireFault('A frame is empty.');
        if (bytes.length - at >= length) {
          at += length;
          this.#onFrame(bytes, at - length, at);
          continue;
        }
        this.#frame = Buffer.allocUnsafeSlow(length);
        this.#frameBytes = 0;
      }
      const copied = bytes.copy(this.#frame, this.#frameBytes, at);
      this.#frameBytes += copied;
      at += copied;
      if (this.#frameBytes < this.#frame.length) return;
      const frame = this.#frame;
      this.#frame = undefined;
      this.#onFrame(frame, 0, frame.length);
    }
  }
}

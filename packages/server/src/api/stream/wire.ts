// A wire is where the bytes of a stream go. It says when it is full; the stream then stops reading its log.

/** Text, or bytes. A socket sends text frames and binary frames; a response sends both as they are. */
export type Frame = string | Uint8Array;

/** The sending end of one connection. */
export interface Wire {
  /** True while the peer takes no more. Frames that are written all the same are buffered in memory. */
  readonly isFull: boolean;
  /** Writes a frame. `sent` is called when the memory of the frame is free again. A closed wire drops the frame. */
  write(frame: Frame, sent?: () => void): void;
}

/**
 * Resumes streams that share a wire until it is full. The last resumed stream goes to the end of the map, so that
 * another one is first the next time: no starvation.
 */
export function resumeByTurns<T>(streams: Map<string, T>, resume: (stream: T) => void, isFull: () => boolean): void {
  for (const [key, stream] of streams) {
    resume(stream);
    if (!isFull()) continue;
    // The stream may have ended, and removed itself.
    if (streams.delete(key)) streams.set(key, stream);
    return;
  }
}

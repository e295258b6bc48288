// Requests for reports of growth of one session's log: one at a time in a burst, several in advance otherwise.

import type { Pace } from '../log/log.ts';

/** Maximum wait per page during a burst. Frames of 4 KiB cost a viewer ten times as much per byte as full pages. */
const BURST_MS = 2;
/** Minimum growth of a burst, about one read of a flooding PTY. Less is the echo of typing, which goes out at once. */
const BURST_BYTES = 3 * 1024;
/**
 * Reports for one request. An echo of typing then costs the runner no message of its own; more than these would only
 * pile up for a gateway that does not read.
 */
const REPORTS = 16;

export class GrowthRequests {
  readonly #pageBytes: number;
  readonly #watch: (place: number, pace: Pace, reports: number) => void;
  #isBursting = false;

  /** `watch`: asks the writer of the log for reports beyond a place. */
  constructor(pageBytes: number, watch: (place: number, pace: Pace, reports: number) => void) {
    this.#pageBytes = pageBytes;
    this.#watch = watch;
  }

  /** Asks for growth beyond `place`, at least as soon as `pace` says, or by a page in a burst. */
  request(place: number, pace: Pace): void {
    if (pace.maxDelayMs > 0) this.#watch(place, pace, 1);
    else if (this.#isBursting) this.#watch(place, { atLeast: this.#pageBytes, maxDelayMs: BURST_MS }, 1);
    else this.#watch(place, pace, REPORTS);
  }

  /** Takes a report. Returns true if the next growth is reported without another request. */
  take(grownBytes: number, left: number): boolean {
    // An outdated report says nothing of the pace.
    if (grownBytes > 0) this.#isBursting = grownBytes >= BURST_BYTES;
    return left >= REPORTS / 2 && !this.#isBursting;
  }
}

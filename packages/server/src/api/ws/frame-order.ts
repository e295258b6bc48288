// Execution order of the frames of one connection, per session. A frame that changes the lease runs exclusively, after
// all earlier frames and before all later frames. Other frames run concurrently. Sessions do not wait for one another.

export class FrameOrder {
  readonly #lanes = new Map<string, Lane>();

  /**
   * Calls `act` in order of arrival: synchronously if no earlier frame blocks it. Settles with the result of `act`.
   * `isAlone`: no other frame of this session runs at the same time.
   */
  run(session: string, isAlone: boolean, act: () => Promise<void>): Promise<void> {
    const lane = this.#lanes.get(session) ?? { last: undefined, beside: new Set<Promise<void>>() };
    this.#lanes.set(session, lane);
    const before = isAlone ? [...lane.beside, ...(lane.last === undefined ? [] : [lane.last])] : lane.last;
    const isFree = before === undefined || (Array.isArray(before) && before.length === 0);
    const mine = isFree ? act() : (Array.isArray(before) ? Promise.all(before) : before).then(act);
    // Later frames wait for the end of this frame, whether it succeeds or fails.
    const settled = mine.then(nothing, nothing);
    if (isAlone) {
      lane.last = settled;
      lane.beside = new Set();
    } else lane.beside.add(settled);
    const { beside } = lane;
    void settled.then(() => {
      beside.delete(settled);
      if (lane.last === settled) lane.last = undefined;
      const isEmpty = lane.last === undefined && lane.beside.size === 0;
      if (isEmpty && this.#lanes.get(session) === lane) this.#lanes.delete(session);
    });
    return mine;
  }
}

interface Lane {
  /** Last exclusive frame, while it runs or waits. */
  last: Promise<void> | undefined;
  /** Concurrent frames after `last`. */
  beside: Set<Promise<void>>;
}

const nothing = (): void => undefined;

// The order of what one connection asks of each session: what changes hands is done alone, behind all that came before and
// before all that comes behind; the rest goes side by side. Sessions do not wait for one another. Knows no frame.

export class FrameOrder {
  readonly #lanes = new Map<string, Lane>();

  /**
   * Calls `act` when it is its turn: at once, in this call, where nothing stands in its way. Settles as `act` does.
   * `isAlone`: nothing else of this session is under way meanwhile.
   */
  run(session: string, isAlone: boolean, act: () => Promise<void>): Promise<void> {
    const lane = this.#lanes.get(session) ?? { last: undefined, beside: new Set<Promise<void>>() };
    this.#lanes.set(session, lane);
    const before = isAlone ? [...lane.beside, ...(lane.last === undefined ? [] : [lane.last])] : lane.last;
    const isFree = before === undefined || (Array.isArray(before) && before.length === 0);
    const mine = isFree ? act() : (Array.isArray(before) ? Promise.all(before) : before).then(act);
    // Later frames wait for the end of this one, whatever its result.
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
  /** The last that is done alone, while it is under way or waits. */
  last: Promise<void> | undefined;
  /** Work that came behind `last`. */
  beside: Set<Promise<void>>;
}

const nothing = (): void => undefined;

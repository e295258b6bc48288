// The approval requests of a run: decides which answer is the first, and when a request times out.

import {
  type Approval,
  type ApprovalAnswer,
  type ApprovalOption,
  type Author,
  BinnacleError,
  type Clocks,
  REAL_CLOCKS,
} from '@binnacle/protocol';
import { LruMap } from '../base/lru-map.ts';
import type { TrustedTime } from '../base/trusted-time.ts';

/** Maximum stored answers. A second answer to the same request is refused with the first one. */
const MAX_ANSWERS = 200;

export class Approvals {
  /** Ids of requests whose answer is on its way to the agent. */
  readonly #passing = new Set<string>();
  readonly #answers = new LruMap<string, ApprovalAnswer>(MAX_ANSWERS);
  /** Due times by id, monotonic: set when a request is first seen, so that setting the clock does not change them. */
  readonly #dueAt = new Map<string, number>();
  readonly #clocks: Clocks;
  readonly #time: Pick<TrustedTime, 'leftOf'>;

  /** `time` measures the rest of the time of requests from an earlier gateway. */
  constructor(time: Pick<TrustedTime, 'leftOf'>, clocks: Clocks = REAL_CLOCKS) {
    this.#time = time;
    this.#clocks = clocks;
  }

  /**
   * Returns the request if it waits for an answer and has that option. Throws `approval_not_found`, `approval_answered`
   * (with the author and the option of the answer), `unknown_option`.
   */
  require(open: readonly Approval[], id: string, option: string): Approval {
    const approval = open.find((one) => one.id === id);
    if (approval === undefined || this.#passing.has(id)) {
      const answer = this.#answers.peek(id);
      if (answer === undefined) throw new BinnacleError('approval_not_found');
      const details = { option: answer.option, by: answer.by.name, reason: answer.reason };
      throw new BinnacleError('approval_answered', { details });
    }
    // A request that is cut off is denied in a moment, see `#dueOf`.
    if (approval.isCut === true) throw new BinnacleError('approval_not_found');
    if (approval.options.some((one) => one.id === option)) return approval;
    throw new BinnacleError('unknown_option', { details: { options: approval.options.map((one) => one.id) } });
  }

  /** Returns the request if it still waits for an answer. */
  find(open: readonly Approval[], id: string): Approval | undefined {
    return this.#waiting(open).find((one) => one.id === id);
  }

  /** Accepts an answer: a later answer to the same request is refused. */
  pass(id: string, answer: ApprovalAnswer): void {
    this.#passing.add(id);
    this.note(id, answer);
  }

  /** Stores an answer that the log has. */
  note(id: string, answer: ApprovalAnswer): void {
    this.#answers.set(id, answer);
  }

  /** Ends the passage of an answer, which has reached the log and the agent. */
  passed(id: string): void {
    this.#passing.delete(id);
  }

  /** Returns the ms until the next request times out; undefined if none waits. */
  nextInMs(open: readonly Approval[]): number | undefined {
    const ids = new Set(open.map(({ id }) => id));
    for (const id of this.#dueAt.keys()) if (!ids.has(id)) this.#dueAt.delete(id);
    const times = this.#waiting(open).map((approval) => this.#dueOf(approval));
    return times.length === 0 ? undefined : Math.min(...times) - this.#clocks.monotonic();
  }

  /** Returns the requests that have timed out. */
  due(open: readonly Approval[]): readonly Approval[] {
    const now = this.#clocks.monotonic();
    return this.#waiting(open).filter((approval) => this.#dueOf(approval) <= now);
  }

  /** Clears everything at the end of a run. */
  clear(): void {
    this.#passing.clear();
    this.#dueAt.clear();
  }

  /** Returns when a request times out. A request that is too long to show as a whole times out at once. */
  #dueOf({ id, isCut, askedAt, expiresAt }: Approval): number {
    const known = this.#dueAt.get(id);
    if (known !== undefined) return known;
    const leftMs = isCut === true ? 0 : this.#time.leftOf(askedAt, expiresAt - askedAt);
    const dueAt = this.#clocks.monotonic() + leftMs;
    this.#dueAt.set(id, dueAt);
    return dueAt;
  }

  #waiting(open: readonly Approval[]): readonly Approval[] {
    return open.filter(({ id }) => !this.#passing.has(id));
  }
}

/** Author of the denial of a request without an answer. */
export const denierOf = ({ isCut }: Approval): Author => ({
  user: null,
  name: isCut === true ? 'size limit' : 'time limit',
});

export const denyOf = ({ options }: Approval): ApprovalOption | undefined =>
  options.find(({ kind }) => kind === 'deny_once' || kind === 'deny_always');

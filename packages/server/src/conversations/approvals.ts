// The requests of a run that wait for somebody: who was first, and when time runs out. Knows no agent and no log.

import {
  type Approval,
  type ApprovalAnswer,
  type ApprovalOption,
  type Author,
  BinnacleError,
  type Clocks,
  REAL_CLOCKS,
} from '@binnacle/protocol';
import { Alarm } from '../base/long-timer.ts';
import type { TrustedTime } from '../base/trusted-time.ts';

/** Of those that were answered, for who comes second. */
const MAX_ANSWERS = 200;

export class Approvals {
  /** Answered, and on the way to the agent. */
  readonly #passing = new Set<string>();
  readonly #answers = new Map<string, ApprovalAnswer>();
  readonly #alarm = new Alarm();
  /** Due times by id, monotonic: set when a request is first seen, so that setting the clock does not change them. */
  readonly #dueAt = new Map<string, number>();
  readonly #clocks: Clocks;
  readonly #time: Pick<TrustedTime, 'leftOf'>;

  /** `time`: tells how much is left of those that an earlier gateway was asked. */
  constructor(time: Pick<TrustedTime, 'leftOf'>, clocks: Clocks = REAL_CLOCKS) {
    this.#time = time;
    this.#clocks = clocks;
  }

  /**
   * The request, if it waits for an answer and has that option. Throws `approval_not_found`, `approval_answered` (with
   * who and what), `unknown_option`.
   */
  require(open: readonly Approval[], id: string, option: string): Approval {
    const approval = open.find((one) => one.id === id);
    if (approval === undefined || this.#passing.has(id)) {
      const answer = this.#answers.get(id);
      if (answer === undefined) throw new BinnacleError('approval_not_found');
      const details = { option: answer.option, by: answer.by.name, reason: answer.reason };
      throw new BinnacleError('approval_answered', { details });
    }
    // It is denied in a moment, see `verdict`.
    if (approval.isCut === true) throw new BinnacleError('approval_not_found');
    if (approval.options.some((one) => one.id === option)) return approval;
    throw new BinnacleError('unknown_option', { details: { options: approval.options.map((one) => one.id) } });
  }

  /** The request, if it still waits for an answer. */
  find(open: readonly Approval[], id: string): Approval | undefined {
    return this.#waiting(open).find((one) => one.id === id);
  }

  /** From now on nobody else answers it. */
  pass(id: string, answer: ApprovalAnswer): void {
    this.#passing.add(id);
    this.note(id, answer);
  }

  /** The log has it. */
  note(id: string, answer: ApprovalAnswer): void {
    this.#answers.set(id, answer);
    for (const old of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS) break;
      this.#answers.delete(old);
    }
  }

  /** Its answer has reached the log and the agent. */
  passed(id: string): void {
    this.#passing.delete(id);
  }

  /** Calls back when the next one is due. */
  watch(open: readonly Approval[], due: () => void): void {
    const ids = new Set(open.map(({ id }) => id));
    for (const id of this.#dueAt.keys()) if (!ids.has(id)) this.#dueAt.delete(id);
    const times = this.#waiting(open).map((approval) => this.#dueOf(approval));
    if (times.length === 0) this.#alarm.clear();
    else this.#alarm.set(Math.min(...times) - this.#clocks.monotonic(), due);
  }

  /** Those whose time is over. */
  due(open: readonly Approval[]): readonly Approval[] {
    const now = this.#clocks.monotonic();
    return this.#waiting(open).filter((approval) => this.#dueOf(approval) <= now);
  }

  /** The run is over. */
  clear(): void {
    this.#passing.clear();
    this.#alarm.clear();
    this.#dueAt.clear();
  }

  /** Returns when an approval is due. An approval that nobody can be shown as a whole is denied at once. */
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

/** By whom a request is denied that nobody answers. */
export const denierOf = ({ isCut }: Approval): Author => ({
  user: null,
  name: isCut === true ? 'size limit' : 'time limit',
});

export const denyOf = ({ options }: Approval): ApprovalOption | undefined =>
  options.find(({ kind }) => kind === 'deny_once' || kind === 'deny_always');

// Sends buffered events: one request at a time, again after a failure, until each is stored or refused for good.

import { type EventVerdict, type Verdict, verdictOf } from './answer.ts';
import type { Diagnostics } from './diagnostics.ts';
import type { Batch, Channel, EventBuffer } from './event-buffer.ts';
import type { Settings } from './options.ts';
import { Post } from './post.ts';
import type { Tally } from './tally.ts';

/** Milliseconds between attempts with a refused token, which does not mend by itself. */
const NOT_ALLOWED_MS = 30_000;
/** Maximum milliseconds between attempts while `flush` or `close` waits. */
const HURRY_MS = 500;

export interface SenderParts {
  readonly settings: Settings;
  readonly buffer: EventBuffer;
  readonly diagnostics: Diagnostics;
  readonly tally: Tally;
  /** After each answer: what is done may be put away. */
  readonly settled: () => void;
}

export class Sender {
  private readonly parts: SenderParts;
  private readonly post: Post;
  private isSending: boolean;
  private isClosed: boolean;
  private isHurried: boolean;
  private timer: NodeJS.Timeout | null;
  private dueAt: number;
  /** No request before this time. */
  private holdUntil: number;
  /** Whether the gateway requested the pause. Then a hurry changes nothing. */
  private isPauseRequested: boolean;
  private failures: number;
  /** Maximum events per batch. Below the setting during the search for an event that cannot be read. */
  private mostEvents: number;
  private withoutTime: boolean;
  private readonly watchers: Set<() => void>;

  constructor(parts: SenderParts) {
    this.parts = parts;
    this.post = new Post(parts.settings);
    this.isSending = false;
    this.isClosed = false;
    this.isHurried = false;
    this.timer = null;
    this.dueAt = Number.POSITIVE_INFINITY;
    this.holdUntil = 0;
    this.isPauseRequested = false;
    this.failures = 0;
    this.mostEvents = parts.settings.batchEvents;
    this.withoutTime = false;
    this.watchers = new Set();
  }

  /** Something waits. It goes out soon, with what comes until then. */
  wake(): void {
    const { lingerMs } = this.parts.settings;
    this.schedule(this.isHurried || this.parts.buffer.isPlenty(this.limits()) ? 0 : lingerMs);
  }

  /** Resolves when nothing waits or no try follows before `deadline`; at the latest then. */
  async drain(deadline: number): Promise<void> {
    this.isHurried = true;
    if (!this.isPauseRequested) this.holdUntil = Math.min(this.holdUntil, performance.now());
    this.schedule(0);
    await new Promise<void>((resolve) => {
      // The one timer that keeps the process alive.
      const timer = setTimeout(done, Math.max(0, deadline - performance.now()));
      const { watchers } = this;
      const check = (): void => {
        if (this.parts.buffer.events === 0 || (!this.isSending && this.holdUntil > deadline)) done();
      };
      function done(): void {
        clearTimeout(timer);
        watchers.delete(check);
        resolve();
      }
      watchers.add(check);
      check();
    });
    this.isHurried = this.watchers.size > 0;
  }

  close(): void {
    this.isClosed = true;
    this.cancel();
    this.post.close();
  }

  private limits(): { events: number; bytes: number; withoutTime: boolean } {
    const { batchBytes } = this.parts.settings;
    return { events: this.mostEvents, bytes: batchBytes, withoutTime: this.withoutTime };
  }

  private schedule(ms: number): void {
    if (this.isClosed || this.isSending) return;
    const at = Math.max(performance.now() + ms, this.holdUntil);
    if (this.timer !== null && this.dueAt <= at) return;
    this.cancel();
    this.dueAt = at;
    this.timer = setTimeout(
      () => {
        this.cancel();
        this.send().catch((error: unknown) => this.failed(error));
      },
      Math.max(0, at - performance.now()),
    ).unref();
  }

  private cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.dueAt = Number.POSITIVE_INFINITY;
  }

  /** A fault of ours: as bad as a gateway that is away, and no worse. */
  private failed(error: unknown): void {
    this.isSending = false;
    this.parts.diagnostics.report({ kind: 'unreachable', message: `Sending failed: ${messageOf(error)}` });
    this.hold(Math.max(1000, this.backoff()), null);
    this.schedule(0);
  }

  private async send(): Promise<void> {
    if (this.isSending || this.isClosed) return;
    const { buffer } = this.parts;
    const now = performance.now();
    if (now < this.holdUntil) {
      this.schedule(0);
      return;
    }
    const batch = buffer.pick(now, this.limits());
    if (batch === undefined) {
      const next = buffer.nextRetry(now);
      if (next !== undefined) this.schedule(next - now);
      return;
    }
    this.isSending = true;
    let verdict: Verdict;
    let retryAfterMs: number | null = null;
    try {
      const reply = await this.post.send(batch.body);
      retryAfterMs = reply.retryAfterMs;
      verdict = verdictOf(reply, batch.picked.length);
    } catch (error) {
      verdict = { kind: 'failed', message: messageOf(error) };
    }
    this.isSending = false;
    if (this.isClosed) return;
    this.take(batch, verdict, retryAfterMs);
    this.parts.settled();
    for (const check of [...this.watchers]) check();
    if (buffer.events === 0) return;
    const isPlenty = batch.isFull || this.isHurried || buffer.isPlenty(this.limits());
    this.schedule(isPlenty ? 0 : this.parts.settings.lingerMs);
  }

  private take(batch: Batch, verdict: Verdict, retryAfterMs: number | null): void {
    const { diagnostics, tally } = this.parts;
    if (verdict.kind === 'events') {
      if (verdict.events.some(({ kind }) => kind === 'done')) {
        this.failures = 0;
        this.isPauseRequested = false;
      }
      this.mostEvents = Math.min(this.parts.settings.batchEvents, this.mostEvents * 2);
      this.takeEvents(batch, verdict.events, retryAfterMs);
      return;
    }
    tally.retries += 1;
    switch (verdict.kind) {
      case 'failed':
        diagnostics.report({
          kind: 'unreachable',
          message: `The gateway does not take events: ${verdict.message}`,
          hint: 'The emitter tries again.',
        });
        this.hold(this.backoff(), retryAfterMs);
        return;
      case 'busy':
        this.hold(this.backoff(), verdict.retryAfterMs);
        return;
      case 'not_allowed':
        diagnostics.report({ ...verdict, message: `The gateway refuses events: ${verdict.message}` });
        this.hold(0, Math.max(NOT_ALLOWED_MS * (0.5 + Math.random() / 2), retryAfterMs ?? 0));
        return;
      case 'smaller': {
        const [first] = batch.picked;
        if (batch.picked.length > 1) this.mostEvents = Math.ceil(batch.picked.length / 2);
        else if (first !== undefined) this.giveUp(first.channel, verdict);
        return;
      }
    }
  }

  private takeEvents(batch: Batch, verdicts: readonly EventVerdict[], retryAfterMs: number | null): void {
    const { buffer, tally, diagnostics } = this.parts;
    /** Channels with an event to store: answers for later events change nothing. */
    const stuck = new Map<Channel, EventVerdict>();
    const doneTo = new Map<Channel, number>();
    for (const [n, picked] of batch.picked.entries()) {
      const verdict = verdicts[n];
      const { channel, seq } = picked;
      if (verdict === undefined || stuck.has(channel)) continue;
      if (verdict.kind !== 'done') {
        stuck.set(channel, verdict);
        continue;
      }
      doneTo.set(channel, seq);
      if (!verdict.isDuplicate) tally.stored += 1;
      else {
        tally.duplicates += 1;
        if (!picked.wasTried)
          diagnostics.report({
            kind: 'unexpected_duplicate',
            message: 'The gateway says that it has an event which was never sent: two sessions may have one id.',
            session: channel.id,
          });
      }
    }
    for (const [channel, seq] of doneTo) {
      buffer.done(channel, seq);
      channel.failures = 0;
      channel.retryAt = 0;
    }
    if (stuck.size > 0) tally.retries += 1;
    for (const [channel, verdict] of stuck) this.stick(channel, verdict, retryAfterMs);
  }

  /** The first event of the channel that waits was not stored. */
  private stick(channel: Channel, verdict: EventVerdict, retryAfterMs: number | null): void {
    const { buffer, tally, diagnostics, settings } = this.parts;
    switch (verdict.kind) {
      case 'done':
        return;
      case 'never':
        this.giveUp(channel, verdict);
        return;
      case 'without_time':
        if (this.withoutTime)
          this.giveUp(channel, { code: 'bad_time', message: 'The event has no time.', hint: verdict.hint });
        this.withoutTime = true;
        diagnostics.report({
          kind: 'clock',
          message: 'The gateway rejects the clock of this machine: events are sent without a time.',
          hint: verdict.hint,
        });
        return;
      case 'slower':
        this.hold(this.backoff(), retryAfterMs);
        return;
      case 'again': {
        const front = buffer.front(channel);
        const { expected } = verdict;
        if (front !== undefined && expected !== null && verdict.code === 'seq_gap') {
          if (expected < front) {
            this.giveUp(channel, {
              code: verdict.code,
              message: `The gateway has lost what was stored there from event ${expected} on.`,
              hint: 'Check whether an older copy of its data was restored.',
            });
            return;
          }
          if (expected > front) {
            tally.duplicates += buffer.done(channel, expected - 1);
            channel.retryAt = 0;
            return;
          }
        }
        channel.failures += 1;
        channel.retryAt = performance.now() + this.wait(channel.failures, settings);
      }
    }
  }

  private giveUp(channel: Channel, why: { code: string; message: string; hint: string }): void {
    const { buffer, diagnostics } = this.parts;
    buffer.giveUp(channel);
    diagnostics.report({
      kind: 'session_refused',
      message: `The emitter stops sending a session: ${why.message}`,
      code: why.code,
      ...(why.hint === '' ? {} : { hint: why.hint }),
      session: channel.id,
    });
  }

  private hold(ms: number, requestedMs: number | null): void {
    this.isPauseRequested = requestedMs !== null;
    // Jitter on the requested pause, so that not all emitters come back at once.
    this.holdUntil =
      performance.now() + (requestedMs === null ? ms : requestedMs + Math.random() * Math.min(1000, requestedMs / 10));
  }

  private backoff(): number {
    const ms = this.wait(this.failures, this.parts.settings);
    this.failures += 1;
    return ms;
  }

  /** Full jitter. */
  private wait(failures: number, { baseMs, capMs }: Settings): number {
    const cap = this.isHurried ? Math.min(capMs, HURRY_MS) : capMs;
    return Math.random() * Math.min(cap, baseMs * 2 ** Math.min(failures, 30));
  }
}

/** The system calls of a failed connection to a name with several addresses are below an error without words. */
function messageOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? `${first.message.replace(/\.$/, '')}.` : String(first);
}

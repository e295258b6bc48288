// Whether the link is alive, how slow it is, and how far the two clocks are apart. Knows no socket.

export interface LivenessHooks {
  ping(time: number): void;
  dead(): void;
  /** Smoothed round trip, ms. */
  measured(latencyMs: number): void;
}

/** Maximum milliseconds for an answer after a wake-up. A person sees a frozen page for that long. */
const CHECK_MS = 5_000;
/** Milliseconds after a sleep in which frames from before it arrive. They say nothing about the present link. */
const STALE_MS = 1_000;
/** Missed heartbeats that make a link dead. The gateway counts the same. */
const MISSED = 3;
/** The gain of TCP's own round-trip estimate (RFC 6298): smooth, and follows a changed path in about 8 samples. */
const GAIN = 1 / 8;

export class Liveness {
  readonly #now: () => number;
  readonly #wall: () => number;
  readonly #heartbeatMs: number;
  readonly #hooks: LivenessHooks;
  readonly #beat: ReturnType<typeof setInterval>;
  #checkTimer: ReturnType<typeof setTimeout> | null = null;
  #checkedAt = 0;
  #heardAt: number;
  #pingedAt: number;
  #latencyMs: number | null = null;
  #bestRoundTripMs = Number.POSITIVE_INFINITY;
  #offsetMs: number | null = null;

  /** `wall`: the clock that people read, which the gateway's is compared with. Default: `now`. */
  constructor(now: () => number, heartbeatMs: number, hooks: LivenessHooks, wall: () => number = now) {
    this.#now = now;
    this.#wall = wall;
    // 15 s where the gateway says nothing usable: three of them are the 45 s in which a dead link must be found.
    this.#heartbeatMs = Number.isFinite(heartbeatMs) && heartbeatMs > 0 ? heartbeatMs : 15_000;
    this.#hooks = hooks;
    this.#heardAt = now();
    this.#pingedAt = now();
    this.#beat = setInterval(() => this.#tick(), this.#heartbeatMs / 2);
    hooks.ping(this.#pingedAt);
  }

  /** The gateway's clock minus ours, ms. */
  get clockOffsetMs(): number | null {
    return this.#offsetMs;
  }

  heard(): void {
    this.#heardAt = this.#now();
    if (this.#heardAt - this.#checkedAt >= STALE_MS) this.#passCheck();
  }

  /** `time`: ours, as it was sent with the ping. */
  pong(time: number, serverTime: number): void {
    const roundTripMs = this.#now() - time;
    // A clock that was set meanwhile measures nothing.
    if (!(roundTripMs >= 0)) return;
    if (time >= this.#checkedAt) this.#passCheck();
    this.#latencyMs = this.#latencyMs === null ? roundTripMs : this.#latencyMs + GAIN * (roundTripMs - this.#latencyMs);
    // The quickest answer has the least room for error; the bound creeps up so that a changed clock shows in time.
    this.#bestRoundTripMs *= 1.1;
    if (roundTripMs <= this.#bestRoundTripMs) {
      this.#bestRoundTripMs = roundTripMs;
      this.#offsetMs = serverTime - (this.#wall() - roundTripMs / 2);
    }
    this.#hooks.measured(this.#latencyMs);
  }

  /** Something says that the link may be dead: it has 5 s to prove the contrary. */
  check(): void {
    if (this.#now() - this.#heardAt > MISSED * this.#heartbeatMs) {
      this.#hooks.dead();
      return;
    }
    if (this.#checkTimer !== null) return;
    this.#checkedAt = this.#now();
    this.#checkTimer = setTimeout(() => this.#hooks.dead(), CHECK_MS);
    this.#ping();
  }

  stop(): void {
    clearInterval(this.#beat);
    this.#passCheck();
  }

  #passCheck(): void {
    if (this.#checkTimer !== null) clearTimeout(this.#checkTimer);
    this.#checkTimer = null;
  }

  #tick(): void {
    const now = this.#now();
    if (now - this.#heardAt > MISSED * this.#heartbeatMs) this.#hooks.dead();
    else if (now - this.#pingedAt >= this.#heartbeatMs) this.#ping();
  }

  #ping(): void {
    this.#pingedAt = this.#now();
    this.#hooks.ping(this.#pingedAt);
  }
}

// Role: any number of viewers of one program, of ours or of a peer. Counts, checks that nothing is missing, measures lag.

import { crc32 } from 'node:zlib';
import { onBenchMessage, sendToBench } from '../role.ts';
import { clientFrame, FastWs, jsonFrame } from '../ws.ts';

export type Target =
  | {
      readonly kind: 'binnacle';
      readonly port: number;
      readonly token: string;
      readonly session: string;
      readonly from?: unknown;
    }
  | { readonly kind: 'ttyd'; readonly port: number }
  | { readonly kind: 'tty-share'; readonly port: number }
  /** Binary messages of nothing but payload. */
  | { readonly kind: 'plain'; readonly port: number };

export interface ViewerSpec {
  readonly target: Target;
  readonly viewers: number;
  /** The first so many read nothing after they have subscribed, until `resume` is said. */
  readonly stalled?: number;
  /** Computes the CRC of what each viewer gets. */
  readonly crc?: boolean;
  /** Reads the stamps of the flood role. */
  readonly stamps?: boolean;
  /** Starts of history reads, one for each viewer. */
  readonly offsets?: readonly number[];
  /** Instead of the target's one session: one for each viewer. */
  readonly sessions?: readonly string[];
  /** A viewer has all it wants after so many bytes. Default: when its connection or its session ends. */
  readonly bytes?: number;
}

export interface ViewerReport {
  /** Of all viewers that were not stalled. */
  readonly bytes: number;
  /** From the first byte that any of them got to the last one. */
  readonly ms: number;
  readonly frames: number;
  /** Number of offsets that did not follow the one before, and of reported gaps. */
  readonly breaks: number;
  readonly crcs: readonly number[];
  readonly counts: readonly number[];
  readonly lagMs: readonly number[];
  readonly why: readonly string[];
}

const STAMP_STEP = 64 * 1024;
const STAMP_BYTES = 16;
const OUTPUT_HEADER = 36;

class OneViewer {
  readonly #spec: ViewerSpec;
  readonly #index: number;
  readonly #ws: FastWs;
  readonly #onReady: () => void;
  readonly #onDone: () => void;
  readonly #head = Buffer.alloc(OUTPUT_HEADER);
  readonly lag: number[] = [];
  readonly isStalled: boolean;
  bytes = 0;
  frames = 0;
  breaks = 0;
  crc = 0;
  firstAt = 0;
  lastAt = 0;
  why = '';
  /** Before it connects. */
  readonly #madeAt = performance.now();
  #next = -1;
  #isReady = false;
  #isDone = false;

  constructor(spec: ViewerSpec, index: number, onReady: () => void, onDone: () => void) {
    this.#spec = spec;
    this.#index = index;
    this.isStalled = index < (spec.stalled ?? 0);
    this.#onReady = onReady;
    this.#onDone = onDone;
    const { target } = spec;
    this.#ws = new FastWs({
      port: target.port,
      path: { binnacle: '/v1/ws', ttyd: '/ws', 'tty-share': '/s/local/ws', plain: '/' }[target.kind],
      headers:
        target.kind === 'binnacle'
          ? { Authorization: `Bearer ${target.token}` }
          : target.kind === 'ttyd'
            ? { 'Sec-WebSocket-Protocol': 'tty' }
            : {},
      onOpen: () => this.#wsOnOpen(),
      onBinary: { binnacle: this.#output, ttyd: this.#ttyd, 'tty-share': this.#wire, plain: this.#plain }[target.kind],
      onText: (text) => this.#wsOnText(text),
      onClose: (why) => this.#end(why),
    });
  }

  resume(): void {
    this.#ws.resume();
  }

  #wsOnOpen(): void {
    const { kind } = this.#spec.target;
    if (kind === 'binnacle') return;
    if (kind === 'ttyd') this.#ws.send(clientFrame(2, Buffer.from('{"AuthToken":"","columns":80,"rows":24}')));
    this.#ready();
  }

  #wsOnText(text: string): void {
    const { target } = this.#spec;
    if (target.kind === 'tty-share') {
      this.#count(Math.floor(text.length * WIRE_SHARE), performance.now());
      this.frames += 1;
      return;
    }
    if (target.kind !== 'binnacle') return;
    const frame = JSON.parse(text) as { t: string; time?: number; error?: { code: string }; info?: unknown };
    if (frame.t === 'hello') {
      const offset = this.#spec.offsets?.[this.#index];
      const from = offset === undefined ? (target.from ?? 'start') : { offset };
      const session = this.#spec.sessions?.[this.#index] ?? target.session;
      this.#ws.send(jsonFrame({ t: 'subscribe', session, from }));
    } else if (frame.t === 'subscribed') {
      if (this.isStalled) this.#ws.stall();
      this.#ready();
    } else if (frame.t === 'ping') this.#ws.send(jsonFrame({ t: 'pong', time: frame.time }));
    else if (frame.t === 'gap') this.breaks += 1;
    else if (frame.t === 'error') this.#end(frame.error?.code ?? 'error');
    else if (frame.t === 'end') this.#end('end');
  }

  readonly #output = (data: Buffer, from: number, to: number, at: number): void => {
    const head = Math.max(0, Math.min(to - from, OUTPUT_HEADER - at));
    if (head > 0) {
      data.copy(this.#head, at, from, from + head);
      if (at + head < OUTPUT_HEADER) return;
      this.frames += 1;
      const offset = this.#head.readUInt32BE(4) * 0x1_0000_0000 + this.#head.readUInt32BE(8);
      if (this.#next >= 0 && offset !== this.#next) this.breaks += 1;
      this.#next = offset;
    }
    this.#payload(data, from + head, to);
  };

  readonly #ttyd = (data: Buffer, from: number, to: number, at: number): void => {
    if (at > 0) {
      if (this.#isOutput) this.#payload(data, from, to);
      return;
    }
    this.#isOutput = data[from] === 48;
    if (!this.#isOutput) return;
    this.frames += 1;
    this.#payload(data, from + 1, to);
  };
  #isOutput = false;

  readonly #plain = (data: Buffer, from: number, to: number, at: number): void => {
    if (at === 0) this.frames += 1;
    this.#payload(data, from, to);
  };

  readonly #wire = (_data: Buffer, from: number, to: number): void => {
    this.#count(Math.floor((to - from) * WIRE_SHARE), performance.now());
  };

  #payload(data: Buffer, from: number, to: number): void {
    if (from >= to) return;
    if (this.#spec.crc === true) this.crc = crc32(data.subarray(from, to), this.crc);
    if (this.#spec.stamps === true) this.#readStamps(data, from, to);
    if (this.#next >= 0) this.#next += to - from;
    this.#count(to - from, performance.now());
  }

  #count(bytes: number, now: number): void {
    if (this.firstAt === 0) {
      this.firstAt = now;
      if (this.#index === 0) sendToBench('first', now - this.#madeAt);
    }
    this.lastAt = now;
    this.bytes += bytes;
    if (this.bytes >= (this.#spec.bytes ?? Number.POSITIVE_INFINITY)) this.#end('enough');
  }

  #readStamps(data: Buffer, from: number, to: number): void {
    const now = Number(process.hrtime.bigint() / 1000n);
    // A stamp that lies across two reads is left out.
    let at = from + ((STAMP_STEP - (this.bytes % STAMP_STEP)) % STAMP_STEP);
    for (; at + STAMP_BYTES <= to; at += STAMP_STEP) {
      this.lag.push((now - Number(data.toString('latin1', at, at + STAMP_BYTES))) / 1000);
    }
  }

  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#onReady();
  }

  #end(why: string): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.why = why;
    this.#ws.close();
    this.#onDone();
  }
}

/** tty-share sends base64 in JSON in base64 in JSON: 9 bytes in 16 are payload. */
const WIRE_SHARE = 0.5625;

export function main(spec: ViewerSpec): void {
  let ready = 0;
  let done = 0;
  const viewers: OneViewer[] = [];
  const isHealthyDone = () => viewers.filter((viewer) => !viewer.isStalled && viewer.why === '').length === 0;
  const report = (some: readonly OneViewer[]): ViewerReport => ({
    bytes: some.reduce((sum, viewer) => sum + viewer.bytes, 0),
    ms:
      Math.max(...some.map((viewer) => viewer.lastAt)) -
      Math.min(...some.filter((viewer) => viewer.firstAt > 0).map((viewer) => viewer.firstAt)),
    frames: some.reduce((sum, viewer) => sum + viewer.frames, 0),
    breaks: some.reduce((sum, viewer) => sum + viewer.breaks, 0),
    crcs: some.map((viewer) => viewer.crc),
    counts: some.map((viewer) => viewer.bytes),
    lagMs: some.flatMap((viewer) => viewer.lag),
    why: [...new Set(some.map((viewer) => viewer.why))],
  });
  let isHealthyReported = false;
  for (let i = 0; i < spec.viewers; i++) {
    const viewer = new OneViewer(
      spec,
      i,
      () => {
        ready += 1;
        if (ready === spec.viewers) sendToBench('ready');
      },
      () => {
        done += 1;
        if (ready < spec.viewers && viewer.why !== 'enough' && viewer.why !== 'end') sendToBench('failed', viewer.why);
        if (!isHealthyReported && viewers.length === spec.viewers && isHealthyDone()) {
          isHealthyReported = true;
          sendToBench('done', report(viewers.filter((one) => !one.isStalled)));
        }
        if (done === spec.viewers) sendToBench('all', report(viewers));
      },
    );
    viewers.push(viewer);
  }
  onBenchMessage({
    resume: () => {
      for (const viewer of viewers) if (viewer.isStalled) viewer.resume();
    },
    now: () => sendToBench('now', report(viewers.filter((one) => !one.isStalled))),
  });
}

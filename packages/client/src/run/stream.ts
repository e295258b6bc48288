// One cursor into a run, as an async iterable. It resumes exactly over cuts and restarts, checks that nothing is
// missing or doubled, and buffers no more than its limit. Server-sent events: no WebSocket is needed.

import {
  BinnacleError,
  comparePositions,
  formatPosition,
  type OutputKind,
  type Position,
  parsePosition,
  type RunInfo,
  type WireError,
} from '@binnacle/protocol';
import { Outlet } from '../feed/outlet.ts';
import { fromBase64 } from '../transport/base64.ts';
import type { Http, HttpRequest } from '../transport/http.ts';
import type { Settings } from '../transport/options.ts';
import { FIRST, type Link, type LinkAction, type LinkEvent, step } from '../transport/reconnect.ts';
import { EventReader, type ServerEvent } from '../transport/server-sent-events.ts';
import { listenForWake } from '../transport/wake.ts';

/** Everything that a run yields: first `run`, then its output, last `end`. */
export type RunStreamEvent =
  /** The run was accepted (`queued`) or has begun (`running`). The first event; not repeated after a reconnect. */
  | { readonly type: 'run'; readonly run: RunInfo; readonly position: string }
  | {
      readonly type: 'output';
      readonly kind: OutputKind;
      /** Output offset of the session at the first byte. */
      readonly offset: number;
      readonly bytes: Uint8Array;
      /** Position behind this event, to resume from. */
      readonly position: string;
    }
  /** Output bytes `from` up to `to` are gone. */
  | {
      readonly type: 'gap';
      readonly from: number;
      readonly to: number;
      readonly reason: 'retention' | 'damaged';
      readonly position: string;
    }
  /** The run ended the shell: the next run has a fresh one. */
  | { readonly type: 'reset'; readonly exitCode: number | null; readonly position: string }
  /** How it ended, behind its last byte. The last event. */
  | { readonly type: 'end'; readonly run: RunInfo; readonly position: string };

/** Parts that a stream takes from its run. */
export interface RunStreamParts {
  readonly http: Http;
  readonly settings: Settings;
  readonly bufferBytes: number;
  /** Returns the request for what follows `position`; null: for all of it. */
  request(position: string | null): HttpRequest;
  /** Returns the error if the request must not be repeated, else undefined. */
  refusal(error: BinnacleError): BinnacleError | undefined;
  /** Called with each event before it is handed out. */
  onEvent(event: RunStreamEvent): void;
  /** Reports an error that a new connection repairs. */
  mended(error: BinnacleError): void;
  /** Called at the end. `error`: the stream broke off. */
  over(error: BinnacleError | null): void;
}

/** Bytes that an event costs besides its output: a flood of one-byte events must not evade the limit. */
const EVENT_BYTES = 256;
/** The gateway says something every 15 s: three of them missed, and the connection is dead. */
const SILENCE_MS = 45_000;
/** Maximum faults at one place. One may be a proxy's; more are the gateway's. */
const MAX_FAULTS = 3;

/**
 * Cursor into the output of a run, from a loop over `Run`. It resumes at the exact byte after cut connections and
 * restarts of the gateway.
 */
export class RunStream implements AsyncIterableIterator<RunStreamEvent, undefined, undefined> {
  private readonly parts: RunStreamParts;
  private readonly outlet: Outlet<RunStreamEvent>;
  private readonly unlisten: () => void;
  private readonly buffer: RunStreamEvent[];
  private buffered: number;
  /** Wakes the reading when the buffer has room again. */
  private roomy: (() => void) | null;
  private link: Link;
  private timer: ReturnType<typeof setTimeout> | null;
  private abort: AbortController | null;
  /** Behind the last event that came. */
  private head: Position | null;
  /** Output offset of the next output. Null before the run has begun. */
  private offset: number | null;
  private delivered: string | null;
  private state: RunInfo['state'] | null;
  private faults: number;
  private hasEnded: boolean;
  private isOver: boolean;

  constructor(parts: RunStreamParts) {
    this.parts = parts;
    this.outlet = new Outlet(() => this.take());
    this.buffer = [];
    this.buffered = 0;
    this.roomy = null;
    this.link = FIRST;
    this.timer = null;
    this.abort = null;
    this.head = null;
    this.offset = null;
    this.delivered = null;
    this.state = null;
    this.faults = 0;
    this.hasEnded = false;
    this.isOver = false;
    this.unlisten = listenForWake(() => this.wake());
    this.apply({ kind: 'want' });
  }

  /** Position behind the last event that was handed out: `Runs.resume` goes on there. Null before the first event. */
  get position(): string | null {
    return this.delivered;
  }

  /**
   * Resolves with the next event; `done` behind the end. Throws what ends it early: `session_gone`, `wrong_epoch`,
   * `run_not_found`.
   */
  next(): Promise<IteratorResult<RunStreamEvent, undefined>> {
    return this.outlet.next();
  }

  /** Closes the connection. Leaving a `for await` early calls it. The run goes on unless `onDisconnect` is `cancel`. */
  return(): Promise<IteratorResult<RunStreamEvent, undefined>> {
    this.stop(null);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Reconnects at once if the stream waits to. */
  wake(): void {
    this.apply({ kind: 'wake' });
  }

  /** Ends the iteration and drops what is buffered. */
  stop(error: BinnacleError | null): void {
    this.buffer.length = 0;
    this.finish(error);
  }

  private apply(event: LinkEvent): void {
    const { now, random, backoff } = this.parts.settings;
    const { state, actions } = step(this.link, event, now(), random(), backoff);
    this.link = state;
    for (const action of actions) this.act(action);
  }

  private act(action: LinkAction): void {
    switch (action.kind) {
      case 'open':
        void this.follow(action.generation);
        break;
      case 'wait': {
        const { generation } = action;
        this.timer = setTimeout(() => this.apply({ kind: 'timer', generation }), action.ms);
        break;
      }
      case 'cancel':
        if (this.timer !== null) clearTimeout(this.timer);
        this.timer = null;
        break;
      case 'drop':
        this.abort?.abort();
        this.abort = null;
        break;
    }
  }

  private async follow(generation: number): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    const isOurs = () => this.link.generation === generation && !this.isOver;
    // The constructor's caller has this object by then, and can be notified.
    await Promise.resolve();
    try {
      const position = this.head === null ? null : formatPosition(this.head);
      const response = await this.parts.http.open(this.parts.request(position), abort);
      if (!isOurs()) return;
      this.apply({ kind: 'opened', generation });
      await this.read(response, abort, isOurs);
    } catch (cause) {
      if (!isOurs()) return;
      const error = cause instanceof BinnacleError ? cause : new BinnacleError('connection_lost', { cause });
      const refusal = this.parts.refusal(error);
      if (refusal !== undefined) {
        this.finish(refusal);
        return;
      }
      this.parts.mended(error);
      // The rest of the stream is not wanted any more.
      abort.abort();
    }
    if (isOurs()) this.apply({ kind: 'closed', generation, closeCode: 1006, code: null });
  }

  private async read(response: Response, abort: AbortController, isOurs: () => boolean): Promise<void> {
    const reader = response.body?.getReader();
    const events = new EventReader();
    // Behind the last event only the end of the answer comes; read to it, the connection can serve the next request.
    while (reader !== undefined && (isOurs() || this.hasEnded)) {
      await this.room();
      const silence = setTimeout(() => abort.abort(), SILENCE_MS);
      try {
        const { done, value } = await reader.read();
        if (done) return;
        for (const event of events.push(value)) if (isOurs()) this.onEvent(event);
      } finally {
        clearTimeout(silence);
      }
    }
  }

  /** A consumer that is slow makes us read slowly, and the gateway send slowly. */
  private room(): Promise<void> {
    if (this.buffered <= this.parts.bufferBytes) return Promise.resolve();
    return new Promise((resolve) => {
      this.roomy = resolve;
    });
  }

  private onEvent({ id, event, data }: ServerEvent): void {
    const body: unknown = JSON.parse(data);
    if (event === 'error') throw BinnacleError.fromWire(body as WireError);
    const after = parsePosition(id);
    if (this.head !== null && after.epoch !== this.head.epoch) {
      throw new BinnacleError('wrong_epoch', { details: { asked: this.head.epoch, got: after.epoch } });
    }
    if (this.head !== null && comparePositions(after, this.head) < 0) throw this.outOfStep(after.offset);
    switch (event) {
      case 'run':
      case 'end': {
        const run = event === 'end' ? (body as { run: RunInfo }).run : (body as RunInfo);
        if (this.offset !== null && after.offset !== this.offset) throw this.outOfStep(after.offset);
        // Before the run begins, other runs go on writing.
        this.offset = run.state === 'queued' ? null : after.offset;
        this.head = after;
        // Every connection begins by saying how it stands; that it has ended comes behind its output.
        if (event === 'run' && this.state !== null && (run.state === this.state || run.state === 'ended')) return;
        this.state = run.state;
        this.push({ type: event, run, position: id });
        if (event === 'end') {
          this.hasEnded = true;
          this.abort = null;
          this.finish(null);
        }
        return;
      }
      case 'output': {
        const { kind, offset, base64 } = body as { kind: OutputKind; offset: number; base64: string };
        const bytes = fromBase64(base64);
        if (offset !== (this.offset ?? offset) || after.offset !== offset + bytes.length) throw this.outOfStep(offset);
        this.moveTo(after);
        this.push({ type: 'output', kind, offset, bytes, position: id });
        return;
      }
      case 'gap': {
        const { from, to, reason } = body as { from: number; to: number; reason: 'retention' | 'damaged' };
        if (from > (this.offset ?? from)) throw this.outOfStep(from);
        this.moveTo(after);
        this.push({ type: 'gap', from, to, reason, position: id });
        return;
      }
      case 'reset':
        this.moveTo(after);
        this.push({ type: 'reset', ...(body as { exitCode: number | null }), position: id });
        return;
      default:
        return; // of a later version
    }
  }

  private moveTo(after: Position): void {
    this.head = after;
    this.offset = after.offset;
    this.faults = 0;
  }

  /** Handles output that does not continue the stream: it is never shown, and a new connection may mend it. */
  private outOfStep(offset: number): BinnacleError {
    this.faults += 1;
    const error = new BinnacleError('protocol_error', {
      message: 'Output is missing or doubled.',
      details: { expectedOffset: this.offset, offset },
    });
    return this.faults < MAX_FAULTS ? new BinnacleError('connection_lost', { cause: error }) : error;
  }

  private push(event: RunStreamEvent): void {
    this.parts.onEvent(event);
    this.buffer.push(event);
    this.buffered += cost(event);
    this.outlet.deliver();
  }

  private take(): RunStreamEvent | undefined {
    const event = this.buffer.shift();
    if (event === undefined) return undefined;
    this.buffered -= cost(event);
    this.delivered = event.position;
    if (this.buffered <= this.parts.bufferBytes) {
      this.roomy?.();
      this.roomy = null;
    }
    return event;
  }

  private finish(error: BinnacleError | null): void {
    if (!this.isOver) {
      this.isOver = true;
      this.unlisten();
      this.apply({ kind: 'stop', code: error?.code ?? 'client_closed' });
      this.roomy?.();
      this.parts.over(error);
    }
    this.outlet.end(error);
  }
}

const cost = (event: RunStreamEvent): number => EVENT_BYTES + (event.type === 'output' ? event.bytes.length : 0);

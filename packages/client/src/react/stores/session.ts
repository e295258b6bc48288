// One session as a store for components: its output, the state of the connection, the lease. Knows no React.

import {
  BinnacleError,
  parsePosition,
  type SessionInfo,
  type StartPosition,
  type StartScreen,
} from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import type { Attachment, AttachmentEvent, GapEvent } from '../../session/attachment.ts';
import type { Session } from '../../session/session.ts';
import { type Chunk, type ChunkList, ChunkLog, NO_CHUNKS } from '../log/chunks.ts';
import { type ForeignReport, NO_REPORT, withEvent } from './foreign.ts';
import { LeaseFollower, type LeaseSnapshot, NO_LEASE_YET } from './session-lease.ts';
import { SnapshotStore } from './store.ts';

/**
 * Start of the reading: a place in the log, or `{ screen: true, at? }`: what the terminal shows now or showed at an output
 * offset, and what follows.
 */
export type SessionStart = StartPosition | StartScreen;

/** Options of `useSession` and `SessionTerminal`. */
export interface SessionOptions {
  /** Start of the reading. Default: `maxBytes` before the end, so the whole of a shorter log. */
  readonly from?: SessionStart;
  /** Bytes of output to keep; older chunks are dropped. Default 8 MiB. */
  readonly maxBytes?: number;
}

/** State of a store. `ended` and `failed` stay: nothing reconnects after them. */
export type FollowState = 'connecting' | 'live' | 'reconnecting' | 'ended' | 'failed';

/** State of a session, as components see it. */
export interface SessionSnapshot extends LeaseSnapshot {
  /** State of the reading. `paused`: it stopped far behind the end, as a component asked; `follow` reads again. */
  readonly state: FollowState | 'paused';
  /** The session as of the beginning, with later sizes and its exit. Undefined until connected. */
  readonly info: SessionInfo | undefined;
  /** The stored output. */
  readonly chunks: ChunkList;
  /** Output bytes in front of the first chunk that was read. Begin earlier with `from` to read them. */
  readonly skippedBytes: number;
  /** The latest gaps; they are among the chunks as well. */
  readonly gaps: readonly GapEvent[];
  /** Whether everything that was printed before reading began has arrived. */
  readonly isCaughtUp: boolean;
  /** Why the reading failed. */
  readonly error: BinnacleError | undefined;
  /** Reports of the emitter of a foreign session. */
  readonly foreign: ForeignReport;
}

/** All but the chunks: a component that shows no chunks is not rendered for each of them. */
export type SessionFacts = Omit<SessionSnapshot, 'chunks'>;

/** A reading before its first event. */
const NOTHING_READ = {
  state: 'connecting',
  skippedBytes: 0,
  gaps: [],
  isCaughtUp: false,
  error: undefined,
  foreign: NO_REPORT,
} as const;

export const NO_SESSION_YET: SessionSnapshot = {
  ...NOTHING_READ,
  ...NO_LEASE_YET,
  info: undefined,
  chunks: NO_CHUNKS,
};

/** Draws chunks at its own pace. Back-pressure: reading waits for it before too many are buffered. */
export interface ChunkReader {
  /**
   * The session when the reading began, and the output offset of its beginning; undefined if it begins with a screen. The
   * first chunk comes when the promise resolves.
   */
  begin?(info: SessionInfo, offset: number | undefined): Promise<void> | undefined;
  /** The next chunk comes when the promise resolves. */
  draw(chunk: Chunk): Promise<void> | undefined;
  /** The next chunk was dropped. */
  missed(): void;
  /** The last chunk of the log was drawn. */
  ended?(): Promise<void>;
}

/** About 800 pages of a terminal. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_GAPS = 100;
/** Maximum lag of a reader, as a part of the buffer, before reading waits: no chunk is dropped under a reader. */
const MAX_LAG = 1 / 2;

interface ReaderCursor {
  readonly reader: ChunkReader;
  next: number;
  isOver: boolean;
  hasEnded: boolean;
}

export class SessionStore extends SnapshotStore<SessionSnapshot> {
  /** Handle that all components share: input numbers and the lease belong to it. */
  readonly session: Session;
  readonly lease: LeaseFollower;
  readonly #client: Binnacle;
  readonly #maxBytes: number;
  readonly #log: ChunkLog;
  readonly #readings = new Set<ReaderCursor>();
  /** Called when there is another chunk for readers, or when one of them has drawn some. */
  readonly #wakes = new Set<() => void>();
  #from: SessionStart;
  #unlisten: (() => void) | undefined;
  #attachment: Attachment | undefined;
  /** Start of the reading; null until the gateway has answered. */
  #begun: { readonly offset: number | undefined } | null = null;
  #facts: SessionSnapshot = NO_SESSION_YET;
  /** The state has changed in something other than chunks. */
  #hasNewFacts = false;

  constructor(client: Binnacle, id: string, options: SessionOptions) {
    super(NO_SESSION_YET);
    this.#client = client;
    this.session = client.session(id);
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#from = options.from ?? { tail: this.#maxBytes };
    this.#log = new ChunkLog(this.#maxBytes);
    this.lease = new LeaseFollower(this.session, (change) => this.change(change));
  }

  /** The published state; the same object while only chunks come. */
  get facts(): SessionFacts {
    return this.#facts;
  }

  begin(): void {
    this.#listen();
    this.#attach(this.#from);
  }

  /** Reads from another place. The chunks so far are dropped. */
  follow(from: SessionStart): void {
    if (this.isOver) return;
    this.#from = from;
    this.#begun = null;
    this.#attachment?.detach();
    this.#attachment = undefined;
    this.#log.clear();
    this.change(NOTHING_READ);
    this.#listen();
    this.#attach(from);
  }

  /** Stops reading, for a reader far behind the end. */
  pause(): void {
    this.change({ state: 'paused' });
    this.#attachment?.detach();
  }

  /** Reads on after a failure. Does nothing while it reads, and after the end. */
  retry(): void {
    if (this.latest.state !== 'failed' || this.isOver) return;
    this.change({ state: 'connecting', error: undefined });
    this.#attach(this.#attachment?.position ?? this.#from);
  }

  /** Delivers the stored chunks, then later ones. Returns a function that ends it. */
  read(reader: ChunkReader): () => void {
    const reading: ReaderCursor = { reader, next: this.#log.start, isOver: false, hasEnded: false };
    this.#readings.add(reading);
    this.#deliver(reading).catch((cause: unknown) => {
      this.#leave(reading);
      // A reader's fault is its own; it shows up as uncaught.
      queueMicrotask(() => {
        throw cause;
      });
    });
    return () => this.#leave(reading);
  }

  /** The output offset up to which everything was printed before we came, or came back. */
  get pastOffset(): number {
    return this.#attachment?.info?.outputOffset ?? 0;
  }

  protected stop(): void {
    this.#stopListening();
    for (const reading of this.#readings) reading.isOver = true;
    this.#readings.clear();
    this.#wake();
    // The lease ends with it: a client that steers must also watch.
    this.session.detach();
  }

  protected override change(change: Partial<SessionSnapshot>): void {
    if (Object.keys(change).length > 0) this.#hasNewFacts = true;
    super.change(change);
  }

  protected override settle(state: SessionSnapshot): SessionSnapshot {
    const chunks = this.#log.list();
    const next = state.chunks.version === chunks.version ? state : { ...state, chunks };
    if (this.#hasNewFacts) this.#facts = next;
    this.#hasNewFacts = false;
    return next;
  }

  #listen(): void {
    if (this.#unlisten !== undefined) return;
    this.#unlisten = this.#client.on('state', ({ kind }) => {
      const { state } = this.latest;
      if (kind === 'open' && state === 'reconnecting') this.change({ state: 'live' });
      else if (kind !== 'open' && state === 'live') this.change({ state: 'reconnecting' });
    });
    this.lease.begin();
  }

  #stopListening(): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.lease.stop();
  }

  #attach(from: SessionStart): void {
    try {
      const attachment = this.session.attach(from, { bufferBytes: this.#maxBytes });
      this.#attachment = attachment;
      this.#run(attachment).catch((cause: unknown) => {
        if (this.#attachment === attachment) this.#fail(BinnacleError.of(cause));
      });
    } catch (cause) {
      this.#fail(BinnacleError.of(cause));
    }
  }

  async #run(attachment: Attachment): Promise<void> {
    const isOver = (): boolean => this.isOver || this.#attachment !== attachment || this.latest.state === 'paused';
    for await (const event of attachment) {
      if (isOver()) return;
      this.#on(event);
      if (this.#readings.size > 0) await this.#room();
    }
    if (!isOver() && this.latest.state !== 'ended') this.#fail(new BinnacleError('client_closed'));
  }

  #on(event: AttachmentEvent): void {
    switch (event.type) {
      case 'attached': {
        const { offset } = parsePosition(event.position);
        const isScreen = typeof this.#from === 'object' && 'screen' in this.#from;
        const { info } = event;
        this.change({
          state: 'live',
          info,
          lease: info.lease,
          ...(this.#begun === null ? { skippedBytes: offset } : {}),
        });
        this.#begun ??= { offset: isScreen ? undefined : offset };
        if (!isScreen) this.#caughtUp(offset);
        this.#wake();
        return;
      }
      case 'screen':
        this.#push(event);
        this.#caughtUp(event.offset);
        return;
      case 'output':
        this.#push(event);
        this.#caughtUp(event.offset + event.bytes.length);
        return;
      case 'gap':
        this.change({ gaps: [...this.latest.gaps, event].slice(-MAX_GAPS) });
        this.#push(event);
        this.#caughtUp(event.to);
        return;
      case 'resize':
        this.#inform(event.data);
        this.#push(event);
        return;
      case 'event': {
        const { foreign } = this.latest;
        const now = withEvent(foreign, event);
        if (now !== foreign) this.change({ foreign: now });
        this.#push(event);
        return;
      }
      case 'exit': {
        const { exitCode, signal } = event.data;
        this.#inform({ state: 'exited', running: false, exitCode, signal, exitedAt: event.time });
        return;
      }
      case 'end':
        this.change({ state: 'ended', info: event.info, isCaughtUp: true, lease: null, isYours: false });
        // No listener and no lease remain, because either would connect again.
        this.#stopListening();
        this.session.lease.drop();
        this.#wake();
        return;
      default:
        return;
    }
  }

  #inform(change: Partial<SessionInfo>): void {
    const { info } = this.latest;
    if (info !== undefined) this.change({ info: { ...info, ...change } });
  }

  #push(chunk: Chunk): void {
    this.#log.push(chunk);
    this.change({});
    this.#wake();
  }

  #caughtUp(offset: number): void {
    if (!this.latest.isCaughtUp && offset >= this.pastOffset) this.change({ isCaughtUp: true });
  }

  #fail(error: BinnacleError): void {
    this.change({ state: 'failed', error, isYours: false });
  }

  // Readers

  async #deliver(reading: ReaderCursor): Promise<void> {
    const { reader } = reading;
    while (!reading.isOver && this.#begun === null) await this.#news();
    const { info } = this.latest;
    if (info !== undefined && !reading.isOver) await reader.begin?.(info, this.#begun?.offset);
    while (!reading.isOver) {
      if (reading.next < this.#log.start) {
        reader.missed();
        reading.next = this.#log.start;
      }
      const chunk = this.#log.at(reading.next);
      if (chunk !== undefined) {
        reading.next += 1;
        await reader.draw(chunk);
        this.#wake();
      } else if (this.latest.state === 'ended' && !reading.hasEnded) {
        reading.hasEnded = true;
        await reader.ended?.();
      } else await this.#news();
    }
  }

  #leave(reading: ReaderCursor): void {
    reading.isOver = true;
    this.#readings.delete(reading);
    this.#wake();
  }

  async #room(): Promise<void> {
    const isBehind = (): boolean =>
      [...this.#readings].some(({ next }) => this.#log.costFrom(next) > this.#maxBytes * MAX_LAG);
    while (!this.isOver && isBehind()) await this.#news();
  }

  async #news(): Promise<void> {
    await new Promise<void>((resolve) => this.#wakes.add(resolve));
  }

  #wake(): void {
    const wakes = [...this.#wakes];
    this.#wakes.clear();
    for (const wake of wakes) wake();
  }
}

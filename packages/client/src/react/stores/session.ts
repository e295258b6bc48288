// One session as a store for components: its output, the state of the connection, the lease. Knows no React.

import {
  BinnacleError,
  type Lease,
  type LeaseInfo,
  parsePosition,
  type SessionInfo,
  type StartPosition,
} from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import type { Attachment, AttachmentEvent, GapEvent } from '../../session/attachment.ts';
import type { LeaseRequest } from '../../session/client-lease.ts';
import type { Session } from '../../session/session.ts';
import { type Chunk, type ChunkList, ChunkLog, NO_CHUNKS } from '../log/chunks.ts';
import { asError } from '../result.ts';
import { lostTo } from '../terminal/steer.ts';
import { SnapshotStore } from './store.ts';

/** Options of `useSession` and `SessionTerminal`. */
export interface SessionOptions {
  /** Start of the reading. Default: `maxBytes` before the end, so the whole of a shorter log. */
  readonly from?: StartPosition;
  /** Bytes of output to keep; older chunks are dropped. Default 8 MiB. */
  readonly maxBytes?: number;
}

/** State of a store. `ended` and `failed` stay: nothing reconnects after them. */
export type FollowState = 'connecting' | 'live' | 'reconnecting' | 'ended' | 'failed';

/** State of a session, as components see it. */
export interface SessionSnapshot {
  /** State of the reading. */
  readonly state: FollowState;
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
  /** The holder of the lease; null if it is free. */
  readonly lease: LeaseInfo | null;
  /** Whether this client holds the lease. */
  readonly isYours: boolean;
  /** Client that took the lease from this one; null if it expired; undefined if it was not lost. */
  readonly lostTo: string | null | undefined;
}

export const NO_SESSION_YET: SessionSnapshot = {
  state: 'connecting',
  info: undefined,
  chunks: NO_CHUNKS,
  skippedBytes: 0,
  gaps: [],
  isCaughtUp: false,
  error: undefined,
  lease: null,
  isYours: false,
  lostTo: undefined,
};

/** Draws chunks at its own pace. Back-pressure: reading waits for it before too many are buffered. */
export interface ChunkReader {
  /** The next chunk comes when the promise resolves. */
  draw(chunk: Chunk): Promise<void> | undefined;
  /** The next chunk was dropped. */
  missed(): void;
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
}

export class SessionStore extends SnapshotStore<SessionSnapshot> {
  /** Handle that all components share: input numbers and the lease belong to it. */
  readonly session: Session;
  readonly #client: Binnacle;
  readonly #from: StartPosition;
  readonly #maxBytes: number;
  readonly #log: ChunkLog;
  readonly #undo: (() => void)[] = [];
  readonly #readings = new Set<ReaderCursor>();
  /** Called when there is another chunk for readers, or when one of them has drawn some. */
  readonly #wakes = new Set<() => void>();
  #attachment: Attachment | undefined;

  constructor(client: Binnacle, id: string, options: SessionOptions) {
    super(NO_SESSION_YET);
    this.#client = client;
    this.session = client.session(id);
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#from = options.from ?? { tail: this.#maxBytes };
    this.#log = new ChunkLog(this.#maxBytes);
  }

  begin(): void {
    this.#undo.push(
      this.#client.on('state', ({ kind }) => {
        const { state } = this.latest;
        if (kind === 'open' && state === 'reconnecting') this.change({ state: 'live' });
        else if (kind !== 'open' && state === 'live') this.change({ state: 'reconnecting' });
      }),
      this.session.lease.on('change', ({ lease }) => this.change({ lease, isYours: this.holds })),
      // The news of it came before it, and knew nothing of ours yet.
      this.session.lease.on('received', () => {
        this.change({ lease: this.session.lease.info, isYours: true, lostTo: undefined });
      }),
      this.session.lease.on('lost', (error) => {
        this.change({ lease: this.session.lease.info, isYours: false, lostTo: lostTo(error) });
      }),
    );
    this.#attach(this.#from);
  }

  /** Reads on after a failure. Does nothing while it reads, and after the end. */
  retry(): void {
    if (this.latest.state !== 'failed' || this.isOver) return;
    this.change({ state: 'connecting', error: undefined });
    this.#attach(this.#attachment?.position ?? this.#from);
  }

  /** Delivers the stored chunks, then later ones. Returns a function that ends it. */
  read(reader: ChunkReader): () => void {
    const reading: ReaderCursor = { reader, next: this.#log.start, isOver: false };
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

  /** The session as last read, published or not. */
  get info(): SessionInfo | undefined {
    return this.latest.info;
  }

  get holds(): boolean {
    return this.session.lease.current !== null;
  }

  /** Acquires the lease if it is free, or takes it from its holder. */
  async hold(action: 'acquire' | 'take', request: LeaseRequest = {}): Promise<Lease> {
    const lease = await this.session.lease[action](request);
    const { holder, fence, expiresInMs } = lease;
    this.change({ lease: { holder, fence, expiresInMs }, isYours: this.holds, lostTo: undefined });
    return lease;
  }

  async release(): Promise<void> {
    await this.session.lease.release();
    this.change({ lease: this.session.lease.info, isYours: this.holds, lostTo: undefined });
  }

  protected stop(): void {
    this.#unlisten();
    for (const reading of this.#readings) reading.isOver = true;
    this.#readings.clear();
    this.#wake();
    // The lease ends with it: a client that steers must also watch.
    this.session.detach();
  }

  protected override settle(state: SessionSnapshot): SessionSnapshot {
    const chunks = this.#log.list();
    return state.chunks.version === chunks.version ? state : { ...state, chunks };
  }

  #attach(from: StartPosition): void {
    try {
      const attachment = this.session.attach(from, { bufferBytes: this.#maxBytes });
      this.#attachment = attachment;
      this.#run(attachment).catch((cause: unknown) => {
        if (this.#attachment === attachment) this.#fail(asError(cause));
      });
    } catch (cause) {
      this.#fail(asError(cause));
    }
  }

  async #run(attachment: Attachment): Promise<void> {
    for await (const event of attachment) {
      if (this.isOver) return;
      this.#on(event);
      if (this.#readings.size > 0) await this.#room();
    }
    if (!this.isOver && this.latest.state !== 'ended') this.#fail(new BinnacleError('client_closed'));
  }

  #on(event: AttachmentEvent): void {
    switch (event.type) {
      case 'attached': {
        const { offset } = parsePosition(event.position);
        const isFirst = this.latest.info === undefined;
        this.change({
          state: 'live',
          info: event.info,
          lease: event.info.lease,
          ...(isFirst ? { skippedBytes: offset } : {}),
        });
        this.#caughtUp(offset);
        return;
      }
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
      case 'exit': {
        const { exitCode, signal } = event.data;
        this.#inform({ state: 'exited', running: false, exitCode, signal, exitedAt: event.time });
        return;
      }
      case 'end':
        this.change({ state: 'ended', info: event.info, isCaughtUp: true, lease: null, isYours: false });
        // No listener and no lease remain, because either would connect again.
        this.#unlisten();
        this.session.lease.drop();
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

  #unlisten(): void {
    for (const end of this.#undo.splice(0)) end();
  }

  // Readers

  async #deliver(reading: ReaderCursor): Promise<void> {
    const log = this.#log;
    while (!reading.isOver) {
      if (reading.next < log.start) {
        reading.reader.missed();
        reading.next = log.start;
      }
      const chunk = log.at(reading.next);
      if (chunk === undefined) {
        await new Promise<void>((resolve) => this.#wakes.add(resolve));
        continue;
      }
      reading.next += 1;
      await reading.reader.draw(chunk);
      this.#wake();
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
    while (!this.isOver && isBehind()) await new Promise<void>((resolve) => this.#wakes.add(resolve));
  }

  #wake(): void {
    const wakes = [...this.#wakes];
    this.#wakes.clear();
    for (const wake of wakes) wake();
  }
}

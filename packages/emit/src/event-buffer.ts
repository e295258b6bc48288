// Events that wait for the gateway: by session, in order, bounded. In memory, or on disk with their places in memory.

import { isUtf8 } from 'node:buffer';
import type { Diagnostics } from './diagnostics.ts';
import type { EventHead } from './fields.ts';
import type { Journal, RecordPlace } from './journal.ts';
import type { Tally } from './tally.ts';

/** Bytes that an event costs besides its content. */
const OVERHEAD_BYTES = 96;
/** Maximum bytes of joined outputs. On disk each output is stored at once instead. */
const JOINED_BYTES = 64 * 1024;
/** Bytes beyond the limit that the end of an unsent session may use. */
const RESERVE_BYTES = 256 * 1024;
/** Disk for delivered events before a cleanup, as a multiple of the limit. */
const SLACK = 2;

interface PendingEvent {
  readonly seq: number;
  size: number;
  cost: number;
  tried: boolean;
  /** Output alone, in memory: later output may join it. */
  readonly isOpen: boolean;
  /** Null where it is on disk. */
  readonly head: EventHead | null;
  /** Its output where it is in memory; the first `size` bytes of it. */
  bytes: Uint8Array;
  place: RecordPlace | null;
}

/** Epoch of a producer: of this process, or of one that has ended. */
export interface Life {
  readonly producer: string;
  readonly epoch: number;
  readonly journal: Journal | null;
  /** Sessions with waiting events; a served one goes to the end. */
  readonly channels: Map<string, Channel>;
}

/** The events of one session in one life. */
export class Channel {
  readonly id: string;
  readonly life: Life;
  readonly pending: PendingEvent[];
  nextSeq: number;
  /** The gateway refused the session for good: its events are not buffered. */
  isRefused: boolean;
  /** Not before this time, ms of `performance.now()`. */
  retryAt: number;
  failures: number;

  constructor(id: string, life: Life) {
    this.id = id;
    this.life = life;
    this.pending = [];
    this.nextSeq = 0;
    this.isRefused = false;
    this.retryAt = 0;
    this.failures = 0;
  }
}

export interface PickedEvent {
  readonly channel: Channel;
  readonly seq: number;
  /** The event was sent before, and the result is unknown. */
  readonly wasTried: boolean;
}

export interface Batch {
  readonly life: Life;
  readonly picked: readonly PickedEvent[];
  /** The body of the request. */
  readonly body: string;
  readonly isFull: boolean;
}

export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
  /** The gateway does not believe our clock. */
  readonly withoutTime: boolean;
}

export class EventBuffer {
  private readonly limit: number;
  private readonly tally: Tally;
  private readonly diagnostics: Diagnostics;
  /** Oldest epoch first; the last is our own. */
  private readonly lives: Life[];
  events: number;
  /** Bytes of output. */
  outputBytes: number;
  private used: number;
  isClosed: boolean;

  constructor(own: Life, limit: number, tally: Tally, diagnostics: Diagnostics) {
    this.limit = limit;
    this.tally = tally;
    this.diagnostics = diagnostics;
    this.lives = [own];
    this.events = 0;
    this.outputBytes = 0;
    this.used = 0;
    this.isClosed = false;
  }

  /** Number of sessions with waiting events. */
  get sessions(): number {
    return new Set(this.lives.flatMap((life) => [...life.channels.keys()])).size;
  }

  /** Returns false if there is no room. An `end` always has room, except for a session without any stored event. */
  put(channel: Channel, head: EventHead, output: Uint8Array, kind: 'output' | 'event' | 'end'): boolean {
    const last = channel.pending.at(-1);
    if (kind === 'output' && last !== undefined && joins(last, head, output)) {
      if (this.used + output.length > this.limit) return false;
      append(last, output);
      this.count(last, output.length, output.length);
      return true;
    }
    const cost = output.length + JSON.stringify(head).length + OVERHEAD_BYTES;
    const hasBegun = channel.nextSeq > 0;
    const most = kind !== 'end' ? this.limit : hasBegun ? Number.POSITIVE_INFINITY : this.limit + RESERVE_BYTES;
    if (this.used + cost > most) return false;
    const seq = channel.nextSeq;
    const place = this.keep(channel, seq, head, output);
    const isOnDisk = place !== null;
    const pending: PendingEvent = {
      seq,
      size: 0,
      cost: 0,
      tried: false,
      isOpen: kind === 'output' && place === null,
      head: isOnDisk ? null : head,
      // A copy: the caller may use its buffer again.
      bytes: isOnDisk || output.length === 0 ? NOTHING : Buffer.from(output),
      place,
    };
    this.add(channel, pending, output.length, cost);
    this.tally.offered += 1;
    return true;
  }

  /** Events that an ended process left are sent before this process's own. */
  adopt(life: Life): void {
    const { journal } = life;
    if (journal === null) return;
    const { events, damagedBytes } = journal.recover();
    if (damagedBytes > 0) {
      this.tally.lostBytes += damagedBytes;
      this.diagnostics.report({
        kind: 'damaged',
        message: `${damagedBytes} bytes of the buffer on disk do not match their checksum.`,
      });
    }
    const at = this.lives.findIndex(({ epoch }) => epoch > life.epoch);
    this.lives.splice(at < 0 ? this.lives.length - 1 : at, 0, life);
    for (const [id, recovered] of events) {
      const channel = new Channel(id, life);
      for (const { seq, size, place } of recovered) {
        this.add(
          channel,
          { seq, size: 0, cost: 0, tried: true, isOpen: false, head: null, bytes: NOTHING, place },
          size,
          place.length + OVERHEAD_BYTES,
        );
        this.tally.offered += 1;
        this.tally.adopted += 1;
      }
    }
  }

  /** Lives of ended processes of which nothing is left; they are forgotten. */
  finished(): Life[] {
    const done = this.lives.slice(0, -1).filter(({ channels }) => channels.size === 0);
    for (const life of done) this.lives.splice(this.lives.indexOf(life), 1);
    return done;
  }

  has(epoch: number): boolean {
    return this.lives.some((life) => life.epoch === epoch);
  }

  /** Enough for a whole request. */
  isPlenty(limits: BatchLimits): boolean {
    return this.events >= limits.events || this.used >= limits.bytes;
  }

  /** The oldest of what may be sent now. */
  pick(now: number, limits: BatchLimits): Batch | undefined {
    for (const life of this.lives) {
      const picked: PickedEvent[] = [];
      const events: string[] = [];
      let room = limits.bytes;
      for (const channel of [...life.channels.values()]) {
        if (channel.retryAt > now || this.isBehindAnother(channel)) continue;
        for (const pending of channel.pending) {
          if (picked.length >= limits.events) break;
          const event = this.encode(channel, pending, limits.withoutTime);
          const bytes = Buffer.byteLength(event) + 1;
          if (bytes > room && picked.length > 0) {
            room = 0;
            break;
          }
          room -= bytes;
          events.push(event);
          picked.push({ channel, seq: pending.seq, wasTried: pending.tried });
          if (!pending.tried) this.tally.sent += 1;
          pending.tried = true;
        }
        life.channels.delete(channel.id);
        life.channels.set(channel.id, channel);
        if (room <= 0 || picked.length >= limits.events) break;
      }
      if (picked.length === 0) continue;
      const producer = JSON.stringify({ id: life.producer, epoch: life.epoch });
      const body = `{"producer":${producer},"events":[${events.join(',')}]}`;
      return { life, picked, body, isFull: room <= 0 || picked.length >= limits.events };
    }
    return undefined;
  }

  /** Time at which the next paused channel may go on; undefined if none is paused. */
  nextRetry(now: number): number | undefined {
    let next: number | undefined;
    for (const life of this.lives)
      for (const { retryAt } of life.channels.values())
        if (retryAt > now) next = Math.min(next ?? Number.POSITIVE_INFINITY, retryAt);
    return next;
  }

  /** The first that waits of this session; undefined where nothing does. */
  front(channel: Channel): number | undefined {
    return channel.pending[0]?.seq;
  }

  /** All of the session up to `seq` is stored. Returns how many events that were. */
  done(channel: Channel, seq: number): number {
    let count = 0;
    while ((channel.pending[count]?.seq ?? Number.POSITIVE_INFINITY) <= seq) count += 1;
    if (count === 0) return 0;
    this.remove(channel, channel.pending.splice(0, count));
    this.compact(channel.life);
    return count;
  }

  giveUp(channel: Channel): void {
    channel.isRefused = true;
    const all = channel.pending.splice(0);
    this.tally.refused += all.length;
    for (const { size } of all) this.tally.lostBytes += size;
    this.remove(channel, all);
  }

  /** Closes what is on disk; it stays there. */
  close(): void {
    this.isClosed = true;
    for (const { journal } of this.lives) journal?.close();
  }

  private add(channel: Channel, pending: PendingEvent, size: number, cost: number): void {
    channel.pending.push(pending);
    channel.nextSeq = pending.seq + 1;
    channel.life.channels.set(channel.id, channel);
    this.events += 1;
    this.count(pending, size, cost);
  }

  private count(pending: PendingEvent, size: number, cost: number): void {
    pending.size += size;
    pending.cost += cost;
    this.outputBytes += size;
    this.used += cost;
  }

  private remove(channel: Channel, removed: readonly PendingEvent[]): void {
    const places: RecordPlace[] = [];
    for (const { size, cost, place } of removed) {
      this.outputBytes -= size;
      this.used -= cost;
      if (place !== null) places.push(place);
    }
    this.events -= removed.length;
    if (channel.pending.length === 0) channel.life.channels.delete(channel.id);
    const last = removed.at(-1);
    if (last !== undefined) channel.life.journal?.done(channel.id, last.seq, places);
  }

  /** Null where it has to stay in memory. */
  private keep(channel: Channel, seq: number, head: EventHead, output: Uint8Array): RecordPlace | null {
    const { journal } = channel.life;
    if (journal === null) return null;
    try {
      return journal.append({ id: channel.id, seq, head, output });
    } catch (error) {
      this.diagnostics.report({
        kind: 'disk',
        message: `The buffer on disk fails (${(error as Error).message}); memory is used.`,
      });
      return null;
    }
  }

  /** An older life sends all of a session first: a newer one would fence it off. */
  private isBehindAnother(channel: Channel): boolean {
    for (const life of this.lives) {
      if (life === channel.life) return false;
      if (life.channels.has(channel.id)) return true;
    }
    return false;
  }

  private encode(channel: Channel, pending: PendingEvent, withoutTime: boolean): string {
    let head = pending.head;
    let output = pending.bytes.subarray(0, pending.size);
    if (pending.place !== null) {
      const read = channel.life.journal?.read(pending.place);
      if (read === undefined) {
        // Its number must not be missing: the event says that its output is.
        if (pending.size > 0) this.tally.lostBytes += pending.size;
        this.diagnostics.report({ kind: 'damaged', message: 'A part of the buffer on disk cannot be read.' });
        head = pending.size > 0 ? { lost_bytes: pending.size } : {};
      } else {
        head = read.head;
        output = read.output;
      }
    }
    const { timestamp, ...rest } = head ?? {};
    const sent = withoutTime || timestamp === undefined ? rest : { ...rest, timestamp };
    return encodeEvent(channel.id, pending.seq, sent, output);
  }

  private compact(life: Life): void {
    if (life.journal === null) return;
    try {
      life.journal.compact(SLACK * this.limit, (id, seq, place) => {
        const pending = life.channels.get(id)?.pending.find((one) => one.seq === seq);
        if (pending !== undefined) pending.place = place;
      });
    } catch {
      // Tried again with the next answer.
    }
  }
}

const NOTHING = new Uint8Array(0);

function append(pending: PendingEvent, output: Uint8Array): void {
  const { size } = pending;
  if (pending.bytes.length < size + output.length) {
    const larger = Buffer.allocUnsafe(Math.max(1024, 2 * (size + output.length)));
    larger.set(pending.bytes.subarray(0, size));
    pending.bytes = larger;
  }
  pending.bytes.set(output, size);
}

const joins = (last: PendingEvent, { stream, lost_bytes }: EventHead, output: Uint8Array): boolean =>
  last.isOpen &&
  !last.tried &&
  last.size + output.length <= JOINED_BYTES &&
  last.head?.stream === stream &&
  lost_bytes === undefined;

/** Base64 takes a third more; text of many control characters takes up to six times its bytes. */
const WORST_TEXT = 1.4;

/** Output is sent as text where that is exact and short, else as base64. */
function encodeEvent(id: string, seq: number, head: EventHead, output: Uint8Array): string {
  const event = { session_id: id, seq, ...head };
  if (output.length === 0) return JSON.stringify(event);
  const bytes = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
  if (isUtf8(bytes) && !bytes.includes(0)) {
    const text = JSON.stringify({ ...event, response: bytes.toString('utf8') });
    if (text.length <= bytes.length * WORST_TEXT + 500) return text;
  }
  return JSON.stringify({ ...event, response_base64: bytes.toString('base64') });
}

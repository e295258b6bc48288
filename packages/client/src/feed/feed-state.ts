// When a feed requests, pauses, tries again and ends, and what it may keep: pure transitions, like
// transport/reconnect.ts. It holds a position and counts bytes; the items themselves are elsewhere.

import { BinnacleError, CODES, comparePositions, formatPosition, type Position } from '@binnacle/protocol';
import { type Backoff, backoffDelay } from '../transport/reconnect.ts';

export interface FeedState {
  /**
   * `waiting`: for a connection, or for the next try on it. `paused`: the buffer is full, and the gateway sends nothing
   * until there is room.
   */
  readonly phase: 'waiting' | 'requesting' | 'live' | 'paused' | 'over';
  readonly isConnected: boolean;
  /** The gateway has sent at some time. */
  readonly hasBegun: boolean;
  /** The connection was lost since the gateway last began to send. */
  readonly wasLost: boolean;
  /** A timer runs until the next try. */
  readonly isRetrying: boolean;
  /** Number of the request, so that the answer to an older one is not taken for this one's. */
  readonly attempt: number;
  readonly failures: number;
  /** Parts that did not follow, since one last did. */
  readonly faults: number;
  /** Position behind the last part. Null before the first request was answered. */
  readonly head: Position | null;
  /** Bytes that wait for the consumer. */
  readonly buffered: number;
}

/** Part of a log as it came from the gateway. */
export interface Part {
  /**
   * `output`, `entry` (which always moves the position) and `gap` (which may begin before it) are of the log. `state`
   * says how things stand at a place.
   */
  readonly kind: 'output' | 'entry' | 'gap' | 'state';
  /** Output offset at its beginning. Undefined if there is nothing to compare. */
  readonly from?: number | undefined;
  /** Position behind it. Undefined in a feed of many logs, whose codec keeps their positions. */
  readonly after?: Position | undefined;
  /** Bytes that it costs in the buffer; 0 if it is not handed out. */
  readonly cost: number;
  /** Nothing comes behind it. */
  readonly isLast?: boolean | undefined;
}

export type FeedEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'lost' }
  /** The gateway sends from here on. `at`: where it begins; undefined if that was not said. */
  | {
      readonly kind: 'begun';
      readonly attempt: number;
      readonly at?: Position | undefined;
      /** It may begin anywhere: nothing of the log was handed out. */
      readonly isFresh?: boolean | undefined;
      readonly cost: number;
      readonly isAwaited: boolean;
    }
  /** The gateway does not send, or no longer. `attempt`: of the request that this answers. */
  | { readonly kind: 'refused'; readonly error: BinnacleError; readonly attempt?: number | undefined }
  /** `isAwaited`: the consumer waits for it, so that it takes no room. */
  | { readonly kind: 'part'; readonly part: Part; readonly isAwaited: boolean }
  /** Something came that cannot be there, at this offset. */
  | { readonly kind: 'fault'; readonly offset: number }
  | { readonly kind: 'taken'; readonly cost: number }
  | { readonly kind: 'timer' }
  /** The consumer wants no more. */
  | { readonly kind: 'stop' }
  /** Nothing comes any more, whatever the phase. `cost`: of a last item. */
  | { readonly kind: 'end'; readonly error: BinnacleError | null; readonly cost?: number };

export type FeedEffect =
  /** Put what came with the event into the buffer. */
  | { readonly kind: 'keep' }
  /** Request what follows the head. */
  | { readonly kind: 'request'; readonly attempt: number }
  /** Have the gateway send nothing more for now. */
  | { readonly kind: 'pause' }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Forget the timer. */
  | { readonly kind: 'cancel' }
  | { readonly kind: 'report'; readonly error: BinnacleError }
  /** Let go of the connection and open another: what it sends does not follow. */
  | { readonly kind: 'reconnect'; readonly error: BinnacleError }
  /** The feed is over. `error` is thrown behind what is in the buffer. */
  | { readonly kind: 'close'; readonly error: BinnacleError | null };

export interface FeedStep {
  readonly state: FeedState;
  readonly effects: readonly FeedEffect[];
}

export interface FeedLimits {
  readonly bufferBytes: number;
  readonly backoff: Backoff;
  /** Counts no bytes between its events: what is not behind the head is a duplicate, and no fault. */
  readonly isEventLog?: boolean;
  /** Names the log in errors. */
  readonly about: Readonly<Record<string, string>>;
}

/** Request again when so little is left: the rest bridges the round trip. */
const LOW_WATER = 1 / 4;
/** Maximum faults at one place. One may be a proxy's; more are the gateway's. */
const MAX_FAULTS = 3;

export const firstState = (head: Position | null): FeedState => ({
  phase: 'waiting',
  isConnected: false,
  hasBegun: false,
  wasLost: false,
  isRetrying: false,
  attempt: 0,
  failures: 0,
  faults: 0,
  head,
  buffered: 0,
});

/** `random`: from 0 to 1, used for one wait. */
export function stepFeed(state: FeedState, event: FeedEvent, limits: FeedLimits, random: number): FeedStep {
  if (event.kind === 'taken') return take(state, event.cost, limits);
  if (state.phase === 'over') return stay(state);
  const { phase, head } = state;
  const isSending = phase === 'requesting' || phase === 'live';
  switch (event.kind) {
    case 'connected':
      return request({ ...state, isConnected: true });
    case 'lost':
      return {
        state: {
          ...state,
          phase: isSending ? 'waiting' : phase,
          isConnected: false,
          wasLost: state.hasBegun,
          isRetrying: false,
        },
        effects: state.isRetrying ? [{ kind: 'cancel' }] : [],
      };
    case 'timer':
      return request({ ...state, isRetrying: false });
    case 'begun': {
      if (phase !== 'requesting' || event.attempt !== state.attempt) return stay(state);
      const { at = head } = event;
      if (head !== null && at !== null && event.isFresh !== true) {
        if (at.epoch !== head.epoch) return close(state, wrongEpoch(head, at));
        if (at.offset !== head.offset || (limits.isEventLog === true && at.place !== head.place))
          return fault(state, at.offset, limits);
      }
      const next = head === null || event.isFresh === true ? at : head;
      const begun = { ...state, phase: 'live', hasBegun: true, wasLost: false, failures: 0, head: next } as const;
      return keep(begun, event, limits);
    }
    case 'refused': {
      const { error, attempt } = event;
      if (attempt === undefined ? phase !== 'live' : phase !== 'requesting' || attempt !== state.attempt)
        return stay(state);
      // Waiting does not make room among our own subscriptions.
      if (!CODES[error.code].retry || error.code === 'too_many_subscriptions') return close(state, error);
      const ms = backoffDelay(state.failures, random, limits.backoff);
      return {
        state: { ...state, phase: 'waiting', isRetrying: true, failures: state.failures + 1 },
        effects: [
          { kind: 'report', error },
          { kind: 'wait', ms },
        ],
      };
    }
    case 'part': {
      const { part } = event;
      // Parts that the gateway sent before it heard of the pause come again.
      if (phase !== 'live') return stay(state);
      const verdict = continuity(head, part, limits);
      if (verdict === 'duplicate') return stay(state);
      if (verdict === 'fault') return fault(state, part.from ?? part.after?.offset ?? 0, limits);
      const faults = part.kind === 'state' ? state.faults : 0;
      const next = { ...state, faults, head: part.after ?? head };
      if (part.isLast !== true) return keep(next, { cost: part.cost, isAwaited: event.isAwaited }, limits);
      return close({ ...next, buffered: next.buffered + part.cost }, null, [{ kind: 'keep' }]);
    }
    case 'fault':
      return phase === 'live' ? fault(state, event.offset, limits) : stay(state);
    case 'stop':
      return close(state, null, isSending ? [{ kind: 'pause' }] : []);
    case 'end': {
      const { error, cost } = event;
      return close(
        { ...state, buffered: state.buffered + (cost ?? 0) },
        error,
        cost === undefined ? [] : [{ kind: 'keep' }],
      );
    }
  }
}

/** Whether a part is the one behind `head`. */
function continuity(
  head: Position | null,
  { kind, from, after }: Part,
  { isEventLog }: FeedLimits,
): 'next' | 'duplicate' | 'fault' {
  if (head === null || after === undefined) return 'next';
  if (after.epoch !== head.epoch) return 'fault';
  const moved = comparePositions(after, head);
  if (isEventLog === true) return moved > 0 ? 'next' : 'duplicate';
  if (moved < 0 || (kind === 'entry' && moved === 0)) return 'fault';
  if (from === undefined) return 'next';
  const follows = kind === 'gap' ? from <= head.offset && after.offset >= head.offset : from === head.offset;
  return follows ? 'next' : 'fault';
}

function request(state: FeedState): FeedStep {
  if (state.phase !== 'waiting' || !state.isConnected || state.isRetrying) return stay(state);
  const attempt = state.attempt + 1;
  return { state: { ...state, phase: 'requesting', attempt }, effects: [{ kind: 'request', attempt }] };
}

/** A consumer that waits takes the item at once. */
function keep(state: FeedState, item: { cost: number; isAwaited: boolean }, { bufferBytes }: FeedLimits): FeedStep {
  if (item.cost === 0) return stay(state);
  const buffered = state.buffered + item.cost;
  if (item.isAwaited || buffered <= bufferBytes) return { state: { ...state, buffered }, effects: [{ kind: 'keep' }] };
  return { state: { ...state, buffered, phase: 'paused' }, effects: [{ kind: 'keep' }, { kind: 'pause' }] };
}

function take(state: FeedState, cost: number, { bufferBytes }: FeedLimits): FeedStep {
  const buffered = state.buffered - cost;
  if (state.phase !== 'paused' || buffered > bufferBytes * LOW_WATER) return stay({ ...state, buffered });
  return request({ ...state, buffered, phase: 'waiting' });
}

/** Handles a part that does not follow: it is never handed out, and a new connection may mend it. */
function fault(state: FeedState, offset: number, { about }: FeedLimits): FeedStep {
  const { head } = state;
  const expected = head === null ? {} : { expectedOffset: head.offset, behind: formatPosition(head) };
  const error = new BinnacleError('protocol_error', {
    message: 'Output or events are missing or doubled.',
    details: { ...about, ...expected, offset },
  });
  const faults = state.faults + 1;
  if (faults < MAX_FAULTS) return { state: { ...state, faults }, effects: [{ kind: 'reconnect', error }] };
  return close({ ...state, faults }, error, [{ kind: 'pause' }]);
}

function close(state: FeedState, error: BinnacleError | null, before: readonly FeedEffect[] = []): FeedStep {
  const effects: FeedEffect[] = [...before];
  if (state.isRetrying) effects.push({ kind: 'cancel' });
  return { state: { ...state, phase: 'over', isRetrying: false }, effects: [...effects, { kind: 'close', error }] };
}

const stay = (state: FeedState): FeedStep => ({ state, effects: [] });

/** The log has lost its history since. */
export const wrongEpoch = (head: Position, at: Position): BinnacleError =>
  new BinnacleError('wrong_epoch', { details: { asked: head.epoch, got: at.epoch } });

import { BinnacleError, type Epoch, type Position } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import {
  type FeedEffect,
  type FeedEvent,
  type FeedLimits,
  type FeedState,
  firstState,
  type Part,
  stepFeed,
} from './feed-state.ts';

const E1 = 'e1' as Epoch;
const at = (place: number, offset: number, epoch = E1): Position => ({ epoch, place, offset });
const LIMITS: FeedLimits = {
  bufferBytes: 1_000,
  backoff: { baseMs: 100, capMs: 400, steadyMs: 0 },
  about: { session: 's' },
};

/** State and last effects after these events. */
function after(events: readonly FeedEvent[], from = firstState(null), limits = LIMITS) {
  let state = from;
  let effects: readonly FeedEffect[] = [];
  for (const event of events) ({ state, effects } = stepFeed(state, event, limits, 1));
  return { state, effects, kinds: effects.map(({ kind }) => kind) };
}

const begun = (attempt: number, position: Position, more = {}): FeedEvent => ({
  kind: 'begun',
  attempt,
  at: position,
  cost: 0,
  isAwaited: false,
  ...more,
});
const part = (more: Partial<Part>, isAwaited = false): FeedEvent => ({
  kind: 'part',
  part: { kind: 'output', from: 0, after: at(0, 10), cost: 10, ...more },
  isAwaited,
});
const LIVE: FeedEvent[] = [{ kind: 'connected' }, begun(1, at(0, 0))];
const lost: FeedEvent = { kind: 'lost' };
const refused = (code: BinnacleError['code'], attempt?: number): FeedEvent => ({
  kind: 'refused',
  error: new BinnacleError(code),
  attempt,
});

describe('a feed', () => {
  it('requests once there is a connection, and again after each new one', () => {
    expect(after([{ kind: 'connected' }])).toMatchObject({ effects: [{ kind: 'request', attempt: 1 }] });
    expect(after([...LIVE, { kind: 'connected' }]).kinds).toEqual([]);
    const again = after([...LIVE, lost, { kind: 'connected' }]);
    expect(again).toMatchObject({ state: { phase: 'requesting' }, effects: [{ kind: 'request', attempt: 2 }] });
  });

  it('takes no answer to an older request for the present one', () => {
    const { state } = after([{ kind: 'connected' }, lost, { kind: 'connected' }, begun(1, at(0, 7))]);
    expect(state).toMatchObject({ phase: 'requesting', head: null });
    expect(after([refused('session_gone', 1)], state).state.phase).toBe('requesting');
  });

  it.each<[string, Partial<Part>]>([
    ['output', { from: 5, after: at(0, 9) }],
    ['output that begins later', { from: 6, after: at(0, 9) }],
    ['output that begins earlier', { from: 4, after: at(0, 9) }],
    ['output of an earlier entry', { from: 5, after: at(-1, 9) }],
    ['an entry', { kind: 'entry', from: 5, after: at(1, 5) }],
    ['an entry that was there', { kind: 'entry', from: 5, after: at(0, 5) }],
    ['a gap', { kind: 'gap', from: 5, after: at(2, 9) }],
    ['a gap that begins earlier', { kind: 'gap', from: 1, after: at(2, 9) }],
    ['a gap that begins later', { kind: 'gap', from: 6, after: at(2, 9) }],
    ['a gap that ends before it', { kind: 'gap', from: 1, after: at(2, 4) }],
    ['a state here', { kind: 'state', from: 5, after: at(0, 5) }],
    ['a state elsewhere', { kind: 'state', from: 6, after: at(1, 6) }],
    ['another epoch', { from: 5, after: at(0, 9, 'e2' as Epoch) }],
  ])('at offset 5, %s is kept only if it follows exactly', (name, more) => {
    const follows = ['output', 'an entry', 'a gap', 'a gap that begins earlier', 'a state here'].includes(name);
    const { state, kinds } = after([{ kind: 'connected' }, begun(1, at(0, 5)), part(more)]);
    expect(kinds).toEqual([follows ? 'keep' : 'reconnect']);
    expect(state.head).toEqual(follows ? more.after : at(0, 5));
  });

  it('of events drops what it has, because their log counts no bytes', () => {
    const limits = { ...LIMITS, isEventLog: true };
    const { state } = after([...LIVE, part({ kind: 'entry', from: undefined, after: at(3, 0) })], undefined, limits);
    for (const place of [1, 3])
      expect(after([part({ kind: 'entry', from: undefined, after: at(place, 0) })], state, limits).kinds).toEqual([]);
    expect(after([part({ from: undefined, after: at(4, 0) })], state, limits).kinds).toEqual(['keep']);
  });

  it('gives up at the third fault at one place, and forgets faults when it moves on', () => {
    const faulty = (state?: FeedState) => after([part({ from: 3 })], state);
    const cut = (state: FeedState, attempt: number) =>
      after([lost, { kind: 'connected' }, begun(attempt, state.head ?? at(0, 0))], state).state;
    let { state, effects } = faulty(after(LIVE).state);
    expect(effects).toMatchObject([{ kind: 'reconnect', error: { code: 'protocol_error', details: { offset: 3 } } }]);
    ({ state } = faulty(cut(state, 2)));
    const moved = after([part({})], cut(state, 3)).state;
    expect(faulty(moved).kinds).toEqual(['reconnect']);
    // How things stand is said on each connection: that is no progress.
    ({ state, effects } = faulty(after([part({ kind: 'state', after: at(0, 0) })], cut(state, 3)).state));
    expect(effects).toMatchObject([{ kind: 'pause' }, { kind: 'close', error: { code: 'protocol_error' } }]);
    expect(state.phase).toBe('over');
  });

  it('ends when the log lost its history, and when it goes on elsewhere connects again', () => {
    const there = [...LIVE, part({}), lost, { kind: 'connected' } as const];
    expect(after([...there, begun(2, at(0, 10, 'e2' as Epoch))]).effects).toMatchObject([
      { kind: 'close', error: { code: 'wrong_epoch', details: { asked: 'e1', got: 'e2' } } },
    ]);
    expect(after([...there, begun(2, at(0, 9))]).kinds).toEqual(['reconnect']);
    // In a log of bytes a position has several spellings.
    expect(after([...there, begun(2, at(3, 10))]).state.phase).toBe('live');
    const events = { ...LIMITS, isEventLog: true };
    expect(after([...there, begun(2, at(3, 10))], undefined, events).kinds).toEqual(['reconnect']);
    expect(after([...there, begun(2, at(3, 99), { isFresh: true })]).state.head).toEqual(at(3, 99));
  });

  it('tries again later where that may help, longer each time, and at once on a new connection', () => {
    let { state, effects } = after([...LIVE, refused('runner_unavailable')]);
    expect(effects).toMatchObject([{ kind: 'report' }, { kind: 'wait', ms: 100 }]);
    expect(after([{ kind: 'connected' }], state).kinds).toEqual([]);
    ({ state, effects } = after([{ kind: 'timer' }, refused('runner_unavailable', 2)], state));
    expect(effects).toMatchObject([{ kind: 'report' }, { kind: 'wait', ms: 200 }]);
    ({ state, effects } = after([lost], state));
    expect(effects).toEqual([{ kind: 'cancel' }]);
    expect(after([{ kind: 'connected' }, begun(3, at(0, 0))], state).state.failures).toBe(0);
    for (const code of ['session_gone', 'too_many_subscriptions'] as const)
      expect(after([...LIVE, refused(code)]).effects).toMatchObject([{ kind: 'close', error: { code } }]);
  });

  it('pauses the gateway when the buffer is full, and requests the rest when a quarter is left', () => {
    const full = after([...LIVE, part({ cost: 600 }), part({ from: 10, after: at(0, 20), cost: 600 })]);
    expect(full).toMatchObject({ state: { phase: 'paused', buffered: 1_200 }, kinds: ['keep', 'pause'] });
    // On its way already: it comes again.
    expect(after([part({ from: 20, after: at(0, 30) })], full.state).kinds).toEqual([]);
    const { state } = after([{ kind: 'taken', cost: 600 }], full.state);
    expect(state.phase).toBe('paused');
    expect(after([{ kind: 'taken', cost: 600 }], state)).toMatchObject({
      state: { phase: 'requesting', head: at(0, 20) },
      effects: [{ kind: 'request', attempt: 2 }],
    });
    // Without a connection there is nothing to request.
    expect(after([lost, { kind: 'taken', cost: 600 }, { kind: 'taken', cost: 600 }], full.state)).toMatchObject({
      state: { phase: 'waiting' },
      effects: [],
    });
  });

  it('does not pause for an item that the consumer waits for', () => {
    expect(after([...LIVE, part({ cost: 5_000 }, true)]).kinds).toEqual(['keep']);
  });

  it('ends behind the last part, once', () => {
    const { state, effects } = after([...LIVE, part({ isLast: true })]);
    expect(effects).toEqual([{ kind: 'keep' }, { kind: 'close', error: null }]);
    for (const event of [part({}), { kind: 'stop' }, { kind: 'end', error: null }, lost] as FeedEvent[])
      expect(after([event], state).kinds).toEqual([]);
  });

  it('tells the gateway when the consumer stops it, unless it sends nothing anyway', () => {
    expect(after([...LIVE, { kind: 'stop' }]).kinds).toEqual(['pause', 'close']);
    expect(after([{ kind: 'stop' }]).kinds).toEqual(['close']);
    expect(after([...LIVE, refused('runner_unavailable'), { kind: 'stop' }]).kinds).toEqual(['cancel', 'close']);
  });

  it('ends with an error, or with a last item, in any phase', () => {
    const error = new BinnacleError('forbidden');
    expect(after([{ kind: 'end', error }]).effects).toEqual([{ kind: 'close', error }]);
    expect(after([{ kind: 'end', error: null, cost: 256 }]).kinds).toEqual(['keep', 'close']);
  });
});

/** Entry of the log of the test: output of `size` bytes, or another entry (0). Places are tens, as entries have sizes. */
interface LogEntry {
  readonly index: number;
  readonly place: number;
  readonly offset: number;
  readonly size: number;
}

function logOf(sizes: readonly number[]): LogEntry[] {
  let offset = 0;
  return sizes.map((size, index) => {
    offset += size;
    return { index, place: index * 10, offset: offset - size, size };
  });
}

type Frame = { readonly begun: number; readonly at: Position } | Item;
type Item = Part & { readonly from: number; readonly after: Position; readonly index: number };

/** A log and its gateway, a connection that is cut, and a consumer, by turns that the property chooses. */
class World {
  state: FeedState;
  readonly limits: FeedLimits;
  readonly log: readonly LogEntry[];
  readonly taken: Item[] = [];
  readonly buffer: Item[] = [];
  error: BinnacleError | null | undefined;
  /** Index of the first entry that is kept. */
  oldest = 0;
  most = 0;
  #requests: (number | 'pause')[] = [];
  #frames: Frame[] = [];
  /** Place of the gateway in the log; null while it sends nothing. */
  #cursor: Position | null = null;

  constructor(sizes: readonly number[], limits: FeedLimits) {
    this.log = logOf(sizes);
    this.limits = limits;
    this.state = firstState(null);
  }

  get total(): number {
    return this.log.reduce((sum, { size }) => sum + size, 0);
  }

  apply(event: FeedEvent, item?: Item): void {
    const { state, effects } = stepFeed(this.state, event, this.limits, 0.5);
    this.state = state;
    for (const effect of effects) {
      if (effect.kind === 'keep' && item !== undefined) this.buffer.push(item);
      else if (effect.kind === 'request') this.#requests.push(effect.attempt);
      else if (effect.kind === 'pause') this.#requests.push('pause');
      else if (effect.kind === 'reconnect') this.cut();
      else if (effect.kind === 'close') this.error = effect.error;
    }
    this.most = Math.max(this.most, state.buffered);
  }

  connect(): void {
    if (!this.state.isConnected) this.apply({ kind: 'connected' });
  }

  cut(): void {
    this.#requests = [];
    this.#frames = [];
    this.#cursor = null;
    if (this.state.isConnected) this.apply({ kind: 'lost' });
  }

  /** The gateway handles one request, or sends one frame. */
  serve(size: number): void {
    const request = this.#requests.shift();
    if (request === 'pause') this.#cursor = null;
    else if (request !== undefined) {
      this.#cursor = this.state.head ?? at(0, 0);
      this.#frames.push({ begun: request, at: this.#cursor });
    } else if (this.#cursor !== null) {
      const frame = this.#next(this.#cursor, size);
      this.#frames.push(frame);
      this.#cursor = frame.isLast === true ? null : frame.after;
    }
  }

  #next(cursor: Position, size: number): Item {
    const next = this.log.find((e) => e.place >= cursor.place && (e.size === 0 || e.offset + e.size > cursor.offset));
    if (next === undefined)
      return { kind: 'state', from: cursor.offset, after: cursor, cost: 1, isLast: true, index: -1 };
    const oldest = this.log[this.oldest];
    if (oldest !== undefined && next.index < this.oldest)
      return { kind: 'gap', from: cursor.offset, after: at(oldest.place, oldest.offset), cost: 1, index: next.index };
    const { index, place } = next;
    if (next.size === 0)
      return { kind: 'entry', from: next.offset, after: at(place + 10, next.offset), cost: 1, index };
    const from = Math.max(next.offset, cursor.offset);
    const end = Math.min(next.offset + next.size, from + size);
    return { kind: 'output', from, after: at(place, end), cost: end - from, index };
  }

  /** A frame arrives, is lost on its way, or arrives twice. */
  arrive(fate: 'once' | 'twice' | 'never'): void {
    const frame = this.#frames.shift();
    if (frame === undefined) return;
    if (fate === 'never') {
      // A part without bytes leaves no hole: the connection misses the frame by its number.
      if (!('kind' in frame) || frame.kind !== 'output') this.cut();
      return;
    }
    for (let i = 0; i < (fate === 'twice' ? 2 : 1); i += 1) {
      if ('begun' in frame)
        this.apply({ kind: 'begun', attempt: frame.begun, at: frame.at, cost: 0, isAwaited: false });
      else this.apply({ kind: 'part', part: frame, isAwaited: false }, frame);
    }
  }

  refuse(): void {
    this.#cursor = null;
    this.#frames = [];
    this.apply({ kind: 'refused', error: new BinnacleError('runner_unavailable') });
  }

  take(): void {
    const item = this.buffer.shift();
    if (item === undefined) return;
    this.taken.push(item);
    this.apply({ kind: 'taken', cost: item.cost });
  }

  /** A new connection, on which everything arrives. (That an answer was lost shows in the numbers of frames.) */
  finish(): void {
    this.cut();
    for (let i = 0; i < 10_000 && (this.error === undefined || this.buffer.length > 0); i += 1) {
      this.connect();
      if (this.state.isRetrying) this.apply({ kind: 'timer' });
      this.serve(50);
      this.arrive('once');
      this.take();
    }
  }

  /** Checks that the items handed out are the log from its start without a hole and without a repetition, as far as it goes. */
  check(): void {
    let offset = 0;
    let index = -1;
    for (const item of this.taken) {
      expect(item.kind === 'gap' ? item.from <= offset : item.from === offset).toBe(true);
      if (item.kind === 'entry') expect(item.index).toBeGreaterThan(index);
      if (item.kind === 'gap') index = this.log.findIndex(({ place }) => place === item.after.place) - 1;
      else if (item.index > index) {
        // Entries between two that were handed out are not left out, except those that are empty in a gap.
        expect(
          this.log.slice(index + 1, item.index).every(({ size, offset: o }) => size > 0 && o + size <= offset),
        ).toBe(true);
        index = item.kind === 'entry' ? item.index : item.index - 1;
      }
      offset = item.after.offset;
    }
    if (this.error === null) expect(offset).toBe(this.total);
  }
}

const turn = fc.oneof(
  { weight: 8, arbitrary: fc.record({ t: fc.constant('serve' as const), size: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 6, arbitrary: fc.constant({ t: 'once' as const }) },
  { weight: 3, arbitrary: fc.constant({ t: 'take' as const }) },
  { weight: 2, arbitrary: fc.constantFrom({ t: 'connect' as const }, { t: 'twice' as const }) },
  { weight: 1, arbitrary: fc.constantFrom({ t: 'cut' as const }, { t: 'timer' as const }, { t: 'refuse' as const }) },
  { weight: 1, arbitrary: fc.constantFrom({ t: 'never' as const }, { t: 'retention' as const }) },
);

describe('exact-resume: every byte and every entry comes once and in order', () => {
  it('over cuts, refusals, lost and doubled frames, retention and a slow consumer, within the buffer', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 120 })), { minLength: 3, maxLength: 12 }),
        fc.array(turn, { minLength: 60, maxLength: 150 }),
        fc.integer({ min: 0, max: 200 }),
        (sizes, turns, bufferBytes) => {
          const world = new World(sizes, { ...LIMITS, bufferBytes });
          world.connect();
          for (const one of turns) {
            if (one.t === 'serve') world.serve(one.size);
            else if (one.t === 'take') world.take();
            else if (one.t === 'connect') world.connect();
            else if (one.t === 'cut') world.cut();
            else if (one.t === 'timer' && world.state.isRetrying) world.apply({ kind: 'timer' });
            else if (one.t === 'refuse') world.refuse();
            else if (one.t === 'retention') world.oldest = Math.min(world.oldest + 1, sizes.length - 1);
            else if (one.t === 'once' || one.t === 'twice' || one.t === 'never') world.arrive(one.t);
          }
          world.finish();
          world.check();
          // At most one frame more than fits.
          expect(world.most).toBeLessThanOrEqual(bufferBytes + 60);
          if (world.error !== null) expect(world.error?.code).toBe('protocol_error');
          else expect(world.taken.filter(({ isLast }) => isLast === true)).toHaveLength(1);
        },
      ),
      { numRuns: count({ quick: 1_000, all: 20_000 }) },
    );
  });
});

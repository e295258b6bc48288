import { CODES, type Code } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BACKOFF, backoffDelay, FIRST, type Link, type LinkEvent, step } from './reconnect.ts';

/** Does what the connection does with the actions, and counts. */
class World {
  link: Link = FIRST;
  sockets = new Set<number>();
  timers = new Set<number>();
  opened = 0;
  now = 0;

  send(event: LinkEvent, random = 0.5): void {
    const { state, actions } = step(this.link, event, this.now, random);
    // A socket that says that it closed is gone, whatever the state makes of it.
    if (event.kind === 'closed') this.sockets.delete(event.generation);
    if (event.kind === 'timer') this.timers.delete(event.generation);
    this.link = state;
    for (const action of actions) {
      if (action.kind === 'drop') this.sockets.clear();
      if (action.kind === 'cancel') this.timers.clear();
      if (action.kind === 'wait') this.timers.add(action.generation);
      if (action.kind === 'open') {
        this.sockets.add(action.generation);
        this.opened += 1;
      }
    }
  }
}

const codes = Object.keys(CODES) as Code[];
const generation = fc.integer({ min: 0, max: 12 });
const arbitraryEvent: fc.Arbitrary<LinkEvent> = fc.oneof(
  fc.constant<LinkEvent>({ kind: 'want' }),
  fc.constant<LinkEvent>({ kind: 'unwant' }),
  fc.constant<LinkEvent>({ kind: 'wake' }),
  fc.record({ kind: fc.constant('opened' as const), generation }),
  fc.record({
    kind: fc.constant('closed' as const),
    generation,
    closeCode: fc.constantFrom(1000, 1001, 1006, 1011, 1012, 4001, 4003, 4008, 4009, 4999),
    code: fc.constant(null),
  }),
  fc.record({ kind: fc.constant('refused' as const), generation, code: fc.constantFrom(...codes) }),
  fc.record({ kind: fc.constant('broken' as const), generation }),
  fc.record({ kind: fc.constant('timer' as const), generation }),
);
const moves = fc.array(
  fc.record({ event: arbitraryEvent, random: fc.double({ min: 0, max: 1, noNaN: true }), ms: fc.nat(20_000) }),
  {
    maxLength: 60,
  },
);

describe('reconnect', () => {
  it('never has more than one socket or timer, whatever late events arrive', () => {
    fc.assert(
      fc.property(moves, (list) => {
        const world = new World();
        for (const { event, random, ms } of list) {
          world.now += ms;
          // Callbacks of sockets and timers that do not exist (yet) cannot fire; those of past ones can.
          if ('generation' in event && event.generation > world.link.generation) continue;
          world.send(event, random);
          expect(world.sockets.size + world.timers.size).toBeLessThanOrEqual(1);
          expect(world.timers.size).toBe(world.link.kind === 'waiting' ? 1 : 0);
          if (world.link.kind === 'idle' || world.link.kind === 'stopped') expect(world.sockets.size).toBe(0);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('stays stopped, whatever arrives after it', () => {
    fc.assert(
      fc.property(moves, moves, fc.constantFrom(...codes), (before, after, code) => {
        const world = new World();
        for (const { event, random } of before) world.send(event, random);
        world.send({ kind: 'stop', code });
        const { opened } = world;
        for (const { event, random } of after) world.send(event, random);
        expect(world.link.kind).toBe('stopped');
        expect(world.opened).toBe(opened);
        expect(world.sockets.size + world.timers.size).toBe(0);
      }),
    );
  });

  it('waits between 0 and the doubled base, and never longer than the cap', () => {
    fc.assert(
      fc.property(fc.nat(2_000), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const delay = backoffDelay(failures, random, BACKOFF);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(Math.min(10_000, 250 * 2 ** failures));
      }),
    );
  });

  it('doubles the wait while connections fail, and begins again after one that lived for more than 10 s', () => {
    const world = new World();
    const waits: number[] = [];
    const lose = () => {
      world.send({ kind: 'closed', generation: world.link.generation, closeCode: 1006, code: null }, 1);
      if (world.link.kind === 'waiting') waits.push(world.link.retryInMs);
      world.send({ kind: 'timer', generation: world.link.generation });
    };
    world.send({ kind: 'want' });
    for (let i = 0; i < 7; i += 1) lose();
    world.send({ kind: 'opened', generation: world.link.generation });
    world.now += 9_000;
    lose();
    world.send({ kind: 'opened', generation: world.link.generation });
    world.now += 10_001;
    lose();
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 250]);
  });

  it('does not connect again when nobody needs it: a finished session leaves nothing that reconnects', () => {
    const world = new World();
    world.send({ kind: 'want' });
    world.send({ kind: 'opened', generation: 1 });
    world.send({ kind: 'unwant' });
    world.send({ kind: 'closed', generation: 1, closeCode: 1006, code: null });
    expect(world.link.kind).toBe('idle');
    world.send({ kind: 'timer', generation: 1 });
    world.send({ kind: 'wake' });
    expect(world.opened).toBe(1);
  });

  it('forgets the wait when the last one who needed it is done', () => {
    const world = new World();
    world.send({ kind: 'want' });
    world.send({ kind: 'closed', generation: 1, closeCode: 1006, code: null });
    const { generation: late } = world.link;
    world.send({ kind: 'unwant' });
    expect(world.timers.size).toBe(0);
    world.send({ kind: 'timer', generation: late });
    expect(world.opened).toBe(1);
  });

  it.each([
    [1000, 'waiting'],
    [1006, 'waiting'],
    [1012, 'waiting'],
    [4008, 'waiting'],
    [4009, 'waiting'],
    [4001, 'stopped'],
    [4003, 'stopped'],
    [4004, 'stopped'],
    [1002, 'stopped'],
  ])('after close code %i it is %s', (closeCode, kind) => {
    const world = new World();
    world.send({ kind: 'want' });
    world.send({ kind: 'opened', generation: 1 });
    world.send({ kind: 'closed', generation: 1, closeCode, code: null });
    expect(world.link.kind).toBe(kind);
  });

  it('stops when it is refused for good, and waits when the gateway itself fails', () => {
    for (const [code, kind] of [
      ['unauthorized', 'stopped'],
      ['bad_origin', 'stopped'],
      ['internal', 'waiting'],
      ['unreachable', 'waiting'],
      ['rate_limited', 'waiting'],
    ] as const) {
      const world = new World();
      world.send({ kind: 'want' });
      world.send({ kind: 'refused', generation: 1, code });
      expect([code, world.link.kind]).toEqual([code, kind]);
    }
  });

  it('starts again after a login, but never after the user closed it', () => {
    const world = new World();
    world.send({ kind: 'stop', code: 'unauthorized' });
    world.send({ kind: 'restart', isNeeded: true });
    expect(world.link.kind).toBe('connecting');
    world.send({ kind: 'stop', code: 'client_closed' });
    world.send({ kind: 'restart', isNeeded: true });
    expect(world.link.kind).toBe('stopped');
  });

  it('connects at once when the network is back', () => {
    const world = new World();
    world.send({ kind: 'want' });
    world.send({ kind: 'closed', generation: 1, closeCode: 1006, code: null });
    world.send({ kind: 'wake' });
    expect(world.link.kind).toBe('connecting');
    expect(world.timers.size).toBe(0);
  });
});

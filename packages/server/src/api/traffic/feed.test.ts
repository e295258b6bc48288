import { parseEpoch } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { MemoryLog } from '../../log/memory-log.fixture.ts';
import type { Session } from '../../sessions/session.ts';
import { TrafficFeed } from './feed.ts';

const EPOCH = parseEpoch('traffic');

/** A viewer with room for so many frames, and one slot of a connection. */
class Viewer {
  room = 1;
  readonly frames: string[] = [];
  slots = 0;
  readonly wire = {
    isFull: false,
    write: (frame: string | Uint8Array) => {
      this.frames.push(String(frame));
      this.room -= 1;
      this.wire.isFull = this.room <= 0;
    },
  };

  /** A feed with the slot. */
  follow(log: MemoryLog): TrafficFeed {
    const info = { foreign: null, argv: ['echo'], runs: null };
    const session = { id: 'one', log, info, record: { createdAt: 0 }, isHosted: true } as unknown as Session;
    this.slots = 1;
    return new TrafficFeed({
      session,
      from: { at: { epoch: EPOCH, place: 0, offset: 0 }, incomplete: new Map() },
      isNew: true,
      encoding: 'text',
      outlet: {
        wire: this.wire,
        encode: ({ type, ...rest }) => ('event' in rest ? (rest.event.response ?? rest.event.command ?? '') : type),
        quiet: () => {
          this.slots -= 1;
        },
        wake: () => {
          this.slots += 1;
          return true;
        },
        over: () => undefined,
        failed: (error) => {
          throw error;
        },
      },
    });
  }

  makeRoom(feed: TrafficFeed): void {
    this.room = 1;
    this.wire.isFull = false;
    feed.resume();
  }
}

describe('a feed of a connection with slots', () => {
  it('gives its slot back once, after the viewer has taken all, however late', () => {
    const log = new MemoryLog({ epoch: EPOCH });
    log.append('stdout', Buffer.from('a'), 0);
    const viewer = new Viewer();
    const feed = viewer.follow(log);
    feed.resume();
    for (let round = 0; round < 4; round += 1) viewer.makeRoom(feed);
    expect(viewer).toMatchObject({ frames: ['echo', 'a'], slots: 0 });
    // Output behind the head takes the slot again.
    log.append('stdout', Buffer.from('b'), 0);
    for (let round = 0; round < 4; round += 1) viewer.makeRoom(feed);
    expect(viewer).toMatchObject({ frames: ['echo', 'a', 'b'], slots: 0 });
    feed.stop();
  });

  it.each([true, false])('gives its slot back without output, also where its viewer was full (%s) before', (isFull) => {
    const viewer = new Viewer();
    viewer.wire.isFull = isFull;
    const feed = viewer.follow(new MemoryLog({ epoch: EPOCH }));
    feed.resume();
    for (let round = 0; round < 3; round += 1) viewer.makeRoom(feed);
    expect(viewer).toMatchObject({ frames: ['echo'], slots: 0 });
    feed.stop();
  });

  it('reads no page before its viewer has room for the opening', () => {
    const log = new MemoryLog({ epoch: EPOCH });
    log.append('stdout', Buffer.from('a'), 0);
    let reads = 0;
    const { read } = log;
    log.read = (...given) => {
      reads += 1;
      return read.apply(log, given);
    };
    const viewer = new Viewer();
    viewer.wire.isFull = true;
    const feed = viewer.follow(log);
    feed.resume();
    feed.resume();
    expect([reads, viewer.frames]).toEqual([0, []]);
    viewer.makeRoom(feed);
    viewer.makeRoom(feed);
    expect(viewer.frames).toEqual(['echo', 'a']);
    feed.stop();
  });
});

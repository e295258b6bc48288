// A recording that is larger than the disk: refused as that, and the room is there again.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountSmallDisk, type SmallDisk } from '../gateway/small-disk.fixture.ts';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { castOf, eventsOf, exported, imported, onDisk, post, underWay, V3 } from './recordings.fixture.ts';

const MIB = 1024 * 1024;

const disk = mountSmallDisk(48);
const why = 'reason' in disk ? ` (skipped, no file system can be mounted here: ${disk.reason})` : '';

describe.skipIf('reason' in disk)(`an import on a disk that becomes full${why}`, () => {
  const small = disk as SmallDisk;
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await small.within(() => openGateway());
  });
  afterAll(async () => {
    await gateway.close();
    small.remove();
  });

  it('is refused with what is wrong, and takes no room', async () => {
    const { session } = await imported(gateway, castOf([[1, 'o', 'kept']]));
    // A smaller disk is full of less.
    small.take(small.free() - count({ quick: 12, all: 47 }) * MIB);
    const before = small.free();
    const events = count({ quick: 200, all: 600 });
    const answer = await post(gateway, V3 + `[0.1, "o", "${'x'.repeat(100_000)}"]\n`.repeat(events));
    expect([answer.status, answer.body.error?.code]).toEqual([507, 'disk_full']);
    expect(before - small.free()).toBeLessThan(MIB);
    expect([onDisk(gateway), underWay(gateway)]).toEqual([[session.id], []]);
    expect(eventsOf(await exported(gateway, session.id))).toEqual([[1, 'o', 'kept']]);
    expect((await post(gateway, V3)).status).toBe(201);
  });
});

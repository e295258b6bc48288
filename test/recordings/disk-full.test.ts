// A recording that is larger than the disk: refused as that, and the room is there again.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayFixture, openGateway } from '../gateway/gateway.fixture.ts';
import { castOf, eventsOf, exported, imported, onDisk, post, underWay, V3 } from './recordings.fixture.ts';

const MIB = 1024 * 1024;

/** A small disk of our own. Undefined, with the reason, where we may not mount one. */
function mount(): { dir: string } | { reason: string } {
  const dir = mkdtempSync(join(tmpdir(), 'binnacle-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=0700', 'binnacle-test', dir], { stdio: 'pipe' });
    return { dir };
  } catch (error) {
    rmSync(dir, { recursive: true });
    return { reason: String(error).split('\n')[1] ?? String(error) };
  }
}

const disk = mount();
const why = 'reason' in disk ? ` (skipped, no file system can be mounted here: ${disk.reason})` : '';

describe.skipIf('reason' in disk)(`an import on a disk that becomes full${why}`, () => {
  const dir = 'dir' in disk ? disk.dir : '';
  const free = (): number => statfsSync(dir).bavail * statfsSync(dir).bsize;
  let gateway: GatewayFixture;
  beforeAll(async () => {
    const before = process.env.TMPDIR;
    process.env.TMPDIR = dir;
    try {
      gateway = await openGateway();
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
  });
  afterAll(async () => {
    await gateway.close();
    execFileSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true });
  });

  it('is refused with what is wrong, and takes no room', async () => {
    const { session } = await imported(gateway, castOf([[1, 'o', 'kept']]));
    const before = free();
    const answer = await post(gateway, V3 + `[0.1, "o", "${'x'.repeat(100_000)}"]\n`.repeat(600));
    expect([answer.status, answer.body.error?.code]).toEqual([507, 'disk_full']);
    expect(before - free()).toBeLessThan(MIB);
    expect([onDisk(gateway), underWay(gateway)]).toEqual([[session.id], []]);
    expect(eventsOf(await exported(gateway, session.id))).toEqual([[1, 'o', 'kept']]);
    expect((await post(gateway, V3)).status).toBe(201);
  });
});

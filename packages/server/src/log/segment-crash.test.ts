import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BinnacleError } from '@binnacle/protocol';
import { build } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { beginningOf, outputOf, readAll } from './conformance.fixture.ts';
import { segmentPath } from './segment.ts';
import { SegmentReader } from './segment-reader.ts';
import { SegmentWriter } from './segment-writer.ts';

const bytesAt = (offset: number, length: number): Buffer => {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1) bytes[i] = ((offset + i) * 131) % 256;
  return bytes;
};

/** Appends for ever, and prints each head; the size of an entry follows from its offset. */
const CHILD = `
import { existsSync, writeSync } from 'node:fs';
import { SegmentWriter } from ${JSON.stringify(fileURLToPath(new URL('./segment-writer.ts', import.meta.url)))};
const [dir, segmentBytes] = [process.argv[2], Number(process.argv[3])];
const writer = existsSync(dir) ? SegmentWriter.open(dir, { segmentBytes }) : SegmentWriter.create(dir, { segmentBytes });
for (let n = 0; ; n += 1) {
  const { offset } = writer.head;
  const length = (offset * 7919) % (n % 5 === 0 ? 100_000 : 5000);
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1) bytes[i] = ((offset + i) * 131) % 256;
  try {
    writer.append(n % 9 === 0 ? 'event' : 'tty', bytes, Date.now());
  } catch (cause) {
    writeSync(1, JSON.stringify({ code: cause.code, errno: cause.cause?.code, head: writer.head }) + '\\n');
    if (process.argv[4] === 'twice' && n < 1e6) { n = 1e6; continue; }
    process.exit(0);
  }
  writeSync(1, JSON.stringify(writer.head) + '\\n');
}`;

async function expectWhole(dir: string): Promise<SegmentReader> {
  const reader = SegmentReader.open(dir);
  const { entries, gaps } = await readAll(reader, beginningOf(reader));
  expect(gaps).toEqual([]);
  const { offset } = reader.head;
  expect(outputOf(entries, 0).equals(bytesAt(0, offset))).toBe(true);
  return reader;
}

describe('a log whose writer or disk fails', () => {
  let root: string;
  let child: string;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'binnacle-log-'));
    const input = join(root, 'child.ts');
    writeFileSync(input, CHILD);
    child = join(root, 'child.mjs');
    // Node 20 runs no TypeScript, so the child is bundled.
    const protocol = fileURLToPath(import.meta.resolve('@binnacle/protocol'));
    const resolve = { alias: { '@binnacle/protocol': protocol } };
    await build({ input, platform: 'node', resolve, output: { file: child, format: 'esm' }, logLevel: 'silent' });
  });
  afterAll(() => rmSync(root, { recursive: true }));

  it('seen-means-kept: a writer killed with SIGKILL at any moment leaves a valid log with all that it told', async () => {
    const dir = join(root, 'killed');
    for (let round = 0; round < count({ quick: 4, all: 10 }); round += 1) {
      const writer = spawn(process.execPath, [child, dir, '400000'], { stdio: ['ignore', 'pipe', 'inherit'] });
      let report = '';
      let left = 20 + ((round * 37) % 90);
      for await (const line of createInterface({ input: writer.stdout })) {
        report = line;
        left -= 1;
        if (left === 0) writer.kill('SIGKILL');
      }
      const reader = await expectWhole(dir);
      const { place, offset } = JSON.parse(report) as { place: number; offset: number };
      expect(reader.head.place).toBeGreaterThanOrEqual(place);
      expect(reader.head.offset).toBeGreaterThanOrEqual(offset);
      reader.close();
      const again = SegmentWriter.open(dir);
      expect(again.head).toEqual(reader.head);
      await again.close();
    }
  });

  it('T17: at the limit of the file size nothing is lost, the log stays as it was, and appends can go on', async () => {
    const dir = join(root, 'limited');
    const script = 'ulimit -f 300; exec "$@"';
    const args = ['-c', script, 'bash', process.execPath, child, dir, '100000000', 'twice'];
    const writer = spawn('bash', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines: string[] = [];
    for await (const line of createInterface({ input: writer.stdout })) lines.push(line);
    const [once1, again1] = lines
      .slice(-2)
      .map((line) => JSON.parse(line) as { code: string; errno: string; head: object });
    const before = JSON.parse(lines.at(-3) ?? '{}') as object;
    expect(once1).toEqual({ code: 'disk_full', errno: 'EFBIG', head: before });
    expect(again1).toEqual(once1);
    const reader = await expectWhole(dir);
    expect(reader.head).toEqual(before);
    expect(statSync(segmentPath(dir, 0)).size).toBe(64 + reader.head.place);
    reader.close();
    const open = SegmentWriter.open(dir);
    open.append('tty', bytesAt(open.head.offset, 500_000), 1);
    await open.close();
    (await expectWhole(dir)).close();
  });

  const mounted = canMount();
  it.skipIf(!mounted)(
    'T17: on a full disk nothing is lost, and what waited is appended when there is room',
    async () => {
      const disk = join(root, 'disk');
      mkdirSync(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
      try {
        const ballast = join(disk, 'ballast');
        writeFileSync(ballast, Buffer.alloc(500_000));
        const dir = join(disk, 'log');
        const writer = SegmentWriter.create(dir, { segmentBytes: 100_000 });
        const reader = SegmentReader.open(dir, { head: writer.head });
        let refused = 0;
        for (let i = 0; refused === 0 || writer.head.offset < 800_000; i += 1) {
          const { head } = writer;
          try {
            writer.append('tty', bytesAt(head.offset, 1 + ((i * 7919) % 50_000)), i);
          } catch (cause) {
            expect(cause).toBeInstanceOf(BinnacleError);
            expect((cause as BinnacleError).code).toBe('disk_full');
            expect(writer.head).toEqual(head);
            const { entries, gaps } = await readAll(reader, beginningOf(reader));
            expect(gaps).toEqual([]);
            expect(outputOf(entries, 0).length).toBe(head.offset);
            refused += 1;
            if (refused === 3) rmSync(ballast);
            expect(refused).toBeLessThan(4);
          }
          reader.advance(writer.head);
        }
        reader.close();
        await writer.close();
        (await expectWhole(dir)).close();
      } finally {
        execFileSync('umount', ['-l', disk]);
      }
    },
  );
});

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'binnacle-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe]);
    return true;
  } catch {
    return false; // not root, or a container that may not mount: the limit on the file size is tested in any case
  } finally {
    rmSync(probe, { recursive: true });
  }
}

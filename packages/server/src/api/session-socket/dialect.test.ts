import type { Epoch, OutputKind } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cursor } from '../../cursor/cursor.ts';
import { partialCharactersAt } from '../../cursor/partial-characters.ts';
import { positionOf } from '../../cursor/start-position.ts';
import { MemoryLog } from '../../log/memory-log.fixture.ts';
import type { ServerFrame } from '../schemas/session-frames.ts';
import { JsonDialect } from './dialect.ts';

type OutputFrame = Extract<ServerFrame, { readonly data: string }>;

/** Returns what a connection that begins at `since` is sent. */
async function framesOf(log: MemoryLog, since: number): Promise<OutputFrame[]> {
  const wire = new JsonDialect('text', since, await partialCharactersAt(log, since));
  const cursor = new Cursor(log, await positionOf(log, { offset: since }));
  const all: ServerFrame[] = [];
  for (let reading = await cursor.next(); reading.kind === 'page'; reading = await cursor.next()) {
    for (const { kind, bytes, offset } of reading.page.entries) {
      if (kind === 'stdout' || kind === 'stderr') all.push(...wire.output(kind, bytes, offset, false));
    }
  }
  return all as OutputFrame[];
}

describe('text of two streams on one number line', () => {
  test('has each character once, wherever the other stream wrote in between and a viewer was cut', async () => {
    const text = fc.array(fc.constantFrom('a', 'é', '€', '😀'), { minLength: 1, maxLength: 8 });
    const pieceLengths = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 5 })), { maxLength: 30 });
    const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(text, text, pieceLengths, cuts, async (out, err, pieces, lost) => {
        const log = new MemoryLog({ epoch: 'e' as Epoch });
        const left: Record<'stdout' | 'stderr', Buffer> = {
          stdout: Buffer.from(out.join('')),
          stderr: Buffer.from(err.join('')),
        };
        const write = (kind: 'stdout' | 'stderr', length: number): void => {
          const bytes = left[kind].subarray(0, length);
          left[kind] = left[kind].subarray(length);
          if (bytes.length > 0) log.append(kind satisfies OutputKind, bytes, 1);
        };
        for (const [isOut, length] of pieces) write(isOut ? 'stdout' : 'stderr', length);
        write('stdout', 100);
        write('stderr', 100);
        const seen = { stdout: '', stderr: '' };
        let since = 0;
        for (const most of [...lost, Number.POSITIVE_INFINITY]) {
          for (const frame of (await framesOf(log, since)).slice(0, most)) {
            seen[frame.type as 'stdout' | 'stderr'] += frame.data;
            since = frame.offset;
          }
        }
        expect(seen).toEqual({ stdout: out.join(''), stderr: err.join('') });
      }),
      { numRuns: 150 },
    );
  });
});

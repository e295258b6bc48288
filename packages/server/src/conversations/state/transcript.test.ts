import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConversationEvent } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { GroupSync } from '../../log/group-sync.ts';
import { MAX_ENTRY_BYTES } from '../../log/log.ts';
import { PageCache } from '../../log/page-cache.ts';
import { SegmentFiles } from '../../log/segment-files.ts';
import { Transcript, type TranscriptEntry } from './transcript.ts';

it('an entry that is too large is split, each part with the fence, and the last part with the mark', async () => {
  const root = mkdtempSync(join(tmpdir(), 'binnacle-transcript-'));
  const group = new GroupSync({ intervalMs: 0 });
  const transcript = Transcript.open(join(root, 'log'), true, {
    ...{ segmentBytes: 8 * MAX_ENTRY_BYTES, retainBytes: 64 * MAX_ENTRY_BYTES, group },
    pages: { cache: new PageCache(), files: new SegmentFiles({ maxOpen: 8 }) },
  });
  const text = 'x'.repeat(MAX_ENTRY_BYTES / 2);
  const events = ['a', 'b', 'c'].map((run) => ({ type: 'delta', run, text }) as unknown as ConversationEvent);
  const driver = { session: 's', offset: 1, n: 2 };
  transcript.append({ events, driver, fence: 7 });
  transcript.wakeReaders();
  const parts: TranscriptEntry[] = [];
  for await (const { entry } of transcript.readFrom(0)) parts.push(entry);
  expect(parts.flatMap((part) => part.events)).toEqual(events);
  expect(parts.map(({ fence }) => fence)).toEqual([7, 7, 7]);
  expect(parts.map((part) => part.driver)).toEqual([undefined, undefined, driver]);
  await transcript.close();
  group.stop();
  rmSync(root, { recursive: true, force: true });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { count } from '../../../../test/support/count.ts';
import { CONFORMANCE, describeLog, type LogUnderTest } from './conformance.fixture.ts';
import { PageCache } from './page-cache.ts';
import { SegmentReader, type SegmentReaderOptions } from './segment-reader.ts';
import { SegmentWriter } from './segment-writer.ts';

async function make(options: SegmentReaderOptions): Promise<LogUnderTest> {
  const root = mkdtempSync(join(tmpdir(), 'binnacle-log-'));
  const dir = join(root, 'log');
  const writer = SegmentWriter.create(dir, CONFORMANCE);
  const reader = SegmentReader.open(dir, { ...CONFORMANCE, ...options, head: writer.head });
  return {
    writer,
    reader,
    reportHead: () => {
      reader.setOldest(writer.oldest);
      reader.advance(writer.head);
    },
    end: async () => {
      reader.close();
      await writer.close();
      rmSync(root, { recursive: true });
    },
  };
}

const much = { step: count({ quick: 3, all: 1 }), runs: count({ quick: 12, all: 40 }) };

describeLog('segment files, warm', () => make({}), much);
describeLog('segment files, cold', () => make({ warmBytes: 0 }), much);
describeLog(
  'segment files, without a cache',
  () => make({ warmBytes: 2048, cache: new PageCache({ maxBytes: 0 }) }),
  much,
);

import { parseEpoch } from '@binnacle/protocol';
import { CONFORMANCE, describeLog } from './conformance.fixture.ts';
import { MemoryLog } from './memory-log.fixture.ts';

describeLog('in memory', async () => {
  const log = new MemoryLog({ ...CONFORMANCE, epoch: parseEpoch('memory1') });
  return { writer: log, reader: log, reportHead: () => undefined, end: () => log.close() };
});

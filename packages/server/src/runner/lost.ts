// Ends a session whose runner died: its processes, and its log. There is no other writer any more, so we are it.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Kind, SessionId, SessionState } from '@binnacle/protocol';
import type { Head } from '../log/log.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import { SegmentWriter } from '../log/segment-writer.ts';
import { type EndingTimes, endFamily } from '../process/ending.ts';
import { readExitRecord } from './exit-record.ts';

export interface LostSession {
  readonly state: SessionState;
  readonly head: Head;
  readonly epoch: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly exitedAt: number | null;
}

/** They have had their hang-up already. */
const TIMES = { hupMs: 100, termMs: 500 };
/** The exit entry is near the end: a child left behind rarely writes more than this after it. */
const TAIL_BYTES = 1024 * 1024;

/** Found by their mark: the leader's number may be somebody else's by now. */
export const endOrphans = (session: string, times: EndingTimes): Promise<number> =>
  endFamily({ pid: -1, startTime: '' }, session, times);

/**
 * `closed` when the program's exit is on the disk, `lost` when nobody saw it. What the runner managed to write is
 * completed, never repeated: it may have closed the log in good order while no gateway listened.
 */
export async function closeLost(dir: string, id: SessionId): Promise<LostSession> {
  const logDir = join(dir, 'log');
  const exit = await readExitRecord(dir);
  const ending = await endingOf(logDir);
  // A log that was closed in order has nobody left who writes to it; a job that was told to outlive it may do so.
  if (!ending.has('closed')) await endOrphans(id, TIMES);
  // What is left of a shell that took runs holds values of its environment.
  rmSync(join(dir, 'shell'), { recursive: true, force: true });
  const log = SegmentWriter.open(logDir);
  try {
    const write = (kind: 'exit' | 'closed', data: object) => {
      if (!ending.has(kind)) log.append(kind, Buffer.from(JSON.stringify(data)), Date.now());
    };
    if (exit !== undefined) write('exit', { exitCode: exit.exitCode, signal: exit.signal });
    write('closed', { reason: 'lost' });
    return {
      state: exit === undefined ? 'lost' : 'closed',
      head: log.head,
      epoch: log.epoch,
      exitCode: exit?.exitCode ?? null,
      signal: exit?.signal ?? null,
      exitedAt: exit?.exitedAt ?? null,
    };
  } finally {
    await log.close();
  }
}

/** The kinds of entries near the end. */
async function endingOf(logDir: string): Promise<ReadonlySet<Kind>> {
  const log = SegmentReader.open(logDir);
  const kinds = new Set<Kind>();
  try {
    let at = await log.locate(Math.max(log.oldest.offset, log.head.offset - TAIL_BYTES));
    while (true) {
      const reading = await log.read(at);
      if (reading.kind === 'head') return kinds;
      if (reading.kind === 'page') for (const { kind } of reading.page.entries) kinds.add(kind);
      at = reading.kind === 'page' ? reading.page.next : reading.next;
    }
  } finally {
    log.close();
  }
}

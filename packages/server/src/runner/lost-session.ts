// Ends a session whose runner died: its processes and its log. The log has no other writer any more, so this process
// writes it.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { EntryKind, LostReason, SessionId, SessionState } from '@binnacle/protocol';
import type { Head } from '../log/log.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import { freshEpoch, SegmentWriter } from '../log/segment-writer.ts';
import { descendsFrom, familyOf } from '../process/session-processes.ts';
import { type EndingTimes, endFamily } from '../process/termination.ts';
import { readExitRecord } from './exit-record.ts';

export interface LostSession {
  readonly state: SessionState;
  readonly head: Head;
  readonly epoch: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly exitedAt: number | null;
  readonly lostReason: LostReason | null;
}

/** The processes have had their hang-up already. */
const TIMES = { hupMs: 100, termMs: 500 };
/**
 * Bytes at the end of the log that are searched for the exit entry. A child left behind rarely writes more after it.
 */
const TAIL_BYTES = 1024 * 1024;

/** The title of a runner's process. */
export const RUNNER_TITLE = 'binnacle-runner';
/** No leader: orphans are found by their mark, because the leader's pid may belong to another process by now. */
const NOBODY = { pid: -1, startTime: '' };

/** Ends the processes of a session that a dead runner left behind. Processes below a living runner are not orphans. */
export async function endOrphans(session: string, times: EndingTimes): Promise<void> {
  if (familyOf(NOBODY, session).some(({ pid }) => descendsFrom(pid, RUNNER_TITLE))) return;
  await endFamily(NOBODY, session, times);
}

/**
 * Ends a lost session. Its state is `closed` if the program's exit is on the disk, and `lost` if no exit was recorded.
 * Completes the runner's entries and never repeats them: it may have closed the log in good order while no gateway was
 * connected.
 *
 * `goesOnElsewhere`: `dir` is a copy, and the program and its runner live on with the original. No process is ended
 * then, and the copy of the log continues in a new epoch: a position of the original is invalid in the copy.
 *
 * `wasAnother`: `dir` was copied, and it is unknown whether the program goes on. A job that was started to outlive its
 * program goes on with the original all the same, so no process is ended either.
 */
export async function closeLost(
  dir: string,
  id: SessionId,
  {
    goesOnElsewhere = false,
    wasAnother = false,
  }: { readonly goesOnElsewhere?: boolean; readonly wasAnother?: boolean } = {},
): Promise<LostSession> {
  const logDir = join(dir, 'log');
  const exit = await readExitRecord(dir);
  const ending = await endingOf(logDir);
  // A log that was closed in good order has no writer left; a job that was started to outlive the program may go on.
  if (!ending.has('closed') && !goesOnElsewhere && !wasAnother) await endOrphans(id, TIMES);
  // The remaining files of a shell that took runs contain values of its environment.
  rmSync(join(dir, 'shell'), { recursive: true, force: true });
  const isCopy = goesOnElsewhere && !ending.has('closed');
  const log = SegmentWriter.open(logDir, isCopy ? { epoch: freshEpoch() } : {});
  try {
    const write = (kind: 'exit' | 'closed', data: object) => {
      if (!ending.has(kind)) log.append(kind, Buffer.from(JSON.stringify(data)), Date.now());
    };
    if (exit !== undefined) write('exit', { exitCode: exit.exitCode, signal: exit.signal });
    write('closed', { reason: isCopy ? 'copied' : 'lost' });
    return {
      state: exit === undefined ? 'lost' : 'closed',
      head: log.head,
      epoch: log.epoch,
      exitCode: exit?.exitCode ?? null,
      signal: exit?.signal ?? null,
      exitedAt: exit?.exitedAt ?? null,
      lostReason: exit === undefined ? (isCopy ? 'copied' : 'runner_died') : null,
    };
  } finally {
    await log.close();
  }
}

/** Returns the kinds of entries near the end. */
async function endingOf(logDir: string): Promise<ReadonlySet<EntryKind>> {
  const log = SegmentReader.open(logDir);
  const kinds = new Set<EntryKind>();
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

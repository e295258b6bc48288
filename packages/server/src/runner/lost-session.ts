// Ends a session whose runner died: its processes, and its log. There is no other writer any more, so we are it.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Kind, LostReason, SessionId, SessionState } from '@binnacle/protocol';
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

/** They have had their hang-up already. */
const TIMES = { hupMs: 100, termMs: 500 };
/** The exit entry is near the end: a child left behind rarely writes more than this after it. */
const TAIL_BYTES = 1024 * 1024;

/** The title of a runner's process. */
export const RUNNER_TITLE = 'binnacle-runner';
/** Orphans are found by their mark: the leader's number may be somebody else's by now. */
const NOBODY = { pid: -1, startTime: '' };

/** Ends the processes that a dead runner left of a session. Processes below a living runner are no orphans. */
export async function endOrphans(session: string, times: EndingTimes): Promise<void> {
  if (familyOf(NOBODY, session).some(({ pid }) => descendsFrom(pid, RUNNER_TITLE))) return;
  await endFamily(NOBODY, session, times);
}

/**
 * `closed` when the program's exit is on the disk, `lost` when nobody saw it. What the runner managed to write is
 * completed, never repeated: it may have closed the log in good order while no gateway listened.
 *
 * `goesOnElsewhere`: `dir` is a copy, and the program and its runner live on with the original. Nobody is ended then,
 * and the copy of the log goes on in an epoch of its own: a position of the original is none of the copy.
 *
 * `wasAnother`: nothing tells that it goes on, but `dir` was copied. A job that was told to outlive its program goes on with
 * the original all the same, so nobody is ended either.
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
  // A log that was closed in order has nobody left who writes to it; a job that was told to outlive it may do so.
  if (!ending.has('closed') && !goesOnElsewhere && !wasAnother) await endOrphans(id, TIMES);
  // What is left of a shell that took runs holds values of its environment.
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

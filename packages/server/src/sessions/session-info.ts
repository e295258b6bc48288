// The description of a session for clients: its row, with what its runner and its log have reported since.

import { type Epoch, formatPosition, type SessionInfo } from '@binnacle/protocol';
import type { LogReader } from '../log/log.ts';
import type { HostedStatus } from '../runner/wire.ts';
import type { SessionRecord } from '../store/sessions.ts';
import { labelsOf } from './labels.ts';

/** The state of a session that is in no row. */
export interface CurrentState extends Pick<SessionInfo, 'lease' | 'activity'> {
  /** Last status from the runner; undefined while no runner hosts the session. */
  readonly status: HostedStatus | undefined;
  /** The log, if it is open. */
  readonly log: Pick<LogReader, 'head' | 'oldest' | 'epoch'> | undefined;
}

/** Describes a session as its gateway last learned of it. */
export function sessionInfoOf(record: SessionRecord, { status, log, lease, activity }: CurrentState): SessionInfo {
  const { spec, foreign } = record;
  const head = log?.head ?? status?.head ?? record.head ?? { place: 0, offset: 0 };
  const epoch = (log?.epoch ?? status?.epoch ?? record.epoch ?? '') as Epoch;
  // Rows from old versions have no reason: such a session had lost its runner or its emitter.
  const lostReason = record.lostReason ?? (foreign === null ? 'runner_died' : 'silent');
  return {
    id: record.id,
    name: record.name,
    state: record.state,
    running: record.state === 'running' || record.state === 'starting',
    mode: spec.mode,
    argv: spec.argv,
    cwd: spec.cwd,
    cols: spec.cols,
    rows: spec.rows,
    pid: record.pid,
    exitCode: record.exitCode,
    signal: record.signal,
    epoch,
    outputOffset: head.offset,
    oldestOffset: log?.oldest.offset ?? status?.oldest.offset ?? 0,
    syncedOffset: status?.synced.offset ?? head.offset,
    position: epoch === '' ? '' : formatPosition({ epoch, ...head }),
    createdAt: record.createdAt,
    exitedAt: record.exitedAt,
    lease,
    stalled: status?.stalled ?? null,
    runs: spec.takesRuns ? (status?.runs ?? { current: null, queued: 0 }) : null,
    foreign,
    labels: labelsOf(record),
    activity,
    ...(record.state === 'lost' ? { lostReason } : {}),
  };
}

// GET /pty/:id/ws of the sandbox daemon: binary frames for bytes, JSON for the rest. A dialect of session-socket.ts.

import { allows, BinnacleError, type Code, type OutputKind, type SessionMode } from '@binnacle/protocol';
import { positionOf } from '../../cursor/start-position.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { validate } from '../http/app.ts';
import { z } from '../http/routes.ts';
import { Flag, Offset } from '../schemas/fields.ts';
import {
  codeOf,
  type OutgoingFrame,
  type ProgramExit,
  parseJsonFrame,
  type SocketDialect,
} from '../session-socket/dialect.ts';
import {
  acquireLease,
  type CompatParts,
  type CompatUpgrade,
  checkHandshake,
  releaseLease,
  SessionSocket,
} from '../session-socket/session-socket.ts';
import { wordOf } from './errors.ts';
import type { Ptys } from './ptys.ts';

/** First byte of a binary frame. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, replay: 3 } as const;
const REPLAY_HEADER_BYTES = 9;
/** Default replay for a client without a position: as much as the original daemon stores. */
const DEFAULT_TAIL_BYTES = 1024 * 1024;

const Query = z.object({
  pty: Flag.optional(),
  since: Offset.optional(),
  /** Extension of this gateway: bytes of earlier output to replay. */
  tail: Offset.optional(),
  takeover: Flag.optional(),
  /** Extension of this gateway: a viewer beside the writer. */
  readonly: Flag.optional(),
});

/**
 * Attaches a client to a terminal. Every refusal comes before the upgrade. The first writer starts the program, by
 * `pty` in a terminal or on pipes; afterwards the session knows its mode. A program is never started twice.
 */
export async function attachPty(parts: CompatParts & { readonly ptys: Ptys }, upgrade: CompatUpgrade): Promise<void> {
  const { request, socket, head, principal } = upgrade;
  const query = queryOf(request.url);
  checkHandshake(request);
  const isReadOnly = query.readonly === true || !allows(principal.scope, 'input');
  const seen = parts.access.seenBy(principal);
  const { session, isNew } = await findOrStart({ seen, ptys: parts.ptys }, upgrade.id, { ...query, isReadOnly });
  await session.refresh();
  const { log } = session;
  // The client that starts the program has seen none of its output, however much there is by now.
  const tail = query.tail ?? (isNew ? undefined : DEFAULT_TAIL_BYTES);
  const from = query.since !== undefined ? { offset: query.since } : tail === undefined ? 'start' : { tail };
  const at = await positionOf(log, from);
  const lease = isReadOnly ? undefined : await acquireLease(session, principal, query.takeover === true);
  const replayUntil = log.head.offset;
  const dialect = new PtyDialect(session);
  let isUpgraded = false;
  parts.server.handleUpgrade(request, socket, head, (ws) => {
    isUpgraded = true;
    new SessionSocket({ ws, socket, session, principal, seen, at, replayUntil, lease, isReadOnly, dialect, parts });
  });
  // The handshake was refused, or the client has disconnected meanwhile: no one is left to hold the lease.
  if (!isUpgraded) releaseLease(session, lease);
}

type PtyQuery = z.output<typeof Query>;

function queryOf(url: string | undefined): PtyQuery {
  const values: Record<string, string> = {};
  for (const [name, value] of new URL(url ?? '', 'http://localhost').searchParams) {
    if (!Object.hasOwn(Query.shape, name)) continue;
    if (Object.hasOwn(values, name)) throw new BinnacleError('bad_request', { message: `"${name}" was given twice.` });
    values[name] = value;
  }
  const query = validate('query', Query, values);
  if (query.since !== undefined && query.tail !== undefined) {
    throw new BinnacleError('bad_request', { message: 'Pass since or tail, not both.' });
  }
  return query;
}

async function findOrStart(
  { seen, ptys }: { readonly seen: SeenSessions; readonly ptys: Ptys },
  id: string,
  query: PtyQuery & { readonly isReadOnly: boolean },
): Promise<{ readonly session: Session; readonly isNew: boolean }> {
  const found = ptys.find(seen, id);
  if ('record' in found) return { session: found, isNew: false };
  // A program that has not started has no output at that offset.
  if ((query.since ?? 0) > 0) throw new BinnacleError('offset_ahead', { details: { oldestOffset: 0, headOffset: 0 } });
  if (query.isReadOnly) throw new BinnacleError('not_started');
  const mode: SessionMode = query.pty === false ? 'pipe' : 'pty';
  return { session: await ptys.start(seen, found, mode), isNew: true };
}

class PtyDialect implements SocketDialect {
  /** Undefined: the dialect has no JSON ping; the ping of the WebSocket protocol detects dead clients. */
  readonly ping = undefined;
  readonly #mode: SessionMode;

  constructor(session: Session) {
    this.#mode = session.record.spec.mode;
  }

  output(kind: OutputKind, bytes: Uint8Array, offset: number, isReplay: boolean): readonly OutgoingFrame[] {
    const stream = kind === 'stderr' ? 'stderr' : 'stdout';
    if (!isReplay) {
      const frame = Buffer.allocUnsafe(1 + bytes.length);
      frame[0] = CHANNEL[stream];
      frame.set(bytes, 1);
      return [frame];
    }
    const frame = Buffer.allocUnsafe(REPLAY_HEADER_BYTES + bytes.length);
    frame[0] = CHANNEL.replay;
    frame.writeBigUInt64BE(BigInt(offset), 1);
    frame.set(bytes, REPLAY_HEADER_BYTES);
    // A binary replay frame has no field for the stream, so a JSON frame names it first.
    return this.#mode === 'pipe' ? [{ type: 'replay', stream, offset, length: bytes.length }, frame] : [frame];
  }

  /** Returns nothing: bytes are sent as they come. */
  rest(): readonly OutgoingFrame[] {
    return [];
  }

  connected({ id, info }: Session, liveFrom: number, isReadOnly: boolean): OutgoingFrame {
    const { mode, running, oldestOffset, cols, rows, epoch } = info;
    return {
      ...{ type: 'connected', session_id: id, mode, running, epoch, cols, rows },
      ...{ offset: liveFrom, oldest_offset: oldestOffset, readonly: isReadOnly },
    };
  }

  exit(exit: ProgramExit): OutgoingFrame {
    return { type: 'exit', exit_code: codeOf(exit), ...(exit.signal === null ? {} : { signal: exit.signal }) };
  }

  reason(code: Code | 'exit'): string {
    return code === 'exit' ? 'process exited' : wordOf(code);
  }

  parse(data: Buffer, isBinary: boolean): ReturnType<SocketDialect['parse']> {
    if (!isBinary) return parseJsonFrame(data);
    if (data[0] !== CHANNEL.stdin) return { type: 'invalid', why: 'a binary frame of a client begins with 0x00' };
    return { type: 'stdin', bytes: data.subarray(1) };
  }
}

// The parts of a gateway in this process, with real programs, so that a test can say whose a session is and who may see it.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CreateSession } from '@binnacle/protocol';
import { pino } from 'pino';
import { Auth } from '../../packages/server/src/access/auth.ts';
import { Hosts } from '../../packages/server/src/access/host-origin.ts';
import { createHttpServer } from '../../packages/server/src/api/http/server.ts';
import { commandRoutes } from '../../packages/server/src/api/opensandbox/command-routes.ts';
import { ptyRoutes } from '../../packages/server/src/api/opensandbox/pty-routes.ts';
import { Ptys } from '../../packages/server/src/api/opensandbox/ptys.ts';
import { execdSessionRoutes } from '../../packages/server/src/api/opensandbox/session-routes.ts';
import { runRoutes } from '../../packages/server/src/api/rest/runs.ts';
import { sessionRoutes } from '../../packages/server/src/api/rest/sessions.ts';
import { tokenRoutes } from '../../packages/server/src/api/rest/tokens.ts';
import { LIVENESS_TIMES, Liveness } from '../../packages/server/src/api/stream/liveness.ts';
import { loadAdminToken } from '../../packages/server/src/data-dir/admin-token.ts';
import { prepareDataDir } from '../../packages/server/src/data-dir/data-dir.ts';
import { type SocketRouteParts, socketRoutes } from '../../packages/server/src/gateway/surfaces.ts';
import { UserFocus } from '../../packages/server/src/notifications/focus.ts';
import { Watchers } from '../../packages/server/src/presence/presence.ts';
import { ENDING_TIMES } from '../../packages/server/src/process/termination.ts';
import { Fleet } from '../../packages/server/src/runner/client/fleet.ts';
import { SESSION_LEASE_TIMES } from '../../packages/server/src/sessions/lease.ts';
import { type CreateOptions, Sessions } from '../../packages/server/src/sessions/sessions.ts';
import { TimedSessions } from '../../packages/server/src/sessions/timed-sessions.ts';
import { Catalogue } from '../../packages/server/src/store/store.ts';
import { type MayAccess, SessionAccess } from '../../packages/server/src/visibility/session-access.ts';
import { type Frames, openFrames } from '../support/wire.ts';

const RUNNER = resolve(import.meta.dirname, '../../packages/server/dist/runner.mjs');

export interface Parts {
  /** Opens a WebSocket; it is closed at the end. */
  frames(token: string, path?: string): Promise<Frames>;
  fetch(path: string, token: string, init?: RequestInit): Promise<Response>;
  /** A token of a user. */
  token(user: string, scope?: string): Promise<string>;
  create(asked: CreateSession, options?: CreateOptions): Promise<string>;
  readonly sessions: Sessions;
  readonly access: SessionAccess;
  readonly adminToken: string;
  close(): Promise<void>;
}

/** `mayAccess` left out: as a gateway that knows of no conversations. */
export async function openParts(mayAccess?: MayAccess): Promise<Parts> {
  const root = mkdtempSync(join(tmpdir(), 'binnacle-access-'));
  const dir = prepareDataDir(join(root, 'data'));
  const log = pino({ level: 'silent' });
  const adminToken = loadAdminToken(dir, {});
  const catalogue = Catalogue.open(dir);
  const hosts = new Hosts();
  const auth = new Auth({ catalogue, adminToken, hosts });
  const socketDir = join(root, 's');
  mkdirSync(socketDir, { mode: 0o700 });
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
  const fleetOptions = {
    root: dir,
    dir: join(dir, 'runners'),
    socketDir,
    script: RUNNER,
    programsPerRunner: 50,
    syncMs: 50,
    orphanMs: 1000,
    env,
  };
  const fleet = new Fleet(fleetOptions, log);
  const sessions = new Sessions(
    {
      dir: join(dir, 'sessions'),
      maxSessions: 100,
      segmentBytes: 1024 * 1024,
      retainBytes: 16 * 1024 * 1024,
      retainMs: 3600_000,
      maxInputBytes: 64 * 1024,
      maxQueuedRuns: 8,
      maxEndedRuns: 8,
      leaseTimes: SESSION_LEASE_TIMES,
      endingTimes: { ...ENDING_TIMES, hupMs: 200, termMs: 200 },
      passEnv: [],
      pageCacheBytes: 1024 * 1024,
    },
    { catalogue, log, fleet },
  );
  await sessions.recover();
  const access = new SessionAccess(sessions, mayAccess);
  const liveness = new Liveness(LIVENESS_TIMES);
  const ptys = new Ptys({ store: catalogue.ptys, maxPending: 10, time: catalogue.time });
  const commands = new TimedSessions({
    store: catalogue.commands,
    log,
    time: catalogue.time,
    sessionOf: (id) => sessions.get(id),
  });
  // What other sockets of a gateway need has no part in this.
  const focus = new UserFocus();
  const parts = { access, ptys, liveness, auth, focus, watchers: new Watchers() } as SocketRouteParts;
  const http = createHttpServer({
    routes: [
      ...tokenRoutes({ auth }),
      ...sessionRoutes(access, liveness),
      ...runRoutes(access, liveness),
      ...commandRoutes(access, commands, liveness),
      ...execdSessionRoutes(access, liveness),
      ...ptyRoutes(access, ptys),
    ],
    wsRoutes: socketRoutes(parts, { maxViewers: 100, maxSubscriptions: 20 }),
    auth,
    hosts,
    log,
    version: '0.0.0',
  });
  const { url } = await http.listen({ port: 0 });
  const opened: Frames[] = [];
  const ask = (path: string, token: string, init: RequestInit = {}) =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });
  return {
    sessions,
    access,
    adminToken,
    fetch: ask,
    frames: async (token, path = '/v1/ws') => {
      const frames = await openFrames(url + path, token);
      opened.push(frames);
      return frames;
    },
    token: async (user, scope = 'create') => {
      const body = JSON.stringify({ name: user, scope, user });
      const headers = { 'content-type': 'application/json' };
      return (await (await ask('/v1/tokens', adminToken, { method: 'POST', headers, body })).json()).token;
    },
    create: async (asked, options) => (await sessions.create(asked, options)).id,
    close: async () => {
      for (const frames of opened) frames.ws.terminate();
      for (const { id } of catalogue.sessions.list({ limit: 1000 }).records) await sessions.delete(id);
      commands.stop();
      liveness.stop();
      await http.close(0);
      await fleet.close();
      sessions.close();
      auth.close();
      catalogue.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

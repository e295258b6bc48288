// The store of a gateway, its authentication, its sessions with their runners, and the readers of all their logs.

import { join } from 'node:path';
import { defined } from '@binnacle/protocol';
import type { Logger } from 'pino';
import { Auth } from '../access/auth.ts';
import { Hosts } from '../access/host-origin.ts';
import { PublicUrl } from '../access/public-url.ts';
import type { Log } from '../base/logger.ts';
import type { Teardown } from '../base/teardown.ts';
import { isGuessable, loadAdminToken } from '../data-dir/admin-token.ts';
import { newProofKey, removeGatewayFile } from '../data-dir/gateway-file.ts';
import { makeSocketDir, removeSocketDir } from '../data-dir/socket-dir.ts';
import { StoredTime } from '../data-dir/time-file.ts';
import { GroupSync } from '../log/group-sync.ts';
import { SessionHooks } from '../plugins/offers/guards.ts';
import type { Hooks } from '../plugins/offers/hooks.ts';
import { Recordings } from '../recording/import.ts';
import { SessionReporters } from '../reporting/session-reporters.ts';
import { Fleet } from '../runner/client/fleet.ts';
import { SessionScreens } from '../screen/session-screens.ts';
import { Search } from '../search/search.ts';
import { Retention } from '../sessions/retention.ts';
import { Sessions } from '../sessions/sessions.ts';
import { TimedSessions } from '../sessions/timed-sessions.ts';
import { adoptUnlisted } from '../store/recovery/unlisted.ts';
import { Catalogue } from '../store/store.ts';
import { Ingest } from '../traffic/ingest.ts';
import type { GatewaySettings } from './options.ts';

/** The context from which every part of a gateway is built. Each part adds its undo to the teardown. */
export interface GatewayContext {
  /** The data directory. */
  readonly dir: string;
  readonly log: Logger;
  readonly settings: GatewaySettings;
  readonly teardown: Teardown;
}

export type GatewayStore = ReturnType<typeof openStore>;
export type GatewaySessions = Awaited<ReturnType<typeof openSessions>>;
export type GatewayReaders = ReturnType<typeof openReaders>;

/** Opens the store and the authentication. */
export function openStore({ dir, log, settings, teardown }: GatewayContext) {
  // The file of a killed gateway names an address that may belong to another program by now.
  removeGatewayFile(dir);
  const proofKey = newProofKey();
  const adminToken = loadAdminToken(dir);
  if (isGuessable(adminToken))
    log.warn('BINNACLE_TOKEN is short enough to be guessed. Make one with: openssl rand -hex 32');
  const storedTime = new StoredTime(dir, (err) => log.warn({ err }, 'the time cannot be stored'), settings.clocks);
  teardown.add(() => storedTime.stop());
  const { time } = storedTime;
  const catalogue = Catalogue.open(dir, settings.catalogueLimits, time);
  teardown.add(() => catalogue.close());
  adoptLogs(dir, catalogue, log);
  const publicUrl = new PublicUrl(settings.publicUrl);
  const hosts = new Hosts({ names: settings.hostNames, origins: settings.origins, publicUrl });
  const auth = new Auth({ catalogue, adminToken, hosts });
  teardown.add(() => auth.close());
  return { proofKey, adminToken, time, catalogue, publicUrl, hosts, auth };
}

/** Opens the sessions: those that runners still host, and foreign ones. */
export async function openSessions(
  { dir, log, settings, teardown }: GatewayContext,
  { catalogue, time, hooks }: GatewayStore & { readonly hooks: Hooks },
) {
  const limits = {
    segmentBytes: settings.segmentBytes,
    retainBytes: settings.retainBytes,
    retainMs: settings.retainAgeMs,
  };
  const socketDir = makeSocketDir(dir);
  teardown.add(() => removeSocketDir(socketDir));
  const fleet = new Fleet(
    {
      root: dir,
      dir: join(dir, 'runners'),
      socketDir,
      script: settings.runnerScript,
      programsPerRunner: settings.programsPerRunner,
      syncMs: settings.syncMs,
      orphanMs: settings.orphanMs,
      env: runnerEnvironment(),
    },
    log,
  );
  teardown.add(() => fleet.close());
  const reporters = new SessionReporters(dir, settings.hookScript);
  const sessions = new Sessions(
    {
      dir: join(dir, 'sessions'),
      maxSessions: settings.maxSessions,
      ...limits,
      maxInputBytes: settings.maxInputBytes,
      maxQueuedRuns: settings.maxQueuedRuns,
      maxEndedRuns: settings.maxEndedRuns,
      leaseTimes: settings.leaseTimes,
      endingTimes: settings.endingTimes,
      passEnv: settings.passEnv,
      environmentOf: (id) => reporters.environmentOf(id),
      pageCacheBytes: settings.pageCacheBytes,
    },
    { catalogue, log, fleet, guard: new SessionHooks(hooks) },
  );
  teardown.add(() => sessions.close());
  const group = new GroupSync({ intervalMs: settings.syncMs });
  teardown.add(() => group.stop());
  const ingest = new Ingest({
    sessions,
    store: catalogue.foreign,
    log,
    logOptions: { ...limits, group, time },
    limits: {
      maxSessions: settings.maxForeignSessions,
      newPerSecond: settings.newForeignPerSecond,
      idleMs: settings.foreignIdleMs,
    },
  });
  teardown.add(() => ingest.close());
  await sessions.recover(ingest);
  void ingest.settle();
  const recordings = new Recordings({
    ...{ sessions, log },
    segmentBytes: settings.segmentBytes,
    dir: join(dir, 'imports'),
    maxBytes: settings.maxRecordingBytes,
  });
  const retention = new Retention(
    { catalogue, sessions, dir: join(dir, 'sessions'), log },
    {
      retainMs: settings.retainAgeMs,
      totalBytes: settings.retainTotalBytes,
      maxFinished: settings.retainSessions,
      sweepMs: settings.sweepMs,
    },
  );
  teardown.add(() => retention.stop());
  const commands = new TimedSessions({ store: catalogue.commands, log, time, sessionOf: (id) => sessions.get(id) });
  teardown.add(() => commands.stop());
  return { reporters, sessions, fleet, group, ingest, recordings, commands };
}

/** Opens the readers of all sessions' logs: screens and search. */
export function openReaders(
  { dir, log, settings, teardown }: GatewayContext,
  { catalogue, sessions }: GatewayStore & GatewaySessions,
) {
  const sessionScreens = new SessionScreens({
    script: settings.screensScript,
    dirOf: (id) => sessions.dirOf(id),
    live: () => sessions.live(),
    watch: (watcher) => sessions.watch(watcher),
    log,
  });
  teardown.add(() => sessionScreens.stop());
  const search = Search.open(
    { sessions, catalogue, log },
    {
      path: join(dir, 'index.sqlite'),
      dir: join(dir, 'sessions'),
      cataloguePath: join(dir, 'catalogue.db'),
      script: settings.searchScript,
      maxEvents: settings.maxEvents,
      maxIndexBytes: settings.maxIndexBytes,
      retainMs: settings.retainAgeMs,
      startsAhead: settings.startsAhead,
      ...defined({ searchMs: settings.searchMs }),
    },
  );
  teardown.add(() => search.stop());
  return { sessionScreens, search };
}

/** Adds logs without a row to the catalogue again, after a loss of the catalogue. */
function adoptLogs(dir: string, catalogue: Catalogue, log: Log): void {
  const found = adoptUnlisted(dir, catalogue);
  if (found.sessions + found.conversations + found.left === 0) return;
  log.warn(found, 'logs that were missing in the catalogue were restored');
}

/**
 * Returns the environment of a runner, which needs to find node's libraries and little else. Programs get an
 * environment of their own.
 */
function runnerEnvironment(): Record<string, string> {
  const { PATH, HOME, LANG, XDG_RUNTIME_DIR } = process.env;
  const known = { PATH, HOME, LANG, XDG_RUNTIME_DIR };
  return Object.fromEntries(Object.entries(known).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

// The composition root: builds everything, wires it, listens, and stops it again. Read this first.

import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, rmdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BinnacleError } from '@binnacle/protocol';
import { pino } from 'pino';
import { isGuessable, loadAdminToken } from './catalogue/admin-token.ts';
import { Catalogue } from './catalogue/catalogue.ts';
import { prepareDataDir } from './catalogue/data-dir.ts';
import { DataDirLock } from './catalogue/lock.ts';
import { commandRoutes } from './connection/execd/command-routes.ts';
import { Commands } from './connection/execd/commands.ts';
import { endpointRoutes } from './connection/execd/endpoints.ts';
import { machineRoutes } from './connection/execd/machine-routes.ts';
import { Metrics } from './connection/execd/metrics.ts';
import { ptyRoutes } from './connection/execd/pty-routes.ts';
import { Ptys } from './connection/execd/ptys.ts';
import { execdSessionRoutes } from './connection/execd/session-routes.ts';
import { LIVENESS_TIMES, Liveness, type LivenessTimes } from './connection/liveness.ts';
import { runRoutes } from './connection/run-routes.ts';
import { sessionRoutes } from './connection/session-routes.ts';
import { Sockets } from './connection/sockets.ts';
import { Auth } from './http/auth.ts';
import { Hosts } from './http/host-origin.ts';
import { createHttpServer, type HttpLimits } from './http/server.ts';
import { staticRoutes } from './http/static.ts';
import { tokenRoutes } from './http/token-routes.ts';
import { ENDING_TIMES, type EndingTimes } from './process/ending.ts';
import { Retention } from './retention.ts';
import { Fleet } from './runner/fleet.ts';
import { cgroupWarning } from './runner/scope.ts';
import { Sessions } from './sessions.ts';
import { HELM_TIMES, type HelmTimes } from './steering/helm.ts';
import { VERSION } from './version.ts';

export interface GatewayOptions {
  /** Holds everything: the catalogue, logs, runners, the admin token. Made with mode 0700. */
  readonly dataDir: string;
  /** Default 127.0.0.1: other machines come through a tunnel or a proxy that speaks TLS. */
  readonly host?: string;
  /** Default 7117; 0 takes a free one. */
  readonly port?: number;
  /** Web origins besides our own that may call us. */
  readonly origins?: readonly string[];
  /** Host names besides the loopback ones that we answer to. */
  readonly hostNames?: readonly string[];
  /** Default 200. */
  readonly maxSessions?: number;
  /** Open viewers over all sessions. Default 10 000. */
  readonly maxViewers?: number;
  /**
   * Sessions that one connection follows. Default 256: a person watches a dozen, a dashboard some hundreds, and each
   * costs a page of memory at most.
   */
  readonly maxSubscriptions?: number;
  /** Terminals that were asked for by POST /pty and that nobody has attached to. Default 1000: a row on the disk each. */
  readonly maxPendingPtys?: number;
  /** Default 8. */
  readonly programsPerRunner?: number;
  /** What runners do without a gateway: go on for ever (default), or end their programs after so many ms. */
  readonly orphans?: 'keep' | number;
  /** Bytes of log kept of one session. Default 1 GiB. */
  readonly retainBytes?: number;
  /** Bytes of log kept of all sessions. Default 20 GiB. */
  readonly retainTotalBytes?: number;
  /** Default 30 days. */
  readonly retainAgeMs?: number;
  /** Bytes of one segment of a log; retention works in steps of it. Default 32 MiB. */
  readonly segmentBytes?: number;
  /** Input that waits for a program to read it, in bytes. Default 1 MiB. */
  readonly maxInputBytes?: number;
  /** Runs that wait for one shell. Default 64: who has more to do at once wants more sessions. */
  readonly maxQueuedRuns?: number;
  /** Ended runs of one session that can still be asked for, some 600 bytes each. Default 1000. */
  readonly maxEndedRuns?: number;
  /** Interval of the group sync (fdatasync) in ms; 0 leaves it to the kernel. Default 50. */
  readonly syncMs?: number;
  /** Names of environment variables that programs get besides the allow-listed ones. */
  readonly passEnv?: readonly string[];
  readonly helmTimes?: Partial<HelmTimes>;
  readonly endingTimes?: Partial<EndingTimes>;
  readonly livenessTimes?: Partial<LivenessTimes>;
  readonly httpLimits?: Partial<HttpLimits>;
  readonly pageCacheBytes?: number;
  readonly logLevel?: string;
  /** The built runner and page; default: those beside the built gateway. */
  readonly runnerScript?: string;
  readonly assetsDir?: string;
}

export interface Gateway {
  readonly url: string;
  readonly adminToken: string;
  /** A link that logs a browser in, once. */
  loginLink(): string;
  /** Stops listening and lets go of everything. Programs go on. */
  close(): Promise<void>;
}

const DAY_MS = 24 * 3600_000;
const GIB = 1024 ** 3;

/** Throws `data_dir_in_use`, `bad_data_dir`, and what listening throws (EADDRINUSE, EACCES). */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const log = pino(
    { level: options.logLevel ?? 'warn', redact: ['token', 'authorization', 'cookie'] },
    { write: toStderr },
  );
  const dir = prepareDataDir(options.dataDir);
  const lock = DataDirLock.take(dir);
  // Newest first: what was built last is let go of first.
  const undo: (() => void | Promise<void>)[] = [() => lock.release()];
  const close = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const adminToken = loadAdminToken(dir);
    if (isGuessable(adminToken))
      log.warn('BINNACLE_TOKEN is short enough to be guessed. Make one with: openssl rand -hex 32');
    const catalogue = Catalogue.open(dir);
    undo.push(() => catalogue.close());
    const hosts = new Hosts({ names: options.hostNames ?? [], origins: options.origins ?? [] });
    const auth = new Auth({ catalogue, adminToken, hosts });
    undo.push(() => auth.close());

    const retainBytes = options.retainBytes ?? GIB;
    const retainMs = options.retainAgeMs ?? 30 * DAY_MS;
    const sessions = new Sessions(
      {
        dir: join(dir, 'sessions'),
        maxSessions: options.maxSessions ?? 200,
        segmentBytes: Math.min(
          options.segmentBytes ?? 32 * 1024 * 1024,
          Math.max(64 * 1024, Math.floor(retainBytes / 4)),
        ),
        retainBytes,
        retainMs,
        maxInputBytes: options.maxInputBytes ?? 1024 * 1024,
        maxQueuedRuns: options.maxQueuedRuns ?? 64,
        maxEndedRuns: options.maxEndedRuns ?? 1000,
        helmTimes: { ...HELM_TIMES, ...options.helmTimes },
        endingTimes: { ...ENDING_TIMES, ...options.endingTimes },
        passEnv: options.passEnv ?? [],
        // Half of what one gateway may take over its base; a page is kept by those who have not sent it yet as well.
        pageCacheBytes: options.pageCacheBytes ?? 8 * 1024 * 1024,
      },
      catalogue,
      log,
    );
    undo.push(() => sessions.close());
    const socketDir = socketDirOf(dir);
    undo.push(() => removeIfEmpty(socketDir));
    const fleet = new Fleet(
      {
        dir: join(dir, 'runners'),
        socketDir,
        script: options.runnerScript ?? beside('runner.mjs'),
        programsPerRunner: options.programsPerRunner ?? 8,
        syncMs: options.syncMs ?? 50,
        orphanMs: options.orphans === undefined || options.orphans === 'keep' ? 0 : options.orphans,
        env: runnerEnvironment(),
      },
      sessions.fleetEvents,
    );
    undo.push(() => fleet.close());
    await sessions.recover(fleet);
    const retention = new Retention(
      { catalogue, sessions, dir: join(dir, 'sessions'), log },
      { retainMs, totalBytes: options.retainTotalBytes ?? 20 * GIB },
    );
    undo.push(() => retention.stop());

    const liveness = new Liveness({ ...LIVENESS_TIMES, ...options.livenessTimes });
    const ptys = new Ptys({ sessions, store: catalogue.ptys, maxPending: options.maxPendingPtys ?? 1000 });
    const commands = new Commands({ sessions, store: catalogue.commands, log });
    undo.push(() => commands.stop());
    const metrics = new Metrics({
      sessions: () => catalogue.sessions.countByState(),
      viewers: () => liveness.count,
      runners: () => fleet.count,
    });
    undo.push(() => metrics.close());
    const sockets = new Sockets({
      sessions,
      ptys,
      liveness,
      auth,
      maxViewers: options.maxViewers ?? 10_000,
      maxSubscriptions: options.maxSubscriptions ?? 256,
    });
    const assets = options.assetsDir ?? beside('../assets');
    let isStopping = false;
    const http = createHttpServer({
      routes: [
        ...tokenRoutes({ auth, notReady: () => (isStopping ? 'The gateway is stopping.' : undefined) }),
        ...sessionRoutes(sessions, liveness),
        ...runRoutes(sessions, liveness),
        ...commandRoutes(sessions, commands, liveness),
        ...execdSessionRoutes(sessions, liveness),
        ...ptyRoutes(sessions, ptys),
        ...machineRoutes(metrics),
        ...endpointRoutes(),
        ...(existsSync(join(assets, 'index.html')) ? staticRoutes(assets) : []),
      ],
      wsRoutes: sockets.routes,
      auth,
      hosts,
      log,
      version: VERSION,
      ...(options.httpLimits === undefined ? {} : { limits: options.httpLimits }),
    });
    const { url } = await http.listen({ host: options.host ?? '127.0.0.1', port: options.port ?? 7117 });
    undo.push(async () => {
      isStopping = true;
      liveness.stop();
      await http.close();
    });
    writeFileSync(join(dir, 'gateway.json'), JSON.stringify({ url, pid: process.pid }), { mode: 0o600 });
    undo.push(() => rmSync(join(dir, 'gateway.json'), { force: true }));
    const warning = cgroupWarning();
    if (warning !== undefined) log.warn(warning);
    fleet.warm();
    return { url, adminToken, loginLink: () => `${url}/#ticket=${auth.issueOwnTicket()}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where stderr is a file on a full disk or a terminal that is gone, a line is lost; pino's own would hang or end us. */
function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // There is nowhere left to say so.
  }
}

/** Beside the bundle in dist/, or in dist/ when the sources run unbundled. */
function beside(name: string): string {
  const bundled = fileURLToPath(new URL(name, import.meta.url));
  return existsSync(bundled) ? bundled : fileURLToPath(new URL(`../dist/${name}`, import.meta.url));
}

/** A runner needs to find node's libraries and little else; programs get their own environment. */
function runnerEnvironment(): Record<string, string> {
  const { PATH, HOME, LANG, XDG_RUNTIME_DIR } = process.env;
  const known = { PATH, HOME, LANG, XDG_RUNTIME_DIR };
  return Object.fromEntries(Object.entries(known).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/**
 * Sockets are kept where paths are short: in the runtime directory, else in the temporary one, by a digest of the data
 * directory. It must be a directory of our own that nobody else can enter. Throws `bad_data_dir`.
 */
function socketDirOf(dataDir: string): string {
  const name = `binnacle-${createHash('sha256').update(dataDir).digest('hex').slice(0, 8)}`;
  const runtime = process.env.XDG_RUNTIME_DIR;
  const uid = process.getuid?.() ?? 0;
  const dir = runtime !== undefined && existsSync(runtime) ? join(runtime, name) : join(tmpdir(), `${name}-${uid}`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const found = lstatSync(dir);
  if (!found.isDirectory() || found.uid !== uid) {
    throw new BinnacleError('bad_data_dir', {
      message: `${dir} is not a directory of ours.`,
      hint: 'Remove it, or set XDG_RUNTIME_DIR.',
    });
  }
  chmodSync(dir, 0o700);
  return dir;
}

function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // Runners that go on have their sockets in it.
  }
}

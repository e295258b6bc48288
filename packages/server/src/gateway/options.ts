// Options of a gateway, their defaults, and the interface of a started gateway.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clocks, REAL_CLOCKS } from '@binnacle/protocol';
import type { SessionActivityTimes } from '../activity/session-activities.ts';
import type { ServedAddress } from '../api/http/routes.ts';
import type { HttpLimits } from '../api/http/server.ts';
import { LIVENESS_TIMES, type LivenessTimes } from '../api/stream/liveness.ts';
import type { SilenceTimes } from '../conversations/agents/silence.ts';
import type { ConversationListener } from '../conversations/conversations.ts';
import type { ConversationLeaseTimes } from '../conversations/lease.ts';
import type { DeliveryLimits } from '../notifications/deliveries.ts';
import type { WaitTimes } from '../notifications/waits.ts';
import type { PluginLimits } from '../plugins/host/limits.ts';
import { ENDING_TIMES, type EndingTimes } from '../process/termination.ts';
import { SESSION_LEASE_TIMES, type SessionLeaseTimes } from '../sessions/lease.ts';
import type { CatalogueLimits } from '../store/store.ts';
import { RATE_LIMITS, type RateLimits } from '../traffic/rate-limit.ts';

export interface GatewayOptions {
  /** Directory of all data: the catalogue, logs, runners, the admin token. Created with mode 0700. */
  readonly dataDir: string;
  /** Listening address. Default 127.0.0.1: other machines connect through a tunnel or a proxy with TLS. */
  readonly host?: string;
  /** Listening port. Default 7117; 0 takes a free one. */
  readonly port?: number;
  /** Additional web origins that may call this gateway. */
  readonly origins?: readonly string[];
  /** Public address, e.g. `https://box.example.org:8443/binnacle/`. Overrides the config file's `publicUrl`. */
  readonly publicUrl?: string;
  /** Host names that the gateway accepts besides the loopback names. */
  readonly hostNames?: readonly string[];
  /** Maximum sessions that are not closed, foreign ones excluded. Default 200. */
  readonly maxSessions?: number;
  /** Maximum foreign sessions that have not ended. Default 1000. */
  readonly maxForeignSessions?: number;
  /** Maximum new foreign sessions of one user per second, on average. Default 100. */
  readonly newForeignPerSecond?: number;
  /** Time without an event after which a foreign session counts as lost. Default 7 days. */
  readonly foreignIdleMs?: number;
  /** Maximum traffic of one emitting token. Default 20 000 events and 64 MiB per second. */
  readonly emitRates?: Partial<RateLimits>;
  /** Maximum open viewers over all sessions. Default 10 000. */
  readonly maxViewers?: number;
  /**
   * Maximum sessions that one connection follows. Default 256: a person watches a dozen, a dashboard some hundreds, and
   * each costs at most a page of memory.
   */
  readonly maxSubscriptions?: number;
  /** Maximum terminals made by POST /pty to which no client has attached. Default 1000: each is a row on the disk. */
  readonly maxPendingPtys?: number;
  /** Maximum waiting MCP calls of one token. Default 32: an agent that waits for more has lost count. */
  readonly maxMcpCalls?: number;
  /** Maximum addresses that one token follows over MCP. Default 256, like `maxSubscriptions` of one connection. */
  readonly maxMcpSubscriptions?: number;
  /** Programs per runner process. Default 8. */
  readonly programsPerRunner?: number;
  /** Policy of runners without a gateway: continue for ever (default), or end their programs after this many ms. */
  readonly orphans?: 'keep' | number;
  /** Maximum bytes of one session's log. Default 1 GiB. */
  readonly retainBytes?: number;
  /** Maximum bytes of all sessions' logs. Default 20 GiB. */
  readonly retainTotalBytes?: number;
  /** Maximum finished sessions, own and foreign. Default 20 000. */
  readonly retainSessions?: number;
  /** Maximum age of finished sessions, and of the logs of running ones. Default 30 days. */
  readonly retainAgeMs?: number;
  /**
   * Maximum bytes of an imported asciicast file. Default 256 MiB: about a minute of upload, the time limit of a
   * request.
   */
  readonly maxRecordingBytes?: number;
  /** Bytes of one log segment, the unit of retention. Default 32 MiB. */
  readonly segmentBytes?: number;
  /** Maximum bytes of input that wait for a program to read them. Default 1 MiB. */
  readonly maxInputBytes?: number;
  /** Maximum queued runs of one shell. Default 64: a client with more parallel work needs more sessions. */
  readonly maxQueuedRuns?: number;
  /** Maximum ended runs of one session that remain readable, some 600 bytes each. Default 1000. */
  readonly maxEndedRuns?: number;
  /** Interval of the group sync (fdatasync) in ms; 0 leaves syncing to the kernel. Default 50. */
  readonly syncMs?: number;
  /** Names of environment variables that programs get besides the allow-listed ones. */
  readonly passEnv?: readonly string[];
  /**
   * Path of the config file: agents, bindings, session keys. Default: `config.jsonc` in the data directory, if present.
   */
  readonly configPath?: string;
  /** Maximum conversations. Default 10 000. */
  readonly maxConversations?: number;
  /** Maximum conversations of one user without the scope `admin`. Default 1000. */
  readonly maxConversationsOfUser?: number;
  /** Maximum conversations made by the channels of one plugin. Default: a tenth of `maxConversations`. */
  readonly maxConversationsOfPlugin?: number;
  /** Maximum queued messages of one conversation. Default 64. */
  readonly maxQueuedMessages?: number;
  /** Maximum bytes of one message, as UTF-8. Default 256 KiB. */
  readonly maxMessageBytes?: number;
  /** Maximum bytes of one conversation's log. Default 64 MiB; its messages are stored in addition. */
  readonly retainConversationBytes?: number;
  /** Time from the request to end a turn until the agent's process is ended. Default 5 s. */
  readonly agentGraceMs?: number;
  /** Time without work after which an agent's process is ended; the next message starts another. Default 30 min. */
  readonly agentIdleMs?: number;
  /**
   * Times after which a silent turn is reported and people are notified. Default: 15 s and 2 min; the limit of silence
   * is an option of the agent.
   */
  readonly silenceTimes?: Partial<SilenceTimes>;
  /** Policy for runs when the gateway stops: runs that can continue without it do (default), or all are aborted. */
  readonly runsAtStop?: 'keep' | 'abort';
  readonly writeLeaseTimes?: Partial<ConversationLeaseTimes>;
  readonly leaseTimes?: Partial<SessionLeaseTimes>;
  readonly endingTimes?: Partial<EndingTimes>;
  readonly livenessTimes?: Partial<LivenessTimes>;
  /** Time after which a program counts as quiet, and interval of output checks. Default: 3 s, every 250 ms. */
  readonly activityTimes?: Partial<SessionActivityTimes>;
  readonly httpLimits?: Partial<HttpLimits>;
  /**
   * Time from the beginning of a wait to its notification, and from there to the next one. See notifications/waits.ts.
   */
  readonly waitTimes?: Partial<WaitTimes>;
  readonly deliveryLimits?: Partial<DeliveryLimits>;
  readonly catalogueLimits?: Partial<CatalogueLimits>;
  readonly pageCacheBytes?: number;
  /**
   * Maximum listed events of foreign sessions. Default 1,000,000, some 200 bytes each; their output stays in the logs.
   */
  readonly maxEvents?: number;
  /** Maximum bytes of the search index, about half of the indexed text. Default 4 GiB. */
  readonly maxIndexBytes?: number;
  /** Maximum ms of a search, from when the index begins with it (`search_timeout`). Default 10,000. */
  readonly searchMs?: number;
  /** Limits of each plugin. The defaults are in plugins/host/limits.ts. */
  readonly pluginLimits?: Partial<PluginLimits>;
  readonly logLevel?: string;
  /** Clocks for durations and for the age of stored data. Default: the clocks of the machine. */
  readonly clocks?: Clocks;
  /** Called each time a changed config file takes effect. `problems`: number of reported problems. */
  readonly onConfig?: (path: string, problems: number) => void;
  /**
   * Paths of the built runner, of the programs of search and screens, and of the page. Default: those beside the built
   * gateway.
   */
  readonly runnerScript?: string;
  readonly searchScript?: string;
  readonly screensScript?: string;
  readonly assetsDir?: string;
}

export interface Gateway {
  readonly url: string;
  /** Public address of the gateway, without a slash at the end; undefined if none is configured. */
  readonly publicUrl: string | undefined;
  readonly adminToken: string;
  /** Every served address, including those that /openapi.json and /asyncapi.json leave out. */
  readonly addresses: readonly ServedAddress[];
  /** Returns a link that logs in one browser, once. */
  loginLink(): string;
  /**
   * Calls `listener` for every event of every conversation, with or without watchers. Returns the function that ends
   * it.
   */
  listen(listener: ConversationListener): () => void;
  /** Stops listening and releases all resources. Programs continue to run. */
  close(): Promise<void>;
}

const DAY_MS = 24 * 3600_000;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export type GatewaySettings = ReturnType<typeof withDefaults>;

/**
 * Fills in the default of each unset option. An option stays unset if a part of the gateway has its own default. `dir`:
 * the prepared data directory.
 */
export function withDefaults(options: GatewayOptions, dir: string) {
  const retainBytes = options.retainBytes ?? GIB;
  const maxConversations = options.maxConversations ?? 10_000;
  return {
    ...options,
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 7117,
    origins: options.origins ?? [],
    hostNames: options.hostNames ?? [],
    maxSessions: options.maxSessions ?? 200,
    maxForeignSessions: options.maxForeignSessions ?? 1000,
    newForeignPerSecond: options.newForeignPerSecond ?? 100,
    foreignIdleMs: options.foreignIdleMs ?? 7 * DAY_MS,
    emitRates: { ...RATE_LIMITS, ...options.emitRates },
    maxViewers: options.maxViewers ?? 10_000,
    maxSubscriptions: options.maxSubscriptions ?? 256,
    maxPendingPtys: options.maxPendingPtys ?? 1000,
    maxMcpCalls: options.maxMcpCalls ?? 32,
    maxMcpSubscriptions: options.maxMcpSubscriptions ?? 256,
    programsPerRunner: options.programsPerRunner ?? 8,
    orphanMs: options.orphans === undefined || options.orphans === 'keep' ? 0 : options.orphans,
    retainBytes,
    retainTotalBytes: options.retainTotalBytes ?? 20 * GIB,
    retainSessions: options.retainSessions ?? 20_000,
    retainAgeMs: options.retainAgeMs ?? 30 * DAY_MS,
    maxRecordingBytes: options.maxRecordingBytes ?? 256 * MIB,
    segmentBytes: Math.min(options.segmentBytes ?? 32 * MIB, Math.max(64 * 1024, Math.floor(retainBytes / 4))),
    maxInputBytes: options.maxInputBytes ?? MIB,
    maxQueuedRuns: options.maxQueuedRuns ?? 64,
    maxEndedRuns: options.maxEndedRuns ?? 1000,
    syncMs: options.syncMs ?? 50,
    passEnv: options.passEnv ?? [],
    configPath: options.configPath ?? join(dir, 'config.jsonc'),
    isConfigRequired: options.configPath !== undefined,
    maxConversations,
    maxConversationsOfUser: options.maxConversationsOfUser ?? 1000,
    maxConversationsOfPlugin: options.maxConversationsOfPlugin ?? Math.ceil(maxConversations / 10),
    maxQueuedMessages: options.maxQueuedMessages ?? 64,
    maxMessageBytes: options.maxMessageBytes ?? 256 * 1024,
    retainConversationBytes: options.retainConversationBytes ?? 64 * MIB,
    agentGraceMs: options.agentGraceMs ?? 5000,
    agentIdleMs: options.agentIdleMs ?? 30 * 60_000,
    writeLeaseTimes: options.writeLeaseTimes ?? {},
    leaseTimes: { ...SESSION_LEASE_TIMES, ...options.leaseTimes },
    endingTimes: { ...ENDING_TIMES, ...options.endingTimes },
    livenessTimes: { ...LIVENESS_TIMES, ...options.livenessTimes },
    // Half of the memory that a gateway may use over its base. Readers with unsent pages also use page memory.
    pageCacheBytes: options.pageCacheBytes ?? 8 * MIB,
    maxEvents: options.maxEvents ?? 1_000_000,
    maxIndexBytes: options.maxIndexBytes ?? 4 * GIB,
    logLevel: options.logLevel ?? 'warn',
    clocks: options.clocks ?? REAL_CLOCKS,
    hookScript: beside('hook.mjs'),
    pluginScript: beside('plugin-runtime.mjs'),
    runnerScript: options.runnerScript ?? beside('runner.mjs'),
    searchScript: options.searchScript ?? beside('search-index.mjs'),
    screensScript: options.screensScript ?? beside('session-screens.mjs'),
    assetsDir: options.assetsDir ?? beside('../assets'),
  };
}

/** Returns the path of a built file: beside the bundle in dist/, or in dist/ when the sources run unbundled. */
function beside(name: string): string {
  const bundled = fileURLToPath(new URL(name, import.meta.url));
  return existsSync(bundled) ? bundled : fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
}

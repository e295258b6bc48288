// Options of a gateway, their defaults, and the interface of a started gateway.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defined, REAL_CLOCKS } from '@binnacle/protocol';
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

const DAY_MS = 24 * 3600_000;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Options with a default of the gateway itself. docs/operations.md lists them all. */
export const GATEWAY_DEFAULTS = {
  /** Listening address. Other machines connect through a tunnel or a proxy with TLS. */
  host: '127.0.0.1',
  /** Listening port; 0 takes a free one. */
  port: 7117,
  /** Additional web origins that may call this gateway. */
  origins: [] as readonly string[],
  /** Host names that the gateway accepts besides the loopback names. */
  hostNames: [] as readonly string[],
  /** Maximum sessions that are not closed, foreign ones excluded. */
  maxSessions: 200,
  /** Maximum foreign sessions that have not ended. */
  maxForeignSessions: 1000,
  /** Maximum new foreign sessions of one user per second, on average. */
  newForeignPerSecond: 100,
  /** Time without an event after which a foreign session counts as lost. */
  foreignIdleMs: 7 * DAY_MS,
  /** Maximum open viewers over all sessions. */
  maxViewers: 10_000,
  /**
   * Maximum sessions that one connection follows: a person watches a dozen, a dashboard some hundreds, and each costs
   * at most a page of memory.
   */
  maxSubscriptions: 256,
  /** Maximum terminals made by POST /pty to which no client has attached: each is a row on the disk. */
  maxPendingPtys: 1000,
  /** Maximum waiting MCP calls of one token: an agent that waits for more has lost count. */
  maxMcpCalls: 32,
  /** Maximum addresses that one token follows over MCP. */
  maxMcpSubscriptions: 256,
  /** Programs per runner process. */
  programsPerRunner: 8,
  /** Maximum bytes of one session's log. */
  retainBytes: GIB,
  /** Maximum bytes of all sessions' logs. */
  retainTotalBytes: 20 * GIB,
  /** Maximum finished sessions, own and foreign. */
  retainSessions: 20_000,
  /** Maximum age of finished sessions, and of the logs of running ones. */
  retainAgeMs: 30 * DAY_MS,
  /** Interval of the sweep for these limits. Sizes change by segments of 32 MiB; more frequent sweeps would find nothing new. */
  sweepMs: 60_000,
  /** Maximum bytes of an imported asciicast file: about a minute of upload, the time limit of a request. */
  maxRecordingBytes: 256 * MIB,
  /** Bytes of one log segment, the unit of retention; at most a quarter of `retainBytes`. */
  segmentBytes: 32 * MIB,
  /** Maximum bytes of input that wait for a program to read them. */
  maxInputBytes: MIB,
  /** Maximum queued runs of one shell: a client with more parallel work needs more sessions. */
  maxQueuedRuns: 64,
  /** Maximum ended runs of one session that remain readable, some 600 bytes each. */
  maxEndedRuns: 1000,
  /** Interval of the group sync (fdatasync); 0 leaves syncing to the kernel. */
  syncMs: 50,
  /** Names of environment variables that programs get besides the allow-listed ones. */
  passEnv: [] as readonly string[],
  /** Maximum conversations. */
  maxConversations: 10_000,
  /** Maximum conversations of one user without the scope `admin`. */
  maxConversationsOfUser: 1000,
  /** Maximum queued messages of one conversation. */
  maxQueuedMessages: 64,
  /** Maximum bytes of one message, as UTF-8. */
  maxMessageBytes: 256 * 1024,
  /** Maximum bytes of one conversation's log; its messages are stored in addition. */
  retainConversationBytes: 64 * MIB,
  /** Time from the request to end a turn until the agent's process is ended. */
  agentGraceMs: 5000,
  /** Time without work after which an agent's process is ended; the next message starts another. */
  agentIdleMs: 30 * 60_000,
  /** Whether the search index and a runner start with the gateway, before a search or a session needs them. */
  startsAhead: true,
  /** Bytes of pages of logs in memory. Readers with unsent pages also use page memory. */
  pageCacheBytes: 8 * MIB,
  /** Maximum listed events of foreign sessions, some 200 bytes each; their output stays in the logs. */
  maxEvents: 1_000_000,
  /** Maximum bytes of the search index: about a twelfth of the output of large sessions, half of that of small ones. */
  maxIndexBytes: 4 * GIB,
  /** Level of the log on stderr. */
  logLevel: 'warn',
  /** Clocks for durations and for the age of stored data. */
  clocks: REAL_CLOCKS,
};

export interface GatewayOptions extends Partial<Readonly<typeof GATEWAY_DEFAULTS>> {
  /** Directory of all data: the catalogue, logs, runners, the admin token. Created with mode 0700. */
  readonly dataDir: string;
  /** Public address, e.g. `https://box.example.org:8443/binnacle/`. Overrides the config file's `publicUrl`. */
  readonly publicUrl?: string;
  /** Maximum traffic of one emitting token. Default 20 000 events and 64 MiB per second. */
  readonly emitRates?: Partial<RateLimits>;
  /** Policy of runners without a gateway: continue for ever (default), or end their programs after this many ms. */
  readonly orphans?: 'keep' | number;
  /**
   * Path of the config file: agents, bindings, session keys. Default: `config.jsonc` in the data directory, if present.
   */
  readonly configPath?: string;
  /** Maximum conversations made by the channels of one plugin. Default: a tenth of `maxConversations`. */
  readonly maxConversationsOfPlugin?: number;
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
  /** Maximum ms of a search, from when the index begins with it (`search_timeout`). Default 10,000. */
  readonly searchMs?: number;
  /** Limits of each plugin. The defaults are in plugins/host/limits.ts. */
  readonly pluginLimits?: Partial<PluginLimits>;
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

export type GatewaySettings = ReturnType<typeof withDefaults>;

/**
 * Fills in the default of each unset option. An option stays unset if a part of the gateway has its own default. `dir`:
 * the prepared data directory.
 */
export function withDefaults(options: GatewayOptions, dir: string) {
  const settings = { ...GATEWAY_DEFAULTS, ...defined(options) };
  const { orphans = 'keep', retainBytes, maxConversations } = settings;
  return {
    ...settings,
    emitRates: { ...RATE_LIMITS, ...options.emitRates },
    orphanMs: orphans === 'keep' ? 0 : orphans,
    segmentBytes: Math.min(settings.segmentBytes, Math.max(64 * 1024, Math.floor(retainBytes / 4))),
    configPath: options.configPath ?? join(dir, 'config.jsonc'),
    isConfigRequired: options.configPath !== undefined,
    maxConversationsOfPlugin: options.maxConversationsOfPlugin ?? Math.ceil(maxConversations / 10),
    writeLeaseTimes: options.writeLeaseTimes ?? {},
    leaseTimes: { ...SESSION_LEASE_TIMES, ...options.leaseTimes },
    endingTimes: { ...ENDING_TIMES, ...options.endingTimes },
    livenessTimes: { ...LIVENESS_TIMES, ...options.livenessTimes },
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

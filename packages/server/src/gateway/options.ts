// Options of a gateway, their defaults, and what a gateway gives back.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clocks, REAL_CLOCKS } from '@binnacle/protocol';
import type { SessionActivityTimes } from '../activity/session-activities.ts';
import type { Address } from '../api/http/routes.ts';
import type { HttpLimits } from '../api/http/server.ts';
import { LIVENESS_TIMES, type LivenessTimes } from '../api/stream/liveness.ts';
import type { SilenceTimes } from '../conversations/agents/silence.ts';
import type { ConversationListener } from '../conversations/conversations.ts';
import type { WriteLeaseTimes } from '../conversations/write-lease.ts';
import type { DeliveryLimits } from '../notifications/deliveries.ts';
import type { WaitTimes } from '../notifications/waits.ts';
import type { PluginLimits } from '../plugins/host/limits.ts';
import { ENDING_TIMES, type EndingTimes } from '../process/termination.ts';
import { HELM_TIMES, type HelmTimes } from '../sessions/lease.ts';
import type { CatalogueLimits } from '../store/store.ts';
import { RATE_LIMITS, type RateLimits } from '../traffic/rate-limit.ts';

export interface GatewayOptions {
  /** Holds everything: the catalogue, logs, runners, the admin token. Made with mode 0700. */
  readonly dataDir: string;
  /** Default 127.0.0.1: other machines come through a tunnel or a proxy that speaks TLS. */
  readonly host?: string;
  /** Default 7117; 0 takes a free one. */
  readonly port?: number;
  /** Web origins besides our own that may call us. */
  readonly origins?: readonly string[];
  /** Address for others, e.g. `https://box.example.org:8443/binnacle/`. Wins over the config file's `publicUrl`. */
  readonly publicUrl?: string;
  /** Host names besides the loopback ones that we answer to. */
  readonly hostNames?: readonly string[];
  /** Default 200. */
  readonly maxSessions?: number;
  /** Sessions that run elsewhere and have not ended. Default 1000. */
  readonly maxForeignSessions?: number;
  /** New ones that one user may begin, a second on average. Default 100. */
  readonly newForeignPerSecond?: number;
  /** One that runs elsewhere and of which nothing was heard for so long counts as lost. Default 7 days. */
  readonly foreignIdleMs?: number;
  /** What one token may emit. Default 20 000 events and 64 MiB a second. */
  readonly emitRates?: Partial<RateLimits>;
  /** Open viewers over all sessions. Default 10 000. */
  readonly maxViewers?: number;
  /**
   * Sessions that one connection follows. Default 256: a person watches a dozen, a dashboard some hundreds, and each
   * costs a page of memory at most.
   */
  readonly maxSubscriptions?: number;
  /** Terminals that were asked for by POST /pty and that nobody has attached to. Default 1000: a row on the disk each. */
  readonly maxPendingPtys?: number;
  /** Calls over MCP of one token that wait at once. Default 32: an agent that waits for more has lost count. */
  readonly maxMcpCalls?: number;
  /** Addresses that one token follows over MCP at once. Default 256, as of one connection of our own. */
  readonly maxMcpSubscriptions?: number;
  /** Default 8. */
  readonly programsPerRunner?: number;
  /** What runners do without a gateway: go on for ever (default), or end their programs after so many ms. */
  readonly orphans?: 'keep' | number;
  /** Bytes of log kept of one session. Default 1 GiB. */
  readonly retainBytes?: number;
  /** Bytes of log kept of all sessions. Default 20 GiB. */
  readonly retainTotalBytes?: number;
  /** Finished sessions that are kept, own and foreign ones. Default 20 000. */
  readonly retainSessions?: number;
  /** Default 30 days. */
  readonly retainAgeMs?: number;
  /** Bytes of an asciicast file that is imported. Default 256 MiB: what comes in a minute, which is what a request may take. */
  readonly maxRecordingBytes?: number;
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
  /** The config file: agents, bindings, session keys. Default: `config.jsonc` in the data directory, if it is there. */
  readonly configPath?: string;
  /** Conversations that are kept. Default 10 000. */
  readonly maxConversations?: number;
  /** Of one user, but for the scope `admin`. Default 1000. */
  readonly maxConversationsOfUser?: number;
  /** Made by the channels of one plugin. Default: a tenth of all. */
  readonly maxConversationsOfPlugin?: number;
  /** Messages that wait in one conversation. Default 64. */
  readonly maxQueuedMessages?: number;
  /** Of one message, as UTF-8. Default 256 KiB. */
  readonly maxMessageBytes?: number;
  /** Bytes of log kept of one conversation. Default 64 MiB; its messages are kept besides. */
  readonly retainConversationBytes?: number;
  /** From the request to end a turn until the agent's process is ended. Default 5 s. */
  readonly agentGraceMs?: number;
  /** An agent's process without work is ended after so long; the next message starts another. Default 30 min. */
  readonly agentIdleMs?: number;
  /** When it is said that a turn is silent, and when people are told. Default: 15 s and 2 min; its limit is the agent's. */
  readonly silenceTimes?: Partial<SilenceTimes>;
  /** What becomes of runs when the gateway stops: those that can go on without it do (default), or all are aborted. */
  readonly runsAtStop?: 'keep' | 'abort';
  readonly writeLeaseTimes?: Partial<WriteLeaseTimes>;
  readonly helmTimes?: Partial<HelmTimes>;
  readonly endingTimes?: Partial<EndingTimes>;
  readonly livenessTimes?: Partial<LivenessTimes>;
  /** When a program counts as quiet, and how often its output is looked at. Default: 3 s, every 250 ms. */
  readonly activityTimes?: Partial<SessionActivityTimes>;
  readonly httpLimits?: Partial<HttpLimits>;
  /** From the beginning of a wait until people are notified, and from there to the next one. See notifications/waits.ts. */
  readonly waitTimes?: Partial<WaitTimes>;
  readonly deliveryLimits?: Partial<DeliveryLimits>;
  readonly catalogueLimits?: Partial<CatalogueLimits>;
  readonly pageCacheBytes?: number;
  /** Events of foreign sessions that can be listed. Default 1,000,000, some 200 bytes each; their output stays in the logs. */
  readonly maxEvents?: number;
  /** Bytes of the file that search works with, about half of the text that it knows. Default 4 GiB. */
  readonly maxIndexBytes?: number;
  /** Maximum ms of a search, from when the index begins with it (`search_timeout`). Default 10,000. */
  readonly searchMs?: number;
  /** Of each plugin. The defaults are in plugins/host/limits.ts. */
  readonly pluginLimits?: Partial<PluginLimits>;
  readonly logLevel?: string;
  /** Clocks for durations and for the age of what is kept. Default: the clocks of the machine. */
  readonly clocks?: Clocks;
  /** Told each time that a changed config file is in force. `problems`: how many are told of it. */
  readonly onConfig?: (path: string, problems: number) => void;
  /** The built runner, processes of the index and of screens, and page; default: those beside the built gateway. */
  readonly runnerScript?: string;
  readonly searchScript?: string;
  readonly screensScript?: string;
  readonly assetsDir?: string;
}

export interface Gateway {
  readonly url: string;
  /** Address by which others reach the gateway, without a slash at the end; undefined where nobody has named one. */
  readonly publicUrl: string | undefined;
  readonly adminToken: string;
  /** Every address that is served, also those that /openapi.json and /asyncapi.json leave out. */
  readonly addresses: readonly Address[];
  /** A link that logs a browser in, once. */
  loginLink(): string;
  /** Tells of every event of every conversation, whoever watches. Returns what ends it. */
  listen(listener: ConversationListener): () => void;
  /** Stops listening and lets go of everything. Programs go on. */
  close(): Promise<void>;
}

const DAY_MS = 24 * 3600_000;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export type GatewaySettings = ReturnType<typeof withDefaults>;

/**
 * Fills in the default of each option that is not set. Stays unset: what a part of the gateway has its own defaults for.
 * `dir`: the data directory as it was prepared.
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
    helmTimes: { ...HELM_TIMES, ...options.helmTimes },
    endingTimes: { ...ENDING_TIMES, ...options.endingTimes },
    livenessTimes: { ...LIVENESS_TIMES, ...options.livenessTimes },
    // Half of what one gateway may take over its base; a page is kept by those who have not sent it yet as well.
    pageCacheBytes: options.pageCacheBytes ?? 8 * MIB,
    maxEvents: options.maxEvents ?? 1_000_000,
    maxIndexBytes: options.maxIndexBytes ?? 4 * GIB,
    logLevel: options.logLevel ?? 'warn',
    clocks: options.clocks ?? REAL_CLOCKS,
    hookScript: beside('hook.mjs'),
    pluginScript: beside('plugin-guest.mjs'),
    runnerScript: options.runnerScript ?? beside('runner.mjs'),
    searchScript: options.searchScript ?? beside('search-index.mjs'),
    screensScript: options.screensScript ?? beside('session-screens.mjs'),
    assetsDir: options.assetsDir ?? beside('../assets'),
  };
}

/** Beside the bundle in dist/, or in dist/ when the sources run unbundled. */
function beside(name: string): string {
  const bundled = fileURLToPath(new URL(name, import.meta.url));
  return existsSync(bundled) ? bundled : fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
}

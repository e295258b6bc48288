// The composition root: builds everything, wires it, listens, and stops it again. Read this first.

import { existsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REAL_CLOCKS } from '@binnacle/protocol';
import { pino } from 'pino';
import { Auth } from '../access/auth.ts';
import { Hosts } from '../access/host-origin.ts';
import { PublicUrl } from '../access/public-url.ts';
import { SessionActivities } from '../activity/session-activities.ts';
import { createHttpServer } from '../api/http/server.ts';
import { staticRoutes } from '../api/http/static.ts';
import { mcpRoutes } from '../api/mcp/routes.ts';
import { ClientIds } from '../api/oauth/client-ids.ts';
import { Grants } from '../api/oauth/grants.ts';
import { challengeOf, oauthRoutes } from '../api/oauth/routes.ts';
import { commandRoutes } from '../api/opensandbox/command-routes.ts';
import { endpointRoutes } from '../api/opensandbox/endpoints.ts';
import { machineRoutes } from '../api/opensandbox/machine-routes.ts';
import { Metrics } from '../api/opensandbox/metrics.ts';
import { ptyRoutes } from '../api/opensandbox/pty-routes.ts';
import { Ptys } from '../api/opensandbox/ptys.ts';
import { execdSessionRoutes } from '../api/opensandbox/session-routes.ts';
import { pluginPages } from '../api/plugin-pages/plugin-pages.ts';
import { conversationRoutes } from '../api/rest/conversations.ts';
import { emitRoutes } from '../api/rest/emit.ts';
import { inboundRoutes } from '../api/rest/inbound.ts';
import { infoRoutes } from '../api/rest/info.ts';
import { messageRoutes } from '../api/rest/messages.ts';
import { noticeRoutes } from '../api/rest/notices.ts';
import { pluginRoutes } from '../api/rest/plugins.ts';
import { pushRoutes } from '../api/rest/push.ts';
import { recordingRoutes } from '../api/rest/recordings.ts';
import { reportRoutes } from '../api/rest/reports.ts';
import { routeRoutes } from '../api/rest/routing.ts';
import { runRoutes } from '../api/rest/runs.ts';
import { screenRoutes } from '../api/rest/screens.ts';
import { searchRoutes } from '../api/rest/search.ts';
import { sessionRoutes } from '../api/rest/sessions.ts';
import { shareRoutes } from '../api/rest/shares.ts';
import { timelineRoutes } from '../api/rest/timeline.ts';
import { tokenRoutes } from '../api/rest/tokens.ts';
import { trafficRoutes } from '../api/rest/traffic.ts';
import { LIVENESS_TIMES, Liveness } from '../api/stream/liveness.ts';
import { Turns } from '../base/fair-scheduler.ts';
import type { Log } from '../base/logger.ts';
import { VERSION } from '../base/version.ts';
import { Config } from '../config/config.ts';
import { Agents } from '../conversations/agents/agents.ts';
import { Conversations } from '../conversations/conversations.ts';
import { Inbound } from '../conversations/inbound.ts';
import { Replies } from '../conversations/replies.ts';
import { isGuessable, loadAdminToken } from '../data-dir/admin-token.ts';
import { markOf, prepareDataDir } from '../data-dir/data-dir.ts';
import { newProofKey, proofOf, removeGatewayFile, writeGatewayFile } from '../data-dir/gateway-file.ts';
import { makeSocketDir, removeSocketDir } from '../data-dir/socket-dir.ts';
import { KeptTime } from '../data-dir/time-file.ts';
import { GroupSync } from '../log/group-sync.ts';
import { Looks } from '../notifications/focus.ts';
import { Hails } from '../notifications/notifications.ts';
import { Vapid } from '../notifications/vapid.ts';
import { watchWaits } from '../notifications/watch.ts';
import { REAL_CLOCK } from '../plugins/host/supervision.ts';
import { Notices } from '../plugins/notices.ts';
import { AgentDrivers } from '../plugins/offers/agent-drivers.ts';
import { PluginChannels } from '../plugins/offers/channels.ts';
import { ConversationGuard, ConversationNews, commandsOf } from '../plugins/offers/conversation-hooks.ts';
import { SessionHooks, ToolHooks } from '../plugins/offers/guards.ts';
import { Hooks } from '../plugins/offers/hooks.ts';
import { Jobs } from '../plugins/offers/jobs.ts';
import { PluginTools } from '../plugins/offers/tools.ts';
import { AgentTools } from '../plugins/offers/turn-tools.ts';
import { Plugins } from '../plugins/plugins.ts';
import { allPowers } from '../plugins/powers/all.ts';
import { PluginPrograms } from '../plugins/powers/run-command.ts';
import { ENDING_TIMES } from '../process/termination.ts';
import { Recordings } from '../recording/import.ts';
import { SessionReporters } from '../reporting/session-reporters.ts';
import { Fleet } from '../runner/client/fleet.ts';
import { cgroupWarning } from '../runner/client/scope.ts';
import { identityOf } from '../runner/directory-identity.ts';
import { SessionScreens } from '../screen/session-screens.ts';
import { Search } from '../search/search.ts';
import { HELM_TIMES } from '../sessions/lease.ts';
import { Retention } from '../sessions/retention.ts';
import { Sessions } from '../sessions/sessions.ts';
import { Commands } from '../sessions/timed-sessions.ts';
import { DataDirLock } from '../store/lock.ts';
import { adoptUnlisted, describeListed } from '../store/recovery/unlisted.ts';
import { Catalogue } from '../store/store.ts';
import { Ingest } from '../traffic/ingest.ts';
import { RATE_LIMITS, Rates } from '../traffic/rate-limit.ts';
import { SessionAccess } from '../visibility/session-access.ts';
import type { Gateway, GatewayOptions } from './options.ts';
import { readingOfPlugins } from './plugin-reader.ts';
import { Sockets } from './sockets.ts';

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
  let isClosing = false;
  const close = async () => {
    isClosing = true;
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    // The file of a gateway that was killed: it names an address that may be another program's by now.
    removeGatewayFile(dir);
    const proofKey = newProofKey();
    const adminToken = loadAdminToken(dir);
    if (isGuessable(adminToken))
      log.warn('BINNACLE_TOKEN is short enough to be guessed. Make one with: openssl rand -hex 32');
    const clocks = options.clocks ?? REAL_CLOCKS;
    const keptTime = new KeptTime(dir, (err) => log.warn({ err }, 'the time cannot be kept'), clocks);
    undo.push(() => keptTime.stop());
    const { time } = keptTime;
    const catalogue = Catalogue.open(dir, options.catalogueLimits, time);
    undo.push(() => catalogue.close());
    takeUp(dir, catalogue, log);
    const publicUrl = new PublicUrl(options.publicUrl);
    const hosts = new Hosts({ names: options.hostNames ?? [], origins: options.origins ?? [], publicUrl });
    const auth = new Auth({ catalogue, adminToken, hosts });
    undo.push(() => auth.close());

    const retainBytes = options.retainBytes ?? GIB;
    const retainMs = options.retainAgeMs ?? 30 * DAY_MS;
    const segmentBytes = Math.min(
      options.segmentBytes ?? 32 * 1024 * 1024,
      Math.max(64 * 1024, Math.floor(retainBytes / 4)),
    );
    const reporters = new SessionReporters(dir, beside('hook.mjs'));
    const sessions = new Sessions(
      {
        dir: join(dir, 'sessions'),
        maxSessions: options.maxSessions ?? 200,
        segmentBytes,
        retainBytes,
        retainMs,
        maxInputBytes: options.maxInputBytes ?? 1024 * 1024,
        maxQueuedRuns: options.maxQueuedRuns ?? 64,
        maxEndedRuns: options.maxEndedRuns ?? 1000,
        helmTimes: { ...HELM_TIMES, ...options.helmTimes },
        endingTimes: { ...ENDING_TIMES, ...options.endingTimes },
        passEnv: options.passEnv ?? [],
        environmentOf: (id) => reporters.environmentOf(id),
        // Half of what one gateway may take over its base; a page is kept by those who have not sent it yet as well.
        pageCacheBytes: options.pageCacheBytes ?? 8 * 1024 * 1024,
      },
      catalogue,
      log,
    );
    undo.push(() => sessions.close());
    const socketDir = makeSocketDir(dir);
    undo.push(() => removeSocketDir(socketDir));
    const fleet = new Fleet(
      {
        root: dir,
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
    const group = new GroupSync({ intervalMs: options.syncMs ?? 50 });
    undo.push(() => group.stop());
    const ingest = new Ingest({
      sessions,
      store: catalogue.foreign,
      log,
      logOptions: { segmentBytes, retainBytes, retainMs, group, time },
      limits: {
        maxSessions: options.maxForeignSessions ?? 1000,
        newPerSecond: options.newForeignPerSecond ?? 100,
        idleMs: options.foreignIdleMs ?? 7 * DAY_MS,
      },
    });
    undo.push(() => ingest.close());
    await sessions.recover(fleet, ingest);
    void ingest.settle();
    const recordings = new Recordings({
      ...{ sessions, segmentBytes, log },
      dir: join(dir, 'imports'),
      maxBytes: options.maxRecordingBytes ?? 256 * 1024 * 1024,
    });
    const retention = new Retention(
      { catalogue, sessions, dir: join(dir, 'sessions'), log },
      { retainMs, totalBytes: options.retainTotalBytes ?? 20 * GIB, maxFinished: options.retainSessions ?? 20_000 },
    );
    undo.push(() => retention.stop());

    const config = Config.open({
      path: options.configPath ?? join(dir, 'config.jsonc'),
      isRequired: options.configPath !== undefined,
      log,
    });
    undo.push(() => config.close());
    const programs = new PluginPrograms({ mark: markOf(dir), passEnv: options.passEnv ?? [], log });
    await programs.endLeft();
    const plugins = await Plugins.open({
      dataDir: dir,
      guest: beside('plugin-guest.mjs'),
      settings: () => config.current.plugins,
      editConfig: (path, value) => config.edit(path, value),
      stored: (plugin) => catalogue.pluginStorage.usage(plugin).keys,
      forget: (plugin) => catalogue.pluginStorage.clear(plugin),
      ...(options.pluginLimits === undefined ? {} : { limits: options.pluginLimits }),
      log,
    });
    // What plugins have started ends with them.
    undo.push(async () => void (await Promise.all([plugins.close(), programs.close()])));
    const notices = new Notices();
    const hooks = new Hooks(plugins, log);
    sessions.guard = new SessionHooks(hooks);
    const toolHooks = new ToolHooks(hooks);
    const pluginTools = new PluginTools(plugins);
    const jobs = new Jobs(plugins, log, REAL_CLOCK);
    undo.push(() => jobs.stop());
    publicUrl.configure(config.current.publicUrl);
    config.onChange(() => {
      publicUrl.configure(config.current.publicUrl);
      plugins.configChanged();
      options.onConfig?.(config.path, config.problems.length);
    });
    const guard = new ConversationGuard(hooks);
    const drivers = new AgentDrivers(plugins, (count) => conversations.droppedLate(count));
    const agents = new Agents({
      configs: () => config.current.agents,
      defaultAgent: () => config.current.defaultAgent,
      sessions,
      graceMs: options.agentGraceMs ?? 5000,
      idleMs: options.agentIdleMs ?? 30 * 60_000,
      ...(options.silenceTimes === undefined ? {} : { silenceTimes: options.silenceTimes }),
      contextOf: (id, prompt) => catalogue.conversations.messages.contextOf(id, prompt.id),
      guard,
      foreignDriver: (name) => drivers.driverOf(name),
      toolsOf: (agent) => new AgentTools(pluginTools, toolHooks, agent),
    });
    const maxConversations = options.maxConversations ?? 10_000;
    const conversations = new Conversations(
      {
        dir: join(dir, 'conversations'),
        maxConversations,
        maxConversationsOfUser: options.maxConversationsOfUser ?? 1000,
        maxConversationsOfPlugin: options.maxConversationsOfPlugin ?? Math.ceil(maxConversations / 10),
        maxQueued: options.maxQueuedMessages ?? 64,
        maxMessageBytes: options.maxMessageBytes ?? 256 * 1024,
        retainBytes: options.retainConversationBytes ?? 64 * 1024 * 1024,
        leaseTimes: options.writeLeaseTimes ?? {},
      },
      { store: catalogue.conversations, agents, group, log, time, guard, commands: commandsOf(plugins) },
    );
    undo.push(() => conversations.close(options.runsAtStop === 'abort'));
    conversations.listen(new ConversationNews(hooks));
    await conversations.recover();
    const channels = new PluginChannels(plugins, (id) => plugins.has(id));
    const replies = new Replies({
      store: catalogue.replies,
      rows: catalogue.conversations,
      conversations,
      log,
      clocks,
      carry: async (reply, signal) => {
        await guard.ready;
        return await channels.carry(reply, signal);
      },
    });
    undo.push(() => replies.stop());
    const inbound = new Inbound({
      conversations,
      replies,
      route: (input) => config.router.resolve(input),
      allowedReplies: () => config.current.inbound.replies ?? [],
      guard,
    });

    const liveness = new Liveness({ ...LIVENESS_TIMES, ...options.livenessTimes });
    const access = new SessionAccess(sessions, (id, viewer) => conversations.mayAccess(id, viewer));
    conversations.listen({
      changed: (conversation, events) => {
        if (events.some(({ type }) => type === 'changed')) access.recheck(conversation.record.id);
      },
      deleted: (conversation) => access.recheck(conversation.record.id),
    });
    const looks = new Looks();
    const hails = new Hails({
      ...{ subscriptions: catalogue.pushSubscriptions, mutes: catalogue.mutes, wishes: catalogue.hailWishes, log },
      vapid: Vapid.open(dir),
      settings: () => ({ link: publicUrl.href, ...config.current.notify }),
      holderOf: (issuer) => auth.holderOf(issuer),
      hasEnded: (issuer) => auth.hasEnded(issuer),
      maySee: (who, { kind, id }) =>
        kind === 'session' ? access.seenBy(who).has(id) : conversations.mayAccess(id, who),
      isLooking: (user, looked) => looks.isLooking(user, looked),
      ...(options.waitTimes === undefined ? {} : { times: options.waitTimes }),
      ...(options.deliveryLimits === undefined ? {} : { limits: options.deliveryLimits }),
    });
    undo.push(() => hails.stop());
    undo.push(auth.onRevoke((id) => hails.ended(id)));
    undo.push(
      watchWaits({
        ...{ sessions, conversations, waits: hails.waits },
        forget: ({ kind, id }) => catalogue.mutes.forget({ kind, target: id }),
      }),
    );
    const sessionScreens = new SessionScreens({
      script: options.screensScript ?? beside('session-screens.mjs'),
      dirOf: (id) => sessions.dirOf(id),
      live: () => sessions.live(),
      watch: (watcher) => sessions.watch(watcher),
      log,
    });
    undo.push(() => sessionScreens.stop());
    const activities = new SessionActivities(
      {
        ...{ sessions, waits: catalogue.waits, log },
        see: async (session) => {
          if (!SessionScreens.has(session)) return undefined;
          const { lines, title } = await sessionScreens.drawn(session);
          return { rows: lines, title };
        },
        turnOf: (id) => {
          const turn = conversations.turnOf(id);
          return turn === undefined
            ? undefined
            : { runningSince: turn.run?.startedAt ?? null, approvals: turn.approvals };
        },
      },
      options.activityTimes,
    );
    undo.push(() => activities.stop());
    conversations.listen({ changed: ({ record }) => activities.turnChanged(record.id) });
    const ptys = new Ptys({ store: catalogue.ptys, maxPending: options.maxPendingPtys ?? 1000, time });
    const commands = new Commands({ store: catalogue.commands, log, time, sessionOf: (id) => sessions.get(id) });
    undo.push(() => commands.stop());
    const search = Search.open(
      { sessions, catalogue, log },
      {
        path: join(dir, 'index.sqlite'),
        dir: join(dir, 'sessions'),
        script: options.searchScript ?? beside('search-index.mjs'),
        maxEvents: options.maxEvents ?? 1_000_000,
        maxIndexBytes: options.maxIndexBytes ?? 4 * GIB,
        retainMs,
        ...(options.searchMs === undefined ? {} : { searchMs: options.searchMs }),
      },
    );
    undo.push(() => search.stop());
    const metrics = new Metrics({
      index: () => search.facts,
      emitted: () => ingest.facts,
      sessions: () => catalogue.sessions.countByState(),
      viewers: () => liveness.count,
      runners: () => fleet.count,
      conversations: () => ({ all: conversations.count, working: conversations.working().length }),
      lateEvents: () => conversations.lateEvents,
      hails: () => hails.counts,
    });
    undo.push(() => metrics.close());
    const sockets = new Sockets({
      access,
      conversations,
      notices,
      looks,
      screens: sessionScreens,
      ptys,
      liveness,
      auth,
      maxViewers: options.maxViewers ?? 10_000,
      maxSubscriptions: options.maxSubscriptions ?? 256,
    });
    const assets = options.assetsDir ?? beside('../assets');
    let isStopping = false;
    const turns = new Turns();
    const http = createHttpServer({
      routes: [
        ...tokenRoutes({ auth, notReady: () => (isStopping ? 'The gateway is stopping.' : undefined) }),
        ...infoRoutes({
          version: VERSION,
          terminalProblem: () => sessions.terminalProblem,
          proofOf: (nonce) => proofOf(proofKey, nonce),
        }),
        ...sessionRoutes(access, liveness),
        ...reportRoutes(reporters, activities),
        ...shareRoutes({
          ...{ auth, access, conversations },
          sessionsOf: (id, limit) => catalogue.sessions.idsOfConversation(id, limit),
          isDriving: (guest) => sockets.isDriving(guest),
        }),
        ...runRoutes(access, liveness),
        ...screenRoutes(access, sessionScreens),
        ...timelineRoutes(access, catalogue.waits),
        ...recordingRoutes({
          ...{ access, conversations, recordings, liveness, turns },
          assertLive: (principal) => auth.assertLive(principal),
        }),
        ...commandRoutes(access, commands, liveness),
        ...mcpRoutes({
          ...{ access, commands, liveness, log, turns, screens: sessionScreens, guard: toolHooks, others: pluginTools },
          maxCalls: options.maxMcpCalls ?? 32,
          maxSubscriptions: options.maxMcpSubscriptions ?? 256,
          onRevoke: (listener) => undo.push(auth.onRevoke(listener)),
          challenge: challengeOf,
        }),
        ...oauthRoutes({
          clients: ClientIds.open(dir),
          grants: new Grants({ auth, tokens: catalogue.tokens, store: catalogue.oauthGrants }),
        }),
        ...execdSessionRoutes(access, liveness),
        ...ptyRoutes(access, ptys),
        ...conversationRoutes(conversations),
        ...messageRoutes(conversations, liveness),
        ...inboundRoutes(inbound),
        ...routeRoutes(config),
        ...pluginRoutes(plugins),
        ...pluginPages({ offered: () => plugins.inForce('route'), auth, log }),
        ...noticeRoutes(notices),
        ...pushRoutes({ ...{ hails, access, conversations }, mutes: catalogue.mutes, wishes: catalogue.hailWishes }),
        ...emitRoutes(ingest, new Rates({ ...RATE_LIMITS, ...options.emitRates })),
        ...trafficRoutes(access, search),
        ...searchRoutes(access, search),
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
      plugins.quiet();
      await http.close();
    });
    writeGatewayFile(dir, { url, pid: process.pid, directory: identityOf(dir), key: proofKey });
    undo.push(() => removeGatewayFile(dir));
    if (sessions.terminalProblem !== undefined) log.warn(`${sessions.terminalProblem.message} Programs on pipes run.`);
    // First of all: a stop that takes too long is cut short.
    undo.push(() => catalogue.checkpoint());
    const warning = cgroupWarning();
    if (warning !== undefined) log.warn(warning);
    const powers = allPowers({
      programs,
      config,
      storage: catalogue.pluginStorage,
      reading: readingOfPlugins({ sessions, conversations, liveness }),
      notices,
      turns: drivers.powers,
      inlets: channels.powers(inbound),
    });
    describeListed(dir, catalogue, () => isClosing).catch((error: unknown) =>
      log.warn({ err: error }, 'not all sessions could be described beside their logs'),
    );
    void plugins.start(powers).finally(() => guard.open());
    fleet.warm();
    return {
      url,
      publicUrl: publicUrl.href,
      adminToken,
      addresses: http.addresses,
      loginLink: () => `${publicUrl.href ?? url}/#ticket=${auth.issueOwnTicket()}`,
      listen: (listener) => conversations.listen(listener),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Logs that no row tells of, because the catalogue was lost: they are listed again. */
function takeUp(dir: string, catalogue: Catalogue, log: Log): void {
  const found = adoptUnlisted(dir, catalogue);
  if (found.sessions + found.conversations + found.left === 0) return;
  log.warn(found, 'logs that the catalogue did not know of were taken up');
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
  return existsSync(bundled) ? bundled : fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
}

/** A runner needs to find node's libraries and little else; programs get their own environment. */
function runnerEnvironment(): Record<string, string> {
  const { PATH, HOME, LANG, XDG_RUNTIME_DIR } = process.env;
  const known = { PATH, HOME, LANG, XDG_RUNTIME_DIR };
  return Object.fromEntries(Object.entries(known).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

// Surfaces of a gateway: every route and socket, and the server that listens on them.

import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type BinnacleError, defined } from '@binnacle/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { GUEST_FRAMES } from '../access/guest-policy.ts';
import type { Principal } from '../access/principal.ts';
import type { HttpRoute, WsRoute } from '../api/http/routes.ts';
import { createHttpServer } from '../api/http/server.ts';
import { staticRoutes } from '../api/http/static.ts';
import { mcpRoutes } from '../api/mcp/routes.ts';
import { ClientIds } from '../api/oauth/client-ids.ts';
import { OAuthGrants } from '../api/oauth/grants.ts';
import { challengeOf, oauthRoutes } from '../api/oauth/routes.ts';
import { commandRoutes } from '../api/opensandbox/command-routes.ts';
import { endpointRoutes } from '../api/opensandbox/endpoints.ts';
import { EXECD } from '../api/opensandbox/errors.ts';
import { machineRoutes } from '../api/opensandbox/machine-routes.ts';
import { Metrics } from '../api/opensandbox/metrics.ts';
import { ptyRoutes } from '../api/opensandbox/pty-routes.ts';
import { attachPty } from '../api/opensandbox/pty-socket.ts';
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
import { PtyFrames, ServerFrames, SessionFrames, SHAPES, TrafficMessages } from '../api/schemas/frames.ts';
import { SESSION_SCOPES, SessionRequests } from '../api/session-socket/dialect.ts';
import { attachCompat } from '../api/session-socket/session-socket.ts';
import { ViewerLimit } from '../api/stream/viewer-limit.ts';
import { TrafficRequests } from '../api/traffic/messages.ts';
import { TrafficSocket } from '../api/traffic/socket.ts';
import { ClientFrames } from '../api/ws/client-frames.ts';
import { Connection } from '../api/ws/websocket.ts';
import { FairScheduler } from '../base/fair-scheduler.ts';
import type { Teardown } from '../base/teardown.ts';
import { VERSION } from '../base/version.ts';
import { MessageSearch } from '../conversations/message-search.ts';
import { proofOf } from '../data-dir/gateway-file.ts';
import { SenderRateLimit } from '../traffic/rate-limit.ts';
import { FRAME_SCOPES } from '../visibility/frame-scopes.ts';
import type { GatewayAudience, GatewayConversations, GatewayPlugins } from './agents.ts';
import type { GatewayContext, GatewayReaders, GatewaySessions, GatewayStore } from './core.ts';
import type { GatewaySettings } from './options.ts';

/** All parts that the surfaces use. */
export type GatewayParts = GatewayStore &
  GatewayPlugins &
  GatewaySessions &
  GatewayReaders &
  GatewayConversations &
  GatewayAudience;

/** Maximum bytes of one client frame: an input message of 1 MiB in base64 and its envelope. */
const MAX_FRAME_BYTES = 1.5 * 1024 * 1024;

/** Makes the routes and the sockets, and a server that listens on them. */
export async function openSurfaces(context: GatewayContext, parts: GatewayParts) {
  const { log, settings, teardown } = context;
  const { auth, hosts, liveness, plugins } = parts;
  const ptys = new Ptys({ store: parts.catalogue.ptys, maxPending: settings.maxPendingPtys, time: parts.time });
  const notReady = () => (teardown.isRunning ? 'The gateway is stopping.' : undefined);
  const http = createHttpServer({
    routes: [...tokenRoutes({ auth, notReady }), ...routesOf(context, parts, ptys)],
    wsRoutes: socketRoutes({ ...parts, ptys }, settings),
    auth,
    hosts,
    log,
    version: VERSION,
    ...defined({ limits: settings.httpLimits }),
  });
  const { url } = await http.listen({ host: settings.host, port: settings.port });
  teardown.add(async () => {
    liveness.stop();
    plugins.quiet();
    await http.close();
  });
  return { url, addresses: http.addresses };
}

function routesOf({ dir, log, settings, teardown }: GatewayContext, parts: GatewayParts, ptys: Ptys): HttpRoute[] {
  const { catalogue, auth, reporters, sessions, recordings, ingest } = parts;
  const { config, plugins, notices, toolHooks, pluginTools, conversations, inbound } = parts;
  const { access, liveness, watchers, notifications, sessionScreens, activities, commands, search } = parts;
  const assets = settings.assetsDir;
  const scheduler = new FairScheduler();
  return [
    ...infoRoutes({
      version: VERSION,
      terminalProblem: () => sessions.terminalProblem,
      proofOf: (nonce) => proofOf(parts.proofKey, nonce),
    }),
    ...sessionRoutes(access, liveness),
    ...reportRoutes(reporters, activities),
    ...shareRoutes({
      ...{ auth, access, conversations },
      sessionsOf: (id, limit) => catalogue.sessions.idsOfConversation(id, limit),
      isDriving: (guest) => watchers.isDriving(guest),
    }),
    ...runRoutes(access, liveness),
    ...screenRoutes(access, sessionScreens),
    ...timelineRoutes(access, catalogue.waits),
    ...recordingRoutes({
      ...{ access, conversations, recordings, liveness, scheduler },
      assertLive: (principal) => auth.assertLive(principal),
    }),
    ...commandRoutes(access, commands, liveness),
    ...mcpRoutes({
      ...{ access, commands, liveness, log, scheduler, screens: sessionScreens, guard: toolHooks, others: pluginTools },
      maxCalls: settings.maxMcpCalls,
      maxSubscriptions: settings.maxMcpSubscriptions,
      onRevoke: (listener) => teardown.add(auth.onRevoke(listener)),
      challenge: challengeOf,
    }),
    ...oauthRoutes({
      clients: ClientIds.open(dir),
      grants: new OAuthGrants({ auth, tokens: catalogue.tokens, store: catalogue.oauthGrants }),
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
    ...pushRoutes({
      ...{ notifications, access, conversations },
      mutes: catalogue.mutes,
      wishes: catalogue.notificationSettings,
    }),
    ...emitRoutes(ingest, new SenderRateLimit(settings.emitRates)),
    ...trafficRoutes(access, search),
    ...searchRoutes(access, search, new MessageSearch(search, conversations)),
    ...machineRoutes(openMetrics(teardown, parts)),
    ...endpointRoutes(),
    ...(existsSync(join(assets, 'index.html')) ? staticRoutes(assets) : []),
  ];
}

function openMetrics(teardown: Teardown, parts: GatewayParts): Metrics {
  const { search, ingest, catalogue, liveness, fleet, conversations, drivers, notifications } = parts;
  const metrics = new Metrics({
    index: () => search.facts,
    emitted: () => ingest.facts,
    sessions: () => catalogue.sessions.countByState(),
    viewers: () => liveness.count,
    runners: () => fleet.count,
    conversations: () => ({ all: conversations.count, working: conversations.working().length }),
    lateEvents: () => conversations.lateEvents + drivers.lateEffects,
    notifications: () => notifications.counts,
  });
  teardown.add(() => metrics.close());
  return metrics;
}

export type SocketRouteParts = Pick<
  GatewayParts,
  'access' | 'auth' | 'conversations' | 'notices' | 'focus' | 'sessionScreens' | 'liveness' | 'watchers'
> & { readonly ptys: Ptys };

/** Returns the WebSocket addresses, whose open connections together are limited. */
export function socketRoutes(
  parts: SocketRouteParts,
  { maxViewers, maxSubscriptions }: Pick<GatewaySettings, 'maxViewers' | 'maxSubscriptions'>,
): WsRoute[] {
  const { access, auth, conversations, notices, focus, sessionScreens: screens, liveness, watchers } = parts;
  /** Without compression: output is small or fast, and a deflate bomb is refused, as all compressed frames are. */
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_FRAME_BYTES });
  const viewers = new ViewerLimit(maxViewers);
  const join = () => viewers.join();
  const peerOf = (ws: WebSocket, socket: Socket, principal: Principal) => ({
    ...{ ws, socket, principal, seen: access.seenBy(principal), liveness, onClose: join() },
    hold: (who: Principal, close: (why: BinnacleError) => void) => auth.hold(who, close),
  });
  const routes: WsRoute[] = [
    {
      path: '/v1/ws',
      scope: 'view',
      summary: 'Many sessions on one connection: JSON control, binary output.',
      frames: {
        ...{ takes: ClientFrames, sends: ServerFrames, withEach: { seq: z.int() } },
        shapes: SHAPES,
        scopes: FRAME_SCOPES,
        guests: GUEST_FRAMES,
        binary: { sends: 'Output: 36 bytes of header, then the bytes. See PROTOCOL.md, section 6.' },
      },
      upgrade: (request, socket, head, principal) =>
        server.handleUpgrade(request, socket, head, (ws) => {
          const peer = peerOf(ws, socket as Socket, principal);
          new Connection({ ...peer, conversations, notices, focus, screens, maxSubscriptions, watchers });
        }),
    },
    {
      path: '/ws/pty-traffic',
      scope: 'view',
      summary: 'What happens in the sessions that match a filter, own and foreign ones, as JSON messages.',
      frames: { takes: TrafficRequests, sends: TrafficMessages },
      upgrade: (request, socket, head, principal) =>
        server.handleUpgrade(request, socket, head, (ws) => {
          new TrafficSocket({ ...peerOf(ws, socket as Socket, principal), maxFollowed: maxSubscriptions });
        }),
    },
    {
      path: '/ws/session/:id',
      scope: 'view',
      summary: 'One session as JSON frames, for clients of the sandbox daemon.',
      frames: { takes: SessionRequests, sends: SessionFrames, scopes: SESSION_SCOPES },
      upgrade: (request, socket, head, principal, { id = '' }) =>
        attachCompat({ ...parts, server, join }, { request, socket: socket as Socket, head, principal, id }),
    },
    {
      path: '/pty/:id/ws',
      scope: 'view',
      dialect: EXECD,
      summary: 'A terminal of the sandbox daemon: binary frames for bytes, JSON for the rest.',
      frames: {
        ...{ takes: SessionRequests, sends: PtyFrames, scopes: SESSION_SCOPES },
        binary: {
          takes: '0x00, then input.',
          sends: '0x01 or 0x02, then output; 0x03, 8 bytes of offset, then old output.',
        },
      },
      upgrade: (request, socket, head, principal, { id = '' }) =>
        attachPty({ ...parts, server, join }, { request, socket: socket as Socket, head, principal, id }),
    },
  ];
  return routes.map((route) => ({
    ...route,
    upgrade: (...upgrade) => {
      viewers.assertRoom();
      return route.upgrade(...upgrade);
    },
  }));
}

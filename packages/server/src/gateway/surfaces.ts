// Surfaces of a gateway: every route and socket, and the parts that serve them.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defined } from '@binnacle/protocol';
import type { HttpRoute } from '../api/http/routes.ts';
import { createHttpServer } from '../api/http/server.ts';
import { staticRoutes } from '../api/http/static.ts';
import { mcpRoutes } from '../api/mcp/routes.ts';
import { ClientIds } from '../api/oauth/client-ids.ts';
import { OAuthGrants } from '../api/oauth/grants.ts';
import { challengeOf, oauthRoutes } from '../api/oauth/routes.ts';
import { commandRoutes } from '../api/opensandbox/command-routes.ts';
import { endpointRoutes } from '../api/opensandbox/endpoints.ts';
import { machineRoutes } from '../api/opensandbox/machine-routes.ts';
import { ptyRoutes } from '../api/opensandbox/pty-routes.ts';
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
import { FairScheduler } from '../base/fair-scheduler.ts';
import { VERSION } from '../base/version.ts';
import { proofOf } from '../data-dir/gateway-file.ts';
import { SenderRateLimit } from '../traffic/rate-limit.ts';
import type { GatewayConversations, GatewayPlugins } from './agents.ts';
import type { GatewayContext } from './context.ts';
import type { GatewayCore } from './core.ts';
import type { GatewayObservers, GatewayViewers } from './observers.ts';
import { Sockets } from './sockets.ts';

/** All parts that the surfaces use. */
export type GatewayParts = GatewayCore & GatewayPlugins & GatewayConversations & GatewayViewers & GatewayObservers;

/** Makes the sockets and the routes, and the server that listens on them. */
export function openSurfaces(context: GatewayContext, parts: GatewayParts) {
  const { log, settings } = context;
  const { auth, hosts, access, conversations, notices, focus, sessionScreens, ptys, liveness } = parts;
  const sockets = new Sockets({
    access,
    conversations,
    notices,
    focus,
    screens: sessionScreens,
    ptys,
    liveness,
    auth,
    maxViewers: settings.maxViewers,
    maxSubscriptions: settings.maxSubscriptions,
  });
  let isStopping = false;
  const notReady = () => (isStopping ? 'The gateway is stopping.' : undefined);
  const http = createHttpServer({
    routes: [...tokenRoutes({ auth, notReady }), ...routesOf(context, parts, sockets)],
    wsRoutes: sockets.routes,
    auth,
    hosts,
    log,
    version: VERSION,
    ...defined({ limits: settings.httpLimits }),
  });
  return {
    addresses: http.addresses,
    listen: (at: { readonly host: string; readonly port: number }) => http.listen(at),
    close: async () => {
      isStopping = true;
      liveness.stop();
      parts.plugins.quiet();
      await http.close();
    },
  };
}

function routesOf(
  { dir, log, settings, teardown }: GatewayContext,
  parts: GatewayParts,
  sockets: Sockets,
): HttpRoute[] {
  const { catalogue, auth, reporters, sessions, recordings, ingest } = parts;
  const { config, plugins, notices, toolHooks, pluginTools, conversations, inbound } = parts;
  const { access, liveness, notifications, sessionScreens, activities, ptys, commands, search, metrics } = parts;
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
      isDriving: (guest) => sockets.isDriving(guest),
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
    ...searchRoutes(access, search),
    ...machineRoutes(metrics),
    ...endpointRoutes(),
    ...(existsSync(join(assets, 'index.html')) ? staticRoutes(assets) : []),
  ];
}

// Observers of sessions and conversations: access checks, notifications, and the readers of logs besides viewers.

import { join } from 'node:path';
import { defined } from '@binnacle/protocol';
import { SessionActivities } from '../activity/session-activities.ts';
import { Metrics } from '../api/opensandbox/metrics.ts';
import { Ptys } from '../api/opensandbox/ptys.ts';
import { Liveness } from '../api/stream/liveness.ts';
import { UserFocus } from '../notifications/focus.ts';
import { Notifications } from '../notifications/notifications.ts';
import { Vapid } from '../notifications/vapid.ts';
import { watchWaits } from '../notifications/watch.ts';
import { SessionScreens } from '../screen/session-screens.ts';
import { Search } from '../search/search.ts';
import { TimedSessions } from '../sessions/timed-sessions.ts';
import { SessionAccess } from '../visibility/session-access.ts';
import type { GatewayConversations, GatewayPlugins } from './agents.ts';
import type { GatewayContext } from './context.ts';
import type { GatewayCore } from './core.ts';

export type GatewayViewers = ReturnType<typeof openViewers>;
export type GatewayObservers = ReturnType<typeof openObservers>;

/** Opens the access checks of sessions, and the notifications for users who are not looking. */
export function openViewers(
  context: GatewayContext,
  core: GatewayCore,
  { config }: GatewayPlugins,
  { conversations }: GatewayConversations,
) {
  const { dir, log, settings, teardown } = context;
  const { catalogue, publicUrl, auth, sessions } = core;
  const liveness = new Liveness(settings.livenessTimes);
  const access = new SessionAccess(sessions, (id, viewer) => conversations.mayAccess(id, viewer));
  conversations.listen({
    changed: (conversation, events) => {
      if (events.some(({ type }) => type === 'changed')) access.recheck(conversation.record.id);
    },
    deleted: (conversation) => access.recheck(conversation.record.id),
  });
  const focus = new UserFocus();
  const notifications = new Notifications({
    ...{
      subscriptions: catalogue.pushSubscriptions,
      mutes: catalogue.mutes,
      wishes: catalogue.notificationSettings,
      log,
    },
    vapid: Vapid.open(dir),
    settings: () => ({ link: publicUrl.href, ...config.current.notify }),
    holderOf: (issuer) => auth.holderOf(issuer),
    hasEnded: (issuer) => auth.hasEnded(issuer),
    maySee: (who, { kind, id }) => (kind === 'session' ? access.seenBy(who).has(id) : conversations.mayAccess(id, who)),
    isFocused: (user, target) => focus.isFocused(user, target),
    ...defined({ times: settings.waitTimes, limits: settings.deliveryLimits }),
  });
  teardown.add(() => notifications.stop());
  teardown.add(auth.onRevoke((id) => notifications.ended(id)));
  teardown.add(
    watchWaits({
      ...{ sessions, conversations, waits: notifications.waits },
      forget: ({ kind, id }) => catalogue.mutes.forget({ kind, target: id }),
    }),
  );
  return { liveness, access, focus, notifications };
}

/** Opens the readers of session logs besides viewers: screens, activity, search, metrics. */
export function openObservers(
  context: GatewayContext,
  core: GatewayCore,
  { conversations, drivers }: GatewayConversations,
  viewers: GatewayViewers,
) {
  const { dir, log, settings, teardown } = context;
  const { catalogue, time, sessions, fleet, ingest } = core;
  const { liveness, notifications } = viewers;
  const sessionScreens = new SessionScreens({
    script: settings.screensScript,
    dirOf: (id) => sessions.dirOf(id),
    live: () => sessions.live(),
    watch: (watcher) => sessions.watch(watcher),
    log,
  });
  teardown.add(() => sessionScreens.stop());
  const activities = new SessionActivities(
    {
      ...{ sessions, waits: catalogue.waits, log },
      see: async (session) => {
        if (!SessionScreens.has(session)) return undefined;
        const { lines, title } = await sessionScreens.requireScreen(session);
        return { rows: lines, title };
      },
      turnOf: (id) => {
        const turn = conversations.turnOf(id);
        return turn === undefined
          ? undefined
          : { runningSince: turn.run?.startedAt ?? null, approvals: turn.approvals };
      },
    },
    settings.activityTimes,
  );
  teardown.add(() => activities.stop());
  conversations.listen({ changed: ({ record }) => activities.turnChanged(record.id) });
  const ptys = new Ptys({ store: catalogue.ptys, maxPending: settings.maxPendingPtys, time });
  const commands = new TimedSessions({ store: catalogue.commands, log, time, sessionOf: (id) => sessions.get(id) });
  teardown.add(() => commands.stop());
  const search = Search.open(
    { sessions, catalogue, log },
    {
      path: join(dir, 'index.sqlite'),
      dir: join(dir, 'sessions'),
      script: settings.searchScript,
      maxEvents: settings.maxEvents,
      maxIndexBytes: settings.maxIndexBytes,
      retainMs: settings.retainAgeMs,
      ...defined({ searchMs: settings.searchMs, startMs: settings.indexStartMs }),
    },
  );
  teardown.add(() => search.stop());
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
  return { sessionScreens, activities, ptys, commands, search, metrics };
}

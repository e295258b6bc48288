// Observers of sessions and conversations: access checks, notifications, and the readers of logs besides viewers.

import { join } from 'node:path';
import { SessionActivities } from '../activity/session-activities.ts';
import { Metrics } from '../api/opensandbox/metrics.ts';
import { Ptys } from '../api/opensandbox/ptys.ts';
import { Liveness } from '../api/stream/liveness.ts';
import { Looks } from '../notifications/focus.ts';
import { Hails } from '../notifications/notifications.ts';
import { Vapid } from '../notifications/vapid.ts';
import { watchWaits } from '../notifications/watch.ts';
import { SessionScreens } from '../screen/session-screens.ts';
import { Search } from '../search/search.ts';
import { Commands } from '../sessions/timed-sessions.ts';
import { SessionAccess } from '../visibility/session-access.ts';
import type { Conversing, Plugged } from './agents.ts';
import type { GatewayContext } from './context.ts';
import type { Core } from './core.ts';

export type Audience = ReturnType<typeof openAudience>;
export type Observers = ReturnType<typeof openObservers>;

/** Opens the access checks of sessions, and the notifications for users who are not looking. */
export function openAudience(context: GatewayContext, core: Core, { config }: Plugged, { conversations }: Conversing) {
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
  const looks = new Looks();
  const hails = new Hails({
    ...{ subscriptions: catalogue.pushSubscriptions, mutes: catalogue.mutes, wishes: catalogue.hailWishes, log },
    vapid: Vapid.open(dir),
    settings: () => ({ link: publicUrl.href, ...config.current.notify }),
    holderOf: (issuer) => auth.holderOf(issuer),
    hasEnded: (issuer) => auth.hasEnded(issuer),
    maySee: (who, { kind, id }) => (kind === 'session' ? access.seenBy(who).has(id) : conversations.mayAccess(id, who)),
    isLooking: (user, looked) => looks.isLooking(user, looked),
    ...(settings.waitTimes === undefined ? {} : { times: settings.waitTimes }),
    ...(settings.deliveryLimits === undefined ? {} : { limits: settings.deliveryLimits }),
  });
  teardown.add(() => hails.stop());
  teardown.add(auth.onRevoke((id) => hails.ended(id)));
  teardown.add(
    watchWaits({
      ...{ sessions, conversations, waits: hails.waits },
      forget: ({ kind, id }) => catalogue.mutes.forget({ kind, target: id }),
    }),
  );
  return { liveness, access, looks, hails };
}

/** Opens the readers of session logs besides viewers: screens, activity, search, metrics. */
export function openObservers(context: GatewayContext, core: Core, { conversations }: Conversing, audience: Audience) {
  const { dir, log, settings, teardown } = context;
  const { catalogue, time, sessions, fleet, ingest } = core;
  const { liveness, hails } = audience;
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
    settings.activityTimes,
  );
  teardown.add(() => activities.stop());
  conversations.listen({ changed: ({ record }) => activities.turnChanged(record.id) });
  const ptys = new Ptys({ store: catalogue.ptys, maxPending: settings.maxPendingPtys, time });
  const commands = new Commands({ store: catalogue.commands, log, time, sessionOf: (id) => sessions.get(id) });
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
      ...(settings.searchMs === undefined ? {} : { searchMs: settings.searchMs }),
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
    lateEvents: () => conversations.lateEvents,
    hails: () => hails.counts,
  });
  teardown.add(() => metrics.close());
  return { sessionScreens, activities, ptys, commands, search, metrics };
}

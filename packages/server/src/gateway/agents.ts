// Plugins, agents and conversations of a gateway, and the people who see them and are notified.

import { join } from 'node:path';
import { defined } from '@binnacle/protocol';
import { SessionActivities } from '../activity/session-activities.ts';
import { Liveness } from '../api/stream/liveness.ts';
import { Config } from '../config/config.ts';
import { Agents } from '../conversations/agents/agents.ts';
import { Conversations } from '../conversations/conversations.ts';
import { InboundReceiver } from '../conversations/inbound.ts';
import { Replies } from '../conversations/replies.ts';
import { markOf } from '../data-dir/data-dir.ts';
import { UserFocus } from '../notifications/focus.ts';
import { Notifications } from '../notifications/notifications.ts';
import { Vapid } from '../notifications/vapid.ts';
import { watchWaits } from '../notifications/watch.ts';
import { REAL_CLOCK } from '../plugins/host/supervision.ts';
import { Notices } from '../plugins/notices.ts';
import { AgentDrivers } from '../plugins/offers/agent-drivers.ts';
import { PluginChannels } from '../plugins/offers/channels.ts';
import { ConversationGuard, ConversationNews, commandsOf } from '../plugins/offers/conversation-hooks.ts';
import { ToolHooks } from '../plugins/offers/guards.ts';
import { Hooks } from '../plugins/offers/hooks.ts';
import { Jobs } from '../plugins/offers/jobs.ts';
import { PluginTools } from '../plugins/offers/tools.ts';
import { AgentTools } from '../plugins/offers/turn-tools.ts';
import { Plugins } from '../plugins/plugins.ts';
import { PluginPrograms } from '../plugins/powers/run-command.ts';
import { Watchers } from '../presence/presence.ts';
import { SessionScreens } from '../screen/session-screens.ts';
import { SessionAccess } from '../visibility/session-access.ts';
import type { GatewayContext, GatewayReaders, GatewaySessions, GatewayStore } from './core.ts';

export type GatewayPlugins = Awaited<ReturnType<typeof openPlugins>>;
export type GatewayConversations = Awaited<ReturnType<typeof openConversations>>;
export type GatewayAudience = ReturnType<typeof openAudience>;

/**
 * Opens the config file and the plugins that it names. Their hooks are in force, but none of them runs yet: they call
 * what asks their hooks, a cycle, which `Plugins.start` closes.
 */
export async function openPlugins(context: GatewayContext, { catalogue, publicUrl }: GatewayStore) {
  const { dir, log, settings, teardown } = context;
  const config = Config.open({ path: settings.configPath, isRequired: settings.isConfigRequired, log });
  teardown.add(() => config.close());
  const programs = new PluginPrograms({ mark: markOf(dir), passEnv: settings.passEnv, log });
  await programs.endLeft();
  const plugins = await Plugins.open({
    dataDir: dir,
    runtimeScript: settings.pluginScript,
    settings: () => config.current.plugins,
    editConfig: (path, value) => config.edit(path, value),
    stored: (plugin) => catalogue.pluginStorage.usage(plugin).keys,
    forget: (plugin) => catalogue.pluginStorage.clear(plugin),
    ...defined({ limits: settings.pluginLimits }),
    log,
  });
  teardown.add(() => plugins.close());
  const notices = new Notices();
  const hooks = new Hooks(plugins, log);
  const toolHooks = new ToolHooks(hooks);
  const pluginTools = new PluginTools(plugins);
  publicUrl.configure(config.current.publicUrl);
  config.onChange(() => {
    publicUrl.configure(config.current.publicUrl);
    plugins.configChanged();
    settings.onConfig?.(config.path, config.problems.length);
  });
  return { config, programs, plugins, notices, hooks, toolHooks, pluginTools };
}

/** Opens the conversations with their agents, and the channels that deliver messages and answers. */
export async function openConversations(
  { dir, log, settings, teardown }: GatewayContext,
  parts: GatewayStore & GatewayPlugins & GatewaySessions,
) {
  const { catalogue, time, sessions, group, config, programs, plugins, hooks, toolHooks, pluginTools } = parts;
  // Plugins were opened before the sessions and end before them, because they read sessions until their end. Processes
  // that plugins have started end with the plugins.
  teardown.add(async () => void (await Promise.all([plugins.close(), programs.close()])));
  const jobs = new Jobs(plugins, log, REAL_CLOCK);
  teardown.add(() => jobs.stop());
  const guard = new ConversationGuard(hooks);
  const drivers = new AgentDrivers(plugins);
  const agents = new Agents({
    configs: () => config.current.agents,
    defaultAgent: () => config.current.defaultAgent,
    sessions,
    graceMs: settings.agentGraceMs,
    idleMs: settings.agentIdleMs,
    ...defined({ silenceTimes: settings.silenceTimes }),
    contextOf: (id, prompt) => catalogue.conversations.messages.contextOf(id, prompt.id),
    guard,
    foreignDriver: (name) => drivers.driverOf(name),
    toolsOf: (agent) => new AgentTools(pluginTools, toolHooks, agent),
  });
  const conversations = new Conversations(
    {
      dir: join(dir, 'conversations'),
      maxConversations: settings.maxConversations,
      maxConversationsOfUser: settings.maxConversationsOfUser,
      maxConversationsOfPlugin: settings.maxConversationsOfPlugin,
      maxQueued: settings.maxQueuedMessages,
      maxMessageBytes: settings.maxMessageBytes,
      retainBytes: settings.retainConversationBytes,
      leaseTimes: settings.writeLeaseTimes,
    },
    { store: catalogue.conversations, agents, group, log, time, guard, commands: commandsOf(plugins) },
  );
  teardown.add(() => conversations.close(settings.runsAtStop === 'abort'));
  conversations.listen(new ConversationNews(hooks));
  await conversations.recover();
  const channels = new PluginChannels(plugins, (id) => plugins.has(id));
  const replies = new Replies({
    store: catalogue.replies,
    rows: catalogue.conversations,
    conversations,
    log,
    clocks: settings.clocks,
    carry: async (reply, signal) => {
      await guard.ready;
      return await channels.carry(reply, signal);
    },
  });
  teardown.add(() => replies.stop());
  const inbound = new InboundReceiver({
    conversations,
    replies,
    route: (input) => config.router.resolve(input),
    allowedReplies: () => config.current.inbound.replies ?? [],
    guard,
  });
  return { guard, drivers, conversations, channels, inbound };
}

/** Opens the access checks of sessions, presence, the activity of sessions, and the notifications of people. */
export function openAudience(
  { dir, log, settings, teardown }: GatewayContext,
  parts: GatewayStore & GatewayPlugins & GatewaySessions & GatewayConversations & GatewayReaders,
) {
  const { catalogue, publicUrl, auth, sessions, sessionScreens, config, conversations } = parts;
  const liveness = new Liveness(settings.livenessTimes);
  const access = new SessionAccess(sessions, (id, viewer) => conversations.mayAccess(id, viewer));
  conversations.listen({
    changed: ({ record }, events) => {
      if (events.some(({ type }) => type === 'changed')) access.recheck(record.id);
    },
    deleted: ({ record }) => access.recheck(record.id),
  });
  const focus = new UserFocus();
  const notifications = new Notifications({
    subscriptions: catalogue.pushSubscriptions,
    mutes: catalogue.mutes,
    wishes: catalogue.notificationSettings,
    log,
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
  return { liveness, access, watchers: new Watchers(), focus, notifications, activities };
}

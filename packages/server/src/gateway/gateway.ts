// The composition root: builds all parts, wires them, listens, and stops. Read this file first.

import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { readText } from '../api/stream/text-reader.ts';
import type { Liveness } from '../api/stream/liveness.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { Viewer } from '../conversations/state/audience.ts';
import { prepareDataDir } from '../data-dir/data-dir.ts';
import { removeGatewayFile, writeGatewayFile } from '../data-dir/gateway-file.ts';
import { allPowers } from '../plugins/powers/all.ts';
import type { Powers } from '../plugins/powers/powers.ts';
import type { ReadingParts } from '../plugins/powers/session-reader.ts';
import { cgroupWarning } from '../runner/client/scope.ts';
import { identityOf } from '../runner/directory-identity.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { DataDirLock } from '../store/lock.ts';
import { describeListed } from '../store/recovery/unlisted.ts';
import { SeenSessions } from '../visibility/session-access.ts';
import { openConversations, openPlugins } from './agents.ts';
import { type GatewayContext, Teardown } from './context.ts';
import { openSessions, openStore } from './core.ts';
import { openObservers, openViewers } from './observers.ts';
import { type Gateway, type GatewayOptions, withDefaults } from './options.ts';
import { type GatewayParts, openSurfaces } from './surfaces.ts';

/** Starts a gateway. Throws `data_dir_in_use`, `bad_data_dir`, and the errors of listening (EADDRINUSE, EACCES). */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const log = pino(
    { level: options.logLevel ?? 'warn', redact: ['token', 'authorization', 'cookie'] },
    { write: toStderr },
  );
  const dir = prepareDataDir(options.dataDir);
  const lock = DataDirLock.take(dir);
  const teardown = new Teardown();
  teardown.add(() => lock.release());
  const context: GatewayContext = { dir, log, settings: withDefaults(options, dir), teardown };
  try {
    return await open(context);
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

/** Builds the parts in the order of their dependencies, and listens when all exist. */
async function open(context: GatewayContext): Promise<Gateway> {
  const { dir, log, settings, teardown } = context;
  const store = openStore(context);
  const pluginParts = await openPlugins(context, store);
  const core = { ...store, ...(await openSessions(context, store, pluginParts)) };
  const conversationParts = await openConversations(context, core, pluginParts);
  const viewers = openViewers(context, core, pluginParts, conversationParts);
  const observers = openObservers(context, core, conversationParts, viewers);
  const parts = { ...core, ...pluginParts, ...conversationParts, ...viewers, ...observers };
  const surfaces = openSurfaces(context, parts);
  const { adminToken, catalogue, publicUrl, auth, sessions, fleet, conversations } = parts;

  const { url } = await surfaces.listen({ host: settings.host, port: settings.port });
  teardown.add(() => surfaces.close());
  writeGatewayFile(dir, { url, pid: process.pid, directory: identityOf(dir), key: parts.proofKey });
  teardown.add(() => removeGatewayFile(dir));
  if (sessions.terminalProblem !== undefined) log.warn(`${sessions.terminalProblem.message} Programs on pipes run.`);
  // Added last, so that it runs first: a stop that takes too long is cut short.
  teardown.add(() => catalogue.checkpoint());
  const warning = cgroupWarning();
  if (warning !== undefined) log.warn(warning);
  const powers = powersOf(parts);
  describeListed(dir, catalogue, () => teardown.isRunning).catch((error: unknown) =>
    log.warn({ err: error }, 'not all sessions could be described beside their logs'),
  );
  void parts.plugins.start(powers).finally(() => parts.guard.open());
  fleet.warm();
  return {
    url,
    publicUrl: publicUrl.href,
    adminToken,
    addresses: surfaces.addresses,
    loginLink: () => `${publicUrl.href ?? url}/#ticket=${auth.issueOwnTicket()}`,
    listen: (listener) => conversations.listen(listener),
    close: () => teardown.run(),
  };
}

/** Returns the methods of this gateway that plugins can call. */
function powersOf(parts: GatewayParts): Powers {
  const { programs, config, catalogue, sessions, conversations, liveness, notices, drivers, channels, inbound } = parts;
  return allPowers({
    programs,
    config,
    storage: catalogue.pluginStorage,
    reading: readingOfPlugins({ sessions, conversations, liveness }),
    notices,
    turns: drivers.powers,
    channels: channels.powers(inbound),
  });
}

/**
 * Writes a log line, or loses it if stderr is a file on a full disk or a closed terminal: pino's own writer would hang
 * or crash the process.
 */
function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // There is no place left to report the failure.
  }
}

/** A viewer that sees all conversations and owns none. */
const EVERYTHING: Viewer = { user: '', name: 'plugin', scope: 'admin' };

function readingOfPlugins({
  sessions,
  conversations,
  liveness,
}: {
  readonly sessions: Sessions;
  readonly conversations: Conversations;
  readonly liveness: Liveness;
}): ReadingParts {
  return {
    sessions: (isSeen) => {
      // Each read is complete when it returns: nothing stays open that a change of access would have to close.
      const seen = new SeenSessions(sessions, { isGuest: false, isSeen, hold: () => () => undefined });
      return {
        list: (page) => seen.list(page),
        info: (id) => seen.info(id),
        read: (id, part) =>
          readText(seen.get(id), { ...part, waitMs: 0, waitsFor: 'output', strip: true }, { seen, liveness }),
      };
    },
    conversations: {
      list: (page) => conversations.list(EVERYTHING, page),
      history: async (key, page) => (await conversations.get(key, EVERYTHING)).history(page),
    },
  };
}

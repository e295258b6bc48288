// The composition root: builds all parts, wires them, listens, and stops. Read this file first.

import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { readingOfPlugins } from '../api/stream/plugin-reader.ts';
import { Teardown } from '../base/teardown.ts';
import { prepareDataDir } from '../data-dir/data-dir.ts';
import { removeGatewayFile, writeGatewayFile } from '../data-dir/gateway-file.ts';
import { allPowers } from '../plugins/powers/all.ts';
import type { Powers } from '../plugins/powers/powers.ts';
import { cgroupWarning } from '../runner/client/scope.ts';
import { identityOf } from '../runner/directory-identity.ts';
import { DataDirLock } from '../store/lock.ts';
import { describeListed } from '../store/recovery/unlisted.ts';
import { SeenSessions } from '../visibility/session-access.ts';
import { openAudience, openConversations, openPlugins } from './agents.ts';
import { type GatewayContext, openReaders, openSessions, openStore } from './core.ts';
import { GATEWAY_DEFAULTS, type Gateway, type GatewayOptions, withDefaults } from './options.ts';
import { type GatewayParts, openSurfaces } from './surfaces.ts';

/** Starts a gateway. Throws `data_dir_in_use`, `bad_data_dir`, and the errors of listening (EADDRINUSE, EACCES). */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const log = pino(
    { level: options.logLevel ?? GATEWAY_DEFAULTS.logLevel, redact: ['token', 'authorization', 'cookie'] },
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
  const plugins = { ...store, ...(await openPlugins(context, store)) };
  const sessions = { ...plugins, ...(await openSessions(context, plugins)) };
  const readers = { ...sessions, ...openReaders(context, sessions) };
  const conversations = { ...readers, ...(await openConversations(context, readers)) };
  const parts = { ...conversations, ...openAudience(context, conversations) };
  const { url, addresses } = await openSurfaces(context, parts);
  const { adminToken, catalogue, publicUrl, auth, fleet } = parts;

  writeGatewayFile(dir, { url, pid: process.pid, directory: identityOf(dir), key: parts.proofKey });
  teardown.add(() => removeGatewayFile(dir));
  const { terminalProblem } = parts.sessions;
  if (terminalProblem !== undefined) log.warn(`${terminalProblem.message} Programs on pipes run.`);
  // Added last, so that it runs first: a stop that takes too long is cut short.
  teardown.add(() => catalogue.checkpoint());
  const warning = cgroupWarning();
  if (warning !== undefined) log.warn(warning);
  describeListed(dir, catalogue, () => teardown.isRunning).catch((error: unknown) =>
    log.warn({ err: error }, 'not all sessions could be described beside their logs'),
  );
  void parts.plugins.start(powersOf(parts)).finally(() => parts.guard.open());
  if (settings.startsAhead) fleet.warm();
  return {
    url,
    publicUrl: publicUrl.href,
    adminToken,
    addresses,
    loginLink: () => `${publicUrl.href ?? url}/#ticket=${auth.issueOwnTicket()}`,
    listen: (listener) => parts.conversations.listen(listener),
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
    reading: readingOfPlugins({
      // Each read is complete when it returns: nothing stays open that a change of access would have to close.
      seenIf: (isSeen) => new SeenSessions(sessions, { isGuest: false, isSeen, hold: () => () => undefined }),
      ...{ conversations, liveness },
    }),
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

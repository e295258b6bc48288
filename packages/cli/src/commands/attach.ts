// `binnacle attach`: watches a session and steers it. attach/session-view.ts has the behavior.

import type { SessionInfo, StartPosition } from '@binnacle/protocol';
import { parseKeys } from '../attach/detach-keys.ts';
import { view } from '../attach/session-view.ts';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';

/** Maximum replay: the screen and some pages before it. More would only push out what the terminal shows now. */
const REPLAY_BYTES = 256 * 1024;

export async function attach(idOrName: string, options: Options<'attach'>): Promise<number> {
  const keys = parseKeys(options.detachKeys);
  return await withClient(options, async (client) => {
    const info = await findSession(client, idOrName);
    return await view(client, info, {
      from: replayFrom(info),
      replayUntil: info.outputOffset,
      // A foreign session has no lease here; `view` reports that.
      lease: options.readOnly === true || info.foreign !== null ? 'none' : options.take === true ? 'take' : 'acquire',
      keys,
      closesStdin: false,
      data: options.data,
    });
  });
}

/** Starts at the beginning if the output is short, so that the modes set there are set here, too. */
const replayFrom = (info: SessionInfo): StartPosition =>
  info.oldestOffset === 0 && info.outputOffset <= REPLAY_BYTES ? 'start' : { tail: REPLAY_BYTES };

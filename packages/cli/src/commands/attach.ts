// `binnacle attach`: this terminal watches a session and steers it. What it shows and sends is in attach/session-view.ts.

import type { From, SessionInfo } from '@binnacle/protocol';
import { parseKeys } from '../attach/detach-keys.ts';
import { view } from '../attach/session-view.ts';
import { type ClientCommandOptions, findSession, withClient } from '../gateway/connect.ts';

export interface AttachOptions extends ClientCommandOptions {
  readonly readOnly?: boolean;
  readonly take?: boolean;
  readonly detachKeys: string;
}

/** Enough for what was on the screen and some pages before it; more would only push away what the terminal shows now. */
const REPLAY_BYTES = 256 * 1024;

export async function attach(wanted: string, options: AttachOptions): Promise<number> {
  const keys = parseKeys(options.detachKeys);
  return await withClient(options, async (client) => {
    const info = await findSession(client, wanted);
    return await view(client, info, {
      from: replayFrom(info),
      replayUntil: info.outputOffset,
      // Of what runs elsewhere there is no helm here; `view` says so.
      helm: options.readOnly === true || info.foreign !== null ? 'none' : options.take === true ? 'take' : 'acquire',
      keys,
      closesStdin: false,
    });
  });
}

/** From the beginning if that is short, so that the modes that were set then are set here too. */
const replayFrom = (info: SessionInfo): From =>
  info.oldestOffset === 0 && info.outputOffset <= REPLAY_BYTES ? 'start' : { tail: REPLAY_BYTES };

// `binnacle mute` and `unmute`: whether this user is notified of waiting sessions and conversations.

import type { Binnacle, Muted } from '@binnacle/client';
import { isConversationKey } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { EXIT } from '../output/failure.ts';
import { printable } from '../output/style.ts';

export const setMuted =
  (on: boolean) =>
  async (idsOrNames: readonly string[], options: Options<'mute'>): Promise<number> => {
    await withClient(options, async (client) => {
      // All names are resolved first, so that a typo in one of them changes nothing.
      const found = [];
      for (const one of idsOrNames) found.push(await find(client, one));
      for (const { name, what } of found) {
        await (on ? client.push.mute(what) : client.push.unmute(what));
        process.stderr.write(`${on ? 'Muted' : 'Unmuted'} ${printable(name)}.\n`);
      }
    });
    return EXIT.ok;
  };

async function find(client: Binnacle, idOrName: string): Promise<{ readonly name: string; readonly what: Muted }> {
  if (isConversationKey(idOrName)) {
    const { key, title } = await client.conversations.get(idOrName);
    return { name: title || key, what: { conversation: key } };
  }
  const { id, name } = await findSession(client, idOrName);
  return { name: name || id, what: { session: id } };
}

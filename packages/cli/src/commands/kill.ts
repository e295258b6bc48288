// `binnacle kill`: ends sessions and deletes them with their output.

import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { EXIT } from '../output/failure.ts';
import { printable } from '../output/style.ts';

export async function kill(idsOrNames: readonly string[], options: Options<'kill'>): Promise<number> {
  await withClient(options, async (client) => {
    // All names are resolved first, so that a typo in one of them deletes no session.
    const sessions = [];
    for (const one of idsOrNames) sessions.push(await findSession(client, one));
    for (const session of sessions) {
      await client.sessions.delete(session.id);
      process.stderr.write(`Deleted ${printable(session.name) || session.id}.\n`);
    }
  });
  return EXIT.ok;
}

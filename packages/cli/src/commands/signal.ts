// `binnacle signal`: sends a signal to the foreground job of a session.

import { parseSignal, SIGNALS } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { EXIT, usage } from '../output/failure.ts';

export async function signal(idOrName: string, name: string, options: Options<'signal'>): Promise<number> {
  const parsed = parseSignal(name);
  if (parsed === undefined) throw usage(`The signal "${name}" cannot be sent.`, `Use one of: ${SIGNALS.join(', ')}`);
  await withClient(options, async (client) => {
    const session = await findSession(client, idOrName);
    await client.session(session.id).signal(parsed);
  });
  return EXIT.ok;
}

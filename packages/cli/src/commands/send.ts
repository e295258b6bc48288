// `binnacle send`: input for a session, from the command line or from stdin.

import { feed } from '../attach/session-input.ts';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { EXIT, usage } from '../output/failure.ts';

export async function send(idOrName: string, text: readonly string[], options: Options<'send'>): Promise<number> {
  if (options.stdin === true && text.length > 0) throw usage('Pass the text or --stdin, not both.');
  if (options.stdin !== true && text.length === 0 && options.enter !== true) throw usage('There is nothing to send.');
  const receipt = await withClient(options, async (client) => {
    const session = await findSession(client, idOrName);
    const handle = client.session(session.id);
    // Enter is CR on a terminal and LF on a pipe.
    const enter = options.enter !== true ? '' : session.mode === 'pty' ? '\r' : '\n';
    if (options.stdin !== true) return await handle.write(text.join(' ') + enter);
    const accepted = await feed(handle, process.stdin);
    return { accepted: enter === '' ? accepted : accepted + (await handle.write(enter)).accepted };
  });
  if (options.json === true) process.stdout.write(`${JSON.stringify(receipt)}\n`);
  return EXIT.ok;
}

// `binnacle send`, `signal` and `kill`: input for a session, a signal for its foreground job, and its end.

import { parseSignal, SIGNALS } from '@binnacle/protocol';
import { inControl } from '../attach/in-control.ts';
import { feed } from '../attach/session-input.ts';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { EXIT, usage } from '../output/failure.ts';
import { printable } from '../output/style.ts';

/** Sends input from the command line or from stdin. */
export async function send(idOrName: string, text: readonly string[], options: Options<'send'>): Promise<number> {
  if (options.stdin === true && text.length > 0) throw usage('Pass the text or --stdin, not both.');
  if (options.stdin !== true && text.length === 0 && options.enter !== true) throw usage('There is nothing to send.');
  const receipt = await withClient(options, async (client) => {
    const session = await findSession(client, idOrName);
    // Enter is CR on a terminal and LF on a pipe.
    const enter = options.enter !== true ? '' : session.mode === 'pty' ? '\r' : '\n';
    return await inControl(client.session(session.id), options, async (handle) => {
      if (options.stdin !== true) return await handle.write(text.join(' ') + enter);
      const accepted = await feed(handle, process.stdin);
      return { accepted: enter === '' ? accepted : accepted + (await handle.write(enter)).accepted };
    });
  });
  if (options.json === true) process.stdout.write(`${JSON.stringify(receipt)}\n`);
  return EXIT.ok;
}

export async function signal(idOrName: string, name: string, options: Options<'signal'>): Promise<number> {
  const parsed = parseSignal(name);
  if (parsed === undefined) throw usage(`The signal "${name}" cannot be sent.`, `Use one of: ${SIGNALS.join(', ')}`);
  await withClient(options, async (client) => {
    const session = await findSession(client, idOrName);
    await inControl(client.session(session.id), options, (handle) => handle.signal(parsed));
  });
  return EXIT.ok;
}

/** Ends sessions and deletes them with their output. */
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

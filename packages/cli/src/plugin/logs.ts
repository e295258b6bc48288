// `binnacle plugin logs` and `audit`: the output of a plugin, and its allowed and denied actions.

import type { Binnacle } from '@binnacle/client';
import type { PluginLogLine } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { parseCount } from '../input/quantities.ts';
import { EXIT } from '../output/failure.ts';
import { printable, type Style, styleFor, table, widthOf } from '../output/style.ts';

const WAIT_MS = 20_000;
const MAX_AUDIT = 1000;

export async function pluginLogs(id: string, options: Options<'plugin logs'>): Promise<number> {
  const style = styleFor(process.stdout);
  const write = (line: PluginLogLine): void => {
    process.stdout.write(options.json === true ? `${JSON.stringify(line)}\n` : logLine(line, style));
  };
  await withClient(options, async (client) => {
    const { lines, next } = await client.plugins.logs(id);
    for (const line of lines) write(line);
    if (options.follow === true) await followLog(client, id, next, write, new AbortController().signal);
  });
  return EXIT.ok;
}

/** Follows a log until the signal aborts or the plugin is removed. */
export async function followLog(
  client: Binnacle,
  id: string,
  after: number,
  write: (line: PluginLogLine) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let from = after; !signal.aborted; ) {
    const { lines, next } = await client.plugins.logs(id, { after: from, waitMs: WAIT_MS, signal });
    for (const line of lines) write(line);
    from = next;
  }
}

export function logLine({ at, stream, text }: PluginLogLine, style: Style): string {
  const time = style.dim(new Date(at).toTimeString().slice(0, 8));
  const printed = printable(text);
  const shown =
    stream === 'gateway' ? style.cyan(`· ${printed}`) : stream === 'stderr' ? style.yellow(printed) : printed;
  return `${time} ${shown}\n`;
}

export async function pluginAudit(id: string, options: Options<'plugin audit'>): Promise<number> {
  const limit = options.limit === undefined ? undefined : parseCount(options.limit, '--limit', 1, MAX_AUDIT);
  const entries = await withClient(options, (client) => client.plugins.audit(id, limit));
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ entries })}\n`);
    return EXIT.ok;
  }
  const style = styleFor(process.stdout);
  const rows = entries.map(({ at, what, outcome, target, count, by }) => [
    new Date(at).toISOString().slice(0, 19).replace('T', ' '),
    printable(what),
    outcome === 'denied' || outcome === 'malformed' ? style.red(outcome) : outcome,
    String(count),
    printable(by ?? '-'),
    printable(target),
  ]);
  const head = ['TIME (UTC)', 'WHAT', 'OUTCOME', 'TIMES', 'BY', 'TARGET'].map(style.dim);
  process.stdout.write(table([head, ...rows], widthOf(process.stdout)));
  return EXIT.ok;
}

// `binnacle agents`: lists the agents, as a table or as JSON.

import type { AgentInfo } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { EXIT } from '../output/failure.ts';
import { printable, type Style, styleFor, table, widthOf } from '../output/style.ts';

export async function agents(options: Options<'agents'>): Promise<number> {
  const all = await withClient(options, (client) => client.conversations.agents());
  if (options.json === true) process.stdout.write(`${JSON.stringify({ agents: all })}\n`);
  else process.stdout.write(agentTable(all, styleFor(process.stdout)));
  return EXIT.ok;
}

export function agentTable(all: readonly AgentInfo[], style: Style): string {
  const head = ['ID', 'DRIVER', 'DEFAULT', 'WHILE IT WORKS', 'ASKS'].map(style.dim);
  const rows = all.map(({ id, driver, isDefault, steer, approvals }) => [
    printable(id),
    printable(driver),
    isDefault ? style.green('yes') : '-',
    steer.join(', '),
    approvals ? 'yes' : '-',
  ]);
  return table([head, ...rows], widthOf(process.stdout));
}

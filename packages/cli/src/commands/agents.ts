// `binnacle agents`: lists the agents, as a table or as JSON.

import type { AgentInfo } from '@binnacle/protocol';
import { type ClientCommandOptions, withClient } from '../gateway/connect.ts';
import { EXIT } from '../output/failure.ts';
import { printable, type Style, style, table, widthOf } from '../output/style.ts';

export async function agents(options: ClientCommandOptions): Promise<number> {
  const all = await withClient(options, (client) => client.conversations.agents());
  if (options.json === true) process.stdout.write(`${JSON.stringify({ agents: all })}\n`);
  else process.stdout.write(agentTable(all, style(process.stdout)));
  return EXIT.ok;
}

export function agentTable(all: readonly AgentInfo[], look: Style): string {
  const head = ['ID', 'DRIVER', 'DEFAULT', 'WHILE IT WORKS', 'ASKS'].map(look.dim);
  const rows = all.map(({ id, driver, isDefault, steer, approvals }) => [
    printable(id),
    printable(driver),
    isDefault ? look.green('yes') : '-',
    steer.join(', '),
    approvals ? 'yes' : '-',
  ]);
  return table([head, ...rows], widthOf(process.stdout));
}

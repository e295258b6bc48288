// Messages that begin with /name and go to somebody else than the agent, as a run of their own. Knows no plugin.

import type { Author, CommandInfo } from '@binnacle/protocol';
import type { LocalDriver } from '../drivers/driver.ts';
import type { Agent, Told } from './agent.ts';
import { LocalAgent } from './local-agent.ts';

export interface ChatCommand extends CommandInfo {
  /** Rejects with what went wrong. `signal`: nobody wants the answer any more. */
  run(
    call: { readonly args: string; readonly conversation: string; readonly by: string },
    signal: AbortSignal,
  ): Promise<string>;
}

/** Those that are in force now; of two of one name the first counts. */
export type ChatCommands = () => readonly ChatCommand[];

export interface CommandCall {
  readonly command: ChatCommand;
  readonly args: string;
}

const CALL = /^\/([a-z][a-z0-9_-]{0,31})(?:\s+([\s\S]*))?$/;

/** Undefined: it is for the agent, whatever it makes of it. */
export function callIn(text: string, commands: ChatCommands): CommandCall | undefined {
  if (!text.startsWith('/')) return undefined;
  const [, name, args = ''] = CALL.exec(text.trimEnd()) ?? [];
  const command = name === undefined ? undefined : commands().find((one) => one.name === name);
  return command === undefined ? undefined : { command, args };
}

/** Sits in for the agent for one turn, and knows nothing of what was said to that. */
export function commandAgent(
  { command, args }: CommandCall,
  from: { readonly conversation: string; readonly agent: string; readonly by: Author; readonly told: Told },
): Agent {
  const { conversation, agent, by, told } = from;
  const driver: LocalDriver = {
    name: command.plugin,
    kind: 'local',
    steer: ['queue'],
    approvals: false,
    async run(_settings, _turn, out, signal) {
      const text = await command.run({ args, conversation, by: by.name }, signal);
      out.ended({ kind: 'done', text });
    },
  };
  const settings = { id: agent, driver: command.plugin };
  return new LocalAgent({ driver, settings, told, contextOf: () => ({ history: [], by }) });
}

// Chat commands: messages that begin with /name and go to a plugin instead of the agent, as a run of their own.

import type { Author, CommandInfo } from '@binnacle/protocol';
import type { LocalDriver } from '../drivers/driver.ts';
import type { Agent, AgentEvents } from './agent.ts';
import { LocalAgent } from './local-agent.ts';

export interface ChatCommand extends CommandInfo {
  /** Runs the command. Rejects with its error. `signal`: the answer is no longer needed. */
  run(
    call: { readonly args: string; readonly conversation: string; readonly by: string },
    signal: AbortSignal,
  ): Promise<string>;
}

/** Returns the commands in force. Of two with the same name the first counts. */
export type ChatCommands = () => readonly ChatCommand[];

export interface CommandCall {
  readonly command: ChatCommand;
  readonly args: string;
}

const CALL = /^\/([a-z][a-z0-9_-]{0,31})(?:\s+([\s\S]*))?$/;

/** Returns the command that a message calls; undefined for a message to the agent. */
export function callIn(text: string, commands: ChatCommands): CommandCall | undefined {
  if (!text.startsWith('/')) return undefined;
  const [, name, args = ''] = CALL.exec(text.trimEnd()) ?? [];
  const command = name === undefined ? undefined : commands().find((one) => one.name === name);
  return command === undefined ? undefined : { command, args };
}

/** Makes a stand-in that takes one turn and does not see the agent's history. */
export function commandAgent(
  { command, args }: CommandCall,
  from: { readonly conversation: string; readonly agent: string; readonly by: Author; readonly events: AgentEvents },
): Agent {
  const { conversation, agent, by, events } = from;
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
  return new LocalAgent({ driver, settings, events, contextOf: () => ({ history: [], by }) });
}

// Commands for agents: chat, agents, approve and hooks.

import { type Command, Option } from 'commander';
import type { ApproveOptions } from '../commands/approve.ts';
import type { ChatOptions } from '../commands/chat.ts';
import type { HooksOptions } from '../commands/hooks.ts';
import type { ClientCommandOptions } from '../gateway/connect.ts';
import { clientCommand } from './client-command.ts';

export function addChat(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'chat [conversation]', 'talk with an agent')
    .option('--agent <id>', 'which agent (default: the one of the config file)')
    .option('--new', 'in a new conversation')
    .option('--name <name>', 'in your conversation of that name (default: main)')
    .option('-m, --message <text>', 'send this, print the answer and return')
    .addOption(
      new Option('--steer <mode>', 'what becomes of messages while the agent works')
        .choices(['queue', 'inject', 'interrupt'])
        .default('queue'),
    )
    .option('--timeout <duration>', 'stop a run after so long, e.g. 30s, 5m (default: the limit of the agent)')
    .option('--history <n>', 'how many messages of before to show', '10')
    .option('--list', 'list the conversations')
    .option('--json', 'one event a line; with --list: the list')
    .addHelpText(
      'after',
      `
In a terminal it goes on until /quit: type to talk, /help for what else there is. A key answers the agent's questions.
Ctrl-C stops what the agent does; twice leaves, and it goes on. The conversation is a key, or the last part of one.
With -m, or where stdin or stdout is no terminal, the answer goes to stdout and the rest to stderr. Exit codes: 0 it came
to its end, 1 an error, 130 it was stopped (Ctrl-C stops it, and so does --timeout). SIGTERM and SIGHUP end the command
alone: the run goes on.
For example: binnacle chat --agent codex
             (echo 'What could break?'; git diff) | binnacle chat --new`,
    )
    .action(async (conversation: string | undefined, options: ChatOptions) =>
      exit(await (await import('../commands/chat.ts')).chat(conversation, options)),
    );
}

export function addAgents(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'agents', 'list the agents that can be talked with')
    .option('--json', 'as JSON')
    .action(async (options: ClientCommandOptions) =>
      exit(await (await import('../commands/agents.ts')).agents(options)),
    );
  clientCommand(program, 'approve <conversation> [option]', 'answer what an agent asks for, or tell what it is')
    .option('--request <id>', 'which request, where several wait')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
The conversation is a key, or the last part of one. The option is the id of one of the request's, or what it does
(allow_once, allow_always, deny_once, deny_always). The first answer counts. Exit code 1 where nothing waits.
For example: binnacle approve main
             binnacle approve main allow_once`,
    )
    .action(async (conversation: string, option: string | undefined, options: ApproveOptions) =>
      exit(await (await import('../commands/approve.ts')).approve(conversation, option, options)),
    );
}

export function addHooks(program: Command, exit: (code: number) => void): void {
  const hooks = program.command('hooks').description("the agents' own hooks, which tell a session what its agent does");
  const agents = 'claude, codex, gemini, opencode, qwen (default: those found here)';
  const verbs = [
    ['install', 'put them into the settings of agents', 'installHooks'],
    ['uninstall', 'take them out again', 'uninstallHooks'],
  ] as const;
  for (const [verb, description, action] of verbs) {
    hooks
      .command(verb)
      .argument('[agent...]', agents)
      .description(description)
      .option('--project', 'in the settings of this folder')
      .option('--user', 'in your own settings (default)')
      .option('--print', 'show what would change, and write nothing')
      .option('-y, --yes', 'do not ask before writing')
      .addHelpText('after', '\nEverything else in those files stays. Outside of a session the hooks do nothing.')
      .action(async (names: string[], options: HooksOptions) =>
        exit(await (await import('../commands/hooks.ts'))[action](names, options)),
      );
  }
  hooks
    .command('status')
    .description('say where they are')
    .option('--json', 'as JSON')
    .action(async (options: HooksOptions) => exit((await import('../commands/hooks.ts')).hooksStatus(options)));
}

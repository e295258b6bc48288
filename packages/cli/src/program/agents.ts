// Commands for agents: chat, agents, approve and hooks.

import { type Command, Option } from 'commander';
import type { ApproveOptions } from '../commands/approve.ts';
import type { ChatOptions } from '../commands/chat.ts';
import type { HooksOptions } from '../commands/hooks.ts';
import type { ClientCommandOptions } from '../gateway/connect.ts';
import { clientCommand } from './client-command.ts';

export function addChat(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'chat [conversation]', 'talk with an agent')
    .option('--agent <id>', 'the agent (default: that of the config file)')
    .option('--new', 'start a new conversation')
    .option('--name <name>', 'use your conversation of this name (default: main)')
    .option('-m, --message <text>', 'send this, print the answer and return')
    .addOption(
      new Option('--steer <mode>', 'what happens to messages while the agent works')
        .choices(['queue', 'inject', 'interrupt'])
        .default('queue'),
    )
    .option('--timeout <duration>', 'stop a run after this time, e.g. 30s, 5m (default: the limit of the agent)')
    .option('--history <n>', 'the number of earlier messages to show', '10')
    .option('--list', 'list the conversations')
    .option('--json', 'print one event per line; with --list, the list')
    .addHelpText(
      'after',
      `
In a terminal, the chat goes on until /quit. Type to talk; /help lists the commands. A key answers the agent's questions.
Ctrl-C stops the run; press it twice to leave, and the agent goes on. The conversation is a key, or the last part of one.
With -m, or if stdin or stdout is not a terminal, the answer goes to stdout and the rest to stderr. Exit codes: 0 the run
ended, 1 an error, 130 the run was stopped (by Ctrl-C or by --timeout). SIGTERM and SIGHUP end the command
only: the run goes on.
For example: binnacle chat --agent codex
             (echo 'What could break?'; git diff) | binnacle chat --new`,
    )
    .action(async (conversation: string | undefined, options: ChatOptions) =>
      exit(await (await import('../commands/chat.ts')).chat(conversation, options)),
    );
}

export function addAgents(program: Command, exit: (code: number) => void): void {
  clientCommand(program, 'agents', 'list the agents that you can talk with')
    .option('--json', 'print JSON')
    .action(async (options: ClientCommandOptions) =>
      exit(await (await import('../commands/agents.ts')).agents(options)),
    );
  clientCommand(program, 'approve <conversation> [option]', 'answer an approval request of an agent, or show it')
    .option('--request <id>', 'the request, if several wait')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The conversation is a key, or the last part of one. The option is the id of an option of the request, or its kind
(allow_once, allow_always, deny_once, deny_always). The first answer counts. Exit code 1 if no request waits.
For example: binnacle approve main
             binnacle approve main allow_once`,
    )
    .action(async (conversation: string, option: string | undefined, options: ApproveOptions) =>
      exit(await (await import('../commands/approve.ts')).approve(conversation, option, options)),
    );
}

export function addHooks(program: Command, exit: (code: number) => void): void {
  const hooks = program
    .command('hooks')
    .description('set up the hooks of agents, which report to a session what its agent does');
  const agents = 'claude, codex, gemini, opencode, qwen (default: those found here)';
  const verbs = [
    ['install', 'add the hooks to the settings of agents', 'installHooks'],
    ['uninstall', 'remove the hooks from the settings of agents', 'uninstallHooks'],
  ] as const;
  for (const [verb, description, action] of verbs) {
    hooks
      .command(verb)
      .argument('[agent...]', agents)
      .description(description)
      .option('--project', 'use the settings of this folder')
      .option('--user', 'use your own settings (default)')
      .option('--print', 'show the changes, and write nothing')
      .option('-y, --yes', 'do not ask before writing')
      .addHelpText('after', '\nEverything else in those files stays. Outside a session, the hooks do nothing.')
      .action(async (names: string[], options: HooksOptions) =>
        exit(await (await import('../commands/hooks.ts'))[action](names, options)),
      );
  }
  hooks
    .command('status')
    .description('show where the hooks are installed')
    .option('--json', 'print JSON')
    .action(async (options: HooksOptions) => exit((await import('../commands/hooks.ts')).hooksStatus(options)));
}

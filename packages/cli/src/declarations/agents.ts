// Declarations of the commands for agents: chats, approvals, their config file, hooks, routes and MCP.

import { type CommandTable, DATA_DIR, GATEWAY } from './command.ts';

const HOOKING = {
  takes: '[agent...]',
  argument: 'claude, codex, gemini, opencode, qwen (default: those found here)',
  '--project': 'use the settings of this folder',
  '--user': 'use your own settings (default)',
  '--print': 'show the changes, and write nothing',
  '-y, --yes': 'do not ask before writing',
  help: '\nEverything else in those files stays. Outside a session, the hooks do nothing.',
} as const;

export const AGENTS = {
  chat: {
    about: 'talk with an agent',
    takes: '[conversation]',
    ...GATEWAY,
    '--agent <id>': 'the agent (default: that of the config file)',
    '--new': 'start a new conversation',
    '--name <name>': 'use your conversation of this name (default: main)',
    '-m, --message <text>': 'send this, print the answer and return',
    '--steer <mode>': {
      about: 'what happens to messages while the agent works',
      choices: ['queue', 'inject', 'interrupt'],
      default: 'queue',
    },
    '--timeout <duration>': 'stop a run after this time, e.g. 30s, 5m (default: the limit of the agent)',
    '--history <n>': { about: 'the number of earlier messages to show', default: '10' },
    '--list': 'list the conversations',
    '--json': 'print one event per line; with --list, the list',
    help: `
In a terminal, the chat goes on until /quit. Type to talk; /help lists the commands. A key answers the agent's questions.
Ctrl-C stops the run; press it twice to leave, and the agent goes on. The conversation is a key, or the last part of one.
With -m, or if stdin or stdout is not a terminal, the answer goes to stdout and the rest to stderr. Exit codes: 0 the run
ended, 1 an error, 130 the run was stopped (by Ctrl-C or by --timeout). SIGTERM and SIGHUP end the command
only: the run goes on.
For example: binnacle chat --agent codex
             (echo 'What could break?'; git diff) | binnacle chat --new`,
  },
  agents: {
    about: 'list the agents that you can talk with',
    ...GATEWAY,
    '--json': 'print JSON',
  },
  approve: {
    about: 'answer an approval request of an agent, or show it',
    takes: '<conversation> [option]',
    ...GATEWAY,
    '--request <id>': 'the request, if several wait',
    '--json': 'print JSON',
    help: `
The conversation is a key, or the last part of one. The option is the id of an option of the request, or its kind
(allow_once, allow_always, deny_once, deny_always). The first answer counts. Exit code 1 if no request waits.
For example: binnacle approve main
             binnacle approve main allow_once`,
  },
  config: {
    about: 'check the config file',
  },
  'config check': {
    about: 'list the problems of the config file',
    takes: '[file]',
    argument: 'the file (default: config.jsonc in the data directory)',
    ...DATA_DIR,
    '--json': 'print JSON',
    help: '\nNeeds no gateway. Exit code 1 if a gateway would refuse the file.',
  },
  hooks: {
    about: 'set up the hooks of agents, which report to a session what its agent does',
  },
  'hooks install': {
    about: 'add the hooks to the settings of agents',
    ...HOOKING,
  },
  'hooks uninstall': {
    about: 'remove the hooks from the settings of agents',
    ...HOOKING,
  },
  'hooks status': {
    about: 'show where the hooks are installed',
    '--json': 'print JSON',
  },
  route: {
    about: 'explain the routes of messages from channels',
  },
  'route explain': {
    about: 'show where a message would go, and why',
    ...GATEWAY,
    '--channel <name>': { about: 'the channel of the message', required: true },
    '--account <id>': 'the account on the channel (default: default)',
    '--peer <kind:id>': 'the person or room that sent the message, e.g. direct:ada, group:123',
    '--parent <kind:id>': 'the parent of a thread',
    '--guild <id>': 'the guild',
    '--team <id>': 'the team',
    '--role <id>': { about: 'a role of the sender (may be repeated)', many: true },
    '--config <file>': 'use this config file, without a gateway (default: the config of the gateway)',
    '--json': 'print JSON',
    help: '\nSends nothing. Exit code 1 if the message could not be routed.',
  },
  mcp: {
    about: 'run an MCP server on stdin and stdout: background shells for an agent',
    ...GATEWAY,
    '--print-config': 'print the settings for agents, and return',
    help: `
An agent starts this command, not a person. It passes messages on to the gateway, and reconnects when it is back.
The token limits what the tools can do: see binnacle token create --scope.`,
  },
} as const satisfies CommandTable;

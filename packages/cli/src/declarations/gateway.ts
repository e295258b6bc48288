// Declarations of the command that starts the gateway, and of those for an installation.

import { type CommandTable, DATA_DIR } from './command.ts';

export const SERVE = {
  serve: {
    about: 'start the gateway',
    ...DATA_DIR,
    '--config <file>': 'agents, bindings and session keys (default: config.jsonc in the data directory)',
    '--port <n>': { about: 'the port; 0 for any free port', default: '7117' },
    '--host <address>': { about: 'the address to listen on', default: '127.0.0.1' },
    '--json': 'print one line of JSON when the gateway is ready, and nothing else',
    '--origin <origin>': { about: 'a web origin that may use the gateway (may be repeated)', many: true },
    '--pass-env <name>': { about: 'an environment variable to pass on to programs (may be repeated)', many: true },
    '--host-name <name>': { about: 'a host name of the gateway (may be repeated)', many: true },
    '--public-url <url>':
      'the public address, behind a proxy or a tunnel; links begin with it (default: $BINNACLE_PUBLIC_URL)',
    '--lease-time <duration>': {
      about: 'how long an idle writer keeps control (default: 5m; 1s to 24h)',
      env: 'BINNACLE_LEASE_TIME',
    },
    '--lease-grace <duration>': {
      about: 'how long a disconnected writer keeps control (default: 15s)',
      env: 'BINNACLE_LEASE_GRACE',
    },
    '--heartbeat <duration>': {
      about: 'time between pings; three unanswered pings end a connection (default: 15s; 1s to 1h)',
      env: 'BINNACLE_HEARTBEAT',
    },
    '--stall-time <duration>': {
      about: 'how long a viewer may read nothing before it is disconnected (default: 30s; 1s to 1h)',
      env: 'BINNACLE_STALL_TIME',
    },
    '--max-sessions <n>': 'maximum number of running sessions (default: 200)',
    '--max-foreign-sessions <n>': 'maximum number of running sessions that run elsewhere (default: 1000)',
    '--new-foreign-per-second <n>': 'maximum number of them that one user starts per second (default: 100)',
    '--emit-events-per-second <n>': 'maximum number of events that one token emits per second (default: 20000)',
    '--emit-bytes-per-second <size>':
      'maximum size of events that one token emits per second, e.g. 10MiB (default: 64MiB)',
    '--max-viewers <n>': 'maximum number of connected WebSocket viewers (default: 10000)',
    '--max-pending-ptys <n>': 'maximum number of terminals without a first client (default: 1000)',
    '--max-conversations <n>': 'maximum number of conversations (default: 10000)',
    '--max-queued-messages <n>': 'maximum number of waiting messages per conversation (default: 64)',
    '--runs-at-stop <policy>': {
      about: 'what happens to runs when the gateway stops; keep: agents that can, go on',
      choices: ['keep', 'abort'],
      default: 'keep',
    },
    '--max-mcp-calls <n>': 'maximum number of waiting MCP calls per token (default: 32)',
    '--max-mcp-subscriptions <n>': 'maximum number of MCP resources that one token follows (default: 256)',
    '--programs-per-runner <n>': 'maximum number of programs per runner process (default: 8)',
    '--orphans <policy>': {
      about: 'programs without a gateway: keep them, or end them after a time such as 12h',
      default: 'keep',
    },
    '--retain-bytes <size>': 'maximum size of stored output per session, e.g. 256MiB (default: 1GiB)',
    '--retain-total <size>': 'maximum size of stored output of all sessions (default: 20GiB)',
    '--retain-sessions <n>': 'maximum number of stored sessions that have ended (default: 20000)',
    '--retain-age <duration>': 'maximum age of output and ended sessions (default: 30d)',
    '--max-events <n>': 'maximum number of stored events of programs that run elsewhere (default: 1000000)',
    '--max-recording <size>': 'maximum size of an imported recording (default: 256MiB)',
    '--max-index <size>': 'maximum size of the search index (default: 4GiB)',
    '--log-level <level>': {
      about: 'the log level on stderr',
      choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      default: 'warn',
    },
  },
} as const satisfies CommandTable;

export const INSTALLATION = {
  doctor: {
    about: 'check the installation for problems',
    ...DATA_DIR,
    '--rebuild-catalogue': 'rebuild a damaged catalogue from its readable parts and the logs',
    '--rebuild-index': 'rebuild the search index from the logs, without any check',
    '--json': 'print JSON',
  },
  completion: {
    about: 'print a completion script for bash, zsh or fish',
    takes: '<shell>',
    help: '\nFor example: source <(binnacle completion bash)',
  },
} as const satisfies CommandTable;

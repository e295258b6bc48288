// `binnacle serve` and its options.

import { type Command, Option } from 'commander';
import type { ServeOptions } from '../commands/serve.ts';
import { collect } from './client-command.ts';

export function addServe(program: Command, exit: (code: number) => void): void {
  program
    .command('serve')
    .description('start the gateway')
    .option('--data <dir>', 'the data directory (default: $BINNACLE_DATA, else below $XDG_DATA_HOME)')
    .option('--config <file>', 'agents, bindings and session keys (default: config.jsonc in the data directory)')
    .option('--port <n>', 'the port; 0 for any free port', '7117')
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .option('--json', 'print one line of JSON when the gateway is ready, and nothing else')
    .option('--origin <origin>', 'a web origin that may use the gateway (may be repeated)', collect, [])
    .option('--pass-env <name>', 'an environment variable to pass on to programs (may be repeated)', collect, [])
    .option('--host-name <name>', 'a host name of the gateway (may be repeated)', collect, [])
    .option(
      '--public-url <url>',
      'the public address, behind a proxy or a tunnel; links begin with it (default: $BINNACLE_PUBLIC_URL)',
    )
    .addOption(
      new Option('--lease-time <duration>', 'how long an idle writer keeps control (default: 5m; 1s to 24h)').env(
        'BINNACLE_LEASE_TIME',
      ),
    )
    .addOption(
      new Option('--lease-grace <duration>', 'how long a disconnected writer keeps control (default: 15s)').env(
        'BINNACLE_LEASE_GRACE',
      ),
    )
    .addOption(
      new Option(
        '--heartbeat <duration>',
        'time between pings; three unanswered pings end a connection (default: 15s; 1s to 1h)',
      ).env('BINNACLE_HEARTBEAT'),
    )
    .addOption(
      new Option(
        '--stall-time <duration>',
        'how long a viewer may read nothing before it is disconnected (default: 30s; 1s to 1h)',
      ).env('BINNACLE_STALL_TIME'),
    )
    .option('--max-sessions <n>', 'maximum number of running sessions (default: 200)')
    .option('--max-foreign-sessions <n>', 'maximum number of running sessions that run elsewhere (default: 1000)')
    .option('--new-foreign-per-second <n>', 'maximum number of them that one user starts per second (default: 100)')
    .option('--emit-events-per-second <n>', 'maximum number of events that one token emits per second (default: 20000)')
    .option(
      '--emit-bytes-per-second <size>',
      'maximum size of events that one token emits per second, e.g. 10MiB (default: 64MiB)',
    )
    .option('--max-viewers <n>', 'maximum number of connected WebSocket viewers (default: 10000)')
    .option('--max-pending-ptys <n>', 'maximum number of terminals without a first client (default: 1000)')
    .option('--max-conversations <n>', 'maximum number of conversations (default: 10000)')
    .option('--max-queued-messages <n>', 'maximum number of waiting messages per conversation (default: 64)')
    .addOption(
      new Option('--runs-at-stop <policy>', 'what happens to runs when the gateway stops; keep: agents that can, go on')
        .choices(['keep', 'abort'])
        .default('keep'),
    )
    .option('--max-mcp-calls <n>', 'maximum number of waiting MCP calls per token (default: 32)')
    .option('--max-mcp-subscriptions <n>', 'maximum number of MCP resources that one token follows (default: 256)')
    .option('--programs-per-runner <n>', 'maximum number of programs per runner process (default: 8)')
    .option('--orphans <policy>', 'programs without a gateway: keep them, or end them after a time such as 12h', 'keep')
    .option('--retain-bytes <size>', 'maximum size of stored output per session, e.g. 256MiB (default: 1GiB)')
    .option('--retain-total <size>', 'maximum size of stored output of all sessions (default: 20GiB)')
    .option('--retain-sessions <n>', 'maximum number of stored sessions that have ended (default: 20000)')
    .option('--retain-age <duration>', 'maximum age of output and ended sessions (default: 30d)')
    .option('--max-events <n>', 'maximum number of stored events of programs that run elsewhere (default: 1000000)')
    .option('--max-recording <size>', 'maximum size of an imported recording (default: 256MiB)')
    .option('--max-index <size>', 'maximum size of the search index (default: 4GiB)')
    .addOption(
      new Option('--log-level <level>', 'the log level on stderr')
        .choices(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
        .default('warn'),
    )
    .action(async (options: ServeOptions) => exit(await (await import('../commands/serve.ts')).serve(options)));
}

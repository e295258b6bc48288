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
    .option('--port <n>', 'the port; 0 for any that is free', '7117')
    .option('--host <address>', 'the address to listen at', '127.0.0.1')
    .option('--json', 'print one line of JSON when it is ready, and nothing else')
    .option('--origin <origin>', 'a web origin that may use it (may be repeated)', collect, [])
    .option('--pass-env <name>', 'a variable of ours that programs get, too (may be repeated)', collect, [])
    .option('--host-name <name>', 'a host name that it is reached by (may be repeated)', collect, [])
    .option(
      '--public-url <url>',
      'what others reach it by, behind a proxy or a tunnel: links begin with it (default: $BINNACLE_PUBLIC_URL)',
    )
    .addOption(
      new Option(
        '--lease-time <duration>',
        'how long who steers may do nothing until others may (default: 5m; 1s to 24h)',
      ).env('BINNACLE_LEASE_TIME'),
    )
    .addOption(
      new Option('--lease-grace <duration>', 'and how long after their connection broke (default: 15s)').env(
        'BINNACLE_LEASE_GRACE',
      ),
    )
    .addOption(
      new Option(
        '--heartbeat <duration>',
        'from one ping to the next; three unanswered ones end a connection (default: 15s; 1s to 1h)',
      ).env('BINNACLE_HEARTBEAT'),
    )
    .addOption(
      new Option(
        '--stall-time <duration>',
        'how long a viewer may take nothing until it is cut (default: 30s; 1s to 1h)',
      ).env('BINNACLE_STALL_TIME'),
    )
    .option('--max-sessions <n>', 'how many sessions may run at once (default: 200)')
    .option('--max-foreign-sessions <n>', 'how many that run elsewhere may be under way at once (default: 1000)')
    .option('--new-foreign-per-second <n>', 'how many of them one user may begin (default: 100)')
    .option('--emit-events-per-second <n>', 'events that one token may emit (default: 20000)')
    .option('--emit-bytes-per-second <size>', 'and how much, e.g. 10MiB (default: 64MiB)')
    .option('--max-viewers <n>', 'how many WebSocket viewers may be connected at once (default: 10000)')
    .option('--max-pending-ptys <n>', 'terminals that were asked for and not attached to (default: 1000)')
    .option('--max-conversations <n>', 'how many conversations are kept (default: 10000)')
    .option('--max-queued-messages <n>', 'messages that may wait in one conversation (default: 64)')
    .addOption(
      new Option('--runs-at-stop <policy>', 'what agents do when the gateway stops: those that can, go on (keep)')
        .choices(['keep', 'abort'])
        .default('keep'),
    )
    .option('--max-mcp-calls <n>', 'calls over MCP of one token that may wait at once (default: 32)')
    .option('--max-mcp-subscriptions <n>', 'resources that one token may follow over MCP at once (default: 256)')
    .option('--programs-per-runner <n>', 'how many programs share one runner process (default: 8)')
    .option('--orphans <policy>', 'programs without a gateway: keep, or end after a time such as 12h', 'keep')
    .option('--retain-bytes <size>', 'output to keep of each session at most, e.g. 256MiB (default: 1GiB)')
    .option('--retain-total <size>', 'output to keep of all sessions together (default: 20GiB)')
    .option('--retain-sessions <n>', 'ended sessions to keep (default: 20000)')
    .option('--retain-age <duration>', 'how long to keep output and ended sessions (default: 30d)')
    .option(
      '--max-events <n>',
      'events of programs that run elsewhere to keep in the table of traffic (default: 1000000)',
    )
    .option('--max-recording <size>', 'size of a recording that is imported (default: 256MiB)')
    .option('--max-index <size>', 'size of the index that search uses (default: 4GiB)')
    .addOption(
      new Option('--log-level <level>', 'what to log on stderr')
        .choices(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
        .default('warn'),
    )
    .action(async (options: ServeOptions) => exit(await (await import('../commands/serve.ts')).serve(options)));
}

// Commands for access: share links and tokens.

import { SCOPES } from '@binnacle/protocol';
import { type Command, Option } from 'commander';
import type { ShareListOptions, ShareOptions } from '../commands/share.ts';
import type { TokenCreateOptions, TokenLinkOptions, TokenRevokeOptions } from '../commands/token.ts';
import type { ClientCommandOptions } from '../gateway/connect.ts';
import { clientCommand } from './client-command.ts';

export function addShare(program: Command, exit: (code: number) => void): void {
  const share = clientCommand(program, 'share <session>', 'make a link that shows one session to whoever has it')
    .option('--type', 'they may type as well (default: only watch)')
    .option('--expires <duration>', 'for how long, e.g. 2h, at most 30d (default: 24h)')
    .option('--uses <n>', 'how many browsers may open it (default: any number)')
    .option('--label <text>', 'what you know it by')
    .option('--qr', 'print it as a QR code as well')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
In place of a session, the key of a conversation (agent:...): then it shows that and its sessions. Nothing else of the
gateway is there for whoever comes by the link. It ends with the token that made it.
For example: binnacle share build --expires 2h --qr
             binnacle share ls
             binnacle share rm 0198f3`,
    )
    .action(async (session: string, options: ShareOptions) =>
      exit(await (await import('../commands/share.ts')).share(session, options)),
    );
  clientCommand(share, 'ls', 'list share links, and who is watching')
    .alias('list')
    .option('--all', 'also those that are over')
    .option('--json', 'as JSON')
    .action(async (options: ShareListOptions) =>
      exit(await (await import('../commands/share.ts')).listShares(options)),
    );
  clientCommand(share, 'rm <id...>', 'revoke share links; whoever watches by them is cut off')
    .alias('revoke')
    .action(async (ids: string[], options: ClientCommandOptions) =>
      exit(await (await import('../commands/share.ts')).revokeShares(ids, options)),
    );
}

export function addToken(program: Command, exit: (code: number) => void): void {
  const token = program.command('token').description('make, list and revoke tokens');
  clientCommand(token, 'create <name>', 'make a token and print it, this once')
    .addOption(scope().default('view'))
    .option('--expires <duration>', 'for how long it is valid, e.g. 7d (default: until it is revoked)')
    .option('--user <name>', 'the person or bot that it speaks for (default: one of its own)')
    .option('--json', 'as JSON')
    .action(async (name: string, options: TokenCreateOptions) =>
      exit(await (await import('../commands/token.ts')).createToken(name, options)),
    );
  clientCommand(token, 'ls', 'list tokens')
    .alias('list')
    .option('--json', 'as JSON')
    .action(async (options: ClientCommandOptions) =>
      exit(await (await import('../commands/token.ts')).listTokens(options)),
    );
  clientCommand(token, 'revoke <id>', 'make a token invalid, at once, with its logins and share links')
    .addOption(
      new Option(
        '--issued <what>',
        'what becomes of the tokens that it has made (default: list them, and ask)',
      ).choices(['revoke', 'keep']),
    )
    .action(async (id: string, options: TokenRevokeOptions) =>
      exit(await (await import('../commands/token.ts')).revokeToken(id, options)),
    );
  clientCommand(token, 'link', 'print a login link for a browser, good for one time')
    .addOption(scope())
    .option('--json', 'as JSON')
    .action(async (options: TokenLinkOptions) => exit(await (await import('../commands/token.ts')).loginLink(options)));
}

const scope = (): Option =>
  new Option('--scope <scope>', 'what it allows; of the first four each contains those before it').choices(SCOPES);

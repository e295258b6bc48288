// Commands for access: share links and tokens.

import { SCOPES } from '@binnacle/protocol';
import { type Command, Option } from 'commander';
import type { ShareListOptions, ShareOptions } from '../commands/share.ts';
import type { TokenCreateOptions, TokenLinkOptions, TokenRevokeOptions } from '../commands/token.ts';
import type { ClientCommandOptions } from '../gateway/connect.ts';
import { clientCommand } from './client-command.ts';

export function addShare(program: Command, exit: (code: number) => void): void {
  const share = clientCommand(
    program,
    'share <session>',
    'create a link that shows one session to anyone who has the link',
  )
    .option('--type', 'allow typing (default: only watch)')
    .option('--expires <duration>', 'how long the link is valid, e.g. 2h, at most 30d (default: 24h)')
    .option('--uses <n>', 'how many browsers may open the link (default: any number)')
    .option('--label <text>', 'a label for the link')
    .option('--qr', 'also print the link as a QR code')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A session can also be the key of a conversation (agent:...): the link then shows the conversation and its sessions. The
link shows nothing else of the gateway. It ends with the token that created it.
For example: binnacle share build --expires 2h --qr
             binnacle share ls
             binnacle share rm 0198f3`,
    )
    .action(async (session: string, options: ShareOptions) =>
      exit(await (await import('../commands/share.ts')).share(session, options)),
    );
  clientCommand(share, 'ls', 'list share links and their watchers')
    .alias('list')
    .option('--all', 'include links that have ended')
    .option('--json', 'print JSON')
    .action(async (options: ShareListOptions) =>
      exit(await (await import('../commands/share.ts')).listShares(options)),
    );
  clientCommand(share, 'rm <id...>', 'revoke share links, and disconnect their guests')
    .alias('revoke')
    .action(async (ids: string[], options: ClientCommandOptions) =>
      exit(await (await import('../commands/share.ts')).revokeShares(ids, options)),
    );
}

export function addToken(program: Command, exit: (code: number) => void): void {
  const token = program.command('token').description('create, list and revoke tokens');
  clientCommand(token, 'create <name>', 'create a token, and print it once')
    .addOption(scope().default('view'))
    .option('--expires <duration>', 'how long the token is valid, e.g. 7d (default: until it is revoked)')
    .option('--user <name>', 'the person or bot that uses the token (default: a new user)')
    .option('--json', 'print JSON')
    .action(async (name: string, options: TokenCreateOptions) =>
      exit(await (await import('../commands/token.ts')).createToken(name, options)),
    );
  clientCommand(token, 'ls', 'list tokens')
    .alias('list')
    .option('--json', 'print JSON')
    .action(async (options: ClientCommandOptions) =>
      exit(await (await import('../commands/token.ts')).listTokens(options)),
    );
  clientCommand(token, 'revoke <id>', 'revoke a token with its logins and share links, in force at once')
    .addOption(
      new Option('--issued <what>', 'what happens to the tokens that it created (default: list them, and ask)').choices(
        ['revoke', 'keep'],
      ),
    )
    .action(async (id: string, options: TokenRevokeOptions) =>
      exit(await (await import('../commands/token.ts')).revokeToken(id, options)),
    );
  clientCommand(token, 'link', 'print a login link for a browser; it works once')
    .addOption(scope())
    .option('--json', 'print JSON')
    .action(async (options: TokenLinkOptions) => exit(await (await import('../commands/token.ts')).loginLink(options)));
}

const scope = (): Option =>
  new Option('--scope <scope>', 'what the token allows; each of the first four includes those before it').choices(
    SCOPES,
  );

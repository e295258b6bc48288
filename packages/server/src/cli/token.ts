// `binnacle token`: tokens for programs and people, and login links for browsers.

import type { Scope } from '@binnacle/protocol';
import { type ClientCommandOptions, withClient } from './connect.ts';
import { EXIT } from './failure.ts';
import { formatDuration, parseDuration } from './quantities.ts';
import { printable, style, table } from './style.ts';

export interface TokenCreateOptions extends ClientCommandOptions {
  readonly scope: Scope;
  readonly expires?: string;
  readonly user?: string;
}

export interface TokenLinkOptions extends ClientCommandOptions {
  readonly scope?: Scope;
}

export async function createToken(name: string, options: TokenCreateOptions): Promise<number> {
  const ttl = options.expires === undefined ? {} : { ttlMs: parseDuration(options.expires) };
  const user = options.user === undefined ? {} : { user: options.user };
  const asked = { name, scope: options.scope, ...ttl, ...user };
  const created = await withClient(options, (client) => client.tokens.create(asked));
  // The token alone on stdout, so that a script can take it as it is.
  if (options.json === true) process.stdout.write(`${JSON.stringify(created)}\n`);
  else {
    const what = `${created.scope}, user ${printable(created.user)}`;
    process.stderr.write(`Token ${created.id} for ${printable(name)} (${what}). It is not shown again:\n`);
    process.stdout.write(`${created.token}\n`);
  }
  return EXIT.ok;
}

export async function listTokens(options: ClientCommandOptions): Promise<number> {
  const tokens = await withClient(options, (client) => client.tokens.list());
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ tokens })}\n`);
    return EXIT.ok;
  }
  const look = style(process.stdout);
  const now = Date.now();
  const rows = tokens.map((token) => [
    token.id,
    token.scope,
    formatDuration(now - token.createdAt),
    token.expiresAt === null
      ? 'never'
      : token.expiresAt <= now
        ? 'expired'
        : `in ${formatDuration(token.expiresAt - now)}`,
    printable(token.user),
    printable(token.name),
  ]);
  const head = ['ID', 'SCOPE', 'AGE', 'EXPIRES', 'USER', 'NAME'].map(look.dim);
  process.stdout.write(table([head, ...rows], process.stdout.columns ?? 120));
  return EXIT.ok;
}

export async function revokeToken(id: string, options: ClientCommandOptions): Promise<number> {
  await withClient(options, (client) => client.tokens.revoke(id));
  process.stderr.write(`Token ${printable(id)} is revoked.\n`);
  return EXIT.ok;
}

export async function loginLink(options: TokenLinkOptions): Promise<number> {
  const ticket = await withClient(options, (client) => client.createTicket(options.scope));
  if (options.json === true) process.stdout.write(`${JSON.stringify(ticket)}\n`);
  else {
    process.stdout.write(`${ticket.url}\n`);
    process.stderr.write(`Works once, within ${formatDuration(ticket.expiresInMs)}.\n`);
    if (process.stdout.isTTY) {
      const { renderUnicodeCompact } = await import('uqr');
      process.stderr.write(`${renderUnicodeCompact(ticket.url, { border: 2 })}\n`);
    }
  }
  return EXIT.ok;
}

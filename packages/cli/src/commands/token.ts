// `binnacle token`: tokens for programs and people, and login links for browsers.

import type { Binnacle, IssuedByToken, TokenInfo } from '@binnacle/client';
import { defined } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { ask, canAsk } from '../input/prompt.ts';
import { formatDuration, parseDuration } from '../input/quantities.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';
import { printable, styleFor, table, widthOf } from '../output/style.ts';

export async function createToken(name: string, options: Options<'token create'>): Promise<number> {
  const ttl = options.expires === undefined ? {} : { ttlMs: parseDuration(options.expires) };
  const user = defined({ user: options.user });
  const newToken = { name, scope: options.scope, ...ttl, ...user };
  const created = await withClient(options, (client) => client.tokens.create(newToken));
  // Only the token goes to stdout, for use in scripts.
  if (options.json === true) process.stdout.write(`${JSON.stringify(created)}\n`);
  else {
    const what = `${created.scope}, user ${printable(created.user)}`;
    process.stderr.write(`Token ${created.id} for ${printable(name)} (${what}). It is not shown again:\n`);
    process.stdout.write(`${created.token}\n`);
  }
  return EXIT.ok;
}

export async function listTokens(options: Options<'token ls'>): Promise<number> {
  const tokens = await withClient(options, (client) => client.tokens.list());
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ tokens })}\n`);
    return EXIT.ok;
  }
  const style = styleFor(process.stdout);
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
    makerOf(token),
    printable(token.name),
  ]);
  const head = ['ID', 'SCOPE', 'AGE', 'EXPIRES', 'USER', 'MADE BY', 'NAME'].map(style.dim);
  process.stdout.write(table([head, ...rows], widthOf(process.stdout)));
  return EXIT.ok;
}

export async function revokeToken(prefix: string, options: Options<'token revoke'>): Promise<number> {
  const { id, count } = await withClient(options, async (client) => {
    const id = matching(await client.tokens.list(), prefix);
    const found = await client.tokens.issued(id);
    const issued = options.issued ?? (found.tokens.length === 0 ? 'keep' : await askWhatOf(client, id, found));
    await client.tokens.revoke(id, { issued });
    return { id, count: issued === 'revoke' ? found.tokens.length : 0 };
  });
  const more = count === 0 ? '' : `, and ${count} ${count === 1 ? 'token' : 'tokens'} that it created`;
  process.stderr.write(`Token ${printable(id)} is revoked${more}.\n`);
  return EXIT.ok;
}

/** Finds the id by its prefix; an unknown prefix is returned unchanged, so that the gateway reports it. */
function matching(tokens: readonly TokenInfo[], prefix: string): string {
  const exact = tokens.find(({ id }) => id === prefix);
  const found = exact === undefined && prefix !== '' ? tokens.filter(({ id }) => id.startsWith(prefix)) : [];
  if (found.length > 1) {
    throw usage(`"${prefix}" matches ${found.length} tokens.`, `Use one of: ${found.map(({ id }) => id).join(', ')}`);
  }
  return found[0]?.id ?? prefix;
}

/** Lists the tokens that this token created, and asks whether they should end as well. */
async function askWhatOf(client: Binnacle, id: string, issued: IssuedByToken): Promise<'revoke' | 'keep'> {
  const name = (await client.tokens.list()).find((token) => token.id === id)?.name ?? id;
  process.stderr.write(`${printable(name)} has created tokens that are still valid:\n${listOf(issued)}`);
  if (!canAsk()) {
    throw new Failure(
      EXIT.usage,
      'Nothing was revoked: choose what happens to these tokens.',
      'Pass --issued revoke to revoke them as well, or --issued keep.',
    );
  }
  const answer = await ask('Revoke these tokens as well? [y]es, [n]o, keep them, [Enter] to cancel: ');
  if (/^y(es)?$/.test(answer)) return 'revoke';
  if (/^no?$/.test(answer)) return 'keep';
  throw new Failure(EXIT.usage, 'Nothing was revoked.');
}

function listOf({ tokens, logins, shares, links }: IssuedByToken): string {
  const rows = tokens.map((token) => [token.id, token.scope, makerOf(token), printable(token.name)]);
  const others = [
    ...logins.map(({ name }) => `the login ${printable(name)}`),
    ...shares.map(({ id, label }) => `the share link ${printable(label === '' ? id : label)}`),
    ...(links === 0 ? [] : [`${links} unused login ${links === 1 ? 'link' : 'links'}`]),
  ];
  const also = others.length === 0 ? '' : `These end in any case: ${others.join(', ')}.\n`;
  return table([['ID', 'SCOPE', 'MADE BY', 'NAME'], ...rows], widthOf(process.stderr)) + also;
}

/**
 * Returns the creator of a token; empty for tokens from before creators were recorded. Omits a user name that is
 * derived from an id.
 */
const makerOf = ({ madeBy }: TokenInfo): string =>
  madeBy === null
    ? ''
    : madeBy.name === madeBy.user || madeBy.user.startsWith('token-')
      ? printable(madeBy.name)
      : printable(`${madeBy.name} (${madeBy.user})`);

export async function loginLink(options: Options<'token link'>): Promise<number> {
  const ticket = await withClient(options, (client) => client.createTicket(options.scope));
  if (options.json === true) process.stdout.write(`${JSON.stringify(ticket)}\n`);
  else {
    process.stdout.write(`${ticket.url}\n`);
    process.stderr.write(`The link works once, within ${formatDuration(ticket.expiresInMs)}.\n`);
    if (process.stdout.isTTY) {
      const { renderUnicodeCompact } = await import('uqr');
      process.stderr.write(`${renderUnicodeCompact(ticket.url, { border: 2 })}\n`);
    }
  }
  return EXIT.ok;
}

// Text about tokens. Pure.

import type { IssuedByToken, TokenInfo } from '@binnacle/client';
import { age, oneLine } from '../model/format.ts';

/**
 * Returns true for the user of a token without a named user: that name is derived from the token's id and carries no
 * information.
 */
const isOwn = (user: string): boolean => user.startsWith('token-');

export function makerText({ madeBy }: Pick<TokenInfo, 'madeBy'>): string {
  if (madeBy === null) return 'made before that was kept';
  const { name, user } = madeBy;
  return `made by ${oneLine(name, 60)}${name === user || isOwn(user) ? '' : ` (${oneLine(user, 70)})`}`;
}

/** Describes who made a token, when, until when, and for whom. */
export function factsOf(token: TokenInfo, now: number): string {
  const since = age(now - token.createdAt);
  const when = since === 'now' ? 'just now' : `${since} ago`;
  const whom = isOwn(token.user) ? [] : [`user ${oneLine(token.user, 70)}`];
  return [`${makerText(token)} ${when}`, expiryText(token, now), ...whom].join(' · ');
}

export function expiryText({ expiresAt }: Pick<TokenInfo, 'expiresAt'>, now: number): string {
  if (expiresAt === null) return 'no end';
  return expiresAt <= now ? 'has ended' : `ends in ${age(expiresAt - now)}`;
}

/** Lists what ends together with a token; empty if there is nothing. */
export function dependentsText({ logins, shares, links }: IssuedByToken): string {
  const count = (n: number, one: string): string[] => (n === 0 ? [] : [`${n} ${one}${n === 1 ? '' : 's'}`]);
  const all = [
    ...count(logins.length, 'browser login'),
    ...count(shares.length, 'share link'),
    ...count(links, 'unused login link'),
  ];
  return all.join(', ').replace(/, ([^,]*)$/, ' and $1');
}

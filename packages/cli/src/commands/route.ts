// `binnacle route explain`: shows where a message would go and why, by a config file or by the gateway's config.

import { resolve } from 'node:path';
import { BinnacleError, defined } from '@binnacle/protocol';
import type { ConfigProblem } from '@binnacle/server/config';
import type { Explanation, RouteInput } from '@binnacle/server/routing';
import type { Options } from '../declarations/commands.ts';
import { findGateway, type GatewayAddress } from '../gateway/address.ts';
import { httpFetch } from '../gateway/http-fetch.ts';
import { EXIT, usage } from '../output/failure.ts';
import { printable, type Style, styleFor } from '../output/style.ts';

export async function explainRoute(options: Options<'route explain'>): Promise<number> {
  const question = questionOf(options);
  const { explanation, problems } =
    options.config === undefined
      ? await askGateway(await findGateway(options.data), question)
      : await askFile(options.config, question);
  if (options.json === true) process.stdout.write(`${JSON.stringify({ ...explanation, problems })}\n`);
  else process.stdout.write(explanationText(explanation, problems, styleFor(process.stdout)));
  return explanation.route === null ? EXIT.failed : EXIT.ok;
}

type RouteQuestion = Pick<RouteInput, 'channel' | 'accountId' | 'peer' | 'parentPeer' | 'guildId' | 'teamId'> & {
  readonly roles?: readonly string[];
};

interface RouteAnswer {
  readonly explanation: Explanation;
  readonly problems: readonly ConfigProblem[];
}

function questionOf(options: Options<'route explain'>): RouteQuestion {
  return {
    channel: options.channel,
    ...defined({ accountId: options.account }),
    ...(options.peer === undefined ? {} : { peer: peerOf(options.peer) }),
    ...(options.parent === undefined ? {} : { parentPeer: peerOf(options.parent) }),
    ...defined({ guildId: options.guild, teamId: options.team }),
    ...(options.role.length === 0 ? {} : { roles: options.role }),
  };
}

/** Splits at the first colon: ids of some channels contain colons. */
function peerOf(text: string): { readonly kind: string; readonly id: string } {
  const at = text.indexOf(':');
  if (at <= 0) throw usage(`"${text}" is not a peer.`, 'Write a kind and an id, for example group:123 or direct:ada.');
  return { kind: text.slice(0, at), id: text.slice(at + 1) };
}

/** Explains by a file. The parser is imported here, so that a request to a gateway does not load it. */
async function askFile(path: string, question: RouteQuestion): Promise<RouteAnswer> {
  const { loadConfig } = await import('@binnacle/server/config');
  const { roles, ...input } = question;
  const { router, problems } = loadConfig(resolve(path), true);
  return { explanation: router.explain(roles === undefined ? input : { ...input, memberRoleIds: roles }), problems };
}

async function askGateway({ url, token }: GatewayAddress, question: RouteQuestion): Promise<RouteAnswer> {
  const ask = async (path: string, init: RequestInit): Promise<unknown> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const response = await httpFetch(url + path, { ...init, headers });
    const body: unknown = await response.json();
    if (!response.ok)
      throw BinnacleError.fromWire((body as { error: Parameters<typeof BinnacleError.fromWire>[0] }).error);
    return body;
  };
  const explanation = await ask('/v1/routes/explain', { method: 'POST', body: JSON.stringify(question) });
  const { problems } = (await ask('/v1/config/problems', {})) as Pick<RouteAnswer, 'problems'>;
  // Trusted: the gateway's own response, in the shape that its route declares.
  return { explanation: explanation as Explanation, problems };
}

export function explanationText(
  { route, error, why, tiers, passedOver }: Explanation,
  problems: readonly ConfigProblem[],
  style: Style,
): string {
  const lines = [route === null ? style.red(printable(why)) : style.bold(printable(why))];
  if (route !== null) {
    lines.push(`  session key  ${printable(route.sessionKey)}`, `  account      ${printable(route.accountId)}`);
    lines.push(`  scopes       ${printable(`${route.dmScope} for people, ${route.groupScope} for rooms`)}`);
  } else lines.push(`  code         ${error?.code}`);
  lines.push('');
  const marks = {
    matched: style.green('✓'),
    no_match: style.red('✗'),
    not_applicable: style.dim('–'),
    not_tried: style.dim(' '),
  };
  for (const tier of tiers) {
    if (tier.outcome === 'not_tried') continue;
    lines.push(`${marks[tier.outcome]} ${tier.tier.padEnd(21)} ${style.dim(printable(tier.why))}`);
    for (const { index, agentId, matches, why: reason } of tier.candidates) {
      const name = `    binding ${index} (${printable(agentId ?? 'the default agent')})`;
      lines.push(`${name}: ${matches ? style.green(printable(reason)) : printable(reason)}`);
    }
    if (tier.more > 0) lines.push(style.dim(`    and ${tier.more} more`));
  }
  const { otherChannels, faulty } = passedOver;
  if (otherChannels + faulty > 0) {
    lines.push(
      '',
      style.dim(`Not checked: ${otherChannels} of other channels, ${faulty} that take no part in routing.`),
    );
  }
  if (problems.length > 0) lines.push('', style.yellow('In the config file:'));
  for (const { line, column, message } of problems) lines.push(`  ${line}:${column} ${printable(message)}`);
  return `${lines.join('\n')}\n`;
}

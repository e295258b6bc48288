// `binnacle share`: links that show one session or conversation to anyone who has the link.

import type { Binnacle, ShareInfo, ShareMode } from '@binnacle/client';
import { defined, isConversationKey } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { findSession, withClient } from '../gateway/connect.ts';
import { formatDuration, parseCount, parseDurationInRange } from '../input/quantities.ts';
import { EXIT, usage } from '../output/failure.ts';
import { dataFlag } from '../output/shell.ts';
import { printable, styleFor, table, widthOf } from '../output/style.ts';

/** Range of `--expires`, in ms: that of the gateway, whose error would name a field of the request. */
const MIN_EXPIRY_MS = 1000;
const MAX_EXPIRY_MS = 30 * 24 * 3600_000;

export async function share(what: string, options: Options<'share'>): Promise<number> {
  const mode: ShareMode = options.type === true ? 'type' : 'view';
  const newShare = {
    mode,
    ...(options.expires === undefined
      ? {}
      : { expiresInMs: parseDurationInRange(options.expires, '--expires', MIN_EXPIRY_MS, MAX_EXPIRY_MS) }),
    ...(options.uses === undefined ? {} : { uses: parseCount(options.uses, '--uses', 1, 1000) }),
    ...defined({ label: options.label }),
  };
  const made = await withClient(options, async (client) => {
    const target = isConversationKey(what) ? { conversation: what } : { session: (await findSession(client, what)).id };
    return await client.shares.create({ ...newShare, ...target });
  });
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(made)}\n`);
    return EXIT.ok;
  }
  // Only the link goes to stdout, for use in scripts.
  process.stdout.write(`${made.url}\n`);
  const may = mode === 'type' ? 'watch and type' : 'watch';
  const uses = made.uses === null ? '' : `, ${made.uses === 1 ? 'once' : `${made.uses} times`}`;
  const left = formatDuration(made.expiresAt - made.createdAt);
  process.stderr.write(`Anyone with the link may ${may}, for ${left}${uses}. The link is not shown again.\n`);
  process.stderr.write(`Revoke it with: binnacle share rm ${made.id}${dataFlag(options.data)}\n`);
  if (options.qr === true) {
    const { renderUnicodeCompact } = await import('uqr');
    process.stderr.write(`${renderUnicodeCompact(made.url, { border: 2 })}\n`);
  }
  return EXIT.ok;
}

export async function listShares(options: Options<'share ls'>): Promise<number> {
  const { shares, names } = await withClient(options, async (client) => {
    const listed = await client.shares.list({ over: options.all === true });
    return { shares: listed, names: options.json === true ? new Map<string, string>() : await namesOf(client, listed) };
  });
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ shares })}\n`);
    return EXIT.ok;
  }
  const style = styleFor(process.stdout);
  const now = Date.now();
  const rows = shares.map((one) => [
    one.id,
    one.mode,
    stateOf(one, now),
    `${one.used}${one.uses === null ? '' : `/${one.uses}`}`,
    watching(one),
    printable(names.get(one.session ?? '') ?? one.session ?? one.conversation ?? ''),
    printable(one.label),
  ]);
  const head = ['ID', 'MODE', 'EXPIRES', 'USED', 'WATCHING', 'SHOWS', 'LABEL'].map(style.dim);
  process.stdout.write(table([head, ...rows], widthOf(process.stdout)));
  return EXIT.ok;
}

/** Returns the names of the shared sessions. A deleted or unnamed session is shown by its id. */
async function namesOf(client: Binnacle, shares: readonly ShareInfo[]): Promise<ReadonlyMap<string, string>> {
  if (shares.every(({ session }) => session === null)) return new Map();
  const sessions = await client.sessions.all();
  return new Map(sessions.flatMap(({ id, name }) => (name === '' || name === null ? [] : [[id, name] as const])));
}

export async function revokeShares(ids: readonly string[], options: Options<'share rm'>): Promise<number> {
  await withClient(options, async (client) => {
    const shares = await client.shares.list();
    for (const id of ids) {
      const found = matching(shares, id);
      await client.shares.revoke(found);
      process.stderr.write(`Share link ${printable(found)} is revoked.\n`);
    }
  });
  return EXIT.ok;
}

/** Finds the id by its prefix; an unknown prefix is returned unchanged, so that the gateway reports it. */
function matching(shares: readonly ShareInfo[], prefix: string): string {
  const found = shares.filter(({ id }) => id === prefix || (prefix !== '' && id.startsWith(prefix)));
  if (found.length > 1) {
    throw usage(`"${prefix}" matches ${found.length} links.`, `Use one of: ${found.map(({ id }) => id).join(', ')}`);
  }
  return found[0]?.id ?? prefix;
}

function stateOf({ state, expiresAt }: ShareInfo, now: number): string {
  if (state === 'revoked' || state === 'expired') return state;
  const left = `in ${formatDuration(Math.max(0, expiresAt - now))}`;
  return state === 'used_up' ? `used up, ends ${left}` : left;
}

const watching = ({ viewers }: ShareInfo): string =>
  viewers.length === 0
    ? '-'
    : viewers.map(({ name, driving }) => `${printable(name)}${driving ? ' (in control)' : ''}`).join(', ');

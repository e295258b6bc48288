// Errors in the offers of a plugin, as text for its author: the offer, and what was probably meant.

import type { z } from 'zod';
import { type Offer, OffersShape } from './offers.ts';

const MAX_TEXT = 500;

/** Keys of each kind of offer, as authors write them. */
const KEYS: Readonly<Record<Offer['kind'], readonly string[]>> = {
  tool: ['name', 'title', 'description', 'input', 'readOnly', 'run'],
  hook: ['onFailure', 'deadlineMs'],
  route: ['public'],
  command: ['name', 'description', 'run'],
  channel: ['name', 'send'],
  driver: ['name', 'run'],
  job: ['name', 'everyMs', 'run'],
};
/** Common other names of the keys. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  input: ['inputschema', 'schema', 'parameters', 'params', 'args', 'arguments'],
  run: ['execute', 'handler', 'handle', 'call', 'callback', 'fn', 'invoke'],
  description: ['desc', 'summary', 'help', 'about'],
  name: ['id', 'key'],
  everyMs: ['every', 'interval', 'intervalms', 'ms'],
  deadlineMs: ['deadline', 'timeout', 'timeoutms'],
  onFailure: ['onerror', 'failure', 'onfail'],
  public: ['ispublic', 'open', 'anonymous', 'unauthenticated'],
  send: ['reply', 'carry', 'deliver'],
  readOnly: ['readonlyhint'],
};

/** Validates offers. Throws an Error that describes the first problem. */
export function readOffers(offers: unknown): readonly Offer[] {
  const read = OffersShape.safeParse(offers);
  if (read.success) return read.data;
  const { issues } = read.error;
  // A missing key may be present under another name.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  const problem = issue === undefined ? 'it is not a list of offers.' : faultOf(offers, issue);
  throw new Error(`What it offers is wrong: ${problem}`.slice(0, MAX_TEXT));
}

function faultOf(offers: unknown, issue: z.core.$ZodIssue): string {
  const [index, ...path] = issue.path;
  const one = Array.isArray(offers) && typeof index === 'number' ? objectOf(offers[index]) : undefined;
  if (one === undefined || typeof index !== 'number') return `${issue.message}.`;
  const { kind } = one;
  const who = `the ${whatOf(one, index)}`;
  if (issue.code === 'unrecognized_keys' && path.length === 0) {
    const [key = ''] = issue.keys;
    const suggestion = suggestionFor(key, Object.hasOwn(KEYS, String(kind)) ? KEYS[kind as Offer['kind']] : []);
    const keys = suggestion === undefined ? '' : `; did you mean \`${suggestion}\`?`;
    return `${who}: there is no \`${key.slice(0, 60)}\`${keys === '' ? '.' : keys}`;
  }
  const at = path.map(String).join('.').replace('isPublic', 'public');
  if (path.length === 1 && at !== 'kind' && one[String(path[0])] === undefined) return `${who}: \`${at}\` is missing.`;
  return `${who}: ${at === '' ? '' : `\`${at}\`: `}${issue.message}.`;
}

const objectOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;

/** Returns `tool "tide"`, or `tool (4th offer)` without a name. */
function whatOf(one: Readonly<Record<string, unknown>>, index: number): string {
  const kind = typeof one.kind === 'string' ? one.kind.slice(0, 20) : 'offer';
  const name = one.kind === 'hook' ? one.on : one.kind === 'route' ? `${one.method} ${one.path}` : one.name;
  return typeof name === 'string' && name !== ''
    ? `${kind} ${JSON.stringify(name.slice(0, 80))}`
    : `${kind} (${ordinal(index + 1)} offer)`;
}

function ordinal(n: number): string {
  const tens = Math.floor(n / 10) % 10;
  return `${n}${(tens === 1 ? undefined : ['th', 'st', 'nd', 'rd'][n % 10]) ?? 'th'}`;
}

function suggestionFor(key: string, known: readonly string[]): string | undefined {
  const low = key.toLowerCase();
  return (
    known.find((one) => one.toLowerCase() === low || ALSO[one]?.includes(low)) ??
    known.find((one) => isNear(one.toLowerCase(), low))
  );
}

/** Returns true if two words differ by one letter, or by two swapped ones. */
function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let from = 0;
  while (from < a.length && a[from] === b[from]) from += 1;
  const [restA, restB] = [a.slice(from), b.slice(from)];
  const swapped = `${restA[1] ?? ''}${restA[0] ?? ''}${restA.slice(2)}`;
  return restA.slice(1) === restB || restA === restB.slice(1) || restA.slice(1) === restB.slice(1) || swapped === restB;
}

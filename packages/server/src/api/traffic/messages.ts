// Parser of the messages that a viewer sends over /ws/pty-traffic, and of the positions in both directions. No other
// code sees such a message before validation.

import {
  BinnacleError,
  formatPosition,
  isEmittedId,
  KINDS,
  kindName,
  type OutputKind,
  type Position,
  parsePosition,
  type TrafficFilter,
} from '@binnacle/protocol';
import { z } from 'zod';
import { parseShallowJson } from '../../base/json-depth.ts';
import { incompleteBytes } from '../../cursor/text-decoder.ts';

/** Maximum sessions per `resume`: about 1 MiB with their positions, below the frame limit. */
const MAX_RESUMED = 10_000;
export const DEFAULT_ID = 'default';

const id = z.string().min(1).max(64).default(DEFAULT_ID);
const position = z.string().max(128);
const text = z.string().min(1);

/** Exactly the filters of the protocol package; otherwise this does not compile. */
const Filter = z.strictObject({
  session_id: z.string().refine(isEmittedId, 'that cannot be the id of a session').optional(),
  source: text.max(64).optional(),
  label: text.max(321).optional(),
  command: text.max(1000).optional(),
  exit_code: z.int().optional(),
  running: z.boolean().optional(),
} satisfies { [K in keyof Required<TrafficFilter>]: z.ZodType<TrafficFilter[K] | undefined> });

export const TrafficRequests = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('subscribe'),
    id,
    filter: Filter.default({}),
    from: position.optional(),
    encoding: z.enum(['text', 'base64']).default('text'),
    resume: z
      .object({
        since: z.number().min(0),
        positions: z
          .record(z.string().max(64), position)
          .refine((all) => Object.keys(all).length <= MAX_RESUMED, `at most ${MAX_RESUMED} sessions`),
      })
      .optional(),
  }),
  z.object({ type: z.literal('unsubscribe'), id }),
  z.object({ type: z.literal('ping'), timestamp: z.number() }),
  z.object({ type: z.literal('pong'), timestamp: z.number() }),
]);

export type ParsedMessage = z.infer<typeof TrafficRequests>;
export type Subscribe = Extract<ParsedMessage, { type: 'subscribe' }>;

const JustId = z.object({ id: z.string().min(1).max(64) });

/** Returns the message, or the reason why it is invalid. `id` matches the error to the request. */
export function parseTrafficMessage(
  data: Buffer,
  isBinary: boolean,
): ParsedMessage | { readonly type: 'bad'; readonly id?: string; readonly error: BinnacleError } {
  if (isBinary) return bad('Clients send JSON messages.');
  let value: unknown;
  try {
    value = parseShallowJson(data);
  } catch {
    return bad('The message is not JSON.');
  }
  const parsed = TrafficRequests.safeParse(value);
  if (parsed.success) return parsed.data;
  const about = JustId.safeParse(value).data ?? {};
  const [issue] = parsed.error.issues;
  if (issue === undefined) return bad('not a message', about);
  if (issue.path[0] === 'filter' && issue.path.length + Number(issue.code === 'unrecognized_keys') > 1) {
    const field = issue.code === 'unrecognized_keys' ? issue.keys[0] : String(issue.path[1]);
    const name = JSON.stringify(field?.slice(0, 100));
    const message =
      issue.code === 'unrecognized_keys'
        ? `There is no filter ${name}.`
        : `The filter ${name} is wrong: ${issue.message}.`;
    return {
      type: 'bad',
      ...about,
      error: new BinnacleError('bad_filter', { message, details: { field: field ?? '' } }),
    };
  }
  return bad(`${issue.path.join('.')}: ${issue.message}`.slice(0, 300), about);
}

const bad = (message: string, about: { readonly id?: string } = {}) =>
  ({ type: 'bad', ...about, error: new BinnacleError('protocol_error', { message }) }) as const;

/** First bytes of an incomplete character, and the offset of the first byte. */
export interface IncompleteCharacter {
  readonly offset: number;
  readonly bytes: Uint8Array;
}
export type IncompleteCharacters = ReadonlyMap<OutputKind, IncompleteCharacter>;

/** Position in a log as a viewer of text has reached it. */
export interface TextPosition {
  readonly at: Position;
  readonly incomplete: IncompleteCharacters;
}

/**
 * Formats a position. An incomplete character is appended (`~KIND.OFFSET.HEX`): output of the other stream may have
 * been sent after it, so no position in the log alone separates sent from unsent bytes.
 */
export function formatTextPosition(at: Position, incomplete: IncompleteCharacters): string {
  let all = formatPosition(at);
  for (const [kind, { offset, bytes }] of incomplete) {
    all += `~${KINDS[kind]}.${offset.toString(36)}.${Buffer.from(bytes).toString('hex')}`;
  }
  return all;
}

const INCOMPLETE = /^([123])\.([0-9a-z]{1,11})\.((?:[0-9a-f]{2}){1,3})$/;

/** Parses a position. Throws `bad_position`. */
export function parseTextPosition(text: string): TextPosition {
  const [place = '', ...rest] = text.split('~');
  const at = parsePosition(place);
  const incomplete = new Map<OutputKind, IncompleteCharacter>();
  for (const part of rest) {
    const [, number, offset36 = '', hex = ''] = INCOMPLETE.exec(part) ?? [];
    const kind = kindName(Number(number)) as OutputKind | undefined;
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    const offset = Number.parseInt(offset36, 36);
    const isWhole = offset + bytes.length <= at.offset && incompleteBytes(bytes) === bytes.length;
    if (kind === undefined || incomplete.has(kind) || !isWhole) throw new BinnacleError('bad_position');
    incomplete.set(kind, { offset, bytes });
  }
  return { at, incomplete };
}

// Parser of the frames that a viewer sends over /v1/ws. No other code sees such a frame before validation.

import { BinnacleError, type ClientFrame } from '@binnacle/protocol';
import { z } from 'zod';
import { parseShallowJson } from '../../base/json-depth.ts';
import { MAX_TIMER_MS } from '../../base/timer.ts';
import { LeaseTtl } from '../schemas/fields.ts';

const ref = z.int().optional();
const session = z.string().max(64);
const lease = z.string().max(100).optional();
const whole = z.int().min(0);
const size = z.int().min(1).max(65_535);

const conversation = z.string().max(512);
const deltaIntervalMs = z.int().min(0).max(10_000).optional();

const from = z.union([
  z.strictObject({ offset: whole }),
  z.strictObject({ tail: whole }),
  z.enum(['start', 'now']),
  z.string().max(64),
]);

export const ClientFrames = z.discriminatedUnion('t', [
  z.object({
    t: z.literal('subscribe'),
    ref,
    session,
    from: z.union([from, z.strictObject({ screen: z.literal(true), at: whole.optional() })]).optional(),
  }),
  z.object({ t: z.literal('unsubscribe'), ref, session }),
  z.object({ t: z.literal('watch'), ref, on: z.boolean() }),
  z.object({ t: z.literal('watch_notices'), ref, on: z.boolean() }),
  z
    .object({ t: z.literal('look'), ref, session: session.optional(), conversation: conversation.optional() })
    .refine((frame) => frame.session === undefined || frame.conversation === undefined, 'session or conversation'),
  z
    .object({
      t: z.literal('input'),
      ref,
      session,
      lease,
      text: z.string().optional(),
      base64: z.base64().optional(),
      client: z.string().min(1).max(64).optional(),
      n: z.int().min(1).optional(),
      auto: z.boolean().optional(),
    })
    .refine((frame) => (frame.text === undefined) !== (frame.base64 === undefined), 'one of text and base64')
    .refine((frame) => (frame.client === undefined) === (frame.n === undefined), 'client and n go together'),
  z.object({ t: z.literal('close_stdin'), ref, session, lease }),
  z.object({ t: z.literal('signal'), ref, session, lease, signal: z.string() }),
  z.object({ t: z.literal('resize'), ref, session, lease, cols: size, rows: size }),
  z.object({
    t: z.literal('lease'),
    ref,
    session,
    lease,
    action: z.enum(['acquire', 'renew', 'release', 'take', 'ask', 'hand_over']),
    holder: z.string().min(1).max(100).optional(),
    ...LeaseTtl,
    to: z.string().max(64).optional(),
  }),
  z.object({ t: z.literal('watch_watchers'), ref, session, on: z.boolean() }),
  z.object({ t: z.literal('follow'), ref, conversation, from: z.string().max(64).optional(), deltaIntervalMs }),
  z.object({ t: z.literal('unfollow'), ref, conversation }),
  z.object({
    t: z.literal('watch_conversations'),
    ref,
    on: z.boolean(),
    runs: z.boolean().optional(),
    deltaIntervalMs,
  }),
  z.object({
    t: z.literal('send'),
    ref,
    conversation,
    id: z.string().max(100),
    text: z.string(),
    steer: z.enum(['queue', 'inject', 'interrupt']).optional(),
    timeoutMs: whole.max(MAX_TIMER_MS).optional(),
    lease,
    deltaIntervalMs,
  }),
  z.object({ t: z.literal('abort'), ref, conversation, run: z.string().max(100).optional() }),
  z.object({
    t: z.literal('answer'),
    ref,
    conversation,
    approval: z.string().max(500),
    option: z.string().max(200),
  }),
  z.object({ t: z.literal('ping'), ref, time: z.number() }),
  z.object({ t: z.literal('pong'), time: z.number(), clientTime: z.number().optional() }),
]);

const JustRef = z.object({ ref: z.int() });

/** Returns the frame, or the reason why the text is not a valid frame. `ref` matches the error to the request. */
export function parseClientFrame(
  bytes: Buffer,
): ClientFrame | { readonly t: 'bad'; readonly ref?: number; readonly error: BinnacleError } {
  let value: unknown;
  try {
    value = parseShallowJson(bytes);
  } catch (cause) {
    return { t: 'bad', error: new BinnacleError('protocol_error', { message: 'The frame is not JSON.', cause }) };
  }
  const parsed = ClientFrames.safeParse(value);
  if (parsed.success) return parsed.data as ClientFrame;
  const [issue] = parsed.error.issues;
  const isSize = issue?.path[0] === 'cols' || issue?.path[0] === 'rows';
  const message = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a frame'}`.slice(0, 300);
  const error = new BinnacleError(isSize ? 'bad_size' : 'protocol_error', { message });
  const found = JustRef.safeParse(value);
  return found.success ? { t: 'bad', ref: found.data.ref, error } : { t: 'bad', error };
}

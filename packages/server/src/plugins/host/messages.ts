// Validation of the messages from a plugin's process.

import { z } from 'zod';
import { WireFault } from '../../base/frame-reader.ts';
import { type JsonSize, sizeOf } from './json-size.ts';
import { badData, type FromPlugin, MAX_DEPTH } from './wire.ts';

const ID = z.int().min(1);
const METHOD = z.string().min(1).max(200);

const FROM_PLUGIN = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('hello'), protocol: z.int() }),
  z.strictObject({ t: z.literal('ready'), methods: z.array(METHOD).max(1000), offers: z.unknown().optional() }),
  z.strictObject({ t: z.literal('failed'), message: z.string().max(4000), isFinal: z.boolean().optional() }),
  z.strictObject({ t: z.literal('pong'), n: ID }),
  z.strictObject({ t: z.literal('call'), id: ID, method: METHOD, params: z.unknown().optional() }),
  z.strictObject({
    t: z.literal('answer'),
    id: ID,
    result: z.unknown().optional(),
    error: z
      .strictObject({
        code: z.string().max(100),
        message: z.string().max(4000),
        hint: z.string().max(1000).optional(),
        details: z.record(z.string(), z.unknown()).optional(),
      })
      .optional(),
  }),
]);

/** The head of a frame with too many values or keys. The rest of such a frame is not parsed. */
export interface TooMany {
  readonly t: 'too_many';
  readonly of: 'call' | 'answer';
  readonly id: number;
}

/** Beginning of a frame as both ends write it, so that type and id are known before the rest is parsed. */
const HEAD = /^\{"t":"(call|answer)","id":([1-9]\d{0,14}),/;

/** Parses and validates a frame. Throws WireFault, whose message is for people and repeats nothing from the frame. */
export function parseFromPlugin(
  json: string,
  most: Omit<JsonSize, 'depth'>,
): { readonly frame: FromPlugin | TooMany; readonly values: number } {
  const { values, keys, depth } = sizeOf(json, { ...most, depth: MAX_DEPTH });
  if (depth > MAX_DEPTH) throw new WireFault(`A frame is nested deeper than ${MAX_DEPTH}.`);
  if (values > most.values || keys > most.keys) return { frame: tooMany(json, most), values };
  return { frame: parse(json), values };
}

function tooMany(json: string, { values, keys }: Omit<JsonSize, 'depth'>): TooMany {
  const [, of, id] = HEAD.exec(json) ?? [];
  if (of === 'call' || of === 'answer') return { t: 'too_many', of, id: Number(id) };
  throw new WireFault(`A frame has more than ${values} values, or more than ${keys} keys.`);
}

function parse(json: string): FromPlugin {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new WireFault('A frame is no JSON.');
  }
  const fault = badData(value);
  if (fault !== undefined) throw new WireFault(`A frame is no plain data. ${fault}`);
  const parsed = FROM_PLUGIN.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new WireFault(`A frame is none of the protocol: ${issue?.path.join('.') || 'frame'}: ${issue?.message}.`);
  }
  return parsed.data as FromPlugin;
}

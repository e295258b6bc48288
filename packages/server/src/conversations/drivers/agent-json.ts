// JSON from agents: made safe to store, with limited nesting and short ids, and parsed by schemas.

import { createHash } from 'node:crypto';
import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';

/** Maximum levels. `JSON.stringify` fails from some thousand levels on; the inputs of tools have about ten. */
const MAX_DEPTH = 64;
/** Maximum bytes of an id. Ids are stored in the state of a link. Current ids have about 40 characters. */
const MAX_ID_BYTES = 500;

export interface AgentJson {
  readonly value: unknown;
  /** False if something was nested too deeply and was replaced by "…". */
  readonly isWhole: boolean;
}

/** Parses a text; undefined for invalid JSON. Never throws. */
export function readAgentJson(text: string): AgentJson | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Each level takes at least two characters: short lines need no check.
  return { value, isWhole: text.length <= 2 * MAX_DEPTH || !cutBelow(value, MAX_DEPTH) };
}

/** Cuts a value in place. Returns true if something was cut. */
function cutBelow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  // Parsed JSON has no other objects.
  const parent = value as Record<string, unknown>;
  let isCut = false;
  for (const key of Object.keys(parent)) {
    const child = parent[key];
    if (typeof child !== 'object' || child === null) continue;
    if (levels > 1) isCut = cutBelow(child, levels - 1) || isCut;
    else {
      parent[key] = '…';
      isCut = true;
    }
  }
  return isCut;
}

/** Counts the bytes of a sent text in the log: JSON in a line of JSON. */
export const sentBytes = (text: string): number => Buffer.byteLength(JSON.stringify(JSON.stringify(text)));

const isShort = (id: string): boolean =>
  id.length <= MAX_ID_BYTES && Buffer.byteLength(JSON.stringify(id)) <= MAX_ID_BYTES + 2;

/** An id that must be returned unchanged. Its bytes are counted as JSON, as they are stored. */
export const ReturnedId = z.string().refine(isShort);

/**
 * An id that is never returned and only identifies something. Some gateways put whole signatures into the ids of tool
 * calls: a long id is replaced by its hash.
 */
export const KnownId = z
  .string()
  .min(1)
  .transform((id) => (isShort(id) ? id : createHash('sha256').update(id).digest('hex')));

/** An optional field. An invalid field counts as absent, because other versions have other fields. */
export const lenient = <T extends z.ZodType>(schema: T) =>
  schema
    .nullish()
    .catch(undefined)
    .transform((value) => value ?? undefined);

/** Makes a function that parses its first argument, and ignores an invalid one. */
export const withSchema =
  <T extends z.ZodType, Rest extends readonly unknown[], R>(schema: T, act: (value: z.output<T>, ...rest: Rest) => R) =>
  (value: unknown, ...rest: Rest): R | undefined => {
    const read = schema.safeParse(value);
    return read.success ? act(read.data, ...rest) : undefined;
  };

/** Parses a value without which a link cannot continue. Throws `agent_protocol`. */
export function required<T extends z.ZodType>(schema: T, value: unknown, message: string): z.output<T> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new BinnacleError('agent_protocol', { message });
}

/** Returns the row with a name from an agent, which may be a name that every object has. */
export const rowOf = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

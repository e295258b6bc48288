// JSON as agents write it, made safe to keep: not too deep to be written again, and ids not too long. Knows no protocol.

import { createHash } from 'node:crypto';
import { z } from 'zod';

/** `JSON.stringify` fails from some thousand levels on. The inputs of tools have some ten. */
const MAX_DEPTH = 64;
/** Ids are kept in the state of a link. Those of today have some 40 characters. */
const MAX_ID_BYTES = 500;

export interface AgentJson {
  readonly value: unknown;
  /** False where something was nested too deeply: "…" is in its place. */
  readonly isWhole: boolean;
}

/** Undefined of what is no JSON. Never throws. */
export function readJson(text: string): AgentJson | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Each level takes two characters at least: most lines need no look.
  return { value, isWhole: text.length <= 2 * MAX_DEPTH || !cutBelow(value, MAX_DEPTH) };
}

/** Changes what was just read. True where something was cut. */
function cutBelow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  // What is parsed JSON has no other objects.
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

/** Of a text that was sent, as the log keeps it: JSON in a line of JSON. */
export const sentBytes = (text: string): number => Buffer.byteLength(JSON.stringify(JSON.stringify(text)));

const isShort = (id: string): boolean =>
  id.length <= MAX_ID_BYTES && Buffer.byteLength(JSON.stringify(id)) <= MAX_ID_BYTES + 2;

/** An id that must go back as it came. Bytes count as they are kept: as JSON. */
export const ReturnedId = z.string().refine(isShort);

/**
 * An id that never goes back, by which we know something again. Some gateways put whole signatures into the ids of tool
 * calls: these are made short.
 */
export const KnownId = z
  .string()
  .min(1)
  .transform((id) => (isShort(id) ? id : createHash('sha256').update(id).digest('hex')));

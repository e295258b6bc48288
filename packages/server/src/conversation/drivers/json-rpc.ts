// One line of JSON-RPC 2.0, told apart by what it has. Does no I/O and knows no method.

import { z } from 'zod';

/** Ids come back in answers and are kept in the state of a link: those of today have some 40 characters. */
const MAX_ID_CHARS = 500;

/**
 * JSON-RPC allows null, too; an answer to it could not be told from another, so that it counts as none. A number above
 * 2^53 would come back as another one.
 */
export const RpcId = z.union([z.int(), z.string().max(MAX_ID_CHARS)]);
export type RpcId = z.output<typeof RpcId>;

export const RpcError = z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() });
export type RpcError = z.output<typeof RpcError>;

export type RpcMessage =
  | { readonly kind: 'request'; readonly id: RpcId; readonly method: string; readonly params: unknown }
  | { readonly kind: 'notification'; readonly method: string; readonly params: unknown }
  | { readonly kind: 'result'; readonly id: RpcId; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: RpcId; readonly error: RpcError };

/** `jsonrpc` is not looked at: Codex leaves it out. */
const Line = z.object({
  id: RpcId.nullish(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: RpcError.nullish(),
});

/** Null of what is no message: programs print warnings where they should not. */
export function readMessage(line: string): RpcMessage | null {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return null;
  }
  const read = Line.safeParse(json);
  if (!read.success) return null;
  const { method, params, result, error } = read.data;
  const id = read.data.id ?? undefined;
  if (method !== undefined) {
    return id === undefined ? { kind: 'notification', method, params } : { kind: 'request', id, method, params };
  }
  if (id === undefined) return null;
  if (error !== undefined && error !== null) return { kind: 'error', id, error };
  // An answer has the one or the other; `result` may be null.
  return Object.hasOwn(json as object, 'result') ? { kind: 'result', id, result } : null;
}

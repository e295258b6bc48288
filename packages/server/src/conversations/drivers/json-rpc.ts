// Messages of JSON-RPC 2.0, one per line, classified by their fields.

import { z } from 'zod';
import { ReturnedId, readAgentJson } from './agent-json.ts';

/**
 * The id of a request. JSON-RPC also allows null, but answers to such requests could not be told apart, so null counts
 * as no id. A number above 2^53 would come back changed.
 */
export const RpcId = z.union([z.int(), ReturnedId]);
export type RpcId = z.output<typeof RpcId>;

export const RpcError = z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() });
export type RpcError = z.output<typeof RpcError>;

export const METHOD_NOT_FOUND = -32601;

export interface RpcRequest {
  readonly kind: 'request';
  readonly id: RpcId;
  readonly method: string;
  readonly params: unknown;
  /** False if something was nested too deeply and is left out. */
  readonly isWhole: boolean;
}

export type RpcMessage =
  | RpcRequest
  | { readonly kind: 'notification'; readonly method: string; readonly params: unknown }
  | { readonly kind: 'result'; readonly id: RpcId; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: RpcId; readonly error: RpcError };

/** The messages on the wire: JSON-RPC, or a protocol with the same kinds of messages. */
export interface RpcCodec {
  /** Parses a line; null for a line that is no message: programs print warnings on stdout. */
  read(line: string): RpcMessage | null;
  call(id: number, method: string, params: object): object;
  notification(method: string, params?: object): object;
  result(request: RpcId, result: object): object;
  error(request: RpcId, error: RpcError): object;
}

/** JSON-RPC. `head`: the fields of each message that is sent. */
export const jsonRpc = (head: object = {}): RpcCodec => ({
  read: readMessage,
  call: (id, method, params) => ({ ...head, id, method, params }),
  notification: (method, params) => ({ ...head, method, params }),
  result: (id, result) => ({ ...head, id, result }),
  error: (id, error) => ({ ...head, id, error }),
});

/** A message. `jsonrpc` is not checked, because Codex omits it. */
const Line = z.object({
  id: RpcId.nullish(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: RpcError.nullish(),
});

export function readMessage(line: string): RpcMessage | null {
  const json = readAgentJson(line);
  if (json === undefined) return null;
  const { value, isWhole } = json;
  const read = Line.safeParse(value);
  if (!read.success) return null;
  const { method, params, result, error } = read.data;
  const id = read.data.id ?? undefined;
  if (method !== undefined) {
    return id === undefined
      ? { kind: 'notification', method, params }
      : { kind: 'request', id, method, params, isWhole };
  }
  if (id === undefined) return null;
  if (error !== undefined && error !== null) return { kind: 'error', id, error };
  // An answer has either an error or a result; `result` may be null.
  return Object.hasOwn(value as object, 'result') ? { kind: 'result', id, result } : null;
}

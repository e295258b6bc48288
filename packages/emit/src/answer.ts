// The meaning of the gateway's answer for each event of a batch. Pure: knows no buffer, timer or socket.

import { CODES, isCode } from '@binnacle/protocol';
import type { HttpReply } from './post.ts';

export type EventVerdict =
  | { readonly kind: 'done'; readonly isDuplicate: boolean }
  /** The same again, later. `expected`: the gateway has all events before this one. */
  | { readonly kind: 'again'; readonly code: string; readonly expected: number | null }
  /** Not now, for all that we send. */
  | { readonly kind: 'slower'; readonly code: string }
  /** The clock of one of us is wrong: again without a time. */
  | { readonly kind: 'without_time'; readonly hint: string }
  | { readonly kind: 'never'; readonly code: string; readonly message: string; readonly hint: string };

export type Verdict =
  | { readonly kind: 'events'; readonly events: readonly EventVerdict[] }
  /** The gateway is away or ill. */
  | { readonly kind: 'failed'; readonly message: string }
  /** The gateway asks for a pause. */
  | { readonly kind: 'busy'; readonly code: string; readonly retryAfterMs: number | null }
  /** The gateway refuses everything until a person changes something. */
  | { readonly kind: 'not_allowed'; readonly code: string; readonly message: string; readonly hint: string }
  /** Something in this batch cannot be read: in smaller parts it shows what. */
  | { readonly kind: 'smaller'; readonly code: string; readonly message: string; readonly hint: string };

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The answer to a request with one event may be the refusal of that event, or of the request. These are of events. */
const OF_EVENTS = new Set([
  'bad_event',
  'bad_session_id',
  'bad_time',
  'event_too_large',
  'session_taken',
  'stale_epoch',
  'seq_gap',
  'session_gone',
  'session_exited',
  'session_foreign',
  'too_many_foreign',
]);
const SLOWER = new Set(['too_fast', 'disk_full', 'going_away', 'rate_limited', 'internal', 'invariant']);

/** `count`: events in the batch. */
export function verdictOf(reply: HttpReply, count: number): Verdict {
  const body = parsed(reply.text);
  const results = isObject(body) && Array.isArray(body.results) ? body.results : undefined;
  if (results !== undefined && results.length === count) {
    const events = results.map(eventVerdict);
    if (events.every((event) => event !== undefined)) return { kind: 'events', events };
  }
  const { status } = reply;
  if (status >= 200 && status < 300)
    return { kind: 'failed', message: `The answer (HTTP ${status}) is not that of a gateway.` };
  const refusal = refusalIn(body);
  const code = refusal?.code ?? `HTTP ${status}`;
  const message = refusal?.message ?? `The gateway answered with HTTP ${status}.`;
  const hint = refusal?.hint ?? '';
  if (refusal !== undefined && count === 1 && OF_EVENTS.has(code))
    return { kind: 'events', events: [ofRefusal(refusal)] };
  if (status === 429 || refusal?.code === 'disk_full' || (status === 503 && reply.retryAfterMs !== null))
    return { kind: 'busy', code, retryAfterMs: reply.retryAfterMs ?? pauseIn(refusal) };
  if (status >= 500 || status === 408) return { kind: 'failed', message };
  if (refusal?.retryable === true) return { kind: 'failed', message };
  if ([400, 409, 410, 413, 422, 431].includes(status)) return { kind: 'smaller', code, message, hint };
  return { kind: 'not_allowed', code, message, hint };
}

function eventVerdict(result: unknown): EventVerdict | undefined {
  if (!isObject(result)) return undefined;
  if (result.status === 'stored' || result.status === 'duplicate')
    return { kind: 'done', isDuplicate: result.status === 'duplicate' };
  if (result.status !== 'refused') return undefined;
  const refusal = refusalIn(result);
  return refusal === undefined ? undefined : ofRefusal(refusal);
}

function ofRefusal({ code, message, hint, retryable, details }: Refusal): EventVerdict {
  if (code === 'bad_time') return { kind: 'without_time', hint };
  if (SLOWER.has(code)) return { kind: 'slower', code };
  if (!retryable) return { kind: 'never', code, message, hint };
  const { expected } = details;
  return { kind: 'again', code, expected: Number.isSafeInteger(expected) ? Number(expected) : null };
}

function refusalIn(body: unknown): Refusal | undefined {
  if (!isObject(body) || !isObject(body.error)) return undefined;
  const { code, message, hint, retryable, details } = body.error;
  if (typeof code !== 'string') return undefined;
  const known = isCode(code) ? CODES[code] : undefined;
  return {
    code,
    message: typeof message === 'string' ? message : (known?.message ?? code),
    hint: typeof hint === 'string' ? hint : (known?.hint ?? ''),
    retryable: typeof retryable === 'boolean' ? retryable : (known?.retry ?? false),
    details: isObject(details) ? details : {},
  };
}

/** Returns the pause that the body names, for a header that a proxy has removed. */
function pauseIn(refusal: Refusal | undefined): number | null {
  const ms = refusal?.details.retryAfterMs;
  return typeof ms === 'number' && ms >= 0 && ms <= 300_000 ? ms : null;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

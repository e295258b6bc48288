// Shared schemas of the bodies, queries and headers of several routes.

import { BinnacleError, parseOffset } from '@binnacle/protocol';
import type { Steering } from '../../sessions/session.ts';
import { z } from '../http/routes.ts';

/** Maximum wait of a long poll: common proxies cut after 60 s. */
const MAX_WAIT_MS = 55_000;

/** Columns or rows. Every wrong size gets the same code, because sizes come from windows that a user drags. */
export const CellCount = z
  .custom<number>((value) => {
    if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535) return true;
    // An omitted size is not a wrong one; the API documentation also tests undefined.
    if (value === undefined) return false;
    throw new BinnacleError('bad_size', {
      message: `${JSON.stringify(value).slice(0, 40)} is not a number of columns or rows.`,
    });
  }, 'a whole number from 1 to 65535')
  .openapi({ type: 'integer', minimum: 1, maximum: 65_535 });

export const Offset = z.string().transform(parseOffset);
export const WaitMs = z
  .string()
  .regex(/^\d{1,12}$/, 'milliseconds, a whole number')
  .transform((ms) => Math.min(Number(ms), MAX_WAIT_MS));
/** Schema of an integer in a query. */
export const numberIn = (least: number, most: number) =>
  z
    .string()
    .regex(/^-?\d{1,16}$/, 'a whole number')
    .transform(Number)
    .refine((n) => n >= least && n <= most, `a whole number from ${least} to ${most}`);
export const Flag = z.enum(['0', '1', 'true', 'false']).transform((text) => text === '1' || text === 'true');

export const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'no NUL bytes');

/**
 * Maximum bytes of an argument: Linux allows 128 KiB including the final NUL. More fails with E2BIG, an obscure error.
 */
const MAX_ARG_BYTES = 128 * 1024 - 1;
export const CommandArgument = text(MAX_ARG_BYTES).refine(
  (value) => Buffer.byteLength(value) <= MAX_ARG_BYTES,
  `at most ${MAX_ARG_BYTES} bytes; put a longer script into a file`,
);

/** Lifetime of a lease without a write; the two fields are aliases. */
export const LeaseTtl = {
  ttlMs: z.int().min(1000).optional(),
  autoReleaseAfterMs: z.int().min(1000).optional(),
};

/** Returns the lifetime. Throws `bad_request` if both aliases are given and differ. */
export function ttlOf(lease: {
  readonly ttlMs?: number | undefined;
  readonly autoReleaseAfterMs?: number | undefined;
}): number | undefined {
  const { ttlMs, autoReleaseAfterMs } = lease;
  if (ttlMs !== undefined && autoReleaseAfterMs !== undefined && ttlMs !== autoReleaseAfterMs) {
    throw new BinnacleError('bad_request', {
      message: 'ttlMs and autoReleaseAfterMs are two names of one thing; they differ.',
      hint: 'Send one of them.',
    });
  }
  return ttlMs ?? autoReleaseAfterMs;
}

export const LeaseHeader = { 'binnacle-lease': z.string().max(100).optional() };
export const by = (principal: { readonly name: string }, lease: string | undefined): Steering =>
  lease === undefined ? { name: principal.name } : { name: principal.name, lease };

/** Headers of a client that reads events. */
export const EventHeaders = { accept: z.string().optional(), 'last-event-id': z.string().max(64).optional() };
export const wantsEvents = (format: string | undefined, accept: string | undefined): boolean =>
  format === 'sse' || (format === undefined && accept?.includes('text/event-stream') === true);

// Shared schemas and responses of the sandbox daemon's routes.

import type { HttpResponse } from '../http/http-response.ts';
import { respond, z } from '../http/routes.ts';
import { CommandArgument } from '../schemas/fields.ts';

/** Accepts null as undefined: some clients send null for omitted fields. */
export const nothingOr = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

/** Shell text for bash. */
export const Shell = CommandArgument.refine((value) => value.trim() !== '', 'it is empty');

/**
 * Maximum bytes of variables: a terminal that no client has attached to keeps them in memory, and a thousand such
 * terminals may exist.
 */
const MAX_ENVS_BYTES = 64 * 1024;
const sizeOf = (envs: Readonly<Record<string, string>>): number =>
  Object.entries(envs).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);

/** Environment variables that an environment can represent. */
export const Envs = nothingOr(
  z
    .record(z.string().regex(/^[^=\0]+$/, 'a name without "=" and NUL'), z.string().regex(/^[^\0]*$/, 'no NUL bytes'))
    .refine((envs) => sizeOf(envs) <= MAX_ENVS_BYTES, `at most ${MAX_ENVS_BYTES} bytes in all`),
);

/** Timeout in ms; 0 means none. */
export const Timeout = nothingOr(z.int().min(0)).transform((ms) => (ms === 0 ? undefined : ms));

/**
 * Returns an empty 200 with a Content-Length: clients parse the body as JSON unless the header says that it is empty.
 */
export const empty = (): HttpResponse => respond(null, { headers: { 'Content-Length': '0' } });

export const iso = (time: number | null): string | undefined =>
  time === null ? undefined : new Date(time).toISOString();

// What several routes of the sandbox daemon share: pieces of their schemas and answers.

import { z } from '../http/routes.ts';
import { argument } from '../schemas/fields.ts';

/** Some of its clients send null for what they leave out. */
export const nothingOr = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

/** Shell text for bash. */
export const Shell = argument.refine((value) => value.trim() !== '', 'it is empty');

/** A terminal that nobody has attached to keeps its variables in memory, and there may be a thousand of those. */
const MAX_ENVS_BYTES = 64 * 1024;
const sizeOf = (envs: Readonly<Record<string, string>>): number =>
  Object.entries(envs).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);

/** Environment variables as an environment can hold them. */
export const Envs = nothingOr(
  z
    .record(z.string().regex(/^[^=\0]+$/, 'a name without "=" and NUL'), z.string().regex(/^[^\0]*$/, 'no NUL bytes'))
    .refine((envs) => sizeOf(envs) <= MAX_ENVS_BYTES, `at most ${MAX_ENVS_BYTES} bytes in all`),
);

/** In ms; 0 is none. */
export const Timeout = nothingOr(z.int().min(0)).transform((ms) => (ms === 0 ? undefined : ms));

/** Its clients parse an empty 200 as JSON unless it says that it is empty. */
export const empty = (): Response => new Response(null, { headers: { 'Content-Length': '0' } });

export const iso = (time: number | null): string | undefined =>
  time === null ? undefined : new Date(time).toISOString();

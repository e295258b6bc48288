// What came over the wire from a plugin, by a schema.

import { BinnacleError } from '@binnacle/protocol';
import type { z } from 'zod';

/** Throws `bad_request`, which names the first thing that is wrong. */
export function parsed<Shape extends z.ZodType>(shape: Shape, params: unknown, method: string): z.output<Shape> {
  const read = shape.safeParse(params);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const at = issue?.path.join('.') ?? '';
  throw new BinnacleError('bad_request', {
    message: `The arguments of ${method} are wrong${at === '' ? '' : ` (${at})`}: ${issue?.message ?? ''}`.slice(
      0,
      500,
    ),
  });
}

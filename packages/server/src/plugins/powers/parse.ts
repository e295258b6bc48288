// Validation of a plugin's arguments by a schema.

import { BinnacleError } from '@binnacle/protocol';
import type { z } from 'zod';
import { hasTooMany, reasonIn, TOO_MANY } from '../grant/arguments.ts';

/** Parses arguments. Throws `bad_request`, which names the first error. */
export function parsed<Shape extends z.ZodType>(shape: Shape, params: unknown, method: string): z.output<Shape> {
  if (hasTooMany(params)) throw wrong(method, TOO_MANY);
  const read = shape.safeParse(params);
  if (read.success) return read.data;
  throw wrong(method, reasonIn(read.error));
}

const wrong = (method: string, why: string): BinnacleError =>
  new BinnacleError('bad_request', { message: `The arguments of ${method} are wrong: ${why}` });

import { BinnacleError } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { messageOf } from './failure.ts';

it.each([
  ['lease_held', 'ada holds the helm.', 'ada is in control.'],
  ['taken_over', 'ada took the helm.', 'ada took control.'],
  ['lease_lost', 'The helm was released.', 'Your control was released.'],
  ['lease_lost', undefined, 'Your control was taken over, released or has expired.'],
  ['session_not_found', 'There is no session "helm".', 'There is no session "helm".'],
] as const)('a message of the gateway (%s, %j) reads as on the page', (code, message, expected) => {
  expect(messageOf(new BinnacleError(code, message === undefined ? {} : { message }))).toBe(expected);
});

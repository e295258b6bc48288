import { BinnacleError, CODES } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { messageOf } from './failure.ts';

it('a message of the gateway is shown as it came', () => {
  expect(messageOf(new BinnacleError('lease_held', { message: 'ada is in control.' }))).toBe('ada is in control.');
  expect(messageOf(new BinnacleError('lease_lost'))).toBe('Control was taken over, was released or has expired.');
});

it('the table of failures speaks of control, as the page does', () => {
  for (const [code, { message, hint }] of Object.entries(CODES)) {
    expect(`${code}: ${message} ${hint}`.replace(/^\w+: /, '')).not.toMatch(/\bhelm\b/i);
  }
});

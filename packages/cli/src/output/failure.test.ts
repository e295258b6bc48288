import { BinnacleError, CODES } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { namedGateway } from '../gateway/address.ts';
import { describe, EXIT, messageOf } from './failure.ts';

it('a message of the gateway is shown as it came', () => {
  expect(messageOf(new BinnacleError('lease_held', { message: 'ada is in control.' }))).toBe('ada is in control.');
  expect(messageOf(new BinnacleError('lease_lost'))).toBe('Control was taken over, was released or has expired.');
});

it('the table of failures speaks of control, as the page does', () => {
  for (const [code, { message, hint }] of Object.entries(CODES)) {
    expect(`${code}: ${message} ${hint}`.replace(/^\w+: /, '')).not.toMatch(/\bhelm\b/i);
  }
});

it('a token that the gateway refuses is answered with the variable to set, and the command that makes a token', () => {
  expect(describe(new BinnacleError('unauthorized'), false)).toBe(
    'binnacle: The request has no valid token.\n' +
      '  Set BINNACLE_TOKEN to a token of this gateway. Make the token on its machine: binnacle token create NAME\n',
  );
});

it.each(['foo', 'localhost:7117', 'ftp://host', 'http://'])(
  'an address of no gateway is refused as usage: %s',
  (url) => {
    expect(() => namedGateway(undefined, { BINNACLE_URL: url, BINNACLE_TOKEN: 't' })).toThrow(
      expect.objectContaining({
        message: `BINNACLE_URL is not the address of a gateway: ${url}.`,
        hint: 'Write the address as http://127.0.0.1:7117.',
        exitCode: EXIT.usage,
      }),
    );
  },
);

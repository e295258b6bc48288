import { expect, it } from 'vitest';
import { ticketIn } from './ticket.ts';

it('finds the ticket in a link, in a fragment and alone', () => {
  expect(ticketIn('http://127.0.0.1:7317/#ticket=abc-DEF_123')).toBe('abc-DEF_123');
  expect(ticketIn('#ticket=a%2Eb')).toBe('a.b');
  expect(ticketIn('  abcdefgh12345 ')).toBe('abcdefgh12345');
  expect(ticketIn('http://127.0.0.1:7317/')).toBeUndefined();
  expect(ticketIn('#ticket=%E0%A4')).toBeUndefined();
});

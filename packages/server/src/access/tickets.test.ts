import { describe, expect, test } from 'vitest';
import { sha256 } from './principal.ts';
import { Tickets } from './tickets.ts';

const grant = {
  scope: 'view',
  name: 'x',
  user: 'u',
  issuer: 'i',
  madeBy: { id: 'i', name: 'i', user: 'u' },
  notAfter: null,
} as const;

describe('tickets', () => {
  test('are limited in number; used and late ones make room', () => {
    let now = 0;
    const tickets = new Tickets(1000, () => now);
    const issued = Array.from({ length: 100 }, () => tickets.issue(grant).ticket);
    expect(() => tickets.issue(grant)).toThrow(expect.objectContaining({ code: 'too_many_tokens' }));
    expect(tickets.take(sha256(issued[0] ?? ''))).toEqual(grant);
    tickets.issue(grant);
    expect(() => tickets.issue(grant)).toThrow();
    now = 1000;
    expect(tickets.take(sha256(issued[1] ?? ''))).toBeUndefined();
    tickets.issue(grant);
  });

  test('of one issuer leave room for those of others', () => {
    const tickets = new Tickets(1000, () => 0);
    for (let i = 0; i < 100; i++) tickets.issue(grant);
    const { ticket } = tickets.issue({ ...grant, issuer: 'admin' });
    expect(tickets.take(sha256(ticket))).toEqual({ ...grant, issuer: 'admin' });
  });

  test('end with the token that issued them', () => {
    const tickets = new Tickets(1000, () => 0);
    const { ticket } = tickets.issue(grant);
    const { ticket: another } = tickets.issue(grant);
    tickets.dropIssuer('other');
    expect(tickets.take(sha256(another))).toEqual(grant);
    tickets.dropIssuer('i');
    expect(tickets.take(sha256(ticket))).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import { afterClose, BinnacleError, CODES, type Code, type CodeRow, invariant, isCode } from './codes.ts';

const rows = Object.entries(CODES) as [Code, CodeRow][];

describe('the table of codes', () => {
  it.each(rows)('%s has an error status, a sentence and a hint', (_code, row) => {
    expect(row.status).toBeGreaterThanOrEqual(400);
    expect(row.status).toBeLessThan(600);
    expect(row.message).toMatch(/^[A-Z].*\.$/s);
    expect(row.hint.length).toBeGreaterThan(5);
  });

  it('has names that are safe everywhere', () => {
    for (const [code] of rows) expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
  });

  it('closes sockets with codes that a server may send', () => {
    for (const [, row] of rows)
      if (row.close !== undefined)
        expect([1002, 1009, 1012].includes(row.close) || (row.close >= 4000 && row.close < 5000)).toBe(true);
  });

  it('lets a client reconnect exactly where the same request may succeed later', () => {
    for (const [code, row] of rows)
      if (row.close !== undefined)
        expect([code, afterClose(row.close)]).toEqual([code, row.retry ? 'reconnect' : 'stop']);
  });

  it('uses one close code only for failures that mean the same to a client', () => {
    const byClose = new Map<number, Set<boolean>>();
    for (const [, row] of rows)
      if (row.close !== undefined) byClose.set(row.close, (byClose.get(row.close) ?? new Set()).add(row.retry));
    for (const [close, retries] of byClose) expect([close, retries.size]).toEqual([close, 1]);
  });

  it('reconnects after what networks and unknown servers do', () => {
    for (const close of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 3000, 4999])
      expect(afterClose(close)).toBe('reconnect');
  });
});

describe('BinnacleError', () => {
  it('goes over the wire and comes back', () => {
    const error = new BinnacleError('lease_held', { hint: 'Ask Ada.', details: { holder: 'Ada' } });
    const back = BinnacleError.fromWire(JSON.parse(JSON.stringify(error.toWire())));
    expect(back).toBeInstanceOf(BinnacleError);
    expect(back.toWire()).toEqual(error.toWire());
    expect([back.status, back.retryable]).toEqual([409, true]);
  });

  it('does not take a code that it does not know for one that it does', () => {
    for (const code of ['', 'novel', 'toString', '__proto__', 'constructor']) {
      expect(isCode(code)).toBe(false);
      const error = BinnacleError.fromWire({ code: code as Code, message: 'm', hint: 'h', retryable: false });
      expect([error.code, error.message]).toEqual(['internal', 'm']);
    }
  });

  it('is loud about what cannot happen', () => {
    invariant(true, 'fine');
    expect(() => invariant(0, 'place moved back', { place: 3 })).toThrow(
      expect.objectContaining({ code: 'invariant', details: { place: 3 } }),
    );
  });
});

describe('an error of other code', () => {
  const failure = (more: object): Error => Object.assign(new Error('thrown'), more);

  it.each([
    ['disk_full', { code: 'ENOSPC' }],
    ['disk_full', { code: 'EDQUOT' }],
    ['disk_full', { errcode: 13 }],
    ['disk_full', { errcode: 778 }],
    ['catalogue_damaged', { errcode: 11 }],
    ['catalogue_damaged', { errcode: 267 }],
    ['catalogue_damaged', { errcode: 26 }],
    ['internal', { code: 'ENOENT' }],
    ['internal', { errcode: 266 }],
    ['internal', {}],
  ])('is %s for %j', (code, more) => {
    expect(BinnacleError.of(failure(more)).code).toBe(code);
  });

  it('is itself where it is one of ours, and internal where it is no error', () => {
    const ours = new BinnacleError('too_fast');
    expect(BinnacleError.of(ours)).toBe(ours);
    expect(BinnacleError.of('a text').code).toBe('internal');
  });
});

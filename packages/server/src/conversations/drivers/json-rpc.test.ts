import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMessage } from './json-rpc.ts';

const read = (message: unknown) => readMessage(JSON.stringify(message));

describe('a line of JSON-RPC', () => {
  it('is a request with a method and an id, and a notification without', () => {
    const method = 'turn/start';
    expect(read({ jsonrpc: '2.0', id: 3, method, params: { a: 1 } })).toEqual({
      kind: 'request',
      id: 3,
      method,
      params: { a: 1 },
      isWhole: true,
    });
    expect(read({ method })).toEqual({ kind: 'notification', method, params: undefined });
    expect(read({ id: null, method })).toMatchObject({ kind: 'notification' });
  });

  it('is an answer without a method, the error first', () => {
    expect(read({ id: 'x', result: null })).toEqual({ kind: 'result', id: 'x', result: null });
    expect(read({ id: 1, error: { code: -32600, message: 'no' } })).toEqual({
      kind: 'error',
      id: 1,
      error: { code: -32600, message: 'no', data: undefined },
    });
    expect(read({ id: 1, result: 2, error: null })).toMatchObject({ kind: 'result', result: 2 });
  });

  it.each([
    ['text', 'WARN: hello'],
    ['nothing', ''],
    ['half an object', '{"id":1,'],
    ['a list', '[{"id":1,"result":1}]'],
    ['a number', '7'],
    ['null', 'null'],
    ['an answer without an id', '{"result":1}'],
    ['an answer without a result', '{"id":1}'],
    ['an id that is an object', '{"id":{},"method":"m"}'],
    ['an id that would come back as another', '{"id":9007199254740993,"method":"m"}'],
    ['an id that is too long to keep', JSON.stringify({ id: 'x'.repeat(501), method: 'm' })],
    ['a method that is a number', '{"method":1}'],
  ])('is no message when it is %s', (_, line) => {
    expect(readMessage(line)).toBeNull();
  });

  it('never throws, and gives back every id as it came', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        expect(() => readMessage(line)).not.toThrow();
      }),
    );
    const id = fc.oneof(fc.maxSafeInteger(), fc.string({ maxLength: 80 }));
    fc.assert(
      fc.property(id, fc.string(), fc.jsonValue(), (id, method, params) => {
        const line = JSON.stringify({ id, method, params });
        expect(readMessage(line)).toMatchObject({ kind: 'request', id: JSON.parse(line).id, method });
      }),
    );
  });
});

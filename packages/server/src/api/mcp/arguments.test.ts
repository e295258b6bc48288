import { describe, expect, it } from 'vitest';
import { InputArguments, OutputArguments, parseArguments, StartArguments } from './arguments.ts';

const many = (count: number, value: unknown = 1): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, value]));

describe('arguments', () => {
  it('that are far too many are refused at once, by code', () => {
    for (const [schema, args] of [
      [OutputArguments, many(90_000)],
      [OutputArguments, many(33)],
      [OutputArguments, { id: Array.from({ length: 300_000 }, () => 1) }],
      [InputArguments, { id: 'x', keys: Array.from({ length: 300_000 }, () => 1) }],
      [StartArguments, { command: 'true', env: many(90_000) }],
      [StartArguments, Array.from({ length: 300_000 }, () => 1)],
    ] as const) {
      const begun = performance.now();
      expect(() => parseArguments(schema, args)).toThrowError(expect.objectContaining({ code: 'bad_request' }));
      expect(performance.now() - begun).toBeLessThan(1000);
    }
  });

  it('that are as many as there may be are taken, and one that is unknown is named', () => {
    const env = many(1000, 'v');
    expect(parseArguments(StartArguments, { command: 'true', env })).toMatchObject({ env });
    const keys = Array.from({ length: 200 }, () => 'x');
    expect(parseArguments(InputArguments, { task_id: 'x', keys })).toMatchObject({ id: 'x', keys });
    expect(() => parseArguments(OutputArguments, { id: 'x', ...many(3) })).toThrowError(/k0/);
  });
});

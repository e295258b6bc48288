import { describe, expect, it } from 'vitest';
import { StatusQuery } from './status-query.ts';

const QUERY = '\x1b]7501;?';

describe('a question for reports of state', () => {
  it('is found wherever the output is cut', () => {
    const output = Buffer.from(`text\x1b[1m${QUERY}\x1b\\more`);
    for (let cut = 0; cut <= output.length; cut += 1) {
      const query = new StatusQuery();
      const found = [output.subarray(0, cut), output.subarray(cut)].filter((piece) => query.take(piece));
      expect(found).toHaveLength(1);
    }
    const query = new StatusQuery();
    expect([...output].filter((byte) => query.take(Buffer.of(byte)))).toHaveLength(1);
  });

  it('is no report, and nothing that only begins like one', () => {
    const query = new StatusQuery();
    for (const text of ['\x1b]7501;state=idle\x07', '\x1b]750', '1;', 'x?', '\x1b', '\x1b]75011;?', 'x]7501;?'])
      expect(query.take(Buffer.from(text))).toBe(false);
  });
});

import { expect } from 'vitest';
import type { Gateway } from '../support/gateway.ts';
import { it } from '../support/test.ts';

interface Line {
  readonly event: string;
  readonly position: string;
  readonly data: { readonly text?: string; readonly offset?: number };
}

/** Reads the lines of a session up to its end, or up to the line of which `isLast` is true. */
async function linesOf(gateway: Gateway, path: string, isLast: (line: Line) => boolean = () => false): Promise<Line[]> {
  const response = await gateway.fetch(path, { headers: { accept: 'application/x-ndjson' } });
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  const lines: Line[] = [];
  let rest = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const parts = (rest + Buffer.from(chunk).toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts.map((part) => JSON.parse(part) as Line));
    if (lines.some(isLast)) break;
  }
  return lines;
}

const textOf = (lines: readonly Line[]): string => lines.map(({ data }) => data.text ?? '').join('');

it('exact-resume: a session is read as lines of JSON to its end, and from the position of each line', async ({
  gateway,
}) => {
  const { id } = await gateway.create({
    command: 'for n in 1 2 3; do echo "line $n é"; read -r _; done',
    mode: 'pipe',
  });
  for (const n of [1, 2, 3]) {
    await linesOf(gateway, `/v1/sessions/${id}/output`, ({ data }) => data.text?.includes(`line ${n}`) === true);
    await gateway.input(id, 'on\n');
  }
  const all = await linesOf(gateway, `/v1/sessions/${id}/output`);
  expect(textOf(all)).toBe('line 1 é\nline 2 é\nline 3 é\n');
  expect(all.at(0)?.event).toBe('connected');
  expect(all.slice(-3).map(({ event }) => event)).toEqual(['exit', 'closed', 'end']);
  for (const [n, { position }] of all.entries()) {
    const rest = await linesOf(gateway, `/v1/sessions/${id}/output?position=${position}`);
    expect(textOf(rest)).toBe(textOf(all.slice(n + 1)));
  }
});

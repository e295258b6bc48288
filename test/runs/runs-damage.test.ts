import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { allOf, Gate, hasWritten, Shell, type SseEvent } from './runs.fixture.ts';

let gateway: Gateway;
let shell: Shell;

/** Three runs of which the disk forgot something: output in a character, the beginning, the end. */
beforeAll(async () => {
  gateway = await openGateway();
  shell = await Shell.open(gateway);
  const gates = [1, 2].map((n) => new Gate(gateway, `damage-${n}`));
  const [first, second] = gates.map(({ wait }) => wait);
  await shell.start({
    id: 'output',
    command: `printf 'a\\342'; ${first}; printf %s%s DAM AGED; ${second}; printf '\\202\\254z'`,
  });
  await hasWritten(shell, 2);
  gates[0]?.open();
  await hasWritten(shell, 9);
  gates[1]?.open();
  await shell.ended('output');
  for (const id of ['beginning', 'end', 'next']) await shell.start({ id, command: `printf ${id}` }, 'wait=20000');
  await gateway.stop();
  const dir = join(gateway.dir, 'sessions', shell.id, 'log');
  const file = join(dir, readdirSync(dir).find((name) => name.endsWith('.log')) ?? '');
  const bytes = readFileSync(file);
  for (const text of [
    'DAMAGED',
    '{"type":"run_started","run":{"id":"beginning"',
    '{"type":"run_ended","run":{"id":"end"',
  ]) {
    const at = bytes.indexOf(text);
    if (at < 0) throw new Error(`There is no ${text}.`);
    bytes[at] = 0x2a;
  }
  writeFileSync(file, bytes);
  await gateway.start();
});
afterAll(() => gateway.close());

const shown = (events: readonly SseEvent[]): string =>
  events
    .map(({ event, data }) => (event === 'output' ? data.text : event === 'gap' ? `[${data.from}-${data.to}]` : ''))
    .join('');
const asText = async (path: string) => allOf(await gateway.fetch(`${shell.path}${path}`));

describe('exact-resume: a run whose log is damaged', () => {
  it('in the middle of a character: nothing is made of what stands before and behind it', async () => {
    const events = await asText('/runs/output/output?format=sse');
    expect(shown(events)).toBe('a\ufffd[2-9]\ufffd\ufffdz');
    expect(events.map(({ event }) => event)).toEqual(['run', 'output', 'output', 'gap', 'output', 'end']);
    expect(shown(await asText('/output?format=sse&follow=0'))).toMatch(/^a\ufffd\[2-9\]\ufffd\ufffdz/);
    const raw = await shell.raw('output', 'since=9');
    expect(Buffer.from(await raw.arrayBuffer())).toEqual(Buffer.from([0x82, 0xac, 0x7a]));
  });

  it('at its beginning: it is told all the same, and its output is whole', async () => {
    const events = await asText('/runs/beginning/output?format=sse');
    expect(events[0]).toMatchObject({ event: 'run', data: { id: 'beginning', state: 'ended' } });
    expect(shown(events)).toBe('[12-12]beginning');
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { run: { id: 'beginning', exitCode: 0 } } });
  });

  it('at its end: it ends where it ended, and shows nothing of the next', async () => {
    const events = await asText('/runs/end/output?format=sse');
    expect(shown(events)).toBe('end');
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { run: { id: 'end', endOffset: 24 } } });
    for (const query of ['', 'follow=1', 'since=21']) expect(await (await shell.raw('end', query)).text()).toBe('end');
    expect(await (await shell.raw('next')).text()).toBe('next');
  });
});

// The timeline of sessions, through a real gateway: real ones, recordings with times of their own, and limits.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type CastEvent, castOf, imported, ran } from './recordings.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

it('of a session with pauses it tells what was written when, to the step, and what stands out', async () => {
  const events: CastEvent[] = [
    [0.5, 'o', 'first\r\n'],
    [3600, 'o', 'after an hour\r\n'],
    [1800, 'r', '100x30'],
    [10, 'm', 'a \u202emark\n'],
    [1790, 'o', 'after two hours\r\n'],
    [3600, 'x', '3'],
  ];
  const { session } = await imported(gateway, castOf(events));
  const timeline = await gateway.client.session(session.id).timeline({ points: 100 });
  const start = 1_500_000_000_000;
  expect(timeline.stepMs).toBeGreaterThan(107_000);
  expect(timeline.stepMs).toBeLessThan(109_000);
  expect(timeline.points.map(({ offset, bytes }) => [offset, bytes])).toEqual([
    [0, 7],
    [7, 15],
    [22, 17],
  ]);
  for (const [n, time] of [500, 3_600_500, 7_200_500].entries()) {
    const point = timeline.points[n]?.time ?? 0;
    expect(point).toBeLessThanOrEqual(start + time);
    expect(point + timeline.stepMs).toBeGreaterThan(start + time);
  }
  expect(timeline.isClipped).toBe(false);
  expect(timeline.marks.filter(({ kind }) => kind !== 'resize')).toEqual([
    { kind: 'run', time: start + 5_410_500, offset: 22, text: 'a mark' },
    { kind: 'exit', time: start + 10_800_500, offset: 39, text: 'exit code 3' },
  ]);
  expect(timeline.marks.filter(({ kind }) => kind === 'resize').at(-1)).toEqual({
    ...{ kind: 'resize', time: start + 5_400_500, offset: 22, text: '100×30' },
  });
});

it('of a session that takes runs it has their commands, with where their output begins', async () => {
  const { id } = await gateway.client.sessions.create({ runs: true, mode: 'pipe' });
  const session = gateway.client.session(id);
  await session.run('echo one').ended;
  const second = await session.run('printf two >&2; sleep 0').ended;
  await session.signal('SIGWINCH');
  const timeline = await session.timeline();
  const runs = timeline.marks.filter(({ kind }) => kind === 'run');
  expect(runs.map(({ text, offset }) => [text, offset])).toEqual([
    ['echo one', 0],
    ['printf two >&2; sleep 0', second.startOffset],
  ]);
  expect(timeline.marks.find(({ kind }) => kind === 'signal')).toMatchObject({ text: 'SIGWINCH', offset: 7 });
  expect(timeline.points.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(7);
  // It runs: time goes on to now.
  expect(timeline.to).toBeGreaterThanOrEqual(timeline.marks.at(-1)?.time ?? 0);
  await session.delete();
});

it('tells how it ended, in all ways', async () => {
  const exits: string[] = [];
  for (const command of ['exit 0', 'kill -KILL $$']) {
    const { id } = await ran(gateway, { command });
    const { marks } = await gateway.client.session(id).timeline();
    exits.push(...marks.filter(({ kind }) => kind === 'exit').map(({ text }) => text));
  }
  expect(exits).toEqual(['exit code 0', 'SIGKILL']);
});

it('names at most 500 marks, the exit among them, and says that there were more', async () => {
  // Written to in between: of many in a row the last one counts.
  const sizes = Array.from({ length: 1200 }, (_, n): CastEvent[] => [
    [1, 'r', `${80 + (n % 50)}x${24 + (n % 7)}`],
    [0, 'o', '.'],
  ]).flat();
  const { session } = await imported(gateway, castOf([...sizes, [1, 'x', '0']]));
  const { marks, isClipped } = await gateway.client.session(session.id).timeline();
  expect({ count: marks.length, isClipped, last: marks.at(-1)?.kind }).toEqual({
    ...{ count: 500, isClipped: true, last: 'exit' },
  });
});

it('is refused by code for numbers of points that are none', async () => {
  const { id } = await ran(gateway, { command: 'true' });
  for (const points of ['0', '2001', 'x', '-1']) {
    const answer = await gateway.fetch(`/v1/sessions/${id}/timeline?points=${points}`);
    expect([points, answer.status]).toEqual([points, 400]);
  }
});

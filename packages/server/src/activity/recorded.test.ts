import { describe, expect, it } from 'vitest';
import { AGENTS, recordedOf, replay } from './recorded.fixture.ts';

/** Reports and titles of the program. They are removed: the drawing alone has to do. */
const SIGNS = /\p{Cc}\](?:0|2|7501);[^\p{Cc}]*(?:\p{Cc}\\|\p{Cc})/gu;
const MOST_LATE_MS = 2000;
/** How long each of them was left waiting when it was recorded. */
const WAITED_MS = 6000;
const LATER_MS = 400;

/** When it was idle, at work, idle, waiting, and idle, as lists said then. */
type Times = [number, number, number, number, number];

describe.each(AGENTS)('%s in a terminal', (agent) => {
  it('is idle, works, is idle, asks for leave until it is answered, and is idle again', async () => {
    const recorded = recordedOf(agent);
    const { states } = await replay(recorded);
    const at = (ms: number) => states.findLast(({ since }) => since <= ms)?.state;
    const [begun, works, done, asks, over] = recorded.expected.map(({ atMs }) => atMs) as Times;
    // Lists said so a moment later than it was so, and what was typed is not recorded.
    const between = states.filter(({ since }) => since > begun - 2 * LATER_MS && since < works);
    expect([at(begun - 2 * LATER_MS), ...between.map(({ state }) => state)]).toContain('idle');
    expect(at((works + done) / 2)).toBe('working');
    expect([at(asks + LATER_MS), at(asks + WAITED_MS - LATER_MS)]).toEqual(['asking', 'asking']);
    expect(at(over + 3 * LATER_MS)).toBe('idle');
    expect(states.at(-1)?.state).toBe('idle');
    expect(states.filter(({ state }) => state === 'asking')).toHaveLength(1);
  });

  it('is seen to ask by its screen alone, when nothing else tells, and not before', async () => {
    const recorded = recordedOf(agent);
    const promptAt = recorded.expected.find(({ state }) => state === 'waiting_approval')?.atMs ?? Number.NaN;
    const { states, screenCount } = await replay(recorded, (piece) => piece.replaceAll(SIGNS, ''));
    const prompts = states.filter(({ state }) => state === 'asking');
    expect(prompts).toHaveLength(1);
    const [{ since, text } = { since: 0, text: '' }] = prompts;
    expect(since - promptAt).toBeLessThan(MOST_LATE_MS);
    expect(promptAt - since).toBeLessThan(MOST_LATE_MS);
    expect(text).toMatch(/proceed\?|following command\?|Allow execution|Permission required/);
    const after = states[states.indexOf(prompts[0] as never) + 1];
    expect((after?.since ?? 0) - since).toBeGreaterThan(WAITED_MS - 1000);
    expect(screenCount).toBeLessThan(30);
  });
});

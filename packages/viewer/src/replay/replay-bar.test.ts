import type { Timeline } from '@binnacle/protocol';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { expect, it } from 'vitest';
import { MOST_LISTED, ReplayBar } from './replay-bar.tsx';
import type { Replay } from './use-replay.ts';

const nothing = (): void => undefined;
/** The bar of a timeline with so many marks. */
function markup(marks: number, isClipped: boolean): string {
  const timeline: Timeline = {
    ...{ from: 0, to: 1e6, stepMs: 1000, points: [], isClipped },
    marks: Array.from({ length: marks }, (_, at) => ({ kind: 'run', time: at * 1000, offset: at, text: `no ${at}` })),
  };
  const replay = { timeline, played: undefined, error: undefined, speed: 1, isLong: false, toggle: nothing };
  return renderToStaticMarkup(
    createElement(ReplayBar, {
      replay: { ...replay, seek: nothing, step: nothing, live: nothing } as unknown as Replay,
      theme: 'dark',
      running: false,
      onClose: nothing,
    }),
  );
}

it('marks are counted, with a sign if there may be more', () => {
  expect(markup(2, false)).toContain('Marks (2)');
  expect(markup(2, true)).toContain('Marks (2+)');
  expect(markup(2, true)).toContain('There are more');
  expect(markup(2, false)).not.toContain('There are more');
});

it('the list of marks is bounded, and says so', () => {
  const all = markup(MOST_LISTED + 1, false);
  expect(all.match(/<option/g)?.length).toBe(5 + 1 + MOST_LISTED + 1);
  expect(all).toContain('There are more');
  expect(markup(MOST_LISTED, false)).not.toContain('There are more');
});

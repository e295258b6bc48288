import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { expect, it } from 'vitest';
import { info } from '../model/session.fixture.ts';
import { SessionNotices } from './session-notices.tsx';
import type { SessionScreen } from './use-session-screen.ts';

const nothing = (): void => undefined;
/** What the page says of a session that is followed so. */
const noticeText = (follower: Partial<SessionScreen['follower']>, isReplay = false): string => {
  const above = { state: 'none', offset: 0, error: undefined };
  const control = { lease: null, isYours: false, lostTo: undefined, hasRequested: false, dismiss: nothing };
  const shown = { follower: { above, lostBytes: 0, ahead: 0, ...follower }, control, now: info({}) };
  const markup = renderToStaticMarkup(
    createElement(SessionNotices, {
      shown: shown as unknown as SessionScreen,
      linkNotice: null,
      isReplay,
      onLive: nothing,
      onBack: nothing,
      onAsk: undefined,
    }),
  );
  return markup
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
};

it('a session without faults has no notice', () => {
  expect(noticeText({ phase: 'live' })).toBe('');
});

it('a screen drawn from the end of the output has a notice, with the size of the missing part', () => {
  const rough = noticeText({ phase: 'live', roughFrom: 3 * 1024 * 1024 });
  expect(rough).toBe('Earlier output may look different. 3.0 MiB of it were not drawn.');
  expect(noticeText({ phase: 'live', roughFrom: 0 })).toBe('Earlier output may look different.');
  // The replay is drawn in its own way.
  expect(noticeText({ phase: 'live', roughFrom: 3 * 1024 * 1024 }, true)).toBe('');
});

it('older output that is not loaded has a notice, with a button to load it', () => {
  expect(noticeText({ above: { state: 'far', offset: 77, error: undefined } })).toBe(
    'Older output is kept, and is not loaded here. Go further back',
  );
  expect(noticeText({ above: { state: 'there', offset: 77, error: undefined } })).toBe('');
});

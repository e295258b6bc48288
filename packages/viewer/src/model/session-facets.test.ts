import { expect, it } from 'vitest';
import { foreign, info } from './session.fixture.ts';
import { choices } from './session-facets.ts';

const all = [
  info({ labels: { repo: 'binnacle', mine: 'a=b' } }),
  info({ state: 'closed', running: false }),
  info(foreign('ci', { repo: 'binnacle' })),
  info({ ...foreign('mcp_core', { repo: 'other', task: '7' }), state: 'lost' }),
];

it('lists the existing sources and labels in order', () => {
  expect(choices(all)).toEqual({
    sources: ['ci', 'mcp_core'],
    labels: ['mine=a=b', 'repo=binnacle', 'repo=other', 'task=7'],
  });
});

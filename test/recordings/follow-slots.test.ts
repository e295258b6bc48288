import { expect } from 'vitest';
import { it } from '../support/test.ts';
import { until } from '../support/until.ts';

it('an export that follows a session gives its slot to others when it has reached the head', async ({ gateway }) => {
  const { id } = await gateway.create({ argv: ['cat'] });
  const abort = new AbortController();
  const begun: number[] = [];
  // One more than one principal may have under way.
  for (let n = 0; n < 9; n += 1) {
    gateway.fetch(`/v1/sessions/${id}/export?follow=1`, { signal: abort.signal }).then(
      ({ status }) => begun.push(status),
      () => undefined,
    );
  }
  await until('all have begun', () => begun.length === 9);
  expect(new Set(begun)).toEqual(new Set([200]));
  abort.abort();
});

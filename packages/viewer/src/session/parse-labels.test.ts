import { expect, it } from 'vitest';
import { labelsFrom } from './new-session.tsx';

it('reads labels with commas between, whatever the spaces', () => {
  expect(labelsFrom('')).toEqual({});
  expect(labelsFrom(' , ')).toEqual({});
  expect(labelsFrom('team=red, job = 42,q=a=b,empty=,')).toEqual({ team: 'red', job: '42', q: 'a=b', empty: '' });
});

it.each(['team', 'team=red, =blue', 'a=b c, d'])('refuses %j: a part of it has no key', (text) => {
  expect(() => labelsFrom(text)).toThrow(expect.objectContaining({ code: 'bad_request' }));
});

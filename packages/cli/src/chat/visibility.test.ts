import { describe, expect, it } from 'vitest';
import { readSharing, sharingText } from './visibility.ts';

describe('who may see a conversation', () => {
  it.each([
    ['nobody', { kind: 'private' }, 'shared with nobody'],
    ['everyone', { kind: 'everyone' }, 'shared with everyone on this gateway'],
    ['ada', { kind: 'shared', with: ['ada'] }, 'shared with ada'],
    [' ada,  bea ada', { kind: 'shared', with: ['ada', 'bea'] }, 'shared with ada, bea'],
    ['everyone ada', { kind: 'shared', with: ['everyone', 'ada'] }, 'shared with everyone, ada'],
  ] as const)('is read from %j', (text, visibility, expected) => {
    expect(readSharing(text)).toEqual(visibility);
    expect(sharingText(visibility)).toBe(expected);
  });

  it('is nothing where nobody is named, and a name moves no cursor', () => {
    expect(readSharing(' , ')).toBeUndefined();
    expect(sharingText({ kind: 'shared', with: ['a\u001b[2Jb'] })).toBe('shared with ab');
  });
});

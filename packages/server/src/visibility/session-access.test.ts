// What guests of share links see of sessions: by what the link is for, and by what its maker sees now.

import type { SessionId } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { GuestPolicy } from '../access/guest-policy.ts';
import type { ShareKind } from '../store/shares.ts';
import { type MayAccess, SessionAccess, type SessionViewer } from './session-access.ts';

const MAKER = { user: 'ada', scope: 'view' } as const;
const guest = (kind: ShareKind, id: string): SessionViewer => ({
  ...{ user: 'share:1', scope: 'input' },
  guest: new GuestPolicy({ share: 's', kind, id, maker: MAKER }),
});
const session = (id: string, conversation: string | null, hidden = false) => ({
  id: id as SessionId,
  conversation,
  hidden,
});
const ALL = [
  session('a', null),
  session('b', null),
  session('c', 'talk'),
  session('d', 'other'),
  session('e', 'talk', true),
];

/** Like the conversations': a guest of one sees it as long as its maker does. */
const mayAccess =
  (sees: (user: string, conversation: string) => boolean): MayAccess =>
  (conversation, who) =>
    who.guest === null
      ? sees(who.user, conversation)
      : who.guest.seesConversation(conversation, ({ user }) => sees(user, conversation));

function seen(by: SessionViewer, sees: (user: string, conversation: string) => boolean): string[] {
  // Nothing is asked of the sessions themselves.
  const access = new SessionAccess({} as ConstructorParameters<typeof SessionAccess>[0], mayAccess(sees));
  return ALL.filter(access.seenBy(by).isSeen).map(({ id }) => id);
}

const adaSeesTalk = (user: string, conversation: string): boolean => user === 'ada' && conversation === 'talk';

describe('a guest sees', () => {
  it('of a link to a session that one', () => {
    expect(seen(guest('session', 'a'), adaSeesTalk)).toEqual(['a']);
  });

  it('of a link to a session of a conversation that one, as long as its maker sees it', () => {
    expect(seen(guest('session', 'c'), adaSeesTalk)).toEqual(['c']);
    expect(seen(guest('session', 'c'), () => false)).toEqual([]);
    expect(seen(guest('session', 'd'), adaSeesTalk)).toEqual([]);
  });

  it('of a link to a conversation its sessions, and none that is hidden or of nobody', () => {
    expect(seen(guest('conversation', 'talk'), adaSeesTalk)).toEqual(['c']);
    expect(seen(guest('conversation', 'talk'), () => false)).toEqual([]);
  });

  it('nothing by an id of the other kind', () => {
    expect(seen(guest('conversation', 'a'), () => true)).toEqual([]);
    expect(seen(guest('session', 'talk'), () => true)).toEqual([]);
    expect(seen(guest('session', 'e'), () => true)).toEqual([]);
  });
});

// What guests of share links see of sessions: by what the link is for, and by what its maker sees now.

import type { SessionId } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import type { Reach } from '../store/shares.ts';
import { type MayAccess, SessionAccess, type SessionViewer } from './session-access.ts';

const MAKER = { user: 'ada', scope: 'view' } as const;
const reach = (kind: Reach['kind'], id: string): Reach => ({ share: 's', kind, id, maker: MAKER });
const guest = (of: Reach): SessionViewer => ({ user: 'share:1', scope: 'input', reach: of });
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
    who.reach === null
      ? sees(who.user, conversation)
      : who.reach.kind === 'conversation' && who.reach.id === conversation && sees(who.reach.maker.user, conversation);

function seen(by: SessionViewer, sees: (user: string, conversation: string) => boolean): string[] {
  // Nothing is asked of the sessions themselves.
  const access = new SessionAccess({} as ConstructorParameters<typeof SessionAccess>[0], mayAccess(sees));
  return ALL.filter(access.seenBy(by).isSeen).map(({ id }) => id);
}

const adaSeesTalk = (user: string, conversation: string): boolean => user === 'ada' && conversation === 'talk';

describe('a guest sees', () => {
  it('of a link to a session that one', () => {
    expect(seen(guest(reach('session', 'a')), adaSeesTalk)).toEqual(['a']);
  });

  it('of a link to a session of a conversation that one, as long as its maker sees it', () => {
    expect(seen(guest(reach('session', 'c')), adaSeesTalk)).toEqual(['c']);
    expect(seen(guest(reach('session', 'c')), () => false)).toEqual([]);
    expect(seen(guest(reach('session', 'd')), adaSeesTalk)).toEqual([]);
  });

  it('of a link to a conversation its sessions, and none that is hidden or of nobody', () => {
    expect(seen(guest(reach('conversation', 'talk')), adaSeesTalk)).toEqual(['c']);
    expect(seen(guest(reach('conversation', 'talk')), () => false)).toEqual([]);
  });

  it('nothing by an id of the other kind', () => {
    expect(seen(guest(reach('conversation', 'a')), () => true)).toEqual([]);
    expect(seen(guest(reach('session', 'talk')), () => true)).toEqual([]);
    expect(seen(guest(reach('session', 'e')), () => true)).toEqual([]);
  });
});

import { expect, it } from 'vitest';
import { offersFor } from '../app/palette-match.ts';
import { type SessionActs, type SessionFacts, sessionCommands } from './session-commands.ts';

const FACTS: SessionFacts = {
  session: '0199f2aa-0000-7000-8000-000000000001',
  scope: 'admin',
  isGuest: false,
  leaseStatus: { kind: 'free' },
  hasRequested: false,
  isSteerable: true,
  isEndable: true,
  isPipe: false,
  only: undefined,
  hasRuns: true,
  isMuted: false,
};

/** What was done, by name. */
function recorded(): { readonly did: string[]; readonly acts: SessionActs } {
  const did: string[] = [];
  const acts = new Proxy({} as SessionActs, {
    get: (_target, name) => (what?: unknown) => did.push([name, what].filter((part) => part !== undefined).join(' ')),
  });
  return { did, acts };
}

const names = (over: Partial<SessionFacts> = {}): readonly string[] =>
  sessionCommands({ ...FACTS, ...over }, recorded().acts).map(({ name }) => name);

it('the commands follow the state: the lease, the running program, the streams of pipes', () => {
  expect(names()).toEqual([
    'Take control',
    'Find in the output…',
    'Search this session',
    'Timeline and replay',
    'Copy everything shown',
    'Copy the last command’s output',
    'Previous command',
    'Next command',
    'Share by a link…',
    'Export…',
    'Mute notifications',
    'Interrupt the program',
    'End the program…',
  ]);
  expect(names({ leaseStatus: { kind: 'yours' } })[0]).toBe('Let go');
  const taken = { leaseStatus: { kind: 'taken', holder: 'Ada' } } as const;
  expect(names(taken).slice(0, 2)).toEqual(['Ask Ada for control', 'Take over from Ada']);
  expect(names({ ...taken, hasRequested: true })[0]).toBe('Take over from Ada');
  expect(names({ isPipe: true })).toContain('Show stderr alone');
  expect(names({ isMuted: true })).toContain('Unmute notifications');
  const over = names({ leaseStatus: { kind: 'none' }, isSteerable: false, isEndable: false, hasRuns: false });
  expect([over[0], over.at(-1)]).toEqual(['Find in the output…', 'Remove the session…']);
});

it('refused commands are not offered: not to a guest, not to a view-only token', () => {
  expect(names({ isGuest: true, leaseStatus: { kind: 'yours' }, isMuted: undefined, hasRuns: false })).toEqual([
    'Let go',
    'Find in the output…',
    'Timeline and replay',
    'Copy everything shown',
  ]);
  const viewOnly = names({ scope: 'view', leaseStatus: { kind: 'none' }, isSteerable: false });
  for (const name of ['Take control', 'Interrupt the program', 'End the program…'])
    expect(viewOnly).not.toContain(name);
  expect(names({ scope: 'input', isEndable: false })).not.toContain('Remove the session…');
});

it('the palette finds the commands by common words, before commands of other pages, and runs them', () => {
  const { did, acts } = recorded();
  const commands = sessionCommands({ ...FACTS, isPipe: true }, acts);
  for (const text of ['', 'export', 'kill', 'download', 'bell', 'previous command', 'stderr']) {
    const [best] = offersFor({ text, sessions: [], conversations: [], commands });
    expect(best?.more).toBe('this session');
    if (best !== undefined && 'run' in best.act) best.act.run();
  }
  expect(did).toEqual(['acquire', 'save', 'end', 'save', 'mute', 'jump true', 'show stderr']);
  const [search] = offersFor({ text: 'search this session', sessions: [], conversations: [], commands });
  expect(search?.act).toEqual({ to: { kind: 'search', q: '', session: FACTS.session } });
});

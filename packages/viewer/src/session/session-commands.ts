// The commands for the session in view: one table for its header, its menu and the palette.

import { allows, type Scope } from '@binnacle/protocol';
import type { Command } from '../model/command.ts';
import type { Stream } from '../terminal/history-page.ts';
import type { LeaseStatus } from './lease-button.tsx';

export interface SessionCommand extends Command {
  readonly key: string;
  /** Group in the menu. A command without a group is in the header, on a phone too. */
  readonly group?: 'view' | 'copy' | 'runs' | 'streams' | 'away' | 'end';
  readonly keys?: string;
  /** Marks one of several alternatives, and whether this one is selected. */
  readonly choice?: { readonly label: string; readonly isOn: boolean };
}

export interface SessionFacts {
  readonly session: string;
  readonly scope: Scope;
  /** True for a guest: commands beyond typing are not offered. */
  readonly isGuest: boolean;
  readonly leaseStatus: LeaseStatus;
  /** True if this page asked for the lease. */
  readonly hasRequested: boolean;
  readonly isSteerable: boolean;
  /** True if the program can be ended; otherwise the stored session can be removed. */
  readonly isEndable: boolean;
  readonly isPipe: boolean;
  readonly only: Stream | undefined;
  /** True if commands are marked in the output. */
  readonly hasRuns: boolean;
  /** Undefined until the setting is known. */
  readonly isMuted: boolean | undefined;
}

export interface SessionActs {
  readonly acquire: () => void;
  readonly take: () => void;
  readonly release: () => void;
  readonly ask: () => void;
  readonly find: () => void;
  readonly timeline: () => void;
  readonly copy: (what: 'all' | 'last') => void;
  readonly jump: (isOlder: boolean) => void;
  readonly show: (only: Stream | undefined) => void;
  readonly share: () => void;
  readonly save: () => void;
  readonly mute: () => void;
  readonly interrupt: () => void;
  readonly end: () => void;
}

const STREAMS = [
  [undefined, 'Both', 'Show both streams'],
  ['stdout', 'stdout', 'Show stdout alone'],
  ['stderr', 'stderr', 'Show stderr alone'],
] as const;

/** Returns the commands that apply now, in reading order. */
export function sessionCommands(facts: SessionFacts, acts: SessionActs): readonly SessionCommand[] {
  const { session, leaseStatus, isGuest, isEndable, isMuted } = facts;
  const run = (key: string, name: string, act: () => void, more: Partial<SessionCommand> = {}): SessionCommand => ({
    ...{ key, name, of: 'this session', act: { run: act } },
    ...more,
  });
  const mayEnd = !isGuest && allows(facts.scope, isEndable ? 'input' : 'create');
  const holder = leaseStatus.kind === 'taken' ? leaseStatus.holder : undefined;
  const all: readonly (SessionCommand | false)[] = [
    leaseStatus.kind === 'free' && run('acquire', 'Take control', acts.acquire, { also: 'steer type' }),
    holder !== undefined && !facts.hasRequested && run('ask', `Ask ${holder} for control`, acts.ask),
    holder !== undefined && run('take', `Take over from ${holder}`, acts.take, { also: 'steer type control' }),
    leaseStatus.kind === 'yours' && run('release', 'Let go', acts.release, { also: 'steer release control' }),
    run('find', 'Find in the output…', acts.find, { group: 'view', keys: 'Ctrl+Shift+F' }),
    !isGuest && {
      ...{ key: 'search', name: 'Search this session', of: 'this session', group: 'view', also: 'output' },
      act: { to: { kind: 'search', q: '', session } },
    },
    run('timeline', 'Timeline and replay', acts.timeline, { group: 'view', also: 'play history' }),
    run('copy-all', 'Copy everything shown', () => acts.copy('all'), { group: 'copy' }),
    facts.hasRuns && run('copy-last', 'Copy the last command’s output', () => acts.copy('last'), { group: 'copy' }),
    facts.hasRuns && run('run-older', 'Previous command', () => acts.jump(true), { group: 'runs', keys: 'Alt+PgUp' }),
    facts.hasRuns && run('run-newer', 'Next command', () => acts.jump(false), { group: 'runs', keys: 'Alt+PgDn' }),
    ...STREAMS.map(
      ([stream, label, name]) =>
        facts.isPipe &&
        run(`stream-${stream ?? 'both'}`, name, () => acts.show(stream), {
          group: 'streams',
          choice: { label, isOn: facts.only === stream },
        }),
    ),
    !isGuest && run('share', 'Share by a link…', acts.share, { group: 'away' }),
    !isGuest && run('save', 'Export…', acts.save, { group: 'away', also: 'save file download recording cast' }),
    !isGuest &&
      isMuted !== undefined &&
      run('mute', isMuted ? 'Unmute notifications' : 'Mute notifications', acts.mute, { group: 'away', also: 'bell' }),
    !isGuest &&
      facts.isSteerable &&
      run('interrupt', 'Interrupt the program', acts.interrupt, { group: 'end', also: 'sigint ctrl+c stop' }),
    mayEnd &&
      run('end', isEndable ? 'End the program…' : 'Remove the session…', acts.end, {
        group: 'end',
        also: isEndable ? 'kill stop' : 'delete',
      }),
  ];
  return all.filter((command) => command !== false);
}

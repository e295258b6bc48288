// The commands of the page for the palette: one table.

import type { Command } from '../model/command.ts';
import type { Theme } from '../ui/theme.ts';

interface PageFacts {
  /** Commands of the session in view. They stand first. */
  readonly own: readonly Command[];
  readonly isAdmin: boolean;
  readonly theme: Theme;
  readonly screenReader: boolean;
}

/** The action of each command; undefined for a command that is not offered. */
interface PageActs {
  readonly shell: (() => void) | undefined;
  readonly command: (() => void) | undefined;
  readonly conversation: (() => void) | undefined;
  readonly theme: () => void;
  readonly screenReader: () => void;
  readonly shortcuts: () => void;
  readonly leave: () => void;
}

export function pageCommands(facts: PageFacts, acts: PageActs): readonly Command[] {
  return [
    ...facts.own,
    ...(acts.shell === undefined ? [] : [{ name: 'New terminal', also: 'shell', act: { run: acts.shell } }]),
    ...(acts.command === undefined
      ? []
      : [{ name: 'Run a command…', also: 'new session', act: { run: acts.command } }]),
    ...(acts.conversation === undefined ? [] : [{ name: 'New conversation', act: { run: acts.conversation } }]),
    { name: 'Search all output', act: { to: { kind: 'search', q: '' } } },
    { name: 'Remote programs', also: 'traffic', act: { to: { kind: 'traffic', filter: {} } } },
    { name: 'Recordings', act: { to: { kind: 'recordings' } } },
    ...(facts.isAdmin
      ? ([
          { name: 'Plugins', act: { to: { kind: 'plugins' } } },
          { name: 'Tokens and logins', act: { to: { kind: 'tokens' } } },
        ] as const)
      : []),
    {
      name: facts.theme === 'dark' ? 'Change to light' : 'Change to dark',
      also: 'theme colours',
      act: { run: acts.theme },
    },
    {
      // Short enough for a phone with the state at its end.
      name: `Readable by screen readers: ${facts.screenReader ? 'off' : 'on'}`,
      also: 'make terminals support',
      act: { run: acts.screenReader },
    },
    { name: 'Keyboard shortcuts', also: 'keys help ?', act: { run: acts.shortcuts } },
    { name: 'Log out', act: { run: acts.leave } },
  ];
}

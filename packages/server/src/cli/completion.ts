// `binnacle completion`: scripts for shells, and the answers that those scripts ask for (`binnacle complete -- …`).

import type { SessionInfo } from '@binnacle/protocol';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { clientOf } from './connect.ts';
import { EXIT, usage } from './failure.ts';
import { findGateway } from './place.ts';
import { printable } from './style.ts';

const SHELLS = ['bash', 'zsh', 'fish'];
/** A person waits for this between pressing Tab and seeing something. */
const ASK_MS = 300;

export async function completion(program: Command, shell: string): Promise<number> {
  if (!SHELLS.includes(shell)) throw usage(`There is no completion for "${shell}".`, `One of: ${SHELLS.join(', ')}`);
  tab(program).setup('binnacle', 'binnacle', shell);
  return EXIT.ok;
}

/** Prints the suggestions for what stands behind `--`, with the sessions of the gateway where a session is wanted. */
export async function complete(program: Command, args: readonly string[]): Promise<void> {
  const words = args[0] === '--' ? args.slice(1) : args;
  const suggestions = tab(program);
  const wantsSession = program.commands.find((command) => command.name() === words[0])?.registeredArguments[0];
  if (wantsSession?.name() === 'session' && words.length >= 2) {
    const sessions = await knownSessions();
    const argument = suggestions.commands.get(words[0] ?? '')?.arguments.get('session');
    if (argument !== undefined) {
      argument.handler = (offer) => {
        for (const session of sessions) {
          const name = /^[\w.-]+$/.test(session.name) ? session.name : session.id;
          offer(name, printable(`${session.state}  ${session.argv.join(' ')}`));
        }
      };
    }
  }
  suggestions.parse([...words]);
}

async function knownSessions(): Promise<readonly SessionInfo[]> {
  try {
    const client = clientOf(findGateway(undefined), ASK_MS);
    return (await client.sessions.list()).sessions;
  } catch {
    return []; // no gateway, no suggestions: an error has no place in a half-written command line
  }
}

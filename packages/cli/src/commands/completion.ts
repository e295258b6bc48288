// `binnacle completion`: scripts for shells, and the suggestions that those scripts request (`binnacle complete -- …`).

import type { PluginInfo, SessionInfo } from '@binnacle/protocol';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { findGateway } from '../gateway/address.ts';
import { clientOf } from '../gateway/connect.ts';
import { EXIT, usage } from '../output/failure.ts';
import { printable } from '../output/style.ts';

const SHELLS = ['bash', 'zsh', 'fish'];
/** Maximum wait for the gateway: a person waits between pressing Tab and seeing suggestions. */
const ASK_MS = 300;

export async function completion(program: Command, shell: string): Promise<number> {
  if (!SHELLS.includes(shell))
    throw usage(`There is no completion for "${shell}".`, `Use one of: ${SHELLS.join(', ')}`);
  tab(program).setup('binnacle', 'binnacle', shell);
  return EXIT.ok;
}

/** Prints the suggestions for the words after `--`, including the gateway's sessions and plugins. */
export async function complete(program: Command, args: readonly string[]): Promise<void> {
  const typed = args[0] === '--' ? args.slice(1) : args;
  const suggestions = tab(program);
  const wantsSession = program.commands.find((command) => command.name() === typed[0])?.registeredArguments[0];
  if (wantsSession?.name() === 'session' && typed.length >= 2) {
    const sessions = await knownSessions();
    const argument = suggestions.commands.get(typed[0] ?? '')?.arguments.get('session');
    if (argument !== undefined) {
      argument.handler = (offer) => {
        for (const session of sessions) {
          const name = /^[\w.-]+$/.test(session.name) ? session.name : session.id;
          offer(name, printable(`${session.state}  ${session.argv.join(' ')}`));
        }
      };
    }
  }
  const below = typed[0] === 'plugin' ? suggestions.commands.get(`plugin ${typed[1] ?? ''}`)?.arguments : undefined;
  const plugin = below?.get('plugin');
  if (plugin !== undefined) {
    const plugins = await knownPlugins();
    plugin.handler = (offer) => {
      for (const { id, name } of plugins) offer(id, printable(name));
    };
  }
  const permission = below?.get('permission');
  if (permission !== undefined) {
    const { PERMISSIONS } = await import('@binnacle/server/plugin-manifest');
    permission.handler = (offer) => {
      for (const [name, { sentence }] of Object.entries(PERMISSIONS)) offer(name, sentence);
    };
  }
  suggestions.parse([...typed]);
}

async function knownPlugins(): Promise<readonly PluginInfo[]> {
  try {
    return await clientOf(await findGateway(undefined), ASK_MS).plugins.list();
  } catch {
    return [];
  }
}

async function knownSessions(): Promise<readonly SessionInfo[]> {
  try {
    const client = clientOf(await findGateway(undefined), ASK_MS);
    return (await client.sessions.list()).sessions;
  } catch {
    return []; // no gateway, no suggestions: an error has no place in a half-written command line
  }
}

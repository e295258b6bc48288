// Shared parts of commands that talk to a gateway: the option --data and the help of their arguments.

import type { Command } from 'commander';

const SESSION_HELP = 'id, unique beginning of an id, name, or id at the emitter';

export function clientCommand(parent: Command, nameAndArguments: string, description: string): Command {
  const [name = '', ...names] = nameAndArguments.split(' ');
  const command = parent.command(name).description(description);
  for (const argument of names) {
    if (/session/.test(argument)) command.argument(argument, SESSION_HELP);
    else command.argument(argument);
  }
  return command.option('--data <dir>', 'the data directory of the gateway');
}

/** Collects the values of a repeatable option. */
export const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

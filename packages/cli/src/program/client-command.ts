// What commands that speak to a gateway have in common: their option --data, and what their arguments mean.

import type { Command } from 'commander';

const SESSION_HELP = 'id, the beginning of an id that only one has, name, or the id that its emitter gave it';

export function clientCommand(parent: Command, nameAndArguments: string, description: string): Command {
  const [name = '', ...names] = nameAndArguments.split(' ');
  const command = parent.command(name).description(description);
  for (const argument of names) {
    if (/session/.test(argument)) command.argument(argument, SESSION_HELP);
    else command.argument(argument);
  }
  return command.option('--data <dir>', 'the data directory of the gateway');
}

/** For an option that may be repeated. */
export const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

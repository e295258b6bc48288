import type { Command } from 'commander';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { makeProgram } from '../program.ts';
import type { ArgumentsOf, OptionsOf } from './command.ts';
import { COMMANDS, type Options } from './commands.ts';

/** The command of the tree with this path. */
function commandAt(path: string): Command {
  let at = makeProgram(() => undefined);
  for (const name of path.split(' ')) {
    const below = at.commands.find((command) => command.name() === name);
    if (below === undefined) throw new Error(`no command ${path}`);
    at = below;
  }
  return at;
}

function parsed(path: string, ...args: readonly string[]): unknown {
  const command = commandAt(path);
  command.parseOptions([...args]);
  return command.opts();
}

describe('the options that a command receives', () => {
  it('have the type that follows from the declaration', () => {
    const run: Options<'run'> = { attach: true, env: [], label: [], detachKeys: 'ctrl-\\' };
    expect(parsed('run')).toEqual(run);
    const given: Options<'run'> = { ...run, pipe: true, cwd: '/', env: ['A=1', 'B=2'], attach: false, data: '/data' };
    const words = ['--pipe', '--cwd', '/', '--env', 'A=1', '--env', 'B=2', '--no-attach', '--data', '/data'];
    expect(parsed('run', ...words)).toEqual(given);
  });

  it('have names in camel case, with or without a short form', () => {
    const all: Options<'export'> = { cast: true, idleLimit: '2', follow: true, output: 'x.cast' };
    expect(parsed('export', '--cast', '--idle-limit', '2', '-f', '-o', 'x.cast')).toEqual(all);
    expect(parsed('export', '--cast', '2')).toEqual({ cast: '2' } satisfies Options<'export'>);
  });

  it('are always there if required, repeatable or with a default, and only then', () => {
    const route: Options<'route explain'> = { channel: 'discord', role: [] };
    expect(parsed('route explain', '--channel', 'discord')).toEqual(route);
    expect(parsed('chat')).toEqual({ steer: 'queue', history: '10' } satisfies Options<'chat'>);
    expectTypeOf<Options<'chat'>['steer']>().toEqualTypeOf<'queue' | 'inject' | 'interrupt'>();
    expectTypeOf<Options<'token revoke'>['issued']>().toEqualTypeOf<'revoke' | 'keep' | undefined>();
    expectTypeOf<OptionsOf<{ about: ''; '--json': '' }>['json']>().toEqualTypeOf<boolean | undefined>();
  });
});

describe('the arguments that a command receives', () => {
  it('have the types of their notation', () => {
    expectTypeOf<ArgumentsOf<{ takes: '<a> [b] [c...]' }>>().toEqualTypeOf<
      [string, string | undefined, readonly string[]]
    >();
    expectTypeOf<ArgumentsOf<(typeof COMMANDS)['plugin test']>>().toEqualTypeOf<[string]>();
    expectTypeOf<ArgumentsOf<(typeof COMMANDS)['ls']>>().toEqualTypeOf<[]>();
  });
});

it('a group does nothing itself, and every other command has its work', () => {
  const groups = Object.keys(COMMANDS).filter((path) => !hasWork(path));
  expect(groups).toEqual(['config', 'hooks', 'route', 'plugin', 'token']);
});

const hasWork = (path: string): boolean =>
  (commandAt(path) as unknown as { readonly _actionHandler: unknown })._actionHandler !== null;

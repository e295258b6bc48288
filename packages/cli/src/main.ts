// Entry of the `binnacle` binary: parses the command line, loads the one command, exits with its code.

import { describe, EXIT, exitCodeOf } from './output/failure.ts';
import { makeProgram } from './program.ts';

async function main(argv: readonly string[]): Promise<number> {
  // A reader such as `head` that closes the pipe early is not a failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
  });
  let exitCode: number = EXIT.ok;
  const program = makeProgram((code) => {
    exitCode = code;
  });
  try {
    if (argv[0] === 'complete') await (await import('./commands/completion.ts')).complete(program, argv.slice(1));
    else await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    return commanderCode(error) ?? report(error);
  }
  return exitCode;
}

function report(error: unknown): number {
  const debug = process.env.BINNACLE_DEBUG;
  process.stderr.write(describe(error, debug !== undefined && debug !== '' && debug !== '0'));
  return exitCodeOf(error);
}

/** Returns the exit code for an error of commander, which has already printed its message or the help. */
function commanderCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || !String(error.code).startsWith('commander.')) return undefined;
  return 'exitCode' in error && error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}

process.exitCode = await main(process.argv.slice(2));

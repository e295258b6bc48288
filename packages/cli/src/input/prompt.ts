// A question to the person at the terminal, and the answer line.

import { createInterface } from 'node:readline/promises';
import { EXIT, Failure } from '../output/failure.ts';

/** Returns true if a person can be asked. */
export const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Asks, and returns the answer in lower case; '' for Enter alone and for the end of input. Ctrl-C ends the command. */
export async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const interrupted = new Promise<never>((_, reject) => {
    lines.once('SIGINT', () => reject(new Failure(EXIT.interrupted, 'Nothing was done.')));
  });
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    return (await Promise.race([lines.question(question), closed, interrupted])).trim().toLowerCase();
  } finally {
    lines.close();
  }
}

/** Asks a yes/no question. `otherwise`: hint on the option to pass if no person can be asked. */
export async function askYes(question: string, otherwise: string): Promise<boolean> {
  if (!canAsk()) throw new Failure(EXIT.usage, 'The question needs an answer, and there is no terminal.', otherwise);
  return /^y(es)?$/.test(await ask(`${question} [y/N] `));
}

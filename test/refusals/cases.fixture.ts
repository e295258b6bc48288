// Runs cases, and lists those that were answered in another way than the contract says.

import { CODES } from '@binnacle/protocol';
import { isCode, type Refusal, type Sent } from './send.fixture.ts';

export interface Case extends Sent {
  /** Begins with the name of the address. */
  readonly name: string;
  readonly status: number;
  /** Codes that will do. */
  readonly codes: readonly string[];
  /** Says what else is wrong with the answer. */
  readonly also?: (answer: Refusal) => string | undefined;
}

/** Runs cases some at a time and returns what is wrong, a line for each; an empty list where all were refused as they should. */
export async function faultsOf(cases: readonly Case[], send: (sent: Sent) => Promise<Refusal>): Promise<string[]> {
  const faults: string[] = [];
  const waiting = [...cases];
  const work = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const answer = await send(one);
      const wrong = faultOf(one, answer);
      if (wrong !== undefined) faults.push(`${one.name}: ${wrong}`);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  return faults.sort();
}

function faultOf({ status, codes, also }: Case, answer: Refusal): string | undefined {
  const isRight = answer.status === status && codes.some((code) => isCode(answer, code));
  if (!isRight)
    return `${answer.status} ${answer.code ?? ''} (${answer.message}) instead of ${status} ${codes.slice(0, 3).join('|')}`;
  if (answer.message === '') return 'no message';
  return also?.(answer);
}

/** Codes that a field may be refused with: its own or `bad_request`. */
export const BAD: readonly string[] = Object.entries(CODES).flatMap(([code, { status }]) =>
  status === 400 ? [code] : [],
);

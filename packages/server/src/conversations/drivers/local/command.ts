// The driver `command`: any program that reads a question and prints an answer. One process per turn.

import { basename } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import type { AgentLink, AgentSettings, ProcessDriver, ProcessOut, Prompt } from '../driver.ts';

const PLACE = '{prompt}';
/** Maximum bytes of an argument: Linux allows 128 KiB with the NUL at the end. */
const MAX_ARG_BYTES = 128 * 1024 - 1;
const MAX_STDERR_CHARS = 2000;
/** Maximum line breaks to withhold. An answer may end with empty lines; more of them are intended. */
const MAX_TRAILING_CHARS = 1000;

interface CommandState {
  readonly isInTurn: boolean;
  /** Line breaks at the end of the output: they belong to the answer only if text follows. */
  readonly held: string;
}

export const commandDriver: ProcessDriver = {
  name: 'command',
  kind: 'process',
  reads: 'text',
  life: 'turn',
  steer: ['queue', 'interrupt'],
  approvals: false,
  launch(agent, { prompt }) {
    const [program, ...args] = commandOf(agent);
    const text = withInstructions(agent, prompt);
    return { argv: [program, ...args.map((arg) => filled(arg, text))] };
  },
  link: (agent, out, { state }) => new CommandLink(agent, out, state),
  memoryOf: () => null,
};

class CommandLink implements AgentLink {
  readonly #agent: AgentSettings;
  readonly #out: ProcessOut;
  #state: CommandState;

  constructor(agent: AgentSettings, out: ProcessOut, state: object | undefined) {
    this.#agent = agent;
    this.#out = out;
    // The state of an earlier link.
    this.#state = { isInTurn: false, held: '', ...state };
  }

  get state(): CommandState {
    return this.#state;
  }

  prompt(prompt: Prompt): void {
    this.#state = { isInTurn: true, held: '' };
    if (!takesArgument(this.#agent)) this.#out.send(withInstructions(this.#agent, prompt));
    this.#out.endInput();
  }

  interrupt(): void {
    // The only signal that every program understands is its end, which follows after the grace time.
  }

  answer(): void {
    // This driver makes no requests.
  }

  text(text: string): void {
    if (!this.#state.isInTurn) return;
    const all = this.#state.held + text;
    const answer = all.replace(/[\r\n]+$/, '');
    const trailing = all.slice(answer.length);
    const isIntended = trailing.length > MAX_TRAILING_CHARS;
    this.#out.delta(isIntended ? all : answer);
    if (trailing !== this.#state.held) this.#state = { isInTurn: true, held: isIntended ? '' : trailing };
  }

  exited(how: { readonly exitCode: number | null; readonly signal: string | null; readonly stderr: string }): void {
    if (!this.#state.isInTurn) return;
    this.#state = { isInTurn: false, held: '' };
    if (how.exitCode === 0) {
      this.#out.ended({ kind: 'done' });
      return;
    }
    const program = basename(commandOf(this.#agent)[0]);
    const end =
      how.signal !== null
        ? `was ended by ${how.signal}`
        : how.exitCode === null
          ? 'has ended, nobody knows how'
          : `ended with code ${how.exitCode}`;
    const errorText = lastOf(how.stderr.trim(), MAX_STDERR_CHARS);
    this.#out.ended({ kind: 'failed', message: `${program} ${end}${errorText === '' ? '.' : `: ${errorText}`}` });
  }
}

function commandOf(agent: AgentSettings): readonly [string, ...string[]] {
  const [program, ...args] = agent.command ?? [];
  if (program !== undefined && program !== '') return [program, ...args];
  throw new BinnacleError('bad_request', {
    message: `The agent "${agent.id}" has the driver "command" and no command.`,
    hint: 'Add the program, which gets the message on its stdin, or in place of {prompt}: "command": ["llm", "{prompt}"].',
  });
}

const takesArgument = (agent: AgentSettings): boolean =>
  commandOf(agent).some((arg, i) => i > 0 && arg.includes(PLACE));

/** Adds the instructions. Needed for each message, because a new process remembers nothing. */
const withInstructions = ({ instructions }: AgentSettings, { text }: Prompt): string =>
  instructions === undefined ? text : `${instructions}\n\n${text}`;

function filled(arg: string, text: string): string {
  if (!arg.includes(PLACE)) return arg;
  const whole = arg.split(PLACE).join(text);
  const bytes = Buffer.byteLength(whole);
  if (bytes > MAX_ARG_BYTES) {
    throw new BinnacleError('message_too_large', {
      message: `The message is too long for an argument: ${bytes} bytes, of at most ${MAX_ARG_BYTES}.`,
      hint: 'Remove {prompt} from the command: then the message goes to its stdin.',
    });
  }
  if (whole.includes('\0')) {
    throw new BinnacleError('bad_request', { message: 'The message has a NUL byte, which an argument cannot have.' });
  }
  return whole;
}

/** Returns the end of a text, where the error usually is. */
function lastOf(text: string, max: number): string {
  if (text.length <= max) return text;
  const cut = text.length - max;
  const first = text.charCodeAt(cut);
  return `…${text.slice(first >= 0xdc00 && first < 0xe000 ? cut + 1 : cut)}`;
}

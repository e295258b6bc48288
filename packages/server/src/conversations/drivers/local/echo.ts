// The driver `echo`: repeats the message. Deterministic, because it is for first trials and for tests.

import type { DriverOut, LocalDriver, LocalTurn } from '../driver.ts';

/** Pause between the words of `/slow`. */
const PAUSE_MS = 100;
/** Approximate maximum of deltas for a long text. */
const MAX_DELTAS = 500;

interface Scene {
  readonly turn: LocalTurn;
  /** Text after the command word. */
  readonly rest: string;
  readonly out: DriverOut;
  readonly signal: AbortSignal;
}

const HELP = `I say what you say. I can also:
/slow WORDS    say them slowly, a word each ${PAUSE_MS} ms
/tool WORDS    call a tool, which prints them
/ask WORDS     ask you for permission
/fail WORDS    fail, with these as the reason
/help          say this
For a real agent, put one into the config file: see docs/agents.md.`;

const SCENES: Readonly<Record<string, (scene: Scene) => Promise<void> | void>> = {
  '/help': ({ out }) => finish(out, HELP),
  '/slow': saySlowly,
  '/tool': callTool,
  '/ask': askPerson,
  '/fail': ({ out, rest }) => {
    out.delta('This goes wrong now.');
    out.ended({ kind: 'failed', message: rest === '' ? 'The echo agent was asked to fail.' : rest });
  },
};

export const echoDriver: LocalDriver = {
  name: 'echo',
  kind: 'local',
  steer: ['queue', 'interrupt'],
  approvals: true,
  async run(_agent, turn, out, signal) {
    const [, word = '', rest = ''] = /^(\/[a-z]+)(?:\s+([\s\S]*))?$/.exec(turn.text.trimEnd()) ?? [];
    const scene = Object.hasOwn(SCENES, word) ? SCENES[word] : undefined;
    try {
      if (scene === undefined) finish(out, turn.text);
      else await scene({ turn, rest, out, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
      out.ended({ kind: 'cancelled' });
    }
  },
};

function finish(out: DriverOut, text: string): void {
  for (const piece of piecesOf(text, MAX_DELTAS)) out.delta(piece);
  out.ended({ kind: 'done', text });
}

async function saySlowly({ rest, out, signal }: Scene): Promise<void> {
  const text = rest === '' ? 'one two three four five' : rest;
  let isFirst = true;
  for (const word of splitText(text)) {
    if (!isFirst) await pause(PAUSE_MS, signal);
    isFirst = false;
    out.delta(word);
  }
  out.ended({ kind: 'done', text });
}

function callTool({ turn, rest, out }: Scene): void {
  const output = rest === '' ? 'hello' : rest;
  const call = { id: `${turn.id}-tool`, title: 'echo', kind: 'execute', input: { text: output } } as const;
  out.delta('I call a tool.');
  out.tool({ ...call, status: 'running' });
  out.tool({ ...call, status: 'done', output });
  out.paragraph();
  out.delta(`It said: ${output}`);
  out.ended({ kind: 'done' });
}

async function askPerson({ turn, rest, out, signal }: Scene): Promise<void> {
  const id = `${turn.id}-1`;
  const what = rest === '' ? 'say hello' : rest;
  const call = { id: `${turn.id}-tool`, title: what, kind: 'other' } as const;
  out.delta('May I?');
  out.tool({ ...call, status: 'pending' });
  // Before the request: a fast answer may arrive during the call of `approval`.
  const answered = turn.answerOf(id);
  out.approval({
    id,
    title: what,
    detail: what,
    tool: call.id,
    options: [
      { id: 'allow', label: 'Allow', kind: 'allow_once' },
      { id: 'always', label: 'Always allow', kind: 'allow_always' },
      { id: 'deny', label: 'Deny', kind: 'deny_once' },
    ],
  });
  const option = await Promise.race([answered, abortOf(signal)]);
  const isAllowed = option === 'allow' || option === 'always';
  out.tool({ ...call, status: isAllowed ? 'done' : 'failed' });
  out.paragraph();
  out.delta(isAllowed ? `Thank you. You said "${option}".` : `I will not, then. You said "${option}".`);
  out.ended({ kind: 'done' });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/** Splits a text into words, each with the white space after it, so that together they are the text. */
const splitText = (text: string): string[] => text.match(/\s*\S+\s*|\s+/g) ?? [];

function piecesOf(text: string, max: number): string[] {
  const parts = splitText(text);
  const each = Math.ceil(parts.length / max);
  if (each <= 1) return parts;
  return Array.from({ length: Math.ceil(parts.length / each) }, (_, i) =>
    parts.slice(i * each, (i + 1) * each).join(''),
  );
}

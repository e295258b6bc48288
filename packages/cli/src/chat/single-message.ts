// A single message and its answer, for scripts: the answer on stdout, everything else on stderr, the end as an exit
// code.

import { constants } from 'node:os';
import type { Conversation, Reply } from '@binnacle/client';
import {
  type ConversationEvent,
  defined,
  describeRetry,
  describeSilence,
  describeWait,
  type EndEvent,
  isEndEvent,
  progressAfter,
  type RunProgress,
  retryOf,
  runEndOf,
  type SteerMode,
} from '@binnacle/protocol';
import { EXIT } from '../output/failure.ts';
import { styleFor } from '../output/style.ts';
import { writeTo } from '../terminal/terminal.ts';
import { answerLine, approvalLines, endLine, receiptLine, toolLine } from './format.ts';
import { HarmlessText, harmless, nextText } from './text.ts';

export interface SingleMessageOptions {
  readonly steer: SteerMode;
  readonly json: boolean;
  /** Timeout of the run. Default: the agent's. */
  readonly timeoutMs?: number | undefined;
}

type EventPrinter = (event: ConversationEvent) => Promise<void>;

/** Sends the message. Resolves with the exit code: 0 final, 1 error, 130 aborted or cancelled. */
export async function once(conversation: Conversation, text: string, options: SingleMessageOptions): Promise<number> {
  const { steer, timeoutMs } = options;
  const reply = conversation.send(text, { steer, ...defined({ timeoutMs }) });
  const release = onSignals(reply);
  const waiting = new WaitNotice(say);
  try {
    const receipt = await reply.receipt;
    waiting.heard(receipt.run?.state === 'queued' ? 'still waits for its turn' : 'still waits for the answer');
    const line = receiptLine(receipt, options.steer, 0);
    if (line !== undefined && !options.json) say(line);
    const print = options.json ? asJson : asText(conversation.key);
    let end: EndEvent | undefined;
    for await (const event of reply) {
      if (event.type === 'silent') waiting.about(`still ${describeWait(event.waitsFor)}`);
      else waiting.heard(event.type === 'approval' ? 'still waits for approval' : 'still waits for the answer');
      await print(event);
      if (isEndEvent(event)) end = event;
    }
    if (receipt.aborted !== undefined || end?.type === 'final') return EXIT.ok;
    return end?.type === 'error' ? EXIT.failed : EXIT.interrupted;
  } finally {
    waiting.end();
    release();
  }
}

/**
 * Returns the width of the terminal, which would break longer lines into rows that imitate other lines. A file has no
 * limit.
 */
const columns = (): number =>
  process.stderr.isTTY ? Math.max(20, process.stderr.columns - 1) : Number.POSITIVE_INFINITY;

const asJson: EventPrinter = (event) => writeTo(process.stdout, Buffer.from(`${JSON.stringify(event)}\n`));

/**
 * Prints an answer as it arrives. Text that an agent replaces stays in a pipe as on a screen: the whole answer follows
 * on new lines, and stderr reports that. Only `final` of `--json` has the final text alone.
 */
function asText(key: string): EventPrinter {
  const style = styleFor(process.stderr);
  const isLive = process.stdout.isTTY === true;
  const write = (text: string): Promise<void> => writeTo(process.stdout, Buffer.from(text));
  // A pipe gets the exact bytes: only a terminal needs protection.
  const cleaner = (): Pick<HarmlessText, 'push' | 'end'> => (isLive ? new HarmlessText() : PLAIN);
  let text = cleaner();
  let run: RunProgress = { state: 'running', text: '', endedAt: null, end: null, usage: null };
  let isInLine = false;
  const show = async (more: string): Promise<void> => {
    const shown = text.push(more);
    if (shown !== '') isInLine = !shown.endsWith('\n');
    await write(shown);
  };
  const aside = (line: string): void => {
    // In a pipe, messages on stderr do not break a line.
    if (isLive && isInLine) process.stdout.write('\n');
    if (isLive) isInLine = false;
    process.stderr.write(`${line}\n`);
  };
  const showText = async (event: Parameters<typeof nextText>[0], before: string): Promise<void> => {
    const next = nextText(event, before);
    if (next.isReplaced) {
      aside('[binnacle: the agent replaced its answer; this is the whole answer]');
      if (isInLine) await write('\n');
      text = cleaner();
    }
    await show(next.text);
  };
  return async (event) => {
    const before = run.text;
    run = progressAfter(run, event);
    switch (event.type) {
      case 'delta':
        if (event.stream === 'said') await showText(event, before);
        return;
      case 'tool':
        aside(toolLine(event.tool, style));
        return;
      case 'silent':
        say(describeSilence(event));
        return;
      case 'agent': {
        const retry = event.name === 'retry' ? retryOf(event.data) : undefined;
        if (retry !== undefined) say(describeRetry(retry));
        return;
      }
      case 'approval':
        for (const row of approvalLines(event.approval, style, columns())) aside(row);
        say(`the agent waits for an answer: binnacle chat '${key}'`);
        return;
      case 'approval_answered':
        aside(answerLine(undefined, event.answer, '', style));
        return;
      case 'final':
      case 'error':
      case 'aborted': {
        await showText(event, before);
        await show(text.end());
        if (isInLine) await write('\n');
        isInLine = false;
        if (event.type === 'final' && event.text === '') say('the run ended without an answer');
        const line = event.type === 'final' ? undefined : endLine(runEndOf(event), '', style);
        if (line !== undefined) aside(line);
        return;
      }
      default:
        return;
    }
  };
}

const PLAIN: Pick<HarmlessText, 'push' | 'end'> = { push: (text) => text, end: () => '' };

const say = (text: string): boolean => process.stderr.write(`[binnacle: ${harmless(text)}]\n`);

/**
 * Handles signals. Ctrl-C aborts the run, whose end ends this command; a second Ctrl-C ends only this command. SIGTERM
 * and a closed terminal end this command, but do not request the end of the run.
 */
function onSignals(reply: Reply): () => void {
  let interrupts = 0;
  let isAccepted = false;
  reply.receipt.then(
    () => {
      isAccepted = true;
    },
    () => undefined,
  );
  const leave = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
    process.stderr.on('error', () => undefined); // the terminal may be gone
    const back = `binnacle chat '${reply.conversation}'`;
    say(
      isAccepted
        ? `the agent goes on; return with: ${back}`
        : `the message may not have been sent; check with: ${back}`,
    );
    process.exit(128 + constants.signals[signal]);
  };
  const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const listener = (): void => {
      interrupts += 1;
      if (signal !== 'SIGINT' || interrupts > 1) leave(signal);
      else reply.abort().catch(() => leave(signal));
    };
    process.on(signal, listener);
    return (): void => void process.off(signal, listener);
  });
  return () => {
    for (const release of listeners) release();
  };
}

/** Delay before the first notice, ms; then one notice per minute. */
const FIRST_MS = 10_000;
const AGAIN_MS = 60_000;

/** Reports periodically that a command still waits, so that its silence is not mistaken for its end. */
export class WaitNotice {
  readonly #say: (text: string) => void;
  #what: string;
  /** Milliseconds without news. */
  #silentMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(say: (text: string) => void) {
    this.#say = say;
    this.#what = '';
    this.#silentMs = 0;
    this.heard('still waits for the gateway');
  }

  /** Restarts the clock on news. `what`: the next thing to wait for. */
  heard(what: string): void {
    this.#what = what;
    this.#silentMs = 0;
    this.#wait(FIRST_MS);
  }

  /** Corrects the description of the wait, without restarting the clock. */
  about(what: string): void {
    this.#what = what;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#silentMs += ms;
      const seconds = this.#silentMs / 1000;
      this.#say(`${this.#what}, nothing new for ${seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`}`);
      this.#wait(AGAIN_MS);
    }, ms);
    this.#timer.unref();
  }
}

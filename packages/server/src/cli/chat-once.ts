// One message and its answer, for scripts: the answer on stdout, everything else on stderr, the end as an exit code.

import { constants } from 'node:os';
import type { Conversation, Reply } from '@binnacle/client';
import { type ConversationEvent, type EndEvent, isEndEvent, type SteerMode } from '@binnacle/protocol';
import { HarmlessText, harmless } from './chat-text.ts';
import { answerLine, approvalLines, endLine, receiptLine, toolLine } from './chat-words.ts';
import { EXIT } from './failure.ts';
import { style } from './style.ts';
import { writeTo } from './terminal.ts';

/** As a shell has it for what Ctrl-C ended. */
export const EXIT_ABORTED = 130;

export interface OnceOptions {
  readonly steer: SteerMode;
  readonly json: boolean;
}

type Print = (event: ConversationEvent) => Promise<void>;

/** Resolves with the exit code: 0 final, 1 error, 130 aborted or taken back. */
export async function once(conversation: Conversation, text: string, options: OnceOptions): Promise<number> {
  const reply = conversation.send(text, { steer: options.steer });
  const release = abortOnSignal(reply);
  try {
    const receipt = await reply.receipt;
    const line = receiptLine(receipt, options.steer, 0);
    if (line !== undefined && !options.json) say(line);
    const print = options.json ? asJson : asText(conversation.key);
    let end: EndEvent | undefined;
    for await (const event of reply) {
      await print(event);
      if (isEndEvent(event)) end = event;
    }
    if (receipt.aborted !== undefined || end?.type === 'final') return EXIT.ok;
    return end?.type === 'error' ? EXIT.failed : EXIT_ABORTED;
  } finally {
    release();
  }
}

const asJson: Print = (event) => writeTo(process.stdout, Buffer.from(`${JSON.stringify(event)}\n`));

/** To a terminal as it comes; into a pipe at the end, because an agent may take back what it said. */
function asText(key: string): Print {
  const look = style(process.stderr);
  const isLive = process.stdout.isTTY === true;
  const write = (text: string): Promise<void> => writeTo(process.stdout, Buffer.from(text));
  let text = new HarmlessText();
  let said = '';
  let isInLine = false;
  const show = async (more: string): Promise<void> => {
    const shown = text.push(more);
    if (shown !== '') isInLine = !shown.endsWith('\n');
    await write(shown);
  };
  const aside = (line: string): void => {
    if (isLive && isInLine) process.stdout.write('\n');
    isInLine = false;
    process.stderr.write(`${line}\n`);
  };
  const delta = async (more: string, replace: boolean): Promise<void> => {
    const before = said;
    said = replace ? more : before + more;
    if (!isLive) return;
    if (!replace) await show(more);
    else if (more.startsWith(before)) await show(more.slice(before.length));
    else {
      aside('[binnacle: it takes back what it said; this is the whole]');
      text = new HarmlessText();
      await show(more);
    }
  };
  return async (event) => {
    switch (event.type) {
      case 'delta':
        if (event.stream === 'said') await delta(event.text, event.replace === true);
        return;
      case 'tool':
        aside(toolLine(event.tool, look));
        return;
      case 'approval':
        for (const line of approvalLines(event.approval, look)) aside(line);
        say(`it waits for an answer: binnacle chat '${key}'`);
        return;
      case 'approval_answered':
        aside(answerLine(undefined, event.answer, '', look));
        return;
      case 'final':
      case 'error':
      case 'aborted': {
        if (event.text !== said) await delta(event.text, true);
        if (isLive) await show(text.end());
        else await write(event.text === '' || event.text.endsWith('\n') ? event.text : `${event.text}\n`);
        if (isLive && isInLine) await write('\n');
        isInLine = false;
        const line = endWords(event);
        if (line !== undefined) aside(line);
        return;
      }
      default:
        return;
    }
  };

  function endWords(event: EndEvent): string | undefined {
    if (event.type === 'final') return undefined;
    if (event.type === 'error') return endLine({ state: 'error', error: event.error }, '', look);
    return endLine({ state: 'aborted', via: event.via, by: event.by }, '', look);
  }
}

const say = (text: string): boolean => process.stderr.write(`[binnacle: ${harmless(text)}]\n`);

/** The first signal ends the run, whose end ends us; the second one ends us, and the run goes on. */
function abortOnSignal(reply: Reply): () => void {
  let signals = 0;
  const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const listener = (): void => {
      const code = 128 + constants.signals[signal];
      signals += 1;
      if (signals > 1) process.exit(code);
      reply.abort().catch(() => process.exit(code));
    };
    process.on(signal, listener);
    return (): void => void process.off(signal, listener);
  });
  return () => {
    for (const release of listeners) release();
  };
}

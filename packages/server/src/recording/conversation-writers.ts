// Exports of a conversation's log: Markdown for people, lines of JSON for programs. Contain what viewers of the
// conversation see, and no more.

import {
  type ConversationEvent,
  type ConversationInfo,
  type EndEvent,
  type MessageInfo,
  queueAfter,
  type ToolCall,
} from '@binnacle/protocol';
import type { Gap } from '../cursor/pump.ts';
import type { Entry } from '../log/log.ts';
import { jsonLine } from './jsonl-writer.ts';
import { CodeFence, inlineCode, quotation } from './markdown.ts';
import { type ExportWriter, entryBody } from './writer.ts';

type Conversation = Pick<ConversationInfo, 'key' | 'agent' | 'title' | 'createdAt'>;

/** Returns the events of an entry. Everything else in the log is private to the gateway and the agent's process. */
const eventsOf = (entry: Entry): readonly ConversationEvent[] =>
  entryBody<{ events: readonly ConversationEvent[] }>(entry).events ?? [];

export class ConversationJsonl implements ExportWriter {
  readonly #conversation: Conversation;
  #hasBegun = false;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  entry(entry: Entry): string {
    return this.#begin() + eventsOf(entry).map(jsonLine).join('');
  }

  gap({ reason }: Pick<Gap, 'reason'>): string {
    return this.#begin() + jsonLine({ type: 'gap', reason });
  }

  end(): string {
    return this.#begin();
  }

  #begin(): string {
    if (this.#hasBegun) return '';
    this.#hasBegun = true;
    const { key, agent, title, createdAt } = this.#conversation;
    return jsonLine({ type: 'conversation', key, agent, title, createdAt });
  }
}

export class ConversationMarkdown implements ExportWriter {
  readonly #conversation: Conversation;
  /** Messages that wait for their turn, or for their result. */
  #queue: readonly MessageInfo[] = [];
  #hasBegun = false;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  entry(entry: Entry): string {
    return (
      this.#begin() +
      eventsOf(entry)
        .map((event) => this.#event(event))
        .join('')
    );
  }

  gap({ reason }: Pick<Gap, 'reason'>): string {
    return `${this.#begin()}*What stood here is not there any more (${reason}).*\n\n`;
  }

  end(): string {
    const waiting = this.#queue.map((message) => spoken(message, ', waits'));
    return this.#begin() + waiting.join('');
  }

  #begin(): string {
    if (this.#hasBegun) return '';
    this.#hasBegun = true;
    const { key, agent, title, createdAt } = this.#conversation;
    const facts = [
      `- Conversation: ${inlineCode(key)}`,
      `- Agent: ${inlineCode(agent)}`,
      `- Began: ${timeOf(createdAt)}`,
    ];
    return `# ${inlineCode(title === '' ? key : title)}\n\n${facts.join('\n')}\n\n`;
  }

  #event(event: ConversationEvent): string {
    const queue = this.#queue;
    this.#queue = queueAfter(queue, event);
    switch (event.type) {
      case 'message':
        return event.message.state === 'delivered' ? spoken(event.message) : '';
      case 'message_cancelled':
      case 'message_delivered': {
        const message = queue.find(({ id }) => id === event.id);
        const how = event.type === 'message_cancelled' ? ', taken back' : '';
        return message === undefined ? '' : spoken(message, how);
      }
      case 'tool':
        return event.tool.status === 'done' || event.tool.status === 'failed' ? toolCall(event.tool) : '';
      case 'approval':
        return `*Asked for approval: ${inlineCode(event.approval.title)}*\n\n`;
      case 'approval_answered': {
        const { option, by, reason } = event.answer;
        return `*${reason === 'answered' ? `${inlineCode(by.name)} answered ${inlineCode(option)}` : reason.replace('_', ' ')}*\n\n`;
      }
      case 'note':
        return `*Note from ${inlineCode(event.by.name)}, ${timeOf(event.at)}*\n\n${quotation(event.text)}\n\n`;
      case 'final':
      case 'error':
      case 'aborted':
        return answer(event, this.#conversation.agent);
      default:
        return '';
    }
  }
}

const timeOf = (time: number): string => new Date(time).toISOString();

const spoken = ({ by, at, text }: MessageInfo, how = ''): string =>
  `## ${inlineCode(by.name)}\n\n${timeOf(at)}${how}\n\n${quotation(text)}\n\n`;

function answer(event: EndEvent, agent: string): string {
  const text = event.text === '' ? '' : `${quotation(event.text)}\n\n`;
  return `## ${inlineCode(agent)}\n\n${timeOf(event.at)}${endText(event)}\n\n${text}`;
}

function endText(event: EndEvent): string {
  if (event.type === 'error') return `, failed: ${inlineCode(event.error.message)}`;
  if (event.type === 'aborted') return `, aborted by ${inlineCode(event.by.name)}`;
  if (event.text === '') return ', without a word';
  return '';
}

function toolCall({ title, kind, status, output, diffs }: ToolCall): string {
  const head = `*${kind}${status === 'failed' ? ', failed' : ''}: ${inlineCode(title)}*\n\n`;
  const changed = (diffs ?? []).map(({ path }) => `- ${inlineCode(path)}\n`).join('');
  const block = output === undefined || output === '' ? '' : `${fenced(output)}\n`;
  return head + (changed === '' ? '' : `${changed}\n`) + block;
}

function fenced(text: string): string {
  const fence = new CodeFence();
  return fence.push(text.replace(/\r\n?/g, '\n')) + fence.close();
}

// View of a conversation: converts its events into permanent rows and changing rows.

import {
  type Approval,
  answerOf,
  type ConversationEvent,
  type ConversationItem,
  type ConversationState,
  type ConversationStep,
  conversationAfter,
  describeRetry,
  describeSilence,
  type EndEvent,
  type MessageInfo,
  reduceConversation,
  retryOf,
  runEndOf,
  type ToolCall,
  withoutColours,
} from '@binnacle/protocol';
import { cellsOf, cutTo } from '../output/cells.ts';
import type { Style } from '../output/style.ts';
import { answerLine, approvalRows, beginning, endLine, failureText, nameOf, toolLine } from './format.ts';
import type { Screen } from './screen.ts';
import { HarmlessText, harmless, nextText, Rows } from './text.ts';
import { sharingText } from './visibility.ts';

const EMPTY = '[the run ended without an answer]';

export class ChatView {
  readonly #screen: Pick<Screen, 'print' | 'width' | 'height'>;
  readonly #style: Style;
  readonly #user: string;
  readonly #rows: Rows;
  #state: ConversationState;
  /** Ids of messages typed here, which are already on the screen. */
  readonly #typed: Set<string>;
  /** Kind of the current text; null between texts. */
  #stream: 'said' | 'thought' | null;
  #text: HarmlessText;
  /** Ids of waiting messages that had other work before them. */
  readonly #behind: Set<string>;

  constructor(
    screen: Pick<Screen, 'print' | 'width' | 'height'>,
    style: Style,
    user: string,
    state: ConversationState,
  ) {
    this.#screen = screen;
    this.#style = style;
    this.#user = user;
    this.#rows = new Rows(() => screen.width);
    this.#state = state;
    this.#typed = new Set();
    this.#stream = null;
    this.#text = new HarmlessText();
    this.#behind = new Set(state.queue.map(({ id }) => id));
  }

  get state(): ConversationState {
    return this.#state;
  }

  /** Shows the initial state: the history, and the waiting messages and requests. */
  begin(): void {
    this.items(this.#state.items);
    const { queue } = this.#state;
    if (queue.length > 0)
      this.say(queue.length === 1 ? 'one message waits' : `${queue.length} messages wait`, '/queue');
    for (const approval of this.#state.approvals) this.#approval(approval);
  }

  items(items: readonly ConversationItem[]): void {
    for (const item of items) this.#item(item);
  }

  /** Records that a message typed here was sent. */
  typed(id: string): void {
    this.#typed.add(id);
  }

  get user(): string {
    return this.#user;
  }

  /** Shows a message of the chat program. `command`: a helpful command. */
  say(text: string, command?: string): void {
    this.lines([this.#style.dim(`[${text}${command === undefined ? '' : `; ${command}`}]`)]);
  }

  fail(error: { readonly message: string; readonly hint?: string | undefined }): void {
    this.lines([this.#style.red(`[${failureText(error)}]`)]);
  }

  /** Shows lines of the chat program above the row that is being written. */
  lines(lines: readonly string[]): void {
    this.#screen.print(
      lines.flatMap((row) => this.#fitted(row)),
      this.#live(),
    );
  }

  /** Returns the rows of an entered line. */
  echo(text: string): string[] {
    return this.#block(this.#style.bold('> '), 2, text);
  }

  step(step: ConversationStep): void {
    if (step.type === 'gap') this.say('older messages are no longer stored');
    const events = step.type === 'events' ? step.events : [];
    for (const event of events) {
      const before = this.#state;
      this.#state = conversationAfter(before, [event]);
      this.#event(event, before);
    }
    this.#state = reduceConversation(this.#state, step.type === 'events' ? { ...step, events: [] } : step);
  }

  /** Shows an event. `before`: the state before it. */
  #event(event: ConversationEvent, before: ConversationState): void {
    switch (event.type) {
      case 'message':
        this.#message(event.message, before);
        return;
      case 'message_edited':
        if (event.by.user !== this.#user) this.say(`${this.#name(event)} changed a waiting message`);
        return;
      case 'message_cancelled': {
        const message = before.queue.find(({ id }) => id === event.id);
        this.#behind.delete(event.id);
        this.#typed.delete(event.id);
        if (message === undefined) return;
        if (event.why === undefined) this.say(`cancelled: ${beginning(message.text)}`);
        else this.say(`${this.#name(event)} does not allow it: ${beginning(event.why)}`, beginning(message.text));
        return;
      }
      case 'message_delivered':
        this.#delivered(event, before);
        return;
      case 'run_started':
        if (event.run.command !== undefined) {
          const { plugin, name } = event.run.command;
          this.say(`/${harmless(name)} goes to the plugin ${harmless(plugin)}`);
        }
        return;
      case 'delta':
        if (event.stream === 'said') this.#answerText(event, before);
        else this.#write('thought', event.text);
        return;
      case 'tool':
        this.#endText();
        this.#tool(event.tool);
        return;
      case 'agent':
        this.#agent(event.name, event.data);
        return;
      case 'silent':
        this.say(harmless(describeSilence(event)));
        return;
      case 'approval':
        if (before.approvals.every(({ id }) => id !== event.approval.id)) this.#approval(event.approval);
        return;
      case 'approval_answered':
        this.#print([
          answerLine(
            before.approvals.find(({ id }) => id === event.id),
            event.answer,
            this.#user,
            this.#style,
          ),
        ]);
        return;
      case 'final':
      case 'error':
      case 'aborted':
        this.#end(event, before);
        return;
      case 'note':
        this.#print(this.#block(this.#style.dim(`${this.#name(event)} notes: `), 0, event.text));
        return;
      case 'changed':
        if (event.title !== undefined) this.say(`now called ${harmless(event.title)}`);
        if (event.visibility !== undefined) this.say(`now ${sharingText(event.visibility)}`);
        return;
      default:
        return; // from a later version
    }
  }

  #message(message: MessageInfo, { run, queue }: ConversationState): void {
    if (message.role === 'assistant') return;
    const isKnown = queue.some(({ id }) => id === message.id);
    if (message.state === 'queued' && (run !== null || queue.length > 0)) this.#behind.add(message.id);
    if (isKnown || this.#typed.has(message.id)) return;
    this.#endText();
    this.#item({ kind: 'message', message });
  }

  #delivered({ id, run }: Extract<ConversationEvent, { type: 'message_delivered' }>, before: ConversationState): void {
    const message = before.queue.find((waiting) => waiting.id === id);
    if (message === undefined) return;
    if (run !== id) this.say(`the agent has received: ${beginning(message.text)}`);
    else if (this.#behind.has(id)) this.say(`started: ${beginning(message.text)}`);
    this.#behind.delete(id);
    this.#typed.delete(id);
  }

  #answerText(event: Parameters<typeof nextText>[0], before: ConversationState): void {
    const shown = answerOf(before, event.run)?.text ?? '';
    const { text, isReplaced } = nextText(event, shown);
    if (isReplaced) this.#endText();
    if (isReplaced && shown !== '') this.say('the agent replaced its answer; this is the whole answer');
    this.#write('said', text);
  }

  #agent(name: string, data: unknown): void {
    const retry = name === 'retry' ? retryOf(data) : undefined;
    if (name === 'plan') this.#plan(data);
    else if (retry !== undefined) this.say(harmless(describeRetry(retry)));
    else if (name === 'note' && typeof data === 'string') this.say(harmless(data));
    else if (name === 'note' && typeof data === 'object' && data !== null && 'text' in data) {
      this.say(harmless(String(data.text)));
    }
  }

  /** Shows a plan. Drivers send it as a list of steps with their status. */
  #plan(data: unknown): void {
    const steps: unknown = typeof data === 'object' && data !== null && 'entries' in data ? data.entries : data;
    if (!Array.isArray(steps)) return;
    const lines = steps.slice(0, 30).flatMap((step: unknown): string[] => {
      if (typeof step !== 'object' || step === null) return [];
      const text = 'content' in step ? step.content : 'step' in step ? step.step : undefined;
      const status = 'status' in step ? String(step.status) : '';
      if (typeof text !== 'string') return [];
      const mark = /complete|done/i.test(status) ? '☑' : /progress|running/i.test(status) ? '▸' : '☐';
      return [this.#style.dim(`  ${mark} ${harmless(text)}`)];
    });
    this.#print(lines);
  }

  #approval(approval: Approval): void {
    this.#print(approvalRows(approval, this.#style, this.#screen.width, this.#screen.height));
  }

  #end(event: EndEvent, before: ConversationState): void {
    if (event.text !== '') this.#answerText(event, before);
    this.#endText();
    const isEmpty = event.type === 'final' && event.text === '';
    const line = endLine(runEndOf(event), this.#user, this.#style) ?? (isEmpty ? this.#style.dim(EMPTY) : undefined);
    // Tool calls without an end event end with their run.
    this.#screen.print([...this.#openTools(before), ...(line === undefined ? [] : [line]), ''], []);
  }

  #item(item: ConversationItem): void {
    switch (item.kind) {
      case 'message': {
        const { by, text, state } = item.message;
        const isOurs = by.user === this.#user;
        const name = isOurs ? '> ' : `${nameOf(by, this.#user)}> `;
        const rows = this.#block(this.#style.bold(name), isOurs ? 2 : 0, text);
        this.#print(state === 'cancelled' ? [...rows, this.#style.dim('[not sent to the agent]')] : rows);
        return;
      }
      case 'answer': {
        for (const part of item.parts) {
          if (part.kind === 'said' || part.kind === 'thought') this.#write(part.kind, part.text);
          if (part.kind === 'tool') this.#tool(part.tool, item.state !== 'running');
        }
        if (item.state === 'running') return;
        this.#endText();
        const line = item.end === null ? undefined : endLine(item.end, this.#user, this.#style);
        const short = item.state === 'error' ? 'the run ended with an error' : 'the run was stopped';
        const empty = item.state === 'final' && item.text === '' ? this.#style.dim(EMPTY) : undefined;
        const lastLine = line ?? (item.end !== null || item.state === 'final' ? empty : this.#style.dim(`[${short}]`));
        this.#print(lastLine === undefined ? [''] : [lastLine, '']);
        return;
      }
      case 'note':
        this.#print(this.#block(this.#style.dim(`${this.#name(item)} notes: `), 0, item.text));
        return;
      case 'gap':
        this.say('older messages are no longer stored');
        return;
    }
  }

  #name({ by }: { readonly by: MessageInfo['by'] }): string {
    return nameOf(by, this.#user);
  }

  #write(stream: 'said' | 'thought', text: string): void {
    if (this.#stream !== stream) this.#endText();
    // Leading empty lines are removed: a new text starts on its own row.
    const more = this.#stream === null ? text.replace(/^\n+/, '') : text;
    if (more === '') return;
    this.#stream = stream;
    const rows = this.#rows.push(this.#text.push(more));
    this.#screen.print(this.#painted(rows), this.#live());
  }

  /** Ends the current text before other output. */
  #endText(): void {
    if (this.#stream === null) return;
    const rows = [...this.#rows.push(this.#text.end()), ...this.#rows.end()];
    const painted = this.#painted(rows);
    this.#stream = null;
    this.#screen.print(painted, this.#live());
  }

  #painted(rows: readonly string[]): string[] {
    return this.#stream === 'thought' ? rows.map(this.#style.dim) : [...rows];
  }

  #tool(tool: ToolCall, isOver = isToolOver(tool)): void {
    this.#screen.print(isOver ? [this.#cut(toolLine(tool, this.#style))] : [], this.#live());
  }

  /** Returns the rows of the active tool calls. */
  #openTools(state: ConversationState): string[] {
    const parts = state.run === null ? [] : (answerOf(state, state.run)?.parts ?? []);
    const open = parts.flatMap((part) => (part.kind === 'tool' && !isToolOver(part.tool) ? [part.tool] : []));
    return open.map((tool) => this.#cut(toolLine(tool, this.#style)));
  }

  /** Returns the changing rows: the row being written, then the active tool calls. */
  #live(): string[] {
    const open = this.#stream === null || this.#rows.open === '' ? [] : this.#painted([this.#rows.open]);
    return [...open, ...this.#openTools(this.#state).slice(-8)];
  }

  #print(rows: readonly string[]): void {
    this.#endText();
    this.#screen.print(
      rows.flatMap((row) => this.#fitted(row)),
      this.#live(),
    );
  }

  /** Formats text in rows after a prefix. `indent`: cells of the continuation rows. */
  #block(prefix: string, indent: number, text: string): string[] {
    const whole = new HarmlessText();
    const lines = wrapped(whole.push(text) + whole.end(), this.#screen.width - (indent || 12));
    return lines.map((line, at) => (at === 0 ? prefix : ' '.repeat(indent)) + line);
  }

  /** Wraps a row to the width, each part in the colour of the whole. */
  #fitted(row: string): string[] {
    const plain = withoutColours(row);
    if (cellsOf(plain) <= this.#screen.width) return [row];
    const at = row.indexOf(plain);
    const [on, off] = at < 0 ? ['', ''] : [row.slice(0, at), row.slice(at + plain.length)];
    return wrapped(plain, this.#screen.width).map((line) => on + line + off);
  }

  /** Truncates a row to the width. Colours do not count; a truncated row loses them. */
  #cut(row: string): string {
    const plain = withoutColours(row);
    const cut = cutTo(plain, this.#screen.width);
    return cut === plain ? row : cut;
  }
}

const isToolOver = ({ status }: ToolCall): boolean => status === 'done' || status === 'failed';

function wrapped(text: string, width: number): string[] {
  const rows = new Rows(() => width);
  return [...rows.push(text), ...rows.end()];
}

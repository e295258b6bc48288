// Interactive chat: typed lines go to the agent or are slash commands; the agent's activity is shown live.

import { createInterface, type Interface } from 'node:readline';
import {
  type Binnacle,
  type Conversation,
  type ConversationFeed,
  type ConversationStep,
  emptyConversation,
  type Reply,
  withHistory,
} from '@binnacle/client';
import {
  type Approval,
  BinnacleError,
  type CommandInfo,
  type ConversationInfo,
  defined,
  type SteerMode,
} from '@binnacle/protocol';
import { EXIT } from '../output/failure.ts';
import { dataFlag } from '../output/shell.ts';
import { styleFor } from '../output/style.ts';
import { Terminal } from '../terminal/terminal.ts';
import { approvalKeys, keyList, receiptLine } from './format.ts';
import { ChatInput, LINE_BREAK } from './keys.ts';
import { Screen } from './screen.ts';
import { type ChatSession, COMPLETIONS, runSlashCommand } from './slash-commands.ts';
import { harmless } from './text.ts';
import { ChatView } from './view.ts';

export interface InteractiveChatOptions {
  readonly steer: SteerMode;
  /** Number of earlier messages to show. */
  readonly history: number;
  /** Timeout of each run. Default: the agent's. */
  readonly timeoutMs?: number | undefined;
  /** `--data` of the command. */
  readonly data?: string | undefined;
}

/** Maximum ms between two Ctrl-C that leave the chat. */
const TWICE_MS = 3_000;
/** Delay before keys answer a question, ms: an earlier key press is not an answer (race with the question). */
const GUARD_MS = 600;

export async function talk(client: Binnacle, info: ConversationInfo, options: InteractiveChatOptions): Promise<number> {
  const { user } = await client.me();
  const conversation = client.conversation(info.key);
  const feed = conversation.subscribe(info.run?.position ?? info.position);
  const first = await feed.next();
  if (first.done === true || first.value.type !== 'following') return EXIT.ok;
  const { info: now, position } = first.value;
  // The feed replays the output of the active run from its beginning, so the history omits it.
  const page = await conversation.history({ limit: Math.max(1, options.history) });
  const messages = page.messages.filter(({ role, run }) => role === 'user' || run === null || run !== now.run?.id);
  const shown = options.history === 0 ? [] : messages;
  const state = withHistory(emptyConversation(now, position), { ...page, messages: shown });
  const terminal = new Terminal({ raw: true });
  const chat = new InteractiveChat(
    client,
    conversation,
    terminal,
    (screen) => new ChatView(screen, styleFor(process.stdout), user, state),
    options,
  );
  try {
    await chat.run(feed, now);
  } finally {
    chat.close();
    terminal.leave();
  }
  return EXIT.ok;
}

class InteractiveChat {
  readonly #client: Binnacle;
  readonly #conversation: Conversation;
  readonly #terminal: Terminal;
  readonly #readline: Interface;
  readonly #input: ChatInput;
  readonly #screen: Screen;
  readonly #view: ChatView;
  readonly #history: number;
  readonly #timeoutMs: number | undefined;
  readonly #cleanup: (() => void)[];
  readonly #left: Promise<void>;
  #leave: () => void;
  /** State that slash commands act on. */
  readonly #session: ChatSession;
  #isAway: boolean;
  /** Time of the last Ctrl-C for the current work, ms; and time when the current question was shown. */
  #interruptedAt: number;
  #promptedAt: number;
  #shownApproval: Approval | undefined;
  readonly #hasBeenAnswered: Set<string>;
  /** Sent messages without a receipt yet. */
  readonly #unacknowledged: Set<Reply>;
  /** Ids of messages that Ctrl-C cancelled before their runs began. */
  readonly #isStopping: Set<string>;
  readonly #data: string | undefined;
  /** Commands of plugins for completion; as of the start, or of the last /help. */
  #commands: readonly string[];
  /** True while the next key decides whether the conversation is deleted. */
  #isDeleting: boolean;
  #isDeleted: boolean;
  #isOver: boolean;

  constructor(
    client: Binnacle,
    conversation: Conversation,
    terminal: Terminal,
    makeView: (screen: Screen) => ChatView,
    options: InteractiveChatOptions,
  ) {
    this.#client = client;
    this.#conversation = conversation;
    this.#terminal = terminal;
    this.#input = new ChatInput({
      taken: (key) => this.#onKey(key),
      insert: (text) => this.#insert(text),
      entering: () => this.#screen.entering(),
    });
    this.#readline = createInterface({
      input: this.#input.stream,
      output: process.stdout,
      terminal: true,
      historySize: 200,
      // Completes a single candidate or nothing: a list would overwrite the rows that change.
      completer: (line: string) => {
        const hits = [...COMPLETIONS, ...this.#commands].filter((command) => command.startsWith(line));
        return [hits.length === 1 && line.startsWith('/') ? hits : [], line];
      },
    });
    this.#screen = new Screen(process.stdout, this.#readline);
    this.#view = makeView(this.#screen);
    this.#history = options.history;
    this.#timeoutMs = options.timeoutMs;
    this.#data = options.data;
    this.#cleanup = [];
    this.#leave = () => undefined;
    this.#left = new Promise((resolve) => {
      this.#leave = resolve;
    });
    this.#session = {
      conversation,
      view: this.#view,
      steer: options.steer,
      attempt: (act) => this.#try(act),
      showHistory: (count) => this.#showHistory(count),
      learnCommands: () => this.#learnCommands(),
      askToDelete: () => {
        this.#isDeleting = true;
        this.#changed();
      },
      leave: () => this.#leave(),
    };
    this.#isAway = false;
    this.#interruptedAt = Number.NEGATIVE_INFINITY;
    this.#promptedAt = Number.NEGATIVE_INFINITY;
    this.#shownApproval = undefined;
    this.#hasBeenAnswered = new Set();
    this.#unacknowledged = new Set();
    this.#isStopping = new Set();
    this.#commands = [];
    this.#isDeleting = false;
    this.#isDeleted = false;
    this.#isOver = false;
  }

  /** Runs until the user leaves, or the conversation is deleted. */
  async run(feed: ConversationFeed, info: ConversationInfo): Promise<void> {
    this.#listen();
    // An older gateway does not know this request.
    this.#learnCommands().catch(() => undefined);
    await this.#terminal.write(Buffer.from('\x1b[?2004h')); // enables bracketed paste; `leave` resets it
    this.#readline.setPrompt(this.#prompt());
    this.#readline.prompt();
    const title = harmless(info.title);
    this.#view.say(`${info.agent}${title === '' ? '' : `, ${title}`} (${info.key})`, '/help lists the commands');
    this.#view.begin();
    this.#changed();
    const shown = this.#show(feed);
    await Promise.race([shown, this.#left]);
    feed.stop();
  }

  close(): void {
    for (const undo of this.#cleanup) undo();
    this.#isOver = true;
    this.#screen.close();
    this.#readline.close();
    if (this.#isDeleted) return;
    const { run, info, queue } = this.#view.state;
    const goesOn = run !== null ? 'the agent goes on; ' : queue.length > 0 ? 'waiting messages are sent; ' : '';
    process.stderr.write(`[binnacle: ${goesOn}return with: binnacle chat '${info.key}'${dataFlag(this.#data)}]\n`);
  }

  async #show(feed: ConversationFeed): Promise<void> {
    for await (const step of feed) {
      if (this.#isOver) return;
      this.#view.step(step);
      this.#changed();
      if (step.type === 'deleted') {
        this.#isDeleted = true;
        this.#view.say('the conversation was deleted');
      } else this.#onStep(step);
    }
  }

  #onStep(step: ConversationStep): void {
    if (step.type !== 'events') return;
    for (const event of step.events) {
      if (event.type === 'approval_answered') this.#hasBeenAnswered.delete(event.id);
      // A new run: the next Ctrl-C stops it, and is not the second of two.
      if (event.type === 'run_started' && !this.#isStopping.has(event.run.id)) this.#forgetInterrupt();
    }
  }

  #listen(): void {
    const onData = (bytes: Buffer): void => this.#input.push(bytes);
    const onEnd = (): void => this.#leave(); // the terminal is gone
    process.stdin.on('data', onData);
    process.stdin.on('end', onEnd);
    this.#cleanup.push(
      () => process.stdin.off('data', onData),
      () => process.stdin.off('end', onEnd),
      this.#client.on('state', (state) => {
        if (state.kind === 'waiting' && !this.#isAway) this.#connection(true);
        else if (state.kind === 'open' && this.#isAway) this.#connection(false);
      }),
    );
    this.#readline.on('line', (line) => this.#line(line));
    this.#readline.on('SIGINT', () => this.#interrupt());
    this.#readline.on('close', () => this.#leave());
  }

  #connection(isAway: boolean): void {
    this.#isAway = isAway;
    this.#view.say(isAway ? 'the connection is lost; reconnecting, no message is lost' : 'reconnected');
    this.#changed();
  }

  /** Shows the first pending request that was not answered here. */
  #changed(): void {
    const next = this.#view.state.approvals.find(({ id }) => !this.#hasBeenAnswered.has(id));
    if (next?.id !== this.#shownApproval?.id) this.#promptedAt = performance.now();
    this.#shownApproval = next;
    const prompt = this.#prompt();
    if (prompt !== this.#readline.getPrompt()) this.#screen.setPrompt(prompt);
  }

  #prompt(): string {
    const style = styleFor(process.stdout);
    if (this.#isDeleting) return style.red('delete the conversation with all its messages? [y] yes  [n] no > ');
    if (this.#isAway) return style.dim('offline > ');
    if (this.#shownApproval !== undefined) return `${style.yellow(keyList(this.#shownApproval))} > `;
    return this.#view.state.run === null ? '> ' : style.dim('working > ');
  }

  #onKey(key: string): boolean {
    if (this.#isDeleting) {
      this.#decide(key === 'y');
      return true;
    }
    const approval = this.#shownApproval;
    if (approval === undefined || this.#readline.line !== '' || [...key].length !== 1) return false;
    const option = approvalKeys(approval).get(key);
    if (option === undefined || performance.now() - this.#promptedAt < GUARD_MS) return false;
    this.#hasBeenAnswered.add(approval.id);
    this.#changed();
    this.#try(async () => {
      try {
        await this.#conversation.answer(approval.id, option.id);
      } catch (error) {
        if (!(error instanceof BinnacleError) || error.code !== 'approval_answered')
          this.#hasBeenAnswered.delete(approval.id);
        this.#changed();
        throw error;
      }
    });
    return true;
  }

  #decide(isYes: boolean): void {
    this.#isDeleting = false;
    this.#changed();
    if (isYes) this.#try(() => this.#conversation.delete());
    else this.#view.say('the conversation stays');
  }

  #insert(text: string): void {
    if (this.#isDeleting) {
      this.#decide(false);
      return;
    }
    // Node documents setting both (https://nodejs.org/api/readline.html#rlline); its types do not allow it.
    const typed: { line: string; cursor: number } = this.#readline;
    typed.line = typed.line.slice(0, typed.cursor) + text + typed.line.slice(typed.cursor);
    typed.cursor += text.length;
    this.#readline.prompt(true);
  }

  #interrupt(): void {
    if (this.#isDeleting) {
      this.#decide(false);
      return;
    }
    const now = performance.now();
    const isTwice = now - this.#interruptedAt < TWICE_MS;
    this.#interruptedAt = now;
    if (isTwice) {
      this.#leave();
      return;
    }
    const { run } = this.#view.state;
    if (run !== null) {
      this.#view.say('stopping; press Ctrl-C again to leave');
      this.#try(() => this.#conversation.abort(run));
    } else if (this.#unacknowledged.size > 0) {
      this.#view.say('stopping; press Ctrl-C again to leave');
      for (const reply of this.#unacknowledged) {
        this.#isStopping.add(reply.id);
        this.#try(() => reply.abort());
      }
    } else {
      // Clears the typed line, as shells do.
      this.#readline.write(null, { ctrl: true, name: 'u' });
      this.#view.say('press Ctrl-C again to leave');
    }
  }

  #forgetInterrupt(): void {
    this.#interruptedAt = Number.NEGATIVE_INFINITY;
    this.#isStopping.clear();
  }

  #line(typed: string): void {
    const line = typed.trim();
    if (line === '' || this.#isDeleting) {
      this.#screen.entered([]);
      if (this.#isDeleting) this.#decide(false);
      return;
    }
    const text = line.replaceAll(LINE_BREAK, '\n');
    this.#screen.entered(this.#view.echo(text));
    if (line.startsWith('//')) this.#send(text.slice(1));
    else if (!runSlashCommand(this.#session, line)) this.#send(text);
  }

  #send(text: string): void {
    const waits = this.#view.state.run !== null || this.#view.state.queue.length > 0;
    this.#forgetInterrupt();
    const timeout = defined({ timeoutMs: this.#timeoutMs });
    const reply = this.#conversation.send(text, { steer: this.#session.steer, ...timeout });
    this.#unacknowledged.add(reply);
    const heard = (): boolean => this.#unacknowledged.delete(reply);
    reply.receipt.then(heard, heard);
    this.#view.typed(reply.id);
    this.#try(async () => {
      const receipt = await reply.receipt;
      const { queue } = this.#view.state;
      const isThere = queue.some(({ id }) => id === reply.id);
      const line = receiptLine(receipt, waits ? this.#session.steer : 'queue', queue.length + (isThere ? 0 : 1));
      if (line !== undefined) this.#view.say(line);
    });
  }

  async #learnCommands(): Promise<readonly CommandInfo[]> {
    const commands = await this.#client.conversations.commands();
    this.#commands = commands.map(({ name }) => `/${name} `);
    return commands;
  }

  async #showHistory(count: string | undefined): Promise<void> {
    const limit = count === undefined ? Math.max(20, this.#history) : Number(count);
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
      this.#view.say('/history takes a number from 1 to 1000');
      return;
    }
    const page = await this.#conversation.history({ limit });
    const { info } = this.#view.state;
    const past = withHistory(
      { info, position: '', items: [], queue: [], approvals: [], run: null, earlier: undefined },
      page,
    );
    if (page.before !== null) this.#view.say('there are earlier messages', 'use /history with a larger number');
    this.#view.items(past.items);
  }

  /** Runs `act` and shows only its failure. */
  #try(act: () => Promise<unknown>): void {
    act().catch((error: unknown) => {
      if (this.#isOver || (error instanceof BinnacleError && error.code === 'client_closed')) return;
      this.#view.fail(error instanceof Error ? error : new Error(String(error)));
    });
  }
}

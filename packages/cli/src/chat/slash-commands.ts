// Slash commands of a chat: name, help and behavior of each. Pure.

import type { Conversation } from '@binnacle/client';
import type { CommandInfo, SteerMode } from '@binnacle/protocol';
import { commandLines, queueLines } from './format.ts';
import { LINE_BREAK } from './keys.ts';
import type { ChatView } from './view.ts';
import { readSharing, sharingText } from './visibility.ts';

/** State that a command acts on. */
export interface ChatSession {
  readonly conversation: Conversation;
  readonly view: ChatView;
  /** Handling of messages while the agent works. */
  steer: SteerMode;
  /** Runs `act` and shows its failure. */
  attempt(act: () => Promise<unknown>): void;
  /** Shows the last messages; `count` as typed. */
  showHistory(count: string | undefined): Promise<void>;
  /** Requests the commands of plugins again. */
  learnCommands(): Promise<readonly CommandInfo[]>;
  /** Makes the next key decide whether the conversation is deleted. */
  askToDelete(): void;
  leave(): void;
}

/** Typed input: the whole line, and the arguments after the name. */
interface TypedCommand {
  readonly line: string;
  readonly args: readonly string[];
}

interface SlashCommand {
  /** Arguments as /help shows them; an argument in brackets is optional. */
  readonly args?: string;
  /** Text of /help. A command without a text is an alias of the command before it. */
  readonly about?: string;
  run(chat: ChatSession, typed: TypedCommand): void;
}

const COMMANDS: Readonly<Record<string, SlashCommand>> = {
  '/stop': {
    about: 'stop the agent, and drop waiting messages',
    run: ({ conversation, view, attempt }) =>
      attempt(async () => {
        const { aborted } = await conversation.abort();
        if (aborted.length === 0) view.say('there is nothing to stop');
      }),
  },
  '/queue': {
    about: 'list the waiting messages',
    run: ({ view }) => view.lines(queueLines(view.state.queue, view.user)),
  },
  '/edit': {
    args: 'N TEXT',
    about: 'change a waiting message',
    run: ({ conversation, view, attempt }, { line, args }) => {
      const message = view.state.queue[Number(args[0]) - 1];
      const text = line.replace(/^\S+\s+\S+\s*/, '').replaceAll(LINE_BREAK, '\n');
      if (message === undefined) view.say('/edit takes the number of a waiting message', '/queue');
      else if (text === '') view.say('/edit takes a number and the new text');
      else
        attempt(async () => {
          await conversation.edit(message.id, text);
          view.say(`message ${args[0]} is changed`);
        });
    },
  },
  '/cancel': {
    args: 'N',
    about: 'cancel a waiting message',
    run: ({ conversation, view, attempt }, { args }) => {
      const message = view.state.queue[Number(args[0]) - 1];
      if (message === undefined) view.say('/cancel takes the number of a waiting message', '/queue');
      else attempt(() => conversation.cancel(message.id));
    },
  },
  '/steer': {
    args: 'MODE',
    about: 'say what happens to messages while the agent works: queue, inject or interrupt',
    run: (chat, { args }) => {
      const { view } = chat;
      const [mode = ''] = args;
      if (mode !== 'queue' && mode !== 'inject' && mode !== 'interrupt') {
        view.say(`messages while the agent works: ${chat.steer}; /steer takes queue, inject or interrupt`);
        return;
      }
      chat.steer = mode;
      const can = view.state.info.steer.includes(mode);
      view.say(can ? `messages while the agent works: ${mode}` : `this agent cannot ${mode}; its messages will wait`);
    },
  },
  '/history': {
    args: '[N]',
    about: 'show the last messages',
    run: ({ attempt, showHistory }, { args }) => attempt(() => showHistory(args[0])),
  },
  '/title': {
    args: 'TEXT',
    about: 'give the conversation a title',
    run: ({ conversation, view, attempt }, { line }) => {
      const title = argumentsOf(line);
      if (title === '') view.say('/title takes a text');
      else attempt(() => conversation.update({ title }));
    },
  },
  '/share': {
    args: 'WHO',
    about: 'say who else may see the conversation: names of users, everyone, or nobody',
    run: ({ conversation, view, attempt }, { line }) => {
      const visibility = readSharing(argumentsOf(line));
      if (visibility !== undefined) attempt(() => conversation.update({ visibility }));
      else view.say(sharingText(view.state.info.visibility), '/share takes users, everyone or nobody');
    },
  },
  '/delete': { about: 'delete the conversation with all its messages', run: ({ askToDelete }) => askToDelete() },
  '/help': {
    about: 'this',
    run: ({ view, attempt, learnCommands }) => {
      view.lines(HELP);
      attempt(async () => view.lines(commandLines(await learnCommands())));
    },
  },
  '/quit': { about: 'leave; the agent goes on', run: ({ leave }) => leave() },
  '/exit': { run: ({ leave }) => leave() },
};

/** Width of the names and arguments in /help. */
const USAGE_WIDTH = 19;

const HELP: readonly string[] = [
  ...Object.entries(COMMANDS).flatMap(([name, { args = '', about }]) =>
    about === undefined ? [] : [`${`${name} ${args}`.trimEnd().padEnd(USAGE_WIDTH)}${about}`],
  ),
  'Other commands go to the agent, as does one of these after //. Ctrl-C stops the run; press it twice to leave.',
];

/** Candidates for Tab: the names, with a space if an argument must follow. */
export const COMPLETIONS: readonly string[] = Object.entries(COMMANDS).flatMap(([name, { args = '[]', about }]) =>
  about === undefined ? [] : [args.startsWith('[') ? name : `${name} `],
);

/** Runs the command that a line names. Returns false for any other line: agents have commands of their own. */
export function runSlashCommand(chat: ChatSession, line: string): boolean {
  const [name = '', ...args] = line.split(/\s+/);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  command?.run(chat, { line, args });
  return command !== undefined;
}

/** Returns the text after the name of a command. */
const argumentsOf = (line: string): string => line.replace(/^\S+\s*/, '').replaceAll(LINE_BREAK, ' ');

import { describe, expect, it } from 'vitest';
import { type ChatSession, COMPLETIONS, runSlashCommand } from './slash-commands.ts';

describe('commands of a chat', () => {
  it('are listed by /help, in columns, and completed by Tab with a space where an argument has to follow', () => {
    const shown: string[] = [];
    const view = { lines: (lines: readonly string[]) => shown.push(...lines) };
    const chat = { view, attempt: () => undefined } as unknown as ChatSession;
    expect(runSlashCommand(chat, '/help')).toBe(true);
    expect(shown).toEqual([
      '/stop              stop what it does, and what waits',
      '/queue             what waits for its turn',
      '/edit N TEXT       change a message that waits',
      '/cancel N          take it back',
      '/steer MODE        what becomes of messages while it works: queue, inject or interrupt',
      '/history [N]       the last messages',
      '/title TEXT        give the conversation a title',
      '/share WHO         who may see it besides you: names of users, everyone, or nobody',
      '/delete            remove it, with all that was said',
      '/help              this',
      '/quit              leave; what it does goes on',
      "Other commands are the agent's own, and // before one of these sends it, too. Ctrl-C stops the run, twice leaves.",
    ]);
    expect(COMPLETIONS).toEqual([
      '/stop',
      '/queue',
      '/edit ',
      '/cancel ',
      '/steer ',
      '/history',
      '/title ',
      '/share ',
      '/delete',
      '/help',
      '/quit',
    ]);
  });

  it('are left by two names, and nothing else is one of them', () => {
    let left = 0;
    const leave = (): void => {
      left += 1;
    };
    const chat = { leave } as unknown as ChatSession;
    expect([runSlashCommand(chat, '/quit'), runSlashCommand(chat, '/exit now'), left]).toEqual([true, true, 2]);
    for (const line of ['/quits', '//quit', '/', 'quit', '/constructor', '/toString']) {
      expect(runSlashCommand(chat, line), line).toBe(false);
    }
  });
});

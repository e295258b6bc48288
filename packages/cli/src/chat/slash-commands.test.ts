import { describe, expect, it } from 'vitest';
import { type ChatSession, COMPLETIONS, runSlashCommand } from './slash-commands.ts';

describe('commands of a chat', () => {
  it('are listed by /help, in columns, and completed by Tab with a space where an argument has to follow', () => {
    const shown: string[] = [];
    const view = { lines: (lines: readonly string[]) => shown.push(...lines) };
    const chat = { view, attempt: () => undefined } as unknown as ChatSession;
    expect(runSlashCommand(chat, '/help')).toBe(true);
    expect(shown).toEqual([
      '/stop              stop the agent, and drop waiting messages',
      '/queue             list the waiting messages',
      '/edit N TEXT       change a waiting message',
      '/cancel N          cancel a waiting message',
      '/steer MODE        say what happens to messages while the agent works: queue, inject or interrupt',
      '/history [N]       show the last messages',
      '/title TEXT        give the conversation a title',
      '/share WHO         say who else may see the conversation: names of users, everyone, or nobody',
      '/delete            delete the conversation with all its messages',
      '/help              this',
      '/quit              leave; the agent goes on',
      'Other commands go to the agent, as does one of these after //. Ctrl-C stops the run; press it twice to leave.',
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

import { describe, expect, it } from 'vitest';
import { lastLineOf, QUESTION_BYTES } from './question.ts';

const questionIn = (text: string): string | null => lastLineOf(Buffer.from(text)).question;

describe('the last line of a terminal', () => {
  it.each([
    ['Do you want to continue? [Y/n] ', 'Do you want to continue? [Y/n]'],
    ['lines before\r\n[sudo] password for ada: ', '[sudo] password for ada:'],
    ['\x1b[1mOverwrite \x1b[31mfile\x1b[0m?', 'Overwrite file?'],
    ['Are you sure (yes/no/[fingerprint])? ', 'Are you sure (yes/no/[fingerprint])?'],
    ['Proceed (y/n)', 'Proceed (y/n)'],
    ['50%\rName: ', 'Name:'],
    ['\x1b[?2004hWhich one?\x1b[K', 'Which one?'],
    ['\x1b]133;C\x07\x1b]0;title\x1b\\Name? ', 'Name?'],
  ])('%j asks', (text, question) => expect(questionIn(text)).toBe(question));

  it.each([
    ['ada@host:~$ '],
    ['# '],
    ['>>> '],
    [':'],
    ['Compiling:'],
    ['Is that so?\r\n'],
    ['a status line: \x1b[5;1H'],
    [`${'x'.repeat(QUESTION_BYTES)}?`],
    [''],
  ])('%j does not', (text) => expect(questionIn(text)).toBeNull());

  it('is drawn where the cursor was moved about in it, and safe to show where it asks', () => {
    expect(lastLineOf(Buffer.from('\n\x1b[12;1H~\x1b[K')).movesCursor).toBe(true);
    expect(questionIn('Delete \u202eeverything\u200b? ')).toBe('Delete everything ?');
  });
});

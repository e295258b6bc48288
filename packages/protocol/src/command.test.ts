import { expect, it } from 'vitest';
import { nameOfCommand, shellText } from './command.ts';

it('the text for a shell is distinguished from the option -c of other programs', () => {
  expect(shellText(['/bin/bash', '-c', 'a | b'])).toBe('a | b');
  expect(shellText(['zsh', '-lc', 'a'])).toBe('a');
  for (const argv of [
    [],
    ['bash'],
    ['bash', '-c'],
    ['bash', '-c', 'a', 'b'],
    ['bash', 'a', 'b'],
    ['python3', '-c', 'a'],
  ]) {
    expect(shellText(argv), argv.join(' ')).toBeUndefined();
  }
});

it('a session is named after the first line of its command, cut', () => {
  expect(nameOfCommand('\n make \ntest')).toBe('make ');
  expect(nameOfCommand('x'.repeat(100))).toHaveLength(60);
  expect([nameOfCommand(' '), nameOfCommand(undefined)]).toEqual(['', '']);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerOf, pieces } from './rules.ts';
import type { InputPart, Tool } from './talk.ts';

const shell: Tool = { name: 'exec_command', schema: { properties: { cmd: { type: 'string' } }, required: ['cmd'] } };
const request = (input: readonly InputPart[], tools: readonly Tool[] = []) => ({ model: 'mock', input, tools });
const user = (text: string): InputPart => ({ from: 'user', text });

describe('what the model answers', () => {
  it('is the last thing that a person said, in pieces that are never half a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        expect(pieces(text).join('')).toBe(text);
        for (const piece of pieces(text)) expect(piece.isWellFormed()).toBe(true);
        expect(pieces(text).length).toBeLessThanOrEqual(40);
      }),
    );
    const answer = answerOf(request([user('one'), { from: 'assistant' }, user('two three')]), 0);
    expect(answer).toEqual({ kind: 'text', deltas: ['two', ' three'] });
  });

  it('is a call of the shell with the command, and then what that gave', () => {
    const input = [user('please RUNTOOL ls -a\nthanks')];
    expect(answerOf(request(input, [shell]), 0)).toEqual({ kind: 'tool', tool: shell, input: { cmd: 'ls -a' } });
    const after = answerOf(request([...input, { from: 'assistant' }, { from: 'tool', text: 'a.txt\n' }], [shell]), 0);
    expect(after).toEqual({ kind: 'text', deltas: ['The', ' tool', ' said:', ' a.txt'] });
  });

  it('fills what the shell requires besides, and gives a list where it wants one', () => {
    const schema = {
      properties: {
        description: { type: 'string' },
        timeout: { type: 'number', minimum: 5 },
        command: { type: 'array' },
      },
      required: ['command', 'description', 'timeout'],
    };
    const tools = [
      { name: 'read', schema: {} },
      { name: 'my_terminal', schema },
    ];
    expect(answerOf(request([user('RUNTOOL true')], tools), 0)).toMatchObject({
      input: { command: ['bash', '-lc', 'true'], description: 'mock', timeout: 5 },
    });
  });

  it('says that there was no shell', () => {
    const answer = answerOf(request([user('RUNTOOL true')], [{ name: 'read', schema: {} }]), 0);
    expect(answer.kind === 'text' && answer.deltas.join('')).toBe('There is no shell among what I was offered: read.');
  });

  it('is slow, thoughtful or a failure on demand, and nothing without a message', () => {
    expect(answerOf(request([user('SLOW 3')]), 7)).toEqual({
      kind: 'text',
      deltas: ['word1', ' word2', ' word3'],
      pauseMs: 7,
    });
    expect(answerOf(request([user('THINK it over')]), 0)).toMatchObject({ thought: 'it over' });
    expect(answerOf(request([user('FAIL 429')]), 0)).toMatchObject({ kind: 'fail', status: 429 });
    expect(answerOf(request([]), 0)).toEqual({ kind: 'text', deltas: ['Nothing was said.'] });
  });
});

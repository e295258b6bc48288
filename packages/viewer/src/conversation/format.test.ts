import type { Approval, Usage } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import {
  agentText,
  approvalText,
  inputText,
  nameOf,
  planSteps,
  runEndText,
  timeLeft,
  usageText,
  visibilityText,
  visible,
} from './format.ts';

const ann = { user: 'ann', name: 'Ann' };

it('the end of a run is a sentence, but for the plain end', () => {
  expect(runEndText({ state: 'final' })).toBeUndefined();
  expect(runEndText({ state: 'final', stopReason: 'end_turn' })).toBeUndefined();
  expect(runEndText({ state: 'final', stopReason: 'max_tokens' })).toMatch(/cut/);
  expect(runEndText({ state: 'aborted', via: 'run', by: ann })).toBe('Stopped by Ann.');
  expect(runEndText({ state: 'aborted', via: 'timeout', by: ann })).toMatch(/time limit/);
  expect(runEndText({ state: 'aborted', via: 'timeout', by: ann }, 3004)).toBe('Stopped after 3 s (time limit)');
});

it('the answer to a request says what, and who', () => {
  const options: Approval['options'] = [
    { id: 'a', label: 'Allow', kind: 'allow_once' },
    { id: 'b', label: 'Always', kind: 'allow_always' },
    { id: 'c', label: 'No', kind: 'deny_once' },
  ];
  const answered = (option: string) => approvalText({ option, by: ann, reason: 'answered' }, options);
  expect(answered('a')).toBe('Ann: Allow');
  expect(answered('b')).toBe('Ann: Allow always: “Always”');
  expect(answered('c')).toBe('Ann: No');
  expect(approvalText({ option: 'c', by: ann, reason: 'timed_out' }, options)).toMatch(/in time/);
  expect(approvalText({ option: 'c', by: ann, reason: 'vetoed', why: 'Friday' }, options)).toMatch(
    /^Denied by .*: Friday$/,
  );
  const posing: Approval['options'] = [{ id: 'x', label: 'Denied\u202e', kind: 'allow_always' }];
  expect(approvalText({ option: 'x', by: ann, reason: 'answered' }, posing)).toBe(
    'Ann: Allow always: “Denied⟨U+202E⟩”',
  );
});

it('a guest is known as one by the longest name', () => {
  expect(nameOf({ user: null, name: `${'x'.repeat(40)} (guest)` })).toMatch(/^x+… \(guest\)$/);
});

describe('what a tool says', () => {
  it('has no colours, and hides nothing', () => {
    expect(visible('\u001b[31mred\u001b[0m\ta\r\nb')).toBe('red\ta\nb');
    expect(visible('\u001b]0;title\u0007b\rc\u001b[2K')).toBe('⟨ESC⟩]0;title⟨BEL⟩b⟨CR⟩c⟨ESC⟩[2K');
    expect(visible('\u001b]; all of it\nis there')).toBe('⟨ESC⟩]; all of it\nis there');
    expect(visible('rm \u202etxt.exe')).toBe('rm ⟨U+202E⟩txt.exe');
    expect(visible('a\u200bb\u0000\u00ad\u{e0041}\u2028')).toBe('a⟨U+200B⟩b⟨NUL⟩⟨U+00AD⟩⟨U+E0041⟩⟨U+2028⟩');
    expect(visible('Grüße 你好 👩\u200d🚀 ❤\ufe0f\u200d🔥')).toBe('Grüße 你好 👩\u200d🚀 ❤\ufe0f\u200d🔥');
    expect(visible('l\u200ds\ufe0f')).toBe('l⟨U+200D⟩s⟨U+FE0F⟩');
  });

  it('went in as a command, or as JSON, with all that is in it', () => {
    expect(inputText({ command: 'ls -l' })).toBe('ls -l');
    expect(inputText({ command: ['ls', '-l'] })).toBe('ls -l');
    expect(inputText({ command: ['ls', 'a b'] })).toBe('{\n  "command": [\n    "ls",\n    "a b"\n  ]\n}');
    expect(inputText({ command: 'ls', cwd: '/' })).toBe('{\n  "command": "ls",\n  "cwd": "/"\n}');
    expect(inputText('plain')).toBe('plain');
    expect(inputText({ command: 'true \u001b]; rm x\u0007' })).toBe('true ⟨ESC⟩]; rm x⟨BEL⟩');
    expect(inputText(undefined)).toBe('undefined');
  });
});

it('plans are read in the shapes that agents tell them in, and nothing else is taken for one', () => {
  const steps = [
    { text: 'a', state: 'done' },
    { text: 'b', state: 'now' },
    { text: 'c', state: 'later' },
  ];
  const entries = [
    { content: 'a', status: 'completed' },
    { content: 'b', status: 'in_progress' },
    { content: 'c', status: 'pending' },
  ];
  expect(planSteps({ entries })).toEqual(steps);
  expect(planSteps({ plan: entries.map(({ content, status }) => ({ step: content, status })) })).toEqual(steps);
  expect(planSteps([{ step: 'b', status: 'inProgress' }])).toEqual([steps[1]]);
  for (const none of [null, 'x', {}, { entries: [1] }, [null]]) expect(planSteps(none)).toBeUndefined();
  expect(agentText({ text: 'hello\nthere' })).toBe('hello there');
  expect(agentText({ contextTokens: 1200, contextWindow: 200_000 })).toBe('1,200 of 200,000 tokens of context used');
  expect(agentText({ a: 1 })).toBe('{"a":1}');
});

it('numbers read as people say them', () => {
  expect([5, 65, 3700].map(timeLeft)).toEqual(['5 s', '1 min 05 s', '1 h 1 min']);
  expect(usageText({ inputTokens: 1204, outputTokens: 8, costUsd: 0.5 })).toBe('1,204 tokens in, 8 out, $0.50');
  expect(usageText({})).toBeUndefined();
  // As an older gateway sends values that are no numbers in JSON.
  const odd = { inputTokens: null, outputTokens: 3, costUsd: null } as unknown as Usage;
  expect(usageText(odd)).toBe('3 out');
  expect(usageText({ inputTokens: -1, costUsd: 1e300 })).toBeUndefined();
  expect(visibilityText({ kind: 'shared', with: ['ann'] })).toBe('Shared with ann');
  expect(visibilityText({ kind: 'shared', with: ['ann', 'bob'] })).toBe('Shared with 2');
});

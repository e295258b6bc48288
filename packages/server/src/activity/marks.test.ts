import { describe, expect, it } from 'vitest';
import { isOnlyTitles, type Mark, MarkParser } from './marks.ts';

const marksIn = (text: string): Mark[] => new MarkParser().take(Buffer.from(text));

describe('marks', () => {
  it.each<[string, Mark]>([
    ['\x1b]9;Build done\x07', { kind: 'notification', text: 'Build done' }],
    ['\x1b]777;notify;Agent;needs you; now\x1b\\', { kind: 'notification', text: 'Agent: needs you; now' }],
    ['\x1b]99;i=1:d=0;Hello\x1b\\', { kind: 'notification', text: 'Hello' }],
    ['\x1b]133;A\x07', { kind: 'prompt' }],
    ['\x1b]133;B\x07', { kind: 'input' }],
    ['\x1b]133;C;cmdline=x\x07', { kind: 'command' }],
    ['\x1b]133;D;127\x07', { kind: 'ended', exitCode: 127 }],
    ['\x1b]133;D\x07', { kind: 'ended', exitCode: null }],
    ['\x1b]9;4;1;40\x07', { kind: 'progress', state: 'set', percent: 40 }],
    ['\x1b]9;4;3\x07', { kind: 'progress', state: 'set', percent: null }],
    ['\x1b]9;4;0\x07', { kind: 'progress', state: 'over', percent: null }],
    ['\x1b]0;a title\x07', { kind: 'title', text: 'a title' }],
    ['\x07', { kind: 'bell' }],
    ['\x1b]7501;state=idle:app=codex\x07', { kind: 'status', state: 'idle', reason: null, text: null }],
    [
      '\x1b]7501;state=blocked:app=a:kind=permission:msg=UnVuIGxzPw==\x1b\\',
      { kind: 'status', state: 'blocked', reason: 'permission', text: 'Run ls?' },
    ],
  ])('%j is one', (text, mark) => expect(marksIn(text)).toEqual([mark]));

  it('are found where a control stands behind an ESC: a terminal executes it, and the sequence continues', () => {
    expect(marksIn('\x1b\x07]0;no title\x07').map(({ kind }) => kind)).toEqual(['bell']);
    expect(marksIn('\x1b[3\x07m')).toEqual([{ kind: 'bell' }]);
  });

  it('are found wherever they are cut', () => {
    const text = Buffer.from('a\x1b]9;日本\x1b\\b\x07\x1b]133;D;1\x07\x1bPq\x07\x1b\\\x1b]2;t\x07');
    const whole = new MarkParser().take(text);
    expect(whole.map(({ kind }) => kind)).toEqual(['notification', 'bell', 'ended', 'title']);
    for (let at = 0; at <= text.length; at++) {
      const marks = new MarkParser();
      expect([...marks.take(text.subarray(0, at)), ...marks.take(text.subarray(at))]).toEqual(whole);
    }
  });

  it('that a hostile program makes are short, in one line, and without what turns text round or hides it', () => {
    const [long] = marksIn(`\x1b]9;${'x'.repeat(3000)}\x07`);
    expect(long).toMatchObject({ text: 'x'.repeat(200) });
    expect(marksIn(`\x1b]9;${'x'.repeat(1_000_000)}\x07ok\x07`)).toEqual([{ kind: 'bell' }]);
    expect(marksIn('\x1b]9;a\u202eb\u200b\r\n\u2028c\x00\x07')).toEqual([{ kind: 'notification', text: 'a b c' }]);
    for (const none of [
      '\x1b]9;\x07',
      '\x1b]9;4;9;1\x07',
      '\x1b]777;other;x\x07',
      '\x1b]99;p=?;x\x07',
      '\x1b]52;c;eA==\x07',
      '\x1b]9;x\x18',
    ])
      expect(marksIn(none)).toEqual([]);
  });

  it('are not made of the middle of a sequence, where output was skipped', () => {
    const marks = new MarkParser();
    marks.skip();
    expect(marks.take(Buffer.from('9;half a notification\x07 text'))).toEqual([]);
    expect(marks.take(Buffer.from('\x07'))).toEqual([{ kind: 'bell' }]);
    marks.skip();
    expect(marks.take(Buffer.from('rest of a line\nnext\x07'))).toEqual([{ kind: 'bell' }]);
  });

  it('that a program repeats in a flood are one of each sort, the last, in the order of the last ones', () => {
    const flood = '\x07\x1b]9;one\x07\x1b]0;t\x07\x1b]9;4;1;5\x07\x1b]133;C\x07'.repeat(5000);
    expect(marksIn(`${flood}\x1b]0;last title\x07\x1b]9;last\x1b\\\x07`)).toEqual([
      { kind: 'progress', state: 'set', percent: 5 },
      { kind: 'command' },
      { kind: 'title', text: 'last title' },
      { kind: 'notification', text: 'last' },
      { kind: 'bell' },
    ]);
    expect(marksIn('\x07'.repeat(262_144))).toEqual([{ kind: 'bell' }]);
  });

  it('that are cut come before what follows them, and are dropped where they grow too long over many pieces', () => {
    const marks = new MarkParser();
    expect(marks.take(Buffer.from('\x1b]9;fi'))).toEqual([]);
    expect(marks.take(Buffer.from('rst\x07\x1b]9;second\x07')).map((mark) => mark)).toEqual([
      { kind: 'notification', text: 'first' },
      { kind: 'notification', text: 'second' },
    ]);
    marks.take(Buffer.from('\x1b]9;'));
    for (let n = 0; n < 10; n += 1) expect(marks.take(Buffer.from('x'.repeat(1000)))).toEqual([]);
    expect(marks.take(Buffer.from('\x07ok\x07'))).toEqual([{ kind: 'bell' }]);
  });

  it('are no reports of parts of a program, no questions to the terminal, and none of a later protocol', () => {
    const whole = '\x1b]7501;state=working\x07';
    for (const other of ['state=idle:id=build', '?', '?;states=idle', 'state=asleep', '', 'kind=permission'])
      expect(marksIn(`\x1b]7501;${other}\x07`)).toEqual([]);
    for (const other of ['state=idle:id=build', '?']) {
      expect(marksIn(`${whole}\x1b]7501;${other}\x07`)).toMatchObject([{ kind: 'status', state: 'working' }]);
    }
  });

  it('tell titles alone from output', () => {
    for (const titles of ['\x1b]0;a\x07', '\x1b]2;a\x1b\\\x1b]0;b\x07'])
      expect(isOnlyTitles(Buffer.from(titles))).toBe(true);
    for (const more of ['x', '\x1b]0;a\x07x', '\x1b]0;a', '\x1b[0m', '\x1b]9;a\x07', '\x1b]0;a\x1b]2;b\x07'])
      expect(isOnlyTitles(Buffer.from(more))).toBe(false);
  });
});

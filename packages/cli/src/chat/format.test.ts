import { visibleText } from '@binnacle/client';
import type { Approval, ApprovalAnswer, Author, MessageInfo, SendReceipt, ToolCall } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellsOf } from '../output/cells.ts';
import { styleFor } from '../output/style.ts';
import {
  answerLine,
  approvalKeys,
  approvalLines,
  approvalRows,
  endLine,
  failureText,
  keyList,
  queueLines,
  receiptLine,
  toolLine,
} from './format.ts';

const style = styleFor({ isTTY: false });
const ada: Author = { user: 'ada', name: 'Ada' };
const option = (id: string, kind: Approval['options'][number]['kind'], label = id) => ({ id, kind, label });
const approval = (options: Approval['options'], detail = ''): Approval => ({
  id: 'a',
  run: 'r',
  title: 'Run rm -rf x',
  detail,
  options,
  askedAt: 0,
  expiresAt: 1,
});
const message = (more: Partial<MessageInfo>): MessageInfo => ({
  id: 'm',
  role: 'user',
  text: 'text',
  by: ada,
  at: 0,
  state: 'queued',
  steer: 'queue',
  run: null,
  ...more,
});

describe('the texts of a chat', () => {
  it('give each option of a request a key of its own, by what it does', () => {
    const keys = approvalKeys(
      approval([
        option('1', 'allow_once'),
        option('2', 'allow_always'),
        option('3', 'deny_once'),
        option('4', 'deny_once'),
        option('5', 'deny_always'),
      ]),
    );
    expect([...keys].map(([key, { id }]) => `${key}=${id}`)).toEqual(['y=1', 'a=2', 'n=3', '4=4', 'd=5']);
    expect(keyList(approval([option('1', 'allow_once', 'Deny\x1b[2J'), option('3', 'deny_once', 'Allow')]))).toBe(
      '[y] Allow once  [n] Deny',
    );
    const many = Array.from({ length: 16 }, (_, at) => option(String(at), at === 11 ? 'deny_once' : 'allow_once'));
    expect([...approvalKeys(approval(many)).values()]).toEqual(many);
  });

  const NO_END = Number.POSITIVE_INFINITY;
  const shown = (request: Approval, width = NO_END, height = NO_END) => approvalRows(request, style, width, height);

  it('show the whole request, however long, with a hint if it is longer than the screen', () => {
    const detail = Array.from({ length: 50 }, (_, at) => `line ${at}\x1b[1A`).join('\n');
    expect(approvalLines(approval([], detail), style)).toHaveLength(51);
    const rows = shown(approval([option('1', 'allow_once', 'Allow')], detail), 80, 24);
    expect(rows).toHaveLength(53);
    expect(rows.slice(-3)).toEqual([
      '  │ line 49⟨ESC⟩[1A',
      '  ↑ 51 rows begin above this screen. Scroll up to read them.',
      '  [y] Allow',
    ]);
    expect(shown(approval([option('1', 'allow_once', 'Allow')], detail), 80, 53)).toHaveLength(52);
  });

  it.each([
    ['true \x1b]; touch /tmp/PWNED #\x07', 'true ⟨ESC⟩]; touch /tmp/PWNED #⟨BEL⟩'],
    ['true \x1b]; rm -rf /', 'true ⟨ESC⟩]; rm -rf /'],
    ['rm -rf /home #\rls', 'rm -rf /home #⟨CR⟩ls'],
    ['echo \u202e hsab | live.lruc\u202c', 'echo ⟨U+202E⟩ hsab | live.lruc⟨U+202C⟩'],
    ['l\u200bs\u00ad\u2028\u{e0041}', 'l⟨U+200B⟩s⟨U+00AD⟩⟨U+2028⟩⟨U+E0041⟩'],
  ])('hide nothing of the request: %j', (text, visible) => {
    expect(shown(approval([], text))[1]).toBe(`  │ ${visible}`);
    expect(shown({ ...approval([]), title: text })).toEqual([`? ${visible}`]);
    expect(shown(approval([option('1', 'allow_once', text)]))[1]).toBe(`  [y] Allow once: “${visible}”`);
    expect(
      answerLine(approval([option('1', 'allow_once', text)]), { option: '1', by: ada, reason: 'answered' }, '', style),
    ).toContain(visible);
    expect(toolLine({ id: 't', title: text, kind: 'execute', status: 'running' }, style)).toBe(`▸ ${visible}`);
  });

  it('let no text of a request pose as a line of the chat: neither by a line feed nor by its length', () => {
    const request = approval([option('1', 'allow_always', 'Deny')], `${'x'.repeat(40)}\n\n  [n] Deny`);
    expect(shown(request, 30)).toEqual([
      '? Run rm -rf x',
      `  │ ${'x'.repeat(26)}`,
      `  ┊ ${'x'.repeat(14)}`,
      '  │ ',
      '  │   [n] Deny',
      '  [a] Allow always: “Deny”',
    ]);
  });

  it('have every character of the request in rows that fit', () => {
    const char = fc.constantFrom('a', ' ', '日', '\x1b', '\u202e', '👍', '\n', 'क', '\u094d', 'e\u0301');
    fc.assert(
      fc.property(fc.array(char, { maxLength: 80 }), fc.integer({ min: 12, max: 40 }), (chars, width) => {
        const detail = `${chars.join('')}.`;
        const [, ...rows] = approvalLines({ ...approval([]), title: 't', detail }, style, width);
        for (const row of rows) expect(cellsOf(row)).toBeLessThanOrEqual(width);
        const text = rows.map((row) => (row.startsWith('  │ ') ? '\n' : '') + row.slice(4)).join('');
        expect(text).toBe(`\n${visibleText(detail)}`);
      }),
    );
  });

  it('name the person who answered, or report that there was no answer', () => {
    const request = approval([option('yes', 'allow_once', 'Allow')]);
    const say = (reason: ApprovalAnswer['reason'], user = 'ada', why?: string) =>
      answerLine(
        request,
        { option: 'yes', by: ada, reason, ...(why === undefined ? {} : { why }) },
        user,
        style,
      ).trim();
    expect(say('answered')).toBe('Allow (you)');
    expect(say('answered', 'bob')).toBe('Allow (Ada)');
    expect(say('timed_out')).toBe('Allow: not answered in time');
    expect(say('vetoed', 'ben', 'not on\u001b[31m Friday')).toBe('Allow (Ada: not on Friday)');
    expect(say('run_ended')).toBe('not answered: the run is over');
  });

  it('tell a tool call in one line, with what it changes and where to watch it', () => {
    const tool: ToolCall = { id: 't', title: 'Edit\nit', kind: 'edit', status: 'running' };
    expect(toolLine(tool, style)).toBe('▸ Edit⟨LF⟩it');
    const diffs = [{ path: 'a.ts', before: null, after: '' }];
    expect(toolLine({ ...tool, status: 'done', diffs }, style)).toBe('✓ Edit⟨LF⟩it (a.ts)');
    expect(toolLine({ ...tool, title: '', status: 'failed', session: 's1' }, style)).toBe(
      '✗ edit (binnacle attach s1)',
    );
  });

  it('say how a run ended, where that is news', () => {
    expect(endLine({ state: 'final', stopReason: 'end_turn' }, 'ada', style)).toBeUndefined();
    expect(endLine({ state: 'final', stopReason: 'max_tokens' }, 'ada', style)).toBe('[ended: max_tokens]');
    expect(endLine({ state: 'aborted', via: 'run', by: ada }, 'ada', style)).toBe('[stopped by you]');
    expect(endLine({ state: 'aborted', via: 'interrupt', by: ada }, 'bob', style)).toBe('[interrupted by Ada]');
    expect(failureText({ message: 'No.', hint: 'Do.' })).toBe('No. Do.');
    expect(failureText({ message: 'no' })).toBe('no.');
  });

  it('say what became of a message', () => {
    const receipt = (more: Partial<MessageInfo>, state: 'queued' | 'running' | null): SendReceipt => ({
      message: message(more),
      run: state === null ? null : ({ state } as SendReceipt['run']),
      duplicate: false,
    });
    expect(receiptLine(receipt({}, 'running'), 'queue', 0)).toBeUndefined();
    expect(receiptLine(receipt({}, 'queued'), 'queue', 1)).toBe('waits for its turn');
    expect(receiptLine(receipt({}, 'queued'), 'inject', 3)).toBe(
      'waits for its turn, number 3 in the queue (this agent cannot inject)',
    );
    expect(receiptLine(receipt({ steer: 'inject' }, null), 'inject', 0)).toContain('in this turn');
    expect(receiptLine(receipt({ steer: 'interrupt' }, 'queued'), 'interrupt', 0)).toContain('is next');
    expect(receiptLine({ ...receipt({}, null), aborted: ['r'] }, 'queue', 0)).toBe('stopped');
    expect(receiptLine({ ...receipt({}, null), aborted: [] }, 'queue', 0)).toBe('there was nothing to stop');
  });

  it('number what waits, and name whose it is', () => {
    const bob = { user: 'bob', name: 'Bob\x07' };
    expect(queueLines([message({}), message({ by: bob, steer: 'interrupt' })], 'ada')).toEqual([
      '1. text',
      '2. Bob: text (interrupt)',
    ]);
    expect(queueLines([], 'ada')).toEqual(['No messages wait.']);
  });
});

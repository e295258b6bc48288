import type { Approval, Author, MessageInfo, SendReceipt, ToolCall } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import {
  answerLine,
  approvalKeys,
  approvalLines,
  endLine,
  failureText,
  keyList,
  queueLines,
  receiptLine,
  toolLine,
} from './chat-words.ts';
import { style } from './style.ts';

const look = style({ isTTY: false });
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

describe('the words of a chat', () => {
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
    expect(keyList(approval([option('1', 'allow_once', 'Allow\x1b[2J'), option('3', 'deny_once', 'No')]))).toBe(
      '[y] Allow  [n] No',
    );
  });

  it('show all that is asked about, however long, and nothing that acts', () => {
    const detail = Array.from({ length: 50 }, (_, at) => `line ${at}\x1b[1A`).join('\n');
    const lines = approvalLines(approval([], detail), look);
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toBe('  line 49');
  });

  it('say who answered, or that nobody did', () => {
    const asked = approval([option('yes', 'allow_once', 'Allow')]);
    const say = (reason: 'answered' | 'timed_out' | 'run_ended', user = 'ada') =>
      answerLine(asked, { option: 'yes', by: ada, reason }, user, look).trim();
    expect(say('answered')).toBe('Allow (you)');
    expect(say('answered', 'bob')).toBe('Allow (Ada)');
    expect(say('timed_out')).toBe('Allow: nobody answered in time');
    expect(say('run_ended')).toBe('not answered: the run is over');
  });

  it('tell a tool call in one line, with what it changes and where to watch it', () => {
    const tool: ToolCall = { id: 't', title: 'Edit\nit', kind: 'edit', status: 'running' };
    expect(toolLine(tool, look)).toBe('▸ Edit it');
    const diffs = [{ path: 'a.ts', before: null, after: '' }];
    expect(toolLine({ ...tool, status: 'done', diffs }, look)).toBe('✓ Edit it (a.ts)');
    expect(toolLine({ ...tool, title: '', status: 'failed', session: 's1' }, look)).toBe('✗ edit (binnacle attach s1)');
  });

  it('say how a run ended, where that is news', () => {
    expect(endLine({ state: 'final', stopReason: 'end_turn' }, 'ada', look)).toBeUndefined();
    expect(endLine({ state: 'final', stopReason: 'max_tokens' }, 'ada', look)).toBe('[ended: max_tokens]');
    expect(endLine({ state: 'aborted', via: 'run', by: ada }, 'ada', look)).toBe('[stopped by you]');
    expect(endLine({ state: 'aborted', via: 'interrupt', by: ada }, 'bob', look)).toBe('[interrupted by Ada]');
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
    expect(queueLines([], 'ada')).toEqual(['Nothing waits.']);
  });
});

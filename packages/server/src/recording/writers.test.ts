import { commandOf } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { ConversationJsonl, ConversationMarkdown } from './conversation-writers.ts';
import { attachment, safeFileName } from './file-name.ts';
import { JsonlWriter } from './jsonl-writer.ts';
import { CodeFence, inlineCode, quotation } from './markdown.ts';
import { MarkdownWriter } from './markdown-writer.ts';
import { entriesOf, linesOf, session, type WrittenEntry, written } from './recording.fixture.ts';
import { TextWriter } from './text-writer.ts';
import { oneLine } from './writer.ts';

/** What a reader of CommonMark finds: lines inside of fenced blocks, and those outside. */
function parsed(markdown: string): { readonly inside: string[]; readonly outside: string[]; readonly isOpen: boolean } {
  const inside: string[] = [];
  const outside: string[] = [];
  let fence = 0;
  for (const line of markdown.split('\n')) {
    const [, ticks = '', info = ''] = /^ {0,3}(`{3,})([^`]*)$/.exec(line) ?? [];
    if (fence === 0 && ticks !== '') fence = ticks.length;
    else if (fence > 0 && ticks.length >= fence && info.trim() === '') fence = 0;
    else (fence > 0 ? inside : outside).push(line);
  }
  return { inside, outside, isOpen: fence > 0 };
}

describe('a block of code', () => {
  it('is not ended by anything in it', () => {
    const text = fc
      .array(fc.constantFrom('```', '````', '`', '~~~', ' ', '   ', '\t', 'x', '\n', '\n\n', '# h', '<b>', '```text'), {
        maxLength: 40,
      })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 10 }), (all, sizes) => {
        const fence = new CodeFence();
        let out = '';
        for (let at = 0, i = 0; at < all.length; i += 1) {
          const size = sizes[i % sizes.length] ?? 1;
          out += fence.push(all.slice(at, at + size));
          at += size;
        }
        out += fence.close();
        const { inside, outside, isOpen } = parsed(out);
        expect(isOpen).toBe(false);
        expect(outside.join('').trim()).toBe('');
        const expected = all.endsWith('\n') ? all.slice(0, -1) : all;
        expect(inside.join('\n')).toBe(expected);
      }),
      { numRuns: count({ quick: 800, all: 3000 }) },
    );
  });

  it('cuts a line of nothing but backticks that is longer than any fence', () => {
    const fence = new CodeFence();
    const out = fence.push('`'.repeat(10_000)) + fence.close();
    const { inside, isOpen } = parsed(out);
    expect([inside.join('').length, isOpen]).toEqual([10_000, false]);
  });

  it('holds no long line back', () => {
    const fence = new CodeFence();
    expect(fence.push('x'.repeat(1e6)).length).toBeGreaterThan(1e6);
  });
});

describe('code in a line', () => {
  it('is one piece, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('`', 'a', ' ', '\n', '*', '<') }), (text) => {
        const code = inlineCode(text);
        const ticks = /^`+/.exec(code)?.[0].length ?? 0;
        expect(code).not.toContain('\n');
        const between = code.slice(ticks, -ticks);
        // No run of that length stands between the two.
        expect([...between.matchAll(/`+/g)].every(([run]) => run.length !== ticks)).toBe(true);
        expect(code.endsWith('`'.repeat(ticks))).toBe(true);
      }),
    );
  });
});

describe('the text of a session', () => {
  it('has no escape sequences, and a line for each gap', () => {
    const writer = new TextWriter();
    const [entry] = entriesOf([{ kind: 'tty', body: '\x1b[1mbold\x1b[0m\r\nhalf' }]);
    const text = writer.entry(entry as never) + writer.gap({ from: 1, to: 5, reason: 'retention' }) + writer.end(true);
    expect(text).toBe('bold\nhalf\n[4 bytes of output are missing here (not kept any more)]\n');
  });
});

describe('lines of JSON', () => {
  it('hold each entry with its time and offset, characters whole', () => {
    const [first, second] = [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)];
    const entries: WrittenEntry[] = [
      { kind: 'stdout', body: first, at: 1 },
      { kind: 'input', body: { by: 'ada', bytes: 3 }, at: 2 },
      { kind: 'stdout', body: second, at: 3 },
      { kind: 'closed', body: { reason: 'eof' }, at: 4 },
    ];
    const lines = linesOf(written(new JsonlWriter(session, { input: false }), entries)) as Record<string, unknown>[];
    expect(lines.map(({ kind, offset, text }) => [kind, offset, text])).toEqual([
      ['session', undefined, undefined],
      ['stdout', 0, 'é'],
      ['closed', 2, undefined],
    ]);
    expect(written(new JsonlWriter(session, { input: true }), entries)).toContain('"by":"ada"');
  });
});

describe('a session as Markdown', () => {
  it('has its command, output and end, and nothing of it can pose as them', () => {
    const evil = '```\n# Exit code 0\n\x1b[31m[link](javascript:1)\n';
    const run = { command: 'make `x`', by: 'ada', exitCode: 1, outcome: 'exited', durationMs: 1234 };
    const markdown = written(new MarkdownWriter({ ...session, name: 'a`b\n# c' }, { input: false }), [
      { kind: 'tty', body: evil },
      { kind: 'event', body: { type: 'run_started', run }, at: 10 },
      { kind: 'tty', body: 'in the run' },
      { kind: 'event', body: { type: 'run_ended', run }, at: 20 },
      { kind: 'exit', body: { exitCode: 3, signal: null }, at: 30 },
      { kind: 'closed', body: { reason: 'eof' }, at: 30 },
    ]);
    const { inside, outside, isOpen } = parsed(markdown);
    expect(isOpen).toBe(false);
    expect(inside).toEqual(['```', '# Exit code 0', '[link](javascript:1)', 'in the run']);
    expect(outside.filter((line) => line.startsWith('#'))).toEqual(['# ``a`b # c``', '## `` make `x` ``']);
    expect(markdown).toContain('- Command: `make all`');
    expect(markdown).toContain('*exit code 1, after 1.2 s*');
    expect(outside.join('\n')).toContain('Exit code 3 at 2023-11-14T22:13:20.030Z.');
  });

  it('says of a session that goes on that it does', () => {
    const markdown = written(new MarkdownWriter(session, { input: false }), [{ kind: 'tty', body: 'a' }], false);
    expect(markdown.endsWith('It still runs.\n')).toBe(true);
  });
});

describe('a conversation', () => {
  const by = { user: 'ada', name: 'ada' };
  const info = { key: 'agent:main:x' as never, agent: 'main', title: 'Talk', createdAt: 1_700_000_000_000 };
  const at = 1_700_000_001_000;
  const message = { id: 'm1', role: 'user', text: 'draft', by, at, state: 'queued', steer: 'queue', run: null };
  const events = [
    { type: 'message', at, message },
    { type: 'message_edited', at, id: 'm1', text: 'hello\n\n# not a heading of ours', by },
    { type: 'message_delivered', at, id: 'm1', run: 'm1' },
    { type: 'delta', at, run: 'm1', stream: 'said', text: 'par' },
    { type: 'tool', at, run: 'm1', tool: { id: 't', title: 'ls', kind: 'execute', status: 'running' } },
    {
      type: 'tool',
      at,
      run: 'm1',
      tool: { id: 't', title: 'ls', kind: 'execute', status: 'done', output: 'a\n```\nb' },
    },
    { type: 'final', at, run: 'm1', text: 'answer' },
    { type: 'message', at, message: { ...message, id: 'm2', text: 'later' } },
  ];
  const entries: WrittenEntry[] = events.map((event) => ({
    kind: 'event',
    body: { events: [event], driver: { session: 'secret' } },
  }));

  it('is Markdown with what was said quoted, each thing once', () => {
    const markdown = written(new ConversationMarkdown(info), entries, false);
    expect(markdown.match(/^#+ .*/gm)).toEqual(['# `Talk`', '## `ada`', '## `main`', '## `ada`']);
    expect(markdown).toContain('> hello\n>\n> # not a heading of ours');
    expect(markdown).toContain('> answer');
    expect(markdown).toContain(', waits');
    expect(markdown).not.toContain('draft');
    expect(parsed(markdown).inside).toEqual(['a', '```', 'b']);
  });

  it('is lines of JSON, one an event, without what is between us and the agent', () => {
    const jsonl = written(new ConversationJsonl(info), entries, false);
    expect(linesOf(jsonl).slice(1)).toEqual(events);
    expect(jsonl).not.toContain('secret');
  });

  it('quotes each line', () => {
    expect(quotation('a\r\nb\rc\n\td\x1b')).toBe('> a\n> b\n> c\n> \td');
  });
});

describe('the name of a file', () => {
  it('is harmless, whatever the session is called', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string()), (name) => {
        const file = safeFileName(name, 'session', 'cast');
        expect(file).toMatch(/^[A-Za-z0-9_][A-Za-z0-9._-]*\.cast$/);
        expect(file.length).toBeLessThan(100);
        expect(attachment(file)).toMatch(/^attachment; filename="[^"\\\r\n]+"$/);
      }),
    );
    expect(safeFileName('../../etc/passwd', 's', 'txt')).toBe('etc-passwd.txt');
    expect(safeFileName('NUL', 's', 'txt')).toBe('s.txt');
    expect(safeFileName('con.log', 's', 'txt')).toBe('s.txt');
    expect(safeFileName('.bashrc', 's', 'txt')).toBe('bashrc.txt');
    expect(safeFileName('日本', 's', 'txt')).toBe('s.txt');
    expect(safeFileName('Café  build', 's', 'md')).toBe('Cafe-build.md');
  });
});

describe('the command of a session', () => {
  it('is as a person would type it', () => {
    expect(commandOf({ argv: ['/bin/sh', '-c', 'a | b'], foreign: null })).toBe('a | b');
    expect(commandOf({ argv: ['python3', '-c', 'print(1)'], foreign: null })).toBe("python3 -c 'print(1)'");
    expect(commandOf({ argv: ['echo', "it's", ''], foreign: null })).toBe(`echo 'it'\\''s' ''`);
  });
});

describe('one line of a text', () => {
  it('is as long as it may be at most, and ends in no half of a character', () => {
    expect(oneLine(' a\r\n\u2028b\u0007 ')).toBe('a b');
    for (const text of ['x'.repeat(200), '😀'.repeat(200)]) expect(oneLine(text)).toBe(text);
    expect(oneLine('x'.repeat(201))).toBe(`${'x'.repeat(199)}…`);
    expect(oneLine('😀'.repeat(201))).toBe(`${'😀'.repeat(199)}…`);
  });
});

import type { ToolCall } from '@binnacle/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detailOf } from './tools.ts';

const call = (more: Partial<ToolCall>): ToolCall => ({
  id: 'c',
  title: 't',
  kind: 'execute',
  status: 'pending',
  ...more,
});
const detailFor = (input: unknown): string => detailOf(call({ input }), []);

describe('what is asked for', () => {
  it('is a command as it is', () => {
    expect(detailFor({ command: 'make && echo "done"' })).toBe('make && echo "done"');
    expect(detailFor({ command: 'true \x1b]; touch /tmp/x #\x07' })).toBe('true \x1b]; touch /tmp/x #\x07');
  });

  it('is a command with its arguments, as a shell would need them, and where it runs', () => {
    expect(detailFor({ command: 'rm', args: ['-rf', '/home'], cwd: '/' })).toBe('rm -rf /home\n\nin /');
    expect(detailFor({ command: 'sh', args: ['-c', "echo 'a b'; rm *", ''] })).toBe(
      `sh -c 'echo '\\''a b'\\''; rm *' ''`,
    );
    expect(detailFor({ command: ['git', 'commit', '-m', 'a b'] })).toBe("git commit -m 'a b'");
    expect(detailFor({ command: 'ls', args: [] })).toBe('ls');
  });

  it('is also everything else of the input', () => {
    expect(detailFor({ command: 'ls', env: { LD_PRELOAD: '/tmp/x.so' } })).toBe(
      'ls\n\n{\n  "env": {\n    "LD_PRELOAD": "/tmp/x.so"\n  }\n}',
    );
    for (const odd of [{ args: 'x' }, { args: [1] }, { cwd: 7 }, { input: 'rm' }]) {
      expect(detailFor({ command: 'ls', ...odd })).toBe(`ls\n\n${JSON.stringify(odd, null, 2)}`);
    }
    expect(detailFor({ command: { run: 'rm' } })).toBe('{\n  "command": {\n    "run": "rm"\n  }\n}');
    expect(detailFor({ args: ['rm'] })).toContain('rm');
    expect(detailFor('rm -rf /')).toBe('"rm -rf /"');
    expect(detailFor([{ command: 'rm' }])).toContain('rm');
  });

  it('is a change with all that comes with it, without saying it twice', () => {
    const diffs = [{ path: '/a', before: 'x\n', after: 'y\n' }];
    const input = { filePath: '/a', oldString: 'x\n', newString: 'y\n', replaceAll: true };
    expect(detailOf(call({ diffs, input }), ['/a'])).toBe('/a\n- x\n+ y\n\n{\n  "replaceAll": true\n}');
    // A field is not hidden by having the text of the change.
    expect(detailOf(call({ diffs, input: { also_run: '/a' } }), [])).toContain('"also_run": "/a"');
  });

  it('is also the files that it names, and what it says in words', () => {
    expect(detailOf(call({ input: { command: 'ls' }, output: 'It lists.' }), ['/etc', '/etc'])).toBe(
      'ls\n\nIt lists.\n\n/etc',
    );
    expect(detailOf(call({}), [])).toBe('t');
    const title = `${'long '.repeat(100)} end`;
    expect(detailOf(call({ title, input: { command: 'ls' } }), [])).toBe(`ls\n\n${title}`);
    expect(detailOf(call({ title, input: { command: title } }), [])).toBe(title);
  });

  it('has every word of the input in it, whatever that is', () => {
    const word = fc.stringMatching(/^[a-z]{6,12}$/);
    const inner = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, word, fc.array(tie('value')), fc.dictionary(word, tie('value'))),
    })).value;
    const input = fc.record(
      {
        command: fc.oneof(word, fc.array(word), inner),
        args: fc.oneof(fc.array(word), inner),
        cwd: fc.oneof(word, inner),
        path: inner,
        env: fc.dictionary(word, word),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(input, fc.array(word), (fields, paths) => {
        const detail = detailOf(call({ input: fields }), paths);
        for (const [each] of JSON.stringify([Object.values(fields), paths]).matchAll(/[a-z]{6,12}/g)) {
          expect(detail).toContain(each);
        }
      }),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { CanUseTool } from './messages.ts';
import { type ClaudePermission, permissionOf } from './tools.ts';

const permission = (tool_name: string, input: object, more: object = {}): ClaudePermission =>
  permissionOf(CanUseTool.parse({ tool_name, input, ...more }));
const labels = (permission_suggestions: readonly object[]): string[] =>
  permission('Bash', { command: 'ls' }, { permission_suggestions }).options.map(({ label }) => label);

describe('what Claude Code asks for', () => {
  it('is a command with everything that comes with it', () => {
    expect(permission('Bash', { command: 'git push' }).detail).toBe('git push');
    const more = { description: 'Push', dangerouslyDisableSandbox: true };
    // The program sends the text twice; it is shown once.
    expect(permission('Bash', { command: 'git push', ...more }, { description: 'Push' }).detail).toBe(
      `git push\n\n${JSON.stringify(more, null, 2)}`,
    );
  });

  it('is a change with everything that comes with it', () => {
    const edit = { file_path: '/f', old_string: 'a', new_string: 'b' };
    expect(permission('Edit', edit).detail).toBe('/f\n- a\n+ b');
    expect(permission('Edit', { ...edit, replace_all: true }).detail).toBe(
      '/f\n- a\n+ b\n\n{\n  "replace_all": true\n}',
    );
    expect(permission('Edit', { ...edit, content: 'c' }).detail).toContain('"content": "c"');
    expect(permission('Write', { file_path: '/f', content: 'b' }).detail).toBe('/f\n+ b');
    const edits = [{ old_string: 'a', new_string: 'b' }];
    expect(permission('MultiEdit', { file_path: '/f', edits }).detail).toBe('/f\n- a\n+ b');
    const odd = [...edits, { old_string: 1, new_string: 'hidden' }];
    expect(permission('MultiEdit', { file_path: '/f', edits: odd }).detail).toContain('hidden');
    expect(permission('Edit', { ...edit, command: 'rm' }).detail).toBe(
      `rm\n\n/f\n- a\n+ b\n\n${JSON.stringify(edit, null, 2)}`,
    );
  });

  it('is the whole input of any other tool', () => {
    expect(permission('WebFetch', { url: 'http://x', prompt: 'p' })).toMatchObject({
      title: 'WebFetch http://x',
      detail: '{\n  "url": "http://x",\n  "prompt": "p"\n}',
    });
    expect(permission('Odd', {}).detail).toBe('{}');
  });

  it('is a command to its end, also where its title is cut', () => {
    const command = `echo ${'x'.repeat(2000)}; rm -rf /`;
    const { title, detail } = permission('Bash', { command });
    expect(title.length).toBeLessThan(500);
    expect(detail).toBe(command);
  });

  it('has options that say all of what they allow; one that cannot is not there', () => {
    const rule = { type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'ls *' }], destination: 'session' };
    expect(labels([rule])).toEqual(['Allow', 'Allow Bash(ls *) in this conversation', 'Deny']);
    expect(labels([{ ...rule, behavior: 'allow' }])[1]).toBe('Allow Bash(ls *) in this conversation');
    const denying = { ...rule, behavior: 'deny' };
    expect(labels([denying])[1]).toBe(`Allow, and ${JSON.stringify(denying)}`);
    const later = { type: 'removeRules', rules: [] };
    expect(labels([later])[1]).toBe(`Allow, and ${JSON.stringify(later)}`);
    // The others keep the places that their answers go by.
    const long = { ...rule, rules: Array.from({ length: 100 }, () => ({ toolName: 'Bash', ruleContent: 'rm *' })) };
    const { options, suggestions } = permission('Bash', { command: 'ls' }, { permission_suggestions: [long, rule] });
    expect(options.map(({ id }) => id)).toEqual(['allow', 'allow-0', 'deny']);
    expect(suggestions).toEqual([rule]);
  });
});

import type { ToolCall } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { type CodexQuestion, questionOf } from './requests.ts';

const questionFor = (what: string, params: object, call?: ToolCall): CodexQuestion | undefined =>
  questionOf(what, { threadId: 't', turnId: 'u', itemId: 'i', startedAtMs: 1, ...params }, () => call);
const command = (params: object) => questionFor('item/commandExecution/requestApproval', params);
const labels = (question: CodexQuestion | undefined) => question?.choices.map(({ option }) => option.label);

describe('what Codex asks for', () => {
  it('is a command, where it runs and why, and nothing of what is so of every command', () => {
    const usual = { kind: 'command', environmentId: 'local', commandActions: [], approvalId: null };
    expect(command({ ...usual, command: "bash -lc 'ls'", cwd: '/', reason: 'Look.' })?.detail).toBe(
      "bash -lc 'ls'\n\nin /\n\nLook.",
    );
  });

  it('is also what else a command is to be allowed', () => {
    const more = {
      additionalPermissions: { network: { enabled: true } },
      environmentId: 'production',
      of_a_later_version: 'rm',
    };
    expect(command({ command: 'ls', ...more })?.detail).toBe(`ls\n\n${JSON.stringify(more, null, 2)}`);
    expect(command({ kind: 'writeStdin', command: 'y' })).toMatchObject({
      title: 'Write to a running command',
      detail: 'y\n\n{\n  "kind": "writeStdin"\n}',
    });
  });

  it('is a command to its end, also where its title is cut', () => {
    const line = `echo ${'x'.repeat(2000)}; rm -rf /`;
    const { title = '', detail } = command({ command: line }) ?? {};
    expect(title.length).toBeLessThan(500);
    expect(detail).toBe(line);
  });

  it('has options that say all of what they allow, each once; one that cannot is not there', () => {
    const amendment = (...prefix: string[]) => ({ acceptWithExecpolicyAmendment: { execpolicy_amendment: prefix } });
    expect(labels(command({ command: 'x', availableDecisions: [amendment('sh', 'a b')] }))).toEqual([
      "Always allow commands that begin with: sh 'a b'",
      'Deny',
    ]);
    const both = command({ command: 'x', availableDecisions: ['accept', amendment('ls'), amendment('rm')] });
    expect(labels(both)).toEqual(['Allow', 'Always allow commands that begin with: ls', 'Deny']);
    expect(both?.choices[1]?.result).toEqual({ decision: amendment('ls') });
    expect(labels(command({ command: 'x', availableDecisions: [amendment('x'.repeat(500))] }))).toEqual(['Deny']);
    expect(
      labels(command({ command: 'x', availableDecisions: [{ acceptWithExecpolicyAmendment: { all: 1 } }] })),
    ).toEqual(['Always allow what it says: {"all":1}', 'Deny']);
  });

  it('is a change of files with all of it', () => {
    const diffs = [{ path: '/a', before: 'x\n', after: 'y\nz\n' }];
    const call: ToolCall = { id: 'i', title: 'Edit /a', kind: 'edit', status: 'running', diffs };
    const question = questionFor('item/fileChange/requestApproval', { reason: 'Mend.', grantRoot: '/' }, call);
    expect(question).toMatchObject({
      title: 'Edit /a',
      detail: 'Edit /a\n\n/a\n- x\n+ y\n+ z\n\nMend.\n\nand write below /',
    });
    // Nobody can see what is not known.
    const { diffs: _, ...bare } = call;
    expect(questionFor('item/fileChange/requestApproval', {}, bare)).toMatchObject({ detail: undefined });
  });

  it('is a question of a server with what its tool is given', () => {
    const question = questionFor('mcpServer/elicitation/request', {
      serverName: 's',
      mode: 'form',
      message: 'Run it?',
      requestedSchema: { type: 'object', properties: {} },
      _meta: { tool_params: { path: '/' } },
    });
    expect(question).toMatchObject({ title: 's asks' });
    expect(question?.detail).toBe('Run it?\n\n{\n  "_meta": {\n    "tool_params": {\n      "path": "/"\n    }\n  }\n}');
  });
});

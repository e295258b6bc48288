import { describe, expect, it } from 'vitest';
import { type HookedAgent, statusOfEvent } from './agent-events.ts';

const CLAUDE = { tool_name: 'Bash', tool_input: { command: 'touch made.txt' } };
const asks = (text?: string) => ({ state: 'blocked', reason: 'permission', ...(text === undefined ? {} : { text }) });

describe('events of agents', () => {
  it.each<[HookedAgent, object, object | undefined]>([
    ['claude', { hook_event_name: 'UserPromptSubmit', prompt: 'hello' }, { state: 'working' }],
    ['claude', { hook_event_name: 'PermissionRequest', ...CLAUDE }, asks('Bash: touch made.txt')],
    ['claude', { hook_event_name: 'PostToolUse', ...CLAUDE }, { state: 'working' }],
    ['claude', { hook_event_name: 'Notification', notification_type: 'permission_prompt', message: 'm' }, asks()],
    ['claude', { hook_event_name: 'Notification', notification_type: 'idle_prompt', message: 'm' }, undefined],
    ['claude', { hook_event_name: 'Stop' }, { state: 'idle' }],
    ['claude', { hook_event_name: 'SessionEnd' }, { state: 'clear' }],
    [
      'qwen',
      { hook_event_name: 'PermissionRequest', tool_name: 'edit', tool_input: { file_path: 'a' } },
      asks('edit: a'),
    ],
    ['gemini', { hook_event_name: 'BeforeAgent' }, { state: 'working' }],
    ['gemini', { hook_event_name: 'Notification', notification_type: 'ToolPermission', message: 'm' }, asks('m')],
    ['gemini', { hook_event_name: 'AfterAgent' }, { state: 'idle' }],
    ['codex', { type: 'agent-turn-complete' }, { state: 'idle' }],
    ['opencode', { type: 'session.status', properties: { status: { type: 'busy' } } }, { state: 'working' }],
    ['opencode', { type: 'permission.asked', properties: { permission: 'bash', patterns: ['ls'] } }, asks('bash: ls')],
    ['opencode', { type: 'permission.replied', properties: {} }, { state: 'working' }],
    ['opencode', { type: 'session.idle', properties: {} }, { state: 'idle' }],
  ])('%s: %j', (agent, event, status) => expect(statusOfEvent(agent, event)).toEqual(status));

  it('that nobody knows tell nothing, whatever is in them', () => {
    for (const agent of ['claude', 'codex', 'gemini', 'opencode', 'qwen'] as const) {
      for (const event of [null, 1, 'x', [], {}, { hook_event_name: 'New', type: 'new', properties: 3 }])
        expect(statusOfEvent(agent, event)).toBeUndefined();
    }
    const long = { hook_event_name: 'PermissionRequest', tool_name: 'Bash', tool_input: { command: 'x'.repeat(9999) } };
    expect(statusOfEvent('claude', long)?.text).toHaveLength(500);
  });
});

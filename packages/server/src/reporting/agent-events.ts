// States of agents from the events of their own hooks. Pure: reads the payload of an agent as it came.

import type { StatusReport } from '@binnacle/protocol';

export const HOOKED_AGENTS = ['claude', 'codex', 'gemini', 'opencode', 'qwen'] as const;
export type HookedAgent = (typeof HOOKED_AGENTS)[number];

const MAX_TEXT = 500;

const WORKING: StatusReport = { state: 'working' };
const IDLE: StatusReport = { state: 'idle' };

/**
 * Returns the state that an event reports; undefined for an event without a state.
 * @param payload JSON, as the agent passes it to its hook
 * @example statusOfEvent('claude', { hook_event_name: 'Stop' }) // { state: 'idle' }
 */
export function statusOfEvent(agent: HookedAgent, payload: unknown): StatusReport | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const event = payload as Readonly<Record<string, unknown>>;
  switch (agent) {
    case 'claude':
    case 'qwen':
      return ofClaude(event);
    case 'gemini':
      return ofGemini(event);
    case 'codex':
      return ofCodex(event);
    case 'opencode':
      return ofOpenCode(event);
    default:
      return agent satisfies never;
  }
}

/** Reads the events of Claude Code. Qwen Code has the same events. */
function ofClaude(event: Readonly<Record<string, unknown>>): StatusReport | undefined {
  switch (event.hook_event_name) {
    case 'UserPromptSubmit':
    case 'PostToolUse':
    case 'PostToolUseFailure':
      return WORKING;
    case 'PermissionRequest':
      return blocked('permission', toolText(event.tool_name, event.tool_input));
    case 'Notification':
      // PermissionRequest names the tool, in the versions that have it.
      if (event.notification_type === 'permission_prompt') return blocked('permission', null);
      if (event.notification_type === 'elicitation_dialog') return blocked('question', event.message);
      return undefined; // other notifications, e.g. a minute of idleness, change no state
    case 'Stop':
    case 'StopFailure':
      return IDLE;
    case 'SessionEnd':
      return { state: 'clear' };
    default:
      return undefined;
  }
}

function ofGemini(event: Readonly<Record<string, unknown>>): StatusReport | undefined {
  switch (event.hook_event_name) {
    case 'BeforeAgent':
    case 'AfterTool':
      return WORKING;
    case 'Notification':
      return event.notification_type === 'ToolPermission' ? blocked('permission', event.message) : undefined;
    case 'AfterAgent':
      return IDLE;
    case 'SessionEnd':
      return { state: 'clear' };
    default:
      return undefined;
  }
}

/** Reads the argument of Codex's `notify`. */
function ofCodex(event: Readonly<Record<string, unknown>>): StatusReport | undefined {
  if (event.type === 'agent-turn-complete') return IDLE;
  return event.type === 'approval-requested' ? blocked('permission', null) : undefined;
}

/** Reads the events of OpenCode's bus, as Binnacle's plugin in OpenCode passes them. */
function ofOpenCode({ type, properties }: Readonly<Record<string, unknown>>): StatusReport | undefined {
  const about = (properties ?? {}) as Readonly<Record<string, unknown>>;
  const status = (about.status as { readonly type?: unknown } | undefined)?.type;
  switch (type) {
    case 'session.status':
      return status === 'idle' ? IDLE : status === 'busy' || status === 'retry' ? WORKING : undefined;
    case 'session.idle':
    case 'session.error':
      return IDLE;
    case 'permission.asked': {
      const patterns = Array.isArray(about.patterns) ? about.patterns.join(' ') : '';
      return blocked('permission', [about.permission, patterns].filter((part) => typeof part === 'string').join(': '));
    }
    case 'question.asked':
      return blocked('question', null);
    case 'permission.replied':
    case 'question.replied':
    case 'question.rejected':
      return WORKING;
    default:
      return undefined;
  }
}

function blocked(reason: 'permission' | 'question', text: unknown): StatusReport {
  const shortened = typeof text === 'string' ? text.slice(0, MAX_TEXT) : '';
  return { state: 'blocked', reason, ...(shortened === '' ? {} : { text: shortened }) };
}

/** Describes a tool call in the call's own words: a command, a file. */
function toolText(name: unknown, input: unknown): string {
  const { command, file_path: path, url } = (input ?? {}) as Readonly<Record<string, unknown>>;
  const what = [command, path, url].find((one) => typeof one === 'string');
  return [name, what].filter((part) => typeof part === 'string').join(': ');
}

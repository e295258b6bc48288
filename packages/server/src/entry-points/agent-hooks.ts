// The hooks that agents have themselves: which agents, and what is written into their settings.

export { HOOKED_AGENTS, type HookedAgent } from '../reporting/agent-events.ts';
export { type HookFile, hookFileOf } from '../reporting/hook-files.ts';

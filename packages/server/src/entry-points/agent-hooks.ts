// Hooks of the agents themselves: the supported agents, and the settings that install the hooks.

export { HOOKED_AGENTS, type HookedAgent } from '../reporting/agent-events.ts';
export { type HookFile, hookFileOf } from '../reporting/hook-files.ts';

/** The path of a pinned agent's program, installed on first use. */
export function agentBinary(name: 'codex' | 'opencode' | 'claude' | 'gemini' | 'qwen'): Promise<string>;

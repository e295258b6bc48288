/** The path of a pinned agent's program, installed on first use. */
export function agentBinary(
  name: 'codex' | 'opencode' | 'claude' | 'gemini' | 'qwen' | 'mcp-conformance',
): Promise<string>;
/** The path of the JavaScript of a pinned tool that reads our documents, installed on first use. */
export function toolScript(name: 'redocly' | 'openapi-typescript' | 'hey-api' | 'orval' | 'asyncapi'): Promise<string>;

// Faults of settings as sentences for people, with an example of a valid value.

import type { z } from 'zod';

/** Examples by the name of the setting, in JSON. */
const EXAMPLES: Readonly<Record<string, string>> = {
  agents: '{"entries": {"main": {"driver": "echo"}}}',
  entries: '{"main": {"driver": "echo"}}',
  list: '[{"id": "main", "driver": "echo"}]',
  driver: '"codex"',
  command: '["opencode", "acp"]',
  cwd: '"~/project"',
  env: '{"LANG": "C.UTF-8"}',
  url: '"http://127.0.0.1:11434/v1"',
  model: '"qwen3"',
  apiKeyEnv: '"OPENAI_API_KEY"',
  instructions: '"Be brief."',
  timeoutMs: '1800000',
  approvalTimeoutMs: '300000',
  visibility: '"private", "everyone" or {"kind": "shared", "with": ["ada"]}',
  bindings: '[{"agentId": "main", "match": {"channel": "irc"}}]',
  agentId: '"main"',
  match: '{"channel": "irc"}',
  channel: '"irc"',
  peer: '{"kind": "group", "id": "release"}',
  roles: '["admin", "oncall"]',
  identityLinks: '{"ada": ["discord:42"]}',
  replies: '["https://example.org/hooks/"]',
  plugins: '{"entries": {"my-plugin": {"permissions": {"notify": true}}}}',
};

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
};

/** Returns a sentence, with an example if the setting has one. */
export function describeFault(issue: z.core.$ZodIssue): string {
  const name = issue.path.findLast((key) => typeof key === 'string');
  // For a value inside of a list or an object, the example of its parent would be misleading.
  const example = name === issue.path.at(-1) ? EXAMPLES[String(name)] : undefined;
  const what = whatOf(issue).replace(/\.$/, '');
  const text = `${what.slice(0, 1).toUpperCase()}${what.slice(1)}`;
  return example === undefined ? `${text}.` : `${text}, e.g. ${example}.`;
}

function whatOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `expected ${KINDS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_union') return 'expected another value';
  return issue.message.replace(/^Invalid (input|option): /, '');
}

export const exampleOf = (name: string): string => EXAMPLES[name] ?? '';

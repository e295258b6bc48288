// What is wrong with a setting, in words for people, with an example of what is right. Knows no file and no line.

import type { z } from 'zod';

/** By the name of the setting, as it would be written. */
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

/** A sentence, with an example where the setting is one that has one. */
export function wrongWords(issue: z.core.$ZodIssue): string {
  const name = issue.path.findLast((key) => typeof key === 'string');
  // Of what is inside of a list or an object, its example would be misleading.
  const example = name === issue.path.at(-1) ? EXAMPLES[String(name)] : undefined;
  const what = whatOf(issue).replace(/\.$/, '');
  const words = `${what.slice(0, 1).toUpperCase()}${what.slice(1)}`;
  return example === undefined ? `${words}.` : `${words}, e.g. ${example}.`;
}

function whatOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `expected ${KINDS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_union') return 'expected another value';
  return issue.message.replace(/^Invalid (input|option): /, '');
}

export const exampleOf = (name: string): string => EXAMPLES[name] ?? '';

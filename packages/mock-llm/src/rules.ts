// What the model answers: a function of the last message. The same request gives the same answer.

import type { Json } from './json.ts';
import { objectOf } from './json.ts';
import type { Answer, ModelRequest, Tool } from './talk.ts';

/** A text is sent in at most so many pieces. */
const MAX_PIECES = 40;
const MAX_SLOW = 10_000;

const RUN_TOOL = /\b(RUNTOOL|ASKTOOL)[ \t]+(\S[^\n]*)/;
const SLOW = /\bSLOW[ \t]+(\d{1,5})\b/;
const FAIL = /\bFAIL[ \t]+([45]\d\d)\b/;
const THINK = /\bTHINK[ \t]+(\S[^\n]*)/;

/** The names that agents give to their shell today; else one that sounds like it. */
const SHELLS = ['exec_command', 'shell_command', 'shell', 'local_shell', 'bash', 'run_shell_command', 'execute'];
const SOUNDS_LIKE_SHELL = /bash|shell|terminal|exec|command/i;
const COMMAND_ARGUMENTS = ['command', 'cmd', 'script', 'code', 'input'];

/**
 * `RUNTOOL <command>`: calls the first shell-like tool with the command (the rest of the line), and repeats what it gave.
 * `ASKTOOL <command>`: the same, asking to be let out of the agent's sandbox, where the tool has an argument for that.
 * `SLOW <n>`: n words, `pauseMs` between them. `THINK <text>`: thinks it first. `FAIL <status>`: answers with that
 * status. Else it repeats the text.
 */
export function answerOf(request: ModelRequest, pauseMs: number): Answer {
  const last = request.input.findLast((part) => part.from !== 'assistant');
  if (last === undefined) return { kind: 'text', deltas: ['Nothing was said.'] };
  if (last.from === 'tool') return { kind: 'text', deltas: pieces(`The tool said: ${last.text.trim()}`) };
  const { text } = last;
  const failure = FAIL.exec(text)?.[1];
  if (failure !== undefined) return { kind: 'fail', status: Number(failure), message: `As you wished: ${failure}.` };
  const [, how, command] = RUN_TOOL.exec(text) ?? [];
  if (command !== undefined) return callShell(request.tools, command.trim(), how === 'ASKTOOL');
  const slow = SLOW.exec(text)?.[1];
  if (slow !== undefined) return { kind: 'text', deltas: numberedDeltas(Math.min(Number(slow), MAX_SLOW)), pauseMs };
  const thought = THINK.exec(text)?.[1];
  const deltas = pieces(text);
  return thought === undefined ? { kind: 'text', deltas } : { kind: 'text', deltas, thought };
}

function callShell(tools: readonly Tool[], command: string, asks: boolean): Answer {
  const known = SHELLS.map((name) => tools.find((tool) => tool.name.toLowerCase() === name));
  const tool =
    known.find((found) => found !== undefined) ??
    tools.find(({ name, schema }) => schema !== null && SOUNDS_LIKE_SHELL.test(name));
  if (tool === undefined) {
    const offered = tools.length === 0 ? 'no tool' : tools.map(({ name }) => name).join(', ');
    return { kind: 'text', deltas: pieces(`There is no shell among what I was offered: ${offered}.`) };
  }
  return { kind: 'tool', tool, input: tool.schema === null ? command : argumentsOf(tool.schema, command, asks) };
}

/** The command where it belongs, and something for everything else that is required. */
function argumentsOf(schema: Json, command: string, asks: boolean): Json {
  const properties = objectOf(schema.properties);
  const name = COMMAND_ARGUMENTS.find((name) => name in properties) ?? 'command';
  const required = Array.isArray(schema.required) ? schema.required.filter((one) => typeof one === 'string') : [];
  const fill = required
    .filter((one) => one !== name)
    .map((one): readonly [string, unknown] => [one, anyOf(objectOf(properties[one]))]);
  const isList = objectOf(properties[name]).type === 'array';
  // Codex's.
  const way = asks && 'sandbox_permissions' in properties ? { sandbox_permissions: 'require_escalated' } : {};
  const why = asks && 'justification' in properties ? { justification: 'The mock was told to ask.' } : {};
  return { [name]: isList ? ['bash', '-lc', command] : command, ...Object.fromEntries(fill), ...way, ...why };
}

function anyOf(schema: Json): unknown {
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0];
  switch (schema.type) {
    case 'number':
    case 'integer':
      return typeof schema.minimum === 'number' ? schema.minimum : 1;
    case 'boolean':
      return false;
    case 'array':
      return [];
    case 'object':
      return {};
    default:
      return 'mock';
  }
}

const numberedDeltas = (n: number): string[] =>
  Array.from({ length: n }, (_, i) => `${i === 0 ? '' : ' '}word${i + 1}`);

/** The text in some pieces, cut before spaces, so that no character is split. */
export function pieces(text: string): string[] {
  const parts = text.match(/\s*\S+|\s+$/gu) ?? [];
  const each = Math.ceil(parts.length / MAX_PIECES);
  const joined: string[] = [];
  for (let i = 0; i < parts.length; i += each) joined.push(parts.slice(i, i + each).join(''));
  return joined;
}

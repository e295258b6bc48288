// Resources of a session: its output as text, and a transcript in Markdown.

import { BinnacleError, type SessionInfo, singleLine } from '@binnacle/protocol';
import { type McpServer, ProtocolError, ResourceNotFoundError, ResourceTemplate } from '@modelcontextprotocol/server';
import { readText } from '../stream/text-reader.ts';
import { describeStatus, hintFor, shellCommandOf, statusOf } from './answers.ts';
import { type ResourceKind, uriOf } from './resource-uri.ts';
import type { Caller } from './tools.ts';

/** Maximum bytes of output; longer output is reduced to its end. */
const MAX_BYTES = 256 * 1024;
const RECENT = 50;
const INTERNAL_ERROR = -32603;

export function addResources(server: McpServer, caller: Caller): void {
  const add = (
    kind: ResourceKind,
    of: { readonly title: string; readonly description: string; readonly mimeType: string },
    read: (id: string, caller: Caller) => Promise<string>,
  ): void => {
    const { title, description, mimeType } = of;
    const list = async () => {
      const { sessions } = await reportErrors(uriOf('{id}', kind), () => caller.seen.list({ limit: RECENT }));
      return {
        resources: sessions.map((info) => ({
          uri: uriOf(info.id, kind),
          name: `${info.name} (${kind})`,
          description: `${title}: ${describeStatus(statusOf(info, caller.commands.hasTimedOut(info.id)))}`,
          mimeType,
        })),
      };
    };
    const template = new ResourceTemplate(uriOf('{id}', kind), { list });
    server.registerResource(kind, template, { title, description, mimeType }, async (uri, { id }) => {
      const text = await reportErrors(uri.href, () =>
        caller.calls.run(caller.principal.id, () => read(String(id), caller)),
      );
      return { contents: [{ uri: uri.href, mimeType, text }] };
    });
  };
  add(
    'output',
    {
      title: 'Output of a session',
      description: `The last ${MAX_BYTES / 1024} KiB of the output, without escape sequences.`,
      mimeType: 'text/plain',
    },
    async (id) => (await textOf(id, caller)).text,
  );
  add(
    'transcript',
    {
      title: 'Transcript of a session',
      description: 'Command, times, end and output, as Markdown.',
      mimeType: 'text/markdown',
    },
    async (id) => {
      const part = await textOf(id, caller);
      const info = caller.seen.get(id).info;
      return markdownOf(info, describeStatus(statusOf(info, caller.commands.hasTimedOut(info.id))), part);
    },
  );
}

const textOf = (id: string, { seen, liveness, signal }: Caller) =>
  readText(
    seen.get(id),
    { maxBytes: MAX_BYTES, waitMs: 0, waitsFor: 'output', strip: true, signal },
    { seen, liveness },
  );

function markdownOf(info: SessionInfo, end: string, part: { readonly text: string; readonly offset: number }): string {
  const time = (ms: number | null): string => (ms === null ? '–' : new Date(ms).toISOString());
  const lines = [
    `# ${singleLine(info.name, { collapses: true })}`,
    '',
    `- Session: ${info.id}`,
    `- Directory: ${singleLine(info.cwd, { collapses: true })}`,
    `- Started: ${time(info.createdAt)}`,
    `- Ended: ${time(info.exitedAt)}`,
    `- State: ${end}`,
    '',
    '## Command',
    '',
    fenced(shellCommandOf(info), 'sh'),
    '',
    '## Output',
    '',
    ...(part.offset > 0 ? [`The ${part.offset} bytes before are left out.`, ''] : []),
    fenced(part.text, 'text'),
    '',
  ];
  return lines.join('\n');
}

/** Fences text so that no text can end its own fence: the fence is longer than any run of backticks in it. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${fence}`;
}

/** Converts failures of resources to protocol errors, with the gateway's code in `data`. */
export async function reportErrors<T>(uri: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const known = BinnacleError.of(error);
    if (known.code === 'session_not_found' || known.code === 'session_gone') {
      throw new ResourceNotFoundError(uri, `${known.message} ${hintFor(known)}`);
    }
    throw new ProtocolError(INTERNAL_ERROR, `${known.message} ${hintFor(known)}`, known.toWire());
  }
}

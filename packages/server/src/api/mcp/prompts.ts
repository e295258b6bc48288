// Prompts that make an agent work on one session. Clients offer them as commands.

import { completable, type McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { uriOf } from './resource-uri.ts';
import { reportErrors } from './resources.ts';
import type { Caller } from './tools.ts';

/** Maximum proposed ids: a list to choose from. */
const PROPOSED = 20;
/** Maximum sessions searched for proposals, newest first. */
const MAX_SEARCHED = 200;

export function addPrompts(server: McpServer, caller: Caller): void {
  const argsSchema = z.object({
    id: completable(z.string().max(200).describe('The id of the session.'), (value) => idsLike(value, caller)),
  });
  server.registerPrompt(
    'session',
    {
      title: 'Look at a session',
      description: 'Reads the output of a session, and reports its status and what it waits for.',
      argsSchema,
    },
    async ({ id }) => {
      const { info } = await reportErrors(uriOf(id, 'output'), async () => caller.seen.get(id));
      const text =
        `Read the output of the session ${info.id} with bash_output, and its screen with bash_screen where it has one. ` +
        'Say in a few sentences what runs there, how far it is, and whether it waits for somebody. Type nothing into it.';
      return { messages: [{ role: 'user', content: { type: 'text', text } }] };
    },
  );
}

/** Finds ids by prefix, or by a part of the session's name. */
async function idsLike(value: string, { seen }: Caller): Promise<string[]> {
  const { sessions } = await seen.list({ limit: MAX_SEARCHED });
  const part = value.toLowerCase();
  return sessions
    .filter(({ id, name }) => id.startsWith(value) || name.toLowerCase().includes(part))
    .slice(0, PROPOSED)
    .map(({ id }) => id);
}

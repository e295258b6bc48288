// Every route, frame and event that the gateway describes is in a golden transcript, so that a new one cannot be forgotten.
// The descriptions themselves are compared, too.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compareWithGolden } from './compare.fixture.ts';
import { type Json, openTranscript } from './transcript.fixture.ts';

/** Names of the sockets in /asyncapi.json. */
const SOCKETS: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/ws$/, 'gateway'],
  [/^\/ws\/session\//, 'session'],
  [/^\/ws\/pty-traffic$/, 'traffic'],
  [/^\/pty\/.*\/ws/, 'pty'],
];

/** Events of streams that nothing but a failure of the disk or of the gateway brings; each with why it is not recorded. */
const NOT_RECORDED = new Map([
  ['readSessionOutput.error', 'The session is closed to its reader in the midst of the stream.'],
  ['startRun.error', 'The log cannot be read in the midst of the stream.'],
  ['startRun.gap', 'Retention takes output of a run that is being read.'],
  ['readRunOutput.error', 'The log cannot be read in the midst of the stream.'],
  ['readRunOutput.gap', 'Retention takes output of a run that is being read.'],
  ['sendMessage.error', 'The conversation is closed to its reader in the midst of the stream.'],
  ['sendMessage.gap', 'Retention takes events of a run that is being read.'],
  ['readConversationEvents.error', 'The conversation is closed to its reader in the midst of the stream.'],
]);

interface Seen {
  /** `POST /v1/sessions/:id/runs ok`, and the same with `failed`. */
  readonly routes: ReadonlySet<string>;
  /** `gateway.client.subscribe`, `gateway.server.entry`, `startRun.output`: as /asyncapi.json has them. */
  readonly messages: ReadonlySet<string>;
  /** Types of events of conversations. */
  readonly events: ReadonlySet<string>;
}

it('every route, every frame and every event is in a transcript', async () => {
  const t = await openTranscript('coverage');
  try {
    const openapi = await t.need('GET /openapi.json');
    const asyncapi = await t.need('GET /asyncapi.json');
    const seen = look(openapi);
    const routes = operationsOf(openapi).flatMap(({ route }) => [`${route} ok`, `${route} failed`]);
    expect(routes.length).toBeGreaterThan(200);
    expect(routes.filter((route) => !seen.routes.has(route))).toEqual([]);
    const messages = Object.keys(asyncapi.components.messages);
    expect(messages.length).toBeGreaterThan(90);
    expect(messages.filter((id) => !seen.messages.has(id) && !NOT_RECORDED.has(id))).toEqual([]);
    expect([...NOT_RECORDED.keys()].filter((id) => seen.messages.has(id) || !messages.includes(id))).toEqual([]);
    const kinds = asyncapi.components.schemas.ConversationEvent.oneOf.map((one: Json) => one.properties.type.const);
    expect(kinds.length).toBeGreaterThan(15);
    expect(kinds.filter((kind: string) => !seen.events.has(kind))).toEqual([]);
  } finally {
    await t.close();
  }
});

it('the descriptions of the addresses, frames and events are as they were', async () => {
  const t = await openTranscript('documents');
  try {
    for (const name of ['openapi', 'asyncapi']) {
      const document = await t.need(`GET /${name}.json`);
      document.info.version = '<version>';
      if (document.id !== undefined) document.id = '<id>';
      compareWithGolden(`${name}.golden.txt`, linesOf(t.normal.value(document)).join(''));
    }
  } finally {
    await t.close();
  }
});

/** One line for each operation, message and schema: a document of some 20,000 lines is not read. */
function linesOf(value: Json, path = '', depth = 0): string[] {
  const isInner = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isInner || depth === 3) return [`${path} ${JSON.stringify(value)}\n`];
  return Object.entries(value).flatMap(([key, inner]) => linesOf(inner, `${path} ${key}`.trim(), depth + 1));
}

interface Operation {
  readonly route: string;
  readonly operationId: string;
  readonly matches: RegExp;
}

function operationsOf(openapi: Json): Operation[] {
  return Object.entries<Json>(openapi.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, { operationId }]) => ({
      route: `${method.toUpperCase()} ${path}`,
      operationId,
      matches: new RegExp(`^${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '[^/?]+')}(\\?.*)?$`),
    })),
  );
}

/** Reads all transcripts. */
function look(openapi: Json): Seen {
  const [routes, messages, events] = [new Set<string>(), new Set<string>(), new Set<string>()];
  // The more a path says, the earlier it is tried: /v1/shares/look is no id.
  const operations = operationsOf(openapi).sort((a, b) => a.route.split('{').length - b.route.split('{').length);
  for (const name of readdirSync(import.meta.dirname).filter((one) => one.endsWith('.jsonl'))) {
    const sockets = new Map<string, string>();
    let operation: Operation | undefined;
    for (const text of readFileSync(join(import.meta.dirname, name), 'utf8')
      .trimEnd()
      .split('\n')) {
      const line = JSON.parse(text);
      for (const [, type = ''] of text.matchAll(/"type":"([a-z_]+)","(?:at|run)":/g)) events.add(type);
      if (line['>'] !== undefined) operation = operations.find(({ matches }) => matches.test(line['>']));
      else if (line['<'] !== undefined && operation !== undefined) {
        routes.add(`${operation.route} ${line['<'] < 400 ? 'ok' : 'failed'}`);
        if (Array.isArray(line.shown))
          for (const event of line.shown) messages.add(`${operation.operationId}.${event}`);
      } else if (line.event !== undefined && operation !== undefined) {
        messages.add(`${operation.operationId}.${line.event}`);
      }
      if (line.ws !== undefined) sockets.set(line.socket, SOCKETS.find(([path]) => path.test(line.ws))?.[1] ?? '');
      const socket = sockets.get(line.socket);
      if (socket !== undefined && line.sends !== undefined) messages.add(`${socket}.client.${nameOf(line.sends)}`);
      if (socket !== undefined && line.gets !== undefined) messages.add(`${socket}.server.${nameOf(line.gets)}`);
    }
  }
  return { routes, messages, events };
}

const nameOf = ({ t, type }: Json): string => t ?? type ?? 'bytes';

// The AsyncAPI 3 document: WebSockets and event streams, from the schemas of their frames.

import { defined, type Scope } from '@binnacle/protocol';
import { z } from 'zod';
import { type RouteTarget, routeTargetOf } from '../../access/guest-policy.ts';
import { ErrorShape } from './answer.ts';
import { operationOf } from './operations.ts';
import type { HttpRoute, SocketFrames, WsRoute } from './routes.ts';

/** Components of the document, by name. */
type PayloadSchemas = Map<string, z.ZodType>;

interface Channel {
  readonly address: string;
  readonly title: string;
  readonly description: string;
  readonly parameters?: Readonly<Record<string, { readonly description: string }>>;
  readonly servers: readonly { readonly $ref: string }[];
  readonly messages: Readonly<Record<string, { readonly $ref: string }>>;
  readonly bindings: object;
  readonly 'x-scope'?: Scope;
  /** Target of the share links that reach the address; `self`: any share link reaches it. */
  readonly 'x-guests'?: RouteTarget;
}
interface ChannelMessage {
  readonly name: string;
  readonly title: string;
  readonly contentType: string;
  readonly payload: object;
  readonly summary?: string;
  readonly 'x-scope'?: Scope;
  /** True if guests of share links may send the message. */
  readonly 'x-guests'?: boolean;
}

/** Rights that a client needs to send a frame. */
type FrameRights = Pick<ChannelMessage, 'x-scope' | 'x-guests'>;

const NAMES: Readonly<Record<string, string>> = {
  '/v1/ws': 'gateway',
  '/ws/session/:id': 'session',
  '/ws/pty-traffic': 'traffic',
  '/pty/:id/ws': 'pty',
};
const PARAMS: Readonly<Record<string, string>> = {
  id: 'The id of a session.',
  run: 'The id of a run.',
  key: 'The key of a conversation, percent-encoded.',
};

/**
 * Builds the document. Throws for a schema that JSON Schema cannot express.
 *
 * @example describeChannels({ routes, wsRoutes, version: '1.0.0', base: 'https://box.example.org/binnacle' })
 */
export function describeChannels(parts: {
  readonly routes: readonly HttpRoute[];
  readonly wsRoutes: readonly WsRoute[];
  readonly version: string;
  /** URL of this gateway for clients, without a trailing slash. */
  readonly base: string;
}): object {
  const { routes, wsRoutes, version, base } = parts;
  const url = new URL(base);
  const server = (protocol: string, description: string) => ({
    ...{ host: url.host, protocol, description },
    ...(url.pathname === '/' ? {} : { pathname: url.pathname }),
    security: [{ $ref: '#/components/securitySchemes/bearer' }],
  });
  const isTls = url.protocol === 'https:';
  const document = new Channels();
  for (const one of wsRoutes) if (one.frames !== undefined) document.addSocket(one, one.frames);
  for (const one of routes) if (one.events !== undefined) document.addStream(one, one.events);
  return {
    asyncapi: '3.0.0',
    id: `urn:binnacle:${version}`,
    info: {
      ...{ title: 'Binnacle', version, license: { name: 'MIT', url: 'https://spdx.org/licenses/MIT.html' } },
      description:
        'WebSockets and event streams of the gateway. What they promise is in PROTOCOL.md; REST is in /openapi.json.',
      tags: [{ name: 'WebSocket' }, { name: 'Events' }],
    },
    defaultContentType: 'application/json',
    servers: {
      sockets: server(isTls ? 'wss' : 'ws', 'WebSockets of this gateway.'),
      streams: server(isTls ? 'https' : 'http', 'Event streams of this gateway.'),
    },
    channels: Object.fromEntries(document.channels),
    operations: Object.fromEntries(document.operations),
    components: {
      messages: Object.fromEntries(document.messages),
      schemas: schemasOf(document.payloads),
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  };
}

class Channels {
  readonly channels = new Map<string, Channel>();
  readonly operations = new Map<string, object>();
  readonly messages = new Map<string, ChannelMessage>();
  readonly payloads: PayloadSchemas = new Map([['Error', ErrorShape as z.ZodType]]);

  addSocket({ path, summary = '', scope }: WsRoute, frames: SocketFrames): void {
    const { takes, sends, withEach, binary, shapes = {}, scopes = {}, guests } = frames;
    for (const [called, shape] of Object.entries(shapes)) this.payloads.set(called, shape);
    const name = NAMES[path] ?? path.replace(/\W+/g, '-');
    const taken = this.#frames(`${name}.client`, takes, {}, (frame) => ({
      'x-scope': scopes[frame] ?? scope,
      ...(guests === undefined ? {} : { 'x-guests': guests.includes(frame) }),
    }));
    const sent = this.#frames(`${name}.server`, sends, withEach);
    if (binary?.takes !== undefined) taken.push(this.#binary(`${name}.client.bytes`, binary.takes));
    if (binary?.sends !== undefined) sent.push(this.#binary(`${name}.server.bytes`, binary.sends));
    const description = `${summary} Needs the scope \`${scope}\`; what writes needs \`input\`.`;
    const reached = routeTargetOf('websocket', path);
    const rights = { 'x-scope': scope, ...defined({ 'x-guests': reached }) };
    this.#channel(name, path, { title: summary, description, ...rights }, 'sockets', [...taken, ...sent]);
    this.#operation(`${name}Takes`, 'receive', name, taken, 'What clients send.', 'WebSocket');
    this.#operation(`${name}Sends`, 'send', name, sent, 'What the gateway sends.', 'WebSocket');
  }

  addStream(one: HttpRoute, events: Readonly<Record<string, z.ZodType>>): void {
    const { operationId } = operationOf(one);
    const sent = Object.entries(events).map(([event, schema]) => {
      const summary = `The event \`${event}\`: its \`data\` is this JSON.`;
      return this.#message(`${operationId}.${event}`, event, schema, { summary });
    });
    const description = `${one.summary} As server-sent events: \`Accept: text/event-stream\` or \`format=sse\`. Needs the scope \`${one.scope}\`.`;
    this.#channel(operationId, one.path, { title: one.summary, description }, 'streams', sent, {});
    this.#operation(
      operationId,
      'send',
      operationId,
      sent,
      'Events, each with the position behind it as `id`.',
      'Events',
      {
        http: { method: one.method.toUpperCase(), bindingVersion: '0.3.0' },
      },
    );
  }

  /** Adds one message per frame name. Several schemas of the same name become a union. */
  #frames(
    prefix: string,
    schema: z.ZodType,
    withEach: Readonly<Record<string, z.ZodType>> = {},
    rightsOf: (name: string) => FrameRights = () => ({}),
  ): string[] {
    const byName = new Map<string, z.ZodObject[]>();
    for (const option of optionsOf(schema)) {
      const name = discriminatorOf(option);
      byName.set(name, [...(byName.get(name) ?? []), option]);
    }
    return [...byName].map(([name, all]) => {
      const whole = all.map((one) => (Object.keys(withEach).length === 0 ? one : one.safeExtend(withEach)));
      const [first, ...others] = whole;
      if (first === undefined) throw new Error(`The frame ${name} has no schema.`);
      const payload = others.length === 0 ? first : z.union([first, ...others]);
      return this.#message(`${prefix}.${name}`, name, payload, rightsOf(name));
    });
  }

  #message(id: string, name: string, schema: z.ZodType, more: FrameRights & Pick<ChannelMessage, 'summary'>): string {
    this.payloads.set(id, schema);
    const payload = { $ref: refOf(id) };
    this.messages.set(id, { name, title: name, contentType: 'application/json', payload, ...more });
    return id;
  }

  #binary(id: string, summary: string): string {
    const payload = { type: 'string', format: 'binary' };
    this.messages.set(id, { name: 'bytes', title: 'bytes', contentType: 'application/octet-stream', payload, summary });
    return id;
  }

  #channel(
    name: string,
    path: string,
    fields: Pick<Channel, 'title' | 'description' | 'x-scope' | 'x-guests'>,
    server: string,
    messages: readonly string[],
    bindings: object = { ws: { method: 'GET', bindingVersion: '0.1.0' } },
  ): void {
    const params = [...path.matchAll(/:(\w+)/g)].map(([, param = '']) => param);
    const described = params.map((param) => [param, { description: PARAMS[param] ?? param }] as const);
    this.channels.set(name, {
      address: path.replace(/:(\w+)/g, '{$1}'),
      ...fields,
      ...(params.length === 0 ? {} : { parameters: Object.fromEntries(described) }),
      servers: [{ $ref: `#/servers/${server}` }],
      messages: Object.fromEntries(messages.map((id) => [id, { $ref: `#/components/messages/${id}` }])),
      bindings,
    });
  }

  #operation(
    name: string,
    action: 'send' | 'receive',
    channel: string,
    messages: readonly string[],
    summary: string,
    tag: string,
    bindings?: object,
  ): void {
    this.operations.set(name, {
      ...{ action, channel: { $ref: `#/channels/${channel}` }, summary, tags: [{ name: tag }] },
      messages: messages.map((id) => ({ $ref: `#/channels/${channel}/messages/${id}` })),
      ...defined({ bindings }),
    });
  }
}

const refOf = (id: string): string => `#/components/schemas/${id}`;

function optionsOf(schema: z.ZodType): readonly z.ZodObject[] {
  if (schema instanceof z.ZodObject) return [schema];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => optionsOf(option as z.ZodType));
  throw new Error('Frames are objects, or unions of objects.');
}

function discriminatorOf({ shape }: z.ZodObject): string {
  const field: unknown = shape.t ?? shape.type;
  if (field instanceof z.ZodLiteral) return String([...field.values][0]);
  throw new Error('A frame has no name.');
}

/** Converts the payload schemas in their wire form, before defaults apply. */
function schemasOf(payloads: PayloadSchemas): object {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of payloads) if (!registry.has(schema)) registry.add(schema, { id });
  const written = z.toJSONSchema(registry, {
    uri: refOf,
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
  }).schemas;
  const aliases = [...payloads].flatMap(([id, schema]) => {
    const first = registry.get(schema)?.id ?? id;
    return first === id ? [] : [[id, { $ref: refOf(first) }] as const];
  });
  const plain = Object.entries(written).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema] as const);
  return Object.fromEntries([...plain, ...aliases]);
}

// The addresses of a gateway with what the published documents say of them, and the answers to them in one shape.

import type { Scope } from '@binnacle/protocol';
import type { Gateway } from '../support/gateway.ts';

/** A schema of a document, as far as the cases are made of it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly allOf?: readonly Schema[];
}

/** An address with a method, or a WebSocket. */
export interface Row {
  /** Method and path as the documents spell them: `POST /v1/sessions/{id}/input`, `WEBSOCKET /v1/ws`. */
  readonly name: string;
  readonly method: string;
  /** Path as the documents spell it, with `{id}`. */
  readonly path: string;
  readonly isSocket: boolean;
  readonly isDescribed: boolean;
  /** Undefined: no token is needed. */
  readonly scope: Scope | undefined;
  /** Target of the share links that reach the address. */
  readonly guests: 'session' | 'conversation' | 'self' | undefined;
  /** The protocol is another product's, or more may come: fields that are not known pass. */
  readonly ignoresUnknown: boolean;
  /** Name of the schema of its failures. */
  readonly failure: string;
  readonly params: Readonly<Record<string, Schema>>;
  readonly query: Readonly<Record<string, Parameter>>;
  readonly headers: Readonly<Record<string, Parameter>>;
  /** Schema of a JSON body, or `bytes`. */
  readonly body: Schema | 'bytes' | undefined;
}

export interface Parameter {
  readonly schema: Schema;
  readonly isRequired: boolean;
}

/** A frame that clients send. */
export interface FrameRow {
  /** Address of the socket. */
  readonly path: string;
  readonly name: string;
  /** Field that tells the frames of a socket from each other. */
  readonly tag: 't' | 'type';
  readonly scope: Scope;
  readonly guests: boolean;
  readonly schema: Schema;
}

export interface Contract {
  readonly rows: readonly Row[];
  readonly frames: readonly FrameRow[];
  /** Follows a `$ref` of either document. */
  resolve(schema: Schema): Schema;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of a document.
type Json = any;

/** Reads what a gateway publishes. Rows come from the gateway's own list of addresses, their rights from the documents. */
export async function contractOf(gateway: Gateway): Promise<Contract> {
  const [openapi, asyncapi]: Json[] = await Promise.all(
    ['/openapi.json', '/asyncapi.json'].map(async (path) => (await gateway.ask(path, { token: null })).json),
  );
  const channels = Object.values<Json>(asyncapi.channels);
  const rows = gateway.addresses.map(({ kind, path: pattern, scope, isDescribed }): Row => {
    const path = pattern.replace(/[:*](\w+)/g, '{$1}');
    const isSocket = kind === 'websocket';
    const documented = isSocket
      ? channels.find((one) => one.address === path && one.bindings.ws !== undefined)
      : openapi.paths[path]?.[kind];
    if (isDescribed && documented === undefined) throw new Error(`No document names ${kind} ${path}.`);
    if (isDescribed && documented['x-scope'] !== (scope === 'public' ? undefined : scope))
      throw new Error(`The document says ${documented['x-scope']} of ${kind} ${path}, and the gateway ${scope}.`);
    const all: Json[] = documented?.parameters ?? [];
    const named = (where: string): Record<string, Parameter> =>
      isSocket
        ? {}
        : Object.fromEntries(
            all
              .filter((one) => one.in === where)
              .map(({ name, schema, required = false }) => [name, { schema, isRequired: required }]),
          );
    const content = documented?.requestBody?.content;
    // Pages of plugins say themselves whether they are public; one that is not there, or is not, takes a token that may view.
    const isPluginPage = path.startsWith('/plugins/');
    return {
      ...{ name: `${kind.toUpperCase()} ${path}`, method: isSocket ? 'GET' : kind.toUpperCase(), path, isSocket },
      ...{ isDescribed, scope: isPluginPage ? 'view' : scope === 'public' ? undefined : scope },
      guests: documented?.['x-guests'],
      ignoresUnknown: !isDescribed || documented['x-unknown-fields'] === 'ignored',
      failure: documented?.responses?.default?.content['application/json'].schema.$ref?.split('/').at(-1) ?? '',
      params: Object.fromEntries(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [
          name,
          all.find?.((one) => one.in === 'path' && one.name === name)?.schema ?? { type: 'string' },
        ]),
      ),
      ...{ query: named('query'), headers: named('header') },
      body: content?.['application/json']?.schema ?? (content === undefined ? undefined : 'bytes'),
    };
  });
  const frames = channels
    .filter(({ bindings }) => bindings.ws !== undefined)
    .flatMap(({ address, messages }) =>
      Object.keys(messages)
        .filter((id) => id.includes('.client.') && !id.endsWith('.bytes'))
        .map((id): FrameRow => {
          const message = asyncapi.components.messages[id];
          const schema: Schema = asyncapi.components.schemas[id];
          const whole = schema.$ref === undefined ? schema : asyncapi.components.schemas[nameIn(schema.$ref)];
          const tag = 't' in whole.properties ? 't' : 'type';
          const guests = message['x-guests'] === true;
          return { path: address, name: message.name, tag, scope: message['x-scope'], guests, schema: whole };
        }),
    );
  const resolve = (schema: Schema): Schema => {
    if (schema.$ref === undefined) return schema;
    const name = nameIn(schema.$ref);
    const found = openapi.components.schemas[name] ?? asyncapi.components.schemas[name];
    if (found === undefined) throw new Error(`No document has the schema ${name}.`);
    return resolve(found);
  };
  return { rows, frames, resolve };
}

const nameIn = (ref: string): string => ref.split('/').at(-1) ?? '';

/** The path of a row with its parameters filled in. */
export function fill(path: string, params: Readonly<Record<string, string>> = {}, otherwise = 'nosuch'): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? otherwise));
}

/** Whether a request for `path` comes to an address. A last parameter that takes the rest of a path is written alike. */
export function takes(row: Pick<Row, 'path'>, path: string): boolean {
  const pattern = row.path.replace(/\{(\w+)\}/g, (_, name) => (name === 'rest' || name === 'suffix' ? '.*' : '[^/]+'));
  return new RegExp(`^${pattern.replaceAll('.', (dot) => dot)}$`).test(path);
}

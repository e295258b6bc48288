// The offers of plugins: their validation, and their interface for the parts of the gateway that use them.

import { hiddenLetter } from '@binnacle/protocol';
import { z } from 'zod';
import {
  CHANNEL_NAME,
  COMMAND_NAME,
  DRIVER_NAME,
  HOOKS,
  NO_CHANNELS,
  OWN_DRIVERS,
  type PermissionName,
  TOOL_NAME,
} from '../grant/permissions.ts';
import { faultOfToolSchema } from './tool-schema.ts';

const MAX_OFFERS = 200;
const MAX_DESCRIPTION = 4000;
const MAX_HOOK_MS = 5000;
const MIN_EVERY_MS = 60_000;
const MAX_EVERY_MS = 30 * 24 * 3600_000;

const name = (pattern: RegExp, format: string) => z.string().regex(pattern, `a name is ${format}`);
const free = (pattern: RegExp, format: string, taken: readonly string[]) =>
  name(pattern, format).refine((text) => !taken.includes(text.toLowerCase()), 'that name is taken');
const TOOL_FORMAT = 'A-Z, a-z, 0-9, _ and -, beginning with a letter; 64 at most';
const COMMAND_FORMAT = 'a-z, 0-9, _ and -, beginning with a letter; 32 at most';
const CHANNEL_FORMAT = 'A-Z, a-z, 0-9, _, . and -, beginning with a letter or a number; 63 at most';
const DRIVER_FORMAT = 'a-z, 0-9 and -, beginning with a letter; 32 at most';
/** Text for agents and people. An invisible character could tell an agent what no person was shown. */
const shown = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .superRefine((text, ctx) => {
      const letter = hiddenLetter(text);
      if (letter !== undefined) ctx.addIssue({ code: 'custom', message: `it holds ${letter}, which nobody sees` });
    });
const description = shown(MAX_DESCRIPTION);
const ROUTE = /^\/(?::?[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/:?[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)?$/;

const OFFER = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('tool'),
    name: name(TOOL_NAME, TOOL_FORMAT),
    title: shown(200).optional(),
    description,
    /** JSON Schema of an object. */
    input: z.record(z.string(), z.unknown()).superRefine((input, ctx) => {
      const fault = faultOfToolSchema(input);
      if (fault !== undefined) ctx.addIssue({ code: 'custom', message: fault });
    }),
    readOnly: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal('hook'),
    on: z.enum(HOOKS, `there is no such hook; one of ${HOOKS.join(', ')}`),
    onFailure: z.enum(['open', 'closed']),
    deadlineMs: z.int().min(1).max(MAX_HOOK_MS),
  }),
  z.strictObject({
    kind: z.literal('route'),
    method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    path: z.string().max(200).regex(ROUTE, 'a path such as /hook'),
    isPublic: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('command'), name: name(COMMAND_NAME, COMMAND_FORMAT), description }),
  z.strictObject({ kind: z.literal('channel'), name: free(CHANNEL_NAME, CHANNEL_FORMAT, NO_CHANNELS) }),
  z.strictObject({ kind: z.literal('driver'), name: free(DRIVER_NAME, DRIVER_FORMAT, OWN_DRIVERS) }),
  z.strictObject({
    kind: z.literal('job'),
    name: name(TOOL_NAME, TOOL_FORMAT),
    everyMs: z.int().min(MIN_EVERY_MS).max(MAX_EVERY_MS),
  }),
]);

export const OffersShape = z
  .array(OFFER)
  .max(MAX_OFFERS, `at most ${MAX_OFFERS} of them`)
  .superRefine((offers, ctx) => {
    const seen = new Set<string>();
    for (const [index, offer] of offers.entries()) {
      const method = methodOf(offer);
      if (seen.has(method)) ctx.addIssue({ code: 'custom', path: [index], message: 'there are two of it' });
      seen.add(method);
    }
  });

export type Offer = z.output<typeof OFFER>;
export type OfferKind = Offer['kind'];
export type OfferOf<Kind extends OfferKind> = Extract<Offer, { readonly kind: Kind }>;

/** Returns the method that the gateway calls in the plugin's process. */
export function methodOf(offer: Offer): string {
  switch (offer.kind) {
    case 'hook':
      return `hook:${offer.on}`;
    case 'route':
      return `route:${offer.method} ${offer.path}`;
    case 'tool':
    case 'command':
    case 'channel':
    case 'driver':
    case 'job':
      return `${offer.kind}:${offer.name}`;
  }
}

/** Returns the permission that an offer needs, and the arguments that the gate judges. */
export function needOf(offer: Offer): { readonly permission: PermissionName; readonly args: unknown } {
  switch (offer.kind) {
    case 'tool':
      return { permission: 'tools', args: { name: offer.name } };
    case 'hook':
      return { permission: 'hooks', args: { on: offer.on } };
    case 'route':
      return { permission: 'httpRoutes', args: { method: offer.method, path: offer.path } };
    case 'command':
      return { permission: 'commands', args: { name: offer.name } };
    case 'channel':
      return { permission: 'channels', args: { name: offer.name } };
    case 'driver':
      return { permission: 'agentDrivers', args: { name: offer.name } };
    case 'job':
      return { permission: 'schedule', args: { name: offer.name } };
  }
}

/** An offer in force, as its users see it. */
export interface OfferInForce<One extends Offer = Offer> {
  readonly plugin: string;
  readonly offer: One;
  /**
   * Calls the plugin. Rejects with `plugin_stopped`, `plugin_timeout`, `plugin_busy`, `plugin_failed` or
   * `message_too_large`.
   */
  invoke(params: unknown, deadlineMs: number): Promise<unknown>;
  /** Adds a line to the plugin's log, for example about an invalid answer. Repeated lines are throttled. */
  note(text: string): void;
  /** Calls another method of the same plugin that belongs to this offer. */
  invokeOther(method: string, params: unknown, deadlineMs: number): Promise<unknown>;
}

/** The offers of all plugins. Read them each time, because grants change. */
export interface Offers {
  /**
   * Returns the granted offers of enabled plugins, in the order of their ids. Includes the last offers of plugins that
   * are down at the moment: calls of those reject.
   */
  inForce<Kind extends OfferKind>(kind: Kind): readonly OfferInForce<OfferOf<Kind>>[];
  /** Listens to changes of the offers in force. Returns the function that ends the listening. */
  onChange(listener: () => void): () => void;
}

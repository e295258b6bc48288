// Channels of plugins: their inbound messages, and the replies that they deliver.

import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';
import { unlessAborted } from '../../base/abort.ts';
import type { InboundMessage, InboundReceiver } from '../../conversations/inbound.ts';
import type { CarriedReply } from '../../conversations/replies.ts';
import { argumentOf } from '../grant/arguments.ts';
import { CHANNEL_NAME } from '../grant/permissions.ts';
import { type Clock, REAL_CLOCK } from '../host/supervision.ts';
import { parsed } from '../powers/parse.ts';
import type { PowersOf } from '../powers/powers.ts';
import { PluginRateLimit } from '../powers/rate-limit.ts';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';

const REPLY_MS = 15_000;
/** Maximum inbound messages per second and plugin. Each is written to the disk, and wakes an agent. */
const PER_SECOND = 20;
/** Reserved names: session keys of people begin with these. */
const RESERVED: ReadonlySet<string> = new Set(['user', 'chat', 'direct', 'main']);

const shown = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'no control characters');
const ReceiveParams = z.strictObject({
  channel: z
    .string()
    .regex(CHANNEL_NAME)
    .refine((name) => !RESERVED.has(name.toLowerCase()), 'that name is taken'),
  message: z.strictObject({
    text: z.string().refine((text) => text.trim() !== '', 'the message is empty'),
    id: z.string().min(1).max(512).optional(),
    from: shown(200).optional(),
    accountId: shown(200).optional(),
    peer: z.strictObject({ kind: z.enum(['direct', 'group', 'channel']), id: shown(512) }).optional(),
    guildId: shown(512).optional(),
    teamId: shown(512).optional(),
    replyTo: z.string().max(2000).optional(),
  }),
});

export class PluginChannels {
  readonly #offers: Offers;
  readonly #isInstalled: (plugin: string) => boolean;
  readonly #pace: PluginRateLimit;

  constructor(offers: Offers, isInstalled: (plugin: string) => boolean, clock: Clock = REAL_CLOCK) {
    this.#pace = new PluginRateLimit(clock, PER_SECOND);
    this.#offers = offers;
    this.#isInstalled = isInstalled;
  }

  powers(inbound: Pick<InboundReceiver, 'receiveFromPlugin'>): PowersOf<'channels'> {
    return {
      channels: async (params, { plugin, gate, signal }) => {
        gate.demand('channels', { name: argumentOf(params, 'channel') });
        const { channel, message } = parsed(ReceiveParams, params, 'channels');
        gate.allow('channels', { name: channel });
        if (this.#find(plugin, channel) === undefined) {
          throw new BinnacleError('bad_request', { message: `The plugin does not offer the channel "${channel}".` });
        }
        const { replyTo, ...fields } = message;
        // Optional keys are absent, not undefined: zod omits them.
        const inboundMessage = { ...fields, channel } as Omit<InboundMessage, 'reply'>;
        const reply = replyTo === undefined ? undefined : { plugin, channel, to: replyTo };
        await this.#pace.wait(plugin, 1, signal);
        const { conversation, run } = await inbound.receiveFromPlugin(plugin, inboundMessage, reply);
        return { conversation, run: run?.id ?? null };
      },
    };
  }

  /** Delivers a reply. Rejects while the plugin is down, to have the delivery retried. */
  async carry({ plugin, channel, to, id, run }: CarriedReply, signal: AbortSignal): Promise<'taken' | 'never'> {
    const offered = this.#find(plugin, channel);
    if (offered === undefined) {
      if (!this.#isInstalled(plugin)) return 'never';
      throw new BinnacleError('plugin_stopped', { details: { plugin } });
    }
    const { conversation, state, text, end } = run;
    const error = end?.state === 'error' ? { error: end.error.message } : {};
    await unlessAborted(offered.invoke({ id, to, conversation, state, text, ...error }, REPLY_MS), signal);
    return 'taken';
  }

  #find(plugin: string, channel: string): OfferInForce<OfferOf<'channel'>> | undefined {
    return this.#offers.inForce('channel').find((one) => one.plugin === plugin && one.offer.name === channel);
  }
}

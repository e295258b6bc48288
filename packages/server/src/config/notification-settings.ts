// Schema of the `notify` section of the config file: the targets of notifications.

import { z } from 'zod';

const Url = z.url({ protocol: /^https?$/ });
const EnvName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable');

const TARGET = {
  /** The user whose visible sessions and conversations count. Default `admin`, who sees all. */
  user: z.string().min(1).max(64).optional(),
  /** True: also sends the text of the program, not only that it waits. */
  details: z.boolean().optional(),
  /** False: not at the end of an agent's turn, only when a program waits. Default true. */
  done: z.boolean().optional(),
};

/** Maximum targets. A longer list is a mistake. */
const MAX_TARGETS = 20;

export const NotifyShape = z.strictObject({
  /** False: browsers cannot subscribe, and no push messages are sent. Default true. */
  push: z.boolean().optional(),
  /** Contact address for push services. */
  contact: z
    .string()
    .regex(/^(?:mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/, 'mailto:you@example.org or an https address')
    .max(200)
    .optional(),
  /** Origins of push services in a private network, which are refused otherwise. */
  pushOrigins: z
    .array(Url.transform((text) => new URL(text).origin))
    .max(MAX_TARGETS)
    .optional(),
  /** External address of the page: links in messages begin with it. */
  link: Url.optional(),
  /** The address of a topic: https://ntfy.sh/your-topic. */
  ntfy: z
    .array(z.strictObject({ url: Url, tokenEnv: EnvName.optional(), ...TARGET }))
    .max(MAX_TARGETS)
    .optional(),
  webhooks: z
    .array(z.strictObject({ url: Url, secretEnv: EnvName.optional(), ...TARGET }))
    .max(MAX_TARGETS)
    .optional(),
});

export type NotifySettings = Readonly<z.output<typeof NotifyShape>>;
export type NtfyTarget = NonNullable<NotifySettings['ntfy']>[number];
export type WebhookTarget = NonNullable<NotifySettings['webhooks']>[number];

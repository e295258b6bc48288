// What the config file may say of whom to tell: `notify`. Knows no file and sends nothing.

import { z } from 'zod';

const Url = z.url({ protocol: /^https?$/ });
const EnvName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable');

const TARGET = {
  /** Whose sessions and conversations: what this user may see. Default `admin`, who sees all. */
  user: z.string().min(1).max(64).optional(),
  /** With the words of the program, too, not only that it waits. */
  details: z.boolean().optional(),
  /** False: not when an agent's turn has ended, only when something waits. Default true. */
  done: z.boolean().optional(),
};

/** More than these are no list of targets. */
const MAX_TARGETS = 20;

export const NotifyShape = z.strictObject({
  /** False: browsers cannot subscribe, and none is sent to. Default true. */
  push: z.boolean().optional(),
  /** Whom push services can complain to. */
  contact: z
    .string()
    .regex(/^(?:mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/, 'mailto:you@example.org or an https address')
    .max(200)
    .optional(),
  /** Origins of push services in one's own network, which else are refused. */
  pushOrigins: z
    .array(Url.transform((text) => new URL(text).origin))
    .max(MAX_TARGETS)
    .optional(),
  /** What the page is reached by from outside: links in messages begin with it. */
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

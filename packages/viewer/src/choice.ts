// What the page shows, as the address keeps it: a session or a conversation. Pure.

import { type ConversationKey, isConversationKey, isSessionId } from '@binnacle/protocol';

export type Choice =
  | { readonly kind: 'session'; readonly id: string }
  | { readonly kind: 'conversation'; readonly key: ConversationKey };

export const isSameChoice = (a: Choice | undefined, b: Choice | undefined): boolean => addressOf(a) === addressOf(b);

/** The fragment for it, with its `#`; empty for none. */
export function addressOf(choice: Choice | undefined): string {
  if (choice === undefined) return '';
  return choice.kind === 'session' ? `#/${choice.id}` : `#/c/${encodeURIComponent(choice.key)}`;
}

/** What a fragment names; undefined where it names nothing that could be shown. */
export function choiceIn(hash: string): Choice | undefined {
  if (!hash.startsWith('#/')) return undefined;
  const rest = hash.slice(2);
  if (isSessionId(rest)) return { kind: 'session', id: rest };
  if (!rest.startsWith('c/')) return undefined;
  try {
    const key = decodeURIComponent(rest.slice(2));
    return isConversationKey(key) ? { kind: 'conversation', key } : undefined;
  } catch {
    return undefined; // a broken escape names nothing
  }
}

// Visibility of a conversation, parsed and formatted. Pure.

import type { Visibility } from '@binnacle/protocol';
import { harmless } from './text.ts';

/** Parses `nobody`, `everyone`, or user names separated by spaces or commas; undefined without a name. */
export function readSharing(text: string): Visibility | undefined {
  const names = text.split(/[\s,]+/).filter((name) => name !== '');
  const [first, ...others] = names;
  if (first === undefined) return undefined;
  if (others.length === 0 && first === 'nobody') return { kind: 'private' };
  if (others.length === 0 && first === 'everyone') return { kind: 'everyone' };
  return { kind: 'shared', with: [...new Set(names)] };
}

export function sharingText(visibility: Visibility): string {
  if (visibility.kind === 'private') return 'shared with nobody';
  if (visibility.kind === 'everyone') return 'shared with everyone on this gateway';
  return `shared with ${visibility.with.map(harmless).join(', ') || 'nobody'}`;
}

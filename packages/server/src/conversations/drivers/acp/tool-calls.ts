// The tool calls of a turn, stored so that an update can be completed to a whole call.

import type { ToolCall } from '@binnacle/protocol';
import { cutText } from '../tool-text.ts';

/**
 * Maximum characters of one stored call, and below of all calls, because the state of a link is written often. A larger
 * call is reported whole, but stored without its long parts.
 */
const MAX_STORED_CHARS = 12_000;
const MAX_ALL_CHARS = 36_000;
const MAX_CALLS = 64;
/** Maximum stored calls that have ended. Some agents send more about such a call shortly afterwards. */
const MAX_OVER = 8;

export interface StoredCall {
  readonly call: ToolCall;
  /** Length as JSON. Measured once, because a turn may have thousands of calls. */
  readonly chars: number;
  /** Set if only a part is stored. Such a call cannot be shown for approval. */
  readonly isShort?: true;
}

/** Returns the calls to store, oldest first, with a new or changed call. */
export function keepTool(stored: readonly StoredCall[], call: ToolCall): readonly StoredCall[] {
  const changed = measured(call);
  const isKnown = stored.some(({ call: { id } }) => id === call.id);
  const calls = isKnown ? stored.map((old) => (old.call.id === call.id ? changed : old)) : [...stored, changed];
  let chars = calls.reduce((sum, each) => sum + each.chars, 0);
  let count = calls.length;
  let over = calls.filter(isOver).length;
  // Calls that have ended go first: few further updates will come.
  const byNeed = [...calls.filter(isOver), ...calls.filter((each) => !isOver(each))];
  const dropped = new Set<StoredCall>();
  for (const old of byNeed) {
    const isTooMuch = chars > MAX_ALL_CHARS || count > MAX_CALLS || (over > MAX_OVER && isOver(old));
    if (!isTooMuch) break;
    if (old === changed) continue;
    dropped.add(old);
    chars -= old.chars;
    count -= 1;
    if (isOver(old)) over -= 1;
  }
  return dropped.size === 0 ? calls : calls.filter((each) => !dropped.has(each));
}

const isOver = ({ call: { status } }: StoredCall): boolean => status === 'done' || status === 'failed';
const sizeOf = (value: unknown): number => JSON.stringify(value)?.length ?? 0;

function measured(call: ToolCall): StoredCall {
  const chars = sizeOf(call);
  if (chars <= MAX_STORED_CHARS) return { call, chars };
  const { input, output, diffs, title, ...rest } = call;
  const short: ToolCall = {
    ...rest,
    title: cutText(title, 1000),
    ...(input === undefined || sizeOf(input) > MAX_STORED_CHARS / 3 ? {} : { input }),
    ...(output === undefined ? {} : { output: cutText(output, MAX_STORED_CHARS / 6) }),
    // Half of a diff would be a wrong diff.
    ...(diffs === undefined || sizeOf(diffs) > MAX_STORED_CHARS / 3 ? {} : { diffs }),
  };
  return { call: short, chars: sizeOf(short), isShort: true };
}

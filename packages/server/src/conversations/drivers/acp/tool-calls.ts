// The tool calls of a turn that are kept, so that an update can be told as a whole call. Knows no update.

import type { ToolCall } from '@binnacle/protocol';
import { cutText } from '../tool-text.ts';

/**
 * The state of a link is written often: about so many characters of one call and of all. A call that is larger is told
 * whole, but kept without what is too long.
 */
const MAX_KEPT_CHARS = 12_000;
const MAX_ALL_CHARS = 36_000;
const MAX_CALLS = 64;
/** Some agents tell more of a call that has ended already, soon after. */
const MAX_OVER = 8;

export interface KeptCall {
  readonly call: ToolCall;
  /** As JSON. Measured once: there may be thousands of calls in a turn. */
  readonly chars: number;
  /** Not all of it is kept: nobody can be asked to allow it by what is. */
  readonly isShort?: true;
}

/** The calls to keep, oldest first, with one that is new or another than it was. */
export function keepTool(kept: readonly KeptCall[], call: ToolCall): readonly KeptCall[] {
  const changed = measured(call);
  const isKnown = kept.some(({ call: { id } }) => id === call.id);
  const calls = isKnown ? kept.map((old) => (old.call.id === call.id ? changed : old)) : [...kept, changed];
  let chars = calls.reduce((sum, each) => sum + each.chars, 0);
  let count = calls.length;
  let over = calls.filter(isOver).length;
  // Those that have ended first: little more will come of them.
  const byNeed = [...calls.filter(isOver), ...calls.filter((each) => !isOver(each))];
  const dropped = new Set<KeptCall>();
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

const isOver = ({ call: { status } }: KeptCall): boolean => status === 'done' || status === 'failed';
const sizeOf = (value: unknown): number => JSON.stringify(value)?.length ?? 0;

function measured(call: ToolCall): KeptCall {
  const chars = sizeOf(call);
  if (chars <= MAX_KEPT_CHARS) return { call, chars };
  const { input, output, diffs, title, ...rest } = call;
  const short: ToolCall = {
    ...rest,
    title: cutText(title, 1000),
    ...(input === undefined || sizeOf(input) > MAX_KEPT_CHARS / 3 ? {} : { input }),
    ...(output === undefined ? {} : { output: cutText(output, MAX_KEPT_CHARS / 6) }),
    // Half a difference would be a wrong one.
    ...(diffs === undefined || sizeOf(diffs) > MAX_KEPT_CHARS / 3 ? {} : { diffs }),
  };
  return { call: short, chars: sizeOf(short), isShort: true };
}

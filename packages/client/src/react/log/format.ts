// Text for sizes and gaps of output.

import type { GapEvent } from '../../session/attachment.ts';

/** `1 byte`, `512 bytes`, `12 KiB`, `3.4 MiB`. */
export function bytesIn(count: number): string {
  if (count < 1024) return count === 1 ? '1 byte' : `${count} bytes`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function gapText({ from, to, reason }: Pick<GapEvent, 'from' | 'to' | 'reason'>): string {
  const size = bytesIn(to - from);
  const are = to - from === 1 ? 'is' : 'are';
  return reason === 'retention'
    ? `${size} of output ${are} no longer kept.`
    : `${size} of output ${are} damaged and left out.`;
}

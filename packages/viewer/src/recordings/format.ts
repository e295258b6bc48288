// Text about recordings. Pure.

import type { ImportCounts } from '@binnacle/protocol';

const counted = (count: number, one: string, many = `${one}s`): string =>
  count === 1 ? `1 ${one}` : `${count.toLocaleString('en')} ${many}`;

/** Describes the result of an import: everything that was left out is mentioned. */
export function importText({ events, skipped, inputDropped, timesMended, isCut }: ImportCounts): string {
  const rest = [
    inputDropped > 0 ? `what was typed was left out (${counted(inputDropped, 'event')})` : '',
    skipped > 0 ? `${counted(skipped, 'event')} made no sense and ${skipped === 1 ? 'was' : 'were'} skipped` : '',
    timesMended > 0
      ? `${counted(timesMended, 'time')} went backwards and ${timesMended === 1 ? 'was' : 'were'} mended`
      : '',
    isCut ? 'its last line was cut off' : '',
  ].filter(Boolean);
  const text = counted(events, 'event');
  return rest.length === 0 ? `${text}.` : `${text}; ${rest.join('; ')}.`;
}

/** Returns a duration: `1 h 02 min`, `3 min 20 s`, `8 s`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
}

// Text and bar heights for the timeline. Pure.

import type { Timeline, TimelineMark } from '@binnacle/protocol';
import { oneLine } from '../model/format.ts';

/** Returns `0:07`, `12:03`, `1:02:03`: time since the beginning. */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

const KINDS: Readonly<Record<TimelineMark['kind'], string>> = {
  run: 'Command',
  resize: 'Size',
  signal: 'Signal',
  gap: 'Missing output',
  exit: 'End',
  waiting: 'Waits',
};

export function markText({ kind, text }: TimelineMark): string {
  const line = oneLine(text, 80);
  return line === '' ? KINDS[kind] : `${KINDS[kind]}: ${line}`;
}

export const nextMark = ({ marks }: Timeline, time: number): TimelineMark | undefined =>
  marks.find((mark) => mark.time > time);

export const previousMark = ({ marks }: Timeline, time: number): TimelineMark | undefined =>
  marks.findLast((mark) => mark.time < time);

/**
 * Returns times in seconds, and heights from 0 to 1 on a square-root scale, so that a prompt is visible beside a flood.
 */
export function bars({ points, from, to, stepMs }: Timeline): readonly [number[], number[]] {
  const most = Math.max(1, ...points.map(({ bytes }) => bytes));
  const times = points.map(({ time }) => (time + stepMs / 2) / 1000);
  const heights = points.map(({ bytes }) => (bytes === 0 ? 0 : Math.max(0.06, Math.sqrt(bytes / most))));
  // Both ends are included, so that the plot covers the whole time.
  return [
    [from / 1000, ...times, to / 1000],
    [0, ...heights, 0],
  ];
}

// Announcements of a growing log for screen readers: its lines while they are few, their number while they are many.

import { useEffect, useRef, useState } from 'react';
import type { LogLine } from '../log/lines.ts';

/** Speech cannot follow a flood; about as often as it finishes a sentence. */
const EVERY_MS = 1500;
const FEW_LINES = 3;
const MAX_CHARS = 300;

/** Returns the announcement of lines that come once `isCaughtUp`. History is not announced. */
export function useAnnouncement(lines: readonly LogLine[], isCaughtUp: boolean, isOn: boolean): string {
  const [announcement, setAnnouncement] = useState('');
  const announcedTo = useRef<number>(undefined);
  const latest = useRef(lines);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    latest.current = lines;
    const end = (lines.at(-1)?.number ?? -1) + 1;
    if (!isOn || !isCaughtUp) {
      announcedTo.current = undefined;
      return;
    }
    if (announcedTo.current === undefined || announcedTo.current > end) announcedTo.current = end;
    if (announcedTo.current === end) return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const from = announcedTo.current ?? 0;
      const fresh = latest.current.filter(({ number, text }) => number >= from && text.trim() !== '');
      announcedTo.current = (latest.current.at(-1)?.number ?? -1) + 1;
      if (fresh.length === 0) return;
      setAnnouncement(
        fresh.length > FEW_LINES ? `${announcedTo.current - from} new lines` : fresh.map(textOf).join('\n'),
      );
    }, EVERY_MS);
  }, [lines, isCaughtUp, isOn]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );
  return announcement;
}

const textOf = ({ kind, text }: LogLine): string =>
  `${kind === 'stderr' ? 'error output: ' : ''}${text.slice(0, MAX_CHARS)}`;

// The log of a plugin in a dialog: its output and the gateway's messages about it, live.

import type { Binnacle } from '@binnacle/client';
import { useEffect, useRef } from 'react';
import { exactClockTime, oneLine } from '../model/format.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';
import { usePluginLog } from './use-plugins.ts';
import './plugin-log.css';

interface PluginLogProps {
  readonly client: Binnacle;
  readonly id: string;
  readonly onClose: () => void;
}

// Maximum distance from the end that counts as the end: less than the height of a line.
const NEAR_PX = 24;

export function PluginLog({ client, id, onClose }: PluginLogProps) {
  const { lines, error, loading } = usePluginLog(client, id);
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const last = lines.at(-1)?.n;
  // Follows the end only if the reader has not scrolled up.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new line is what it is for
  useEffect(() => {
    const { current } = box;
    if (current !== null && isAtEnd.current) current.scrollTop = current.scrollHeight;
  }, [last]);
  const now = Date.now();
  return (
    <Dialog label={`Log of ${id}`} onClose={onClose}>
      <div className="plugin-log-dialog">
        <h2>Log of {id}</h2>
        {error !== undefined && <Failure error={error} />}
        <div
          className="plugin-log"
          ref={box}
          role="log"
          aria-live="off"
          aria-label={`Lines of ${id}`}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and keys must be able to scroll it
          tabIndex={0}
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
            isAtEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_PX;
          }}
          data-testid="plugin-log"
        >
          {lines.length === 0 && <p className="plugin-none">{loading ? 'Looking…' : 'Nothing yet.'}</p>}
          {lines.map(({ n, at, stream, text }) => (
            <p key={n} className={`log-line ${stream}`} data-testid="log-line" data-stream={stream}>
              <time dateTime={new Date(at).toISOString()}>{exactClockTime(at, now)}</time>{' '}
              {stream !== 'stdout' && <small>{stream} </small>}
              <span>{oneLine(text, 4000)}</span>
            </p>
          ))}
        </div>
        <DialogButtons label="Close" testId="log-close" onClose={onClose} />
      </div>
    </Dialog>
  );
}

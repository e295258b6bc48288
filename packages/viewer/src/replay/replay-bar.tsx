// The timeline of a session with its scrubber, and the buttons of its replay.

import type { Timeline, TimelineMark } from '@binnacle/protocol';
import { type KeyboardEvent, useEffect, useRef } from 'react';
import { exactClockTime } from '../model/format.ts';
import { CloseIcon, PauseIcon, PlayIcon, StepBackIcon, StepIcon } from '../ui/icons.tsx';
import { LazyPart, useLazyPart } from '../ui/lazy-part.ts';
import type { Theme } from '../ui/theme.ts';
import { elapsed, markText } from './format.ts';
import { SPEEDS, type Speed } from './player.ts';
import type { Replay } from './use-replay.ts';
import './replay-bar.css';

// Optional: the replay works without the plot.
const picture = new LazyPart(() => import('./timeline-plot.tsx').catch(() => ({ TimelinePlot: NoPlot })));
const NoPlot = () => (
  <p className="timeline-empty">The picture of the timeline could not be loaded. Reload the page to see it.</p>
);

interface ReplayBarProps {
  readonly replay: Replay;
  readonly theme: Theme;
  readonly running: boolean;
  /** True if the user just opened it: the bar takes the focus. */
  readonly takesFocus?: boolean;
  readonly onClose: () => void;
}

/** Step of an arrow key; ten times as much with Shift. */
const STEP_MS = 5000;
/** Maximum marks in the list. */
export const MOST_LISTED = 300;

export function ReplayBar({ replay, theme, running, takesFocus = false, onClose }: ReplayBarProps) {
  const bar = useRef<HTMLElement>(null);
  const plot = useLazyPart(picture);
  useEffect(() => {
    if (takesFocus) bar.current?.focus();
  }, [takesFocus]);
  const { timeline, played, error } = replay;
  const from = timeline?.from ?? 0;
  const to = Math.max(from + 1, timeline?.to ?? 1);
  const time = played?.time ?? to;
  const key = (event: KeyboardEvent<HTMLElement>): void => {
    const isControl = event.target instanceof HTMLButtonElement || event.target instanceof HTMLSelectElement;
    const isBox = event.target instanceof HTMLInputElement && event.target.type === 'checkbox';
    const ways: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };
    const way = ways[event.key];
    if (event.key === ' ' && !isControl && !isBox) replay.toggle();
    else if (way !== undefined && !(event.target instanceof HTMLSelectElement)) {
      replay.seek({ time: time + way * STEP_MS * (event.shiftKey ? 10 : 1) });
    } else return;
    event.preventDefault();
  };
  return (
    <section
      ref={bar}
      tabIndex={-1}
      className="replay-bar"
      aria-label="Timeline and replay"
      data-testid="replay"
      onKeyDown={key}
    >
      <div className="timeline">
        {timeline === undefined ? (
          <p className="timeline-empty" role="status">
            {error === undefined ? 'Reading the timeline…' : `${error.message} ${error.hint}`}
          </p>
        ) : plot === undefined ? (
          <div className="timeline-plot" />
        ) : (
          <plot.TimelinePlot timeline={timeline} theme={theme} />
        )}
        <input
          type="range"
          className="timeline-scrubber"
          min={from}
          max={to}
          step="any"
          value={time}
          disabled={timeline === undefined}
          aria-label="Moment"
          aria-valuetext={played === undefined ? 'Live' : `${elapsed(time - from)} of ${elapsed(to - from)}`}
          data-testid="scrubber"
          onChange={({ target }) => replay.seek({ time: target.valueAsNumber })}
        />
      </div>
      <div className="replay-row">
        <ReplayButtons replay={replay} />
        <span className="replay-time" data-testid="replay-time" data-phase={played?.phase ?? 'live'}>
          {played === undefined ? (running ? 'Live' : 'End') : elapsed(time - from)}
          <small> / {elapsed(to - from)}</small>
          {timeline !== undefined && <small className="wide"> · {exactClockTime(time, Date.now())}</small>}
        </span>
        <select
          className="replay-speed"
          value={replay.speed}
          aria-label="Speed"
          data-testid="replay-speed"
          onChange={({ target }) => replay.setSpeed(Number(target.value) as Speed)}
        >
          {SPEEDS.map((speed) => (
            <option key={speed} value={speed}>
              {speed}×
            </option>
          ))}
        </select>
        {timeline !== undefined && timeline.marks.length > 0 && <MarkList timeline={timeline} onChoose={replay.seek} />}
        <label className="replay-pauses">
          <input
            type="checkbox"
            checked={!replay.isLong}
            data-testid="replay-short"
            onChange={({ target }) => replay.setLong(!target.checked)}
          />
          Shorten pauses
        </label>
        <span className="replay-space" />
        {played !== undefined && (
          <button type="button" className="button primary" data-testid="replay-live" onClick={replay.live}>
            {running ? 'Back to live' : 'Leave the replay'}
          </button>
        )}
        <button
          type="button"
          className="button quiet square"
          aria-label="Close the timeline"
          title="Close the timeline"
          data-testid="replay-close"
          onClick={onClose}
        >
          <CloseIcon />
        </button>
      </div>
      {error !== undefined && timeline !== undefined && (
        <p className="failure" role="alert" data-testid="replay-error">
          {error.message} <span className="failure-hint">{error.hint}</span>
        </p>
      )}
    </section>
  );
}

/** Steps to the marks beside the moment, and plays or pauses. */
function ReplayButtons({ replay }: { readonly replay: Replay }) {
  const isPlaying = replay.played?.phase === 'playing';
  const { timeline } = replay;
  return (
    <>
      <button
        type="button"
        className="button quiet square"
        aria-label="Previous mark"
        title="Previous mark"
        data-testid="replay-back"
        onClick={() => replay.step(true)}
      >
        <StepBackIcon />
      </button>
      <button
        type="button"
        className="button square primary"
        aria-label={isPlaying ? 'Pause' : 'Play'}
        title={isPlaying ? 'Pause (Space)' : 'Play (Space)'}
        disabled={timeline === undefined}
        data-testid="replay-play"
        onClick={replay.toggle}
      >
        {isPlaying ? <PauseIcon /> : <PlayIcon />}
      </button>
      <button
        type="button"
        className="button quiet square"
        aria-label="Next mark"
        title="Next mark"
        data-testid="replay-next"
        onClick={() => replay.step(false)}
      >
        <StepIcon />
      </button>
    </>
  );
}

interface MarkListProps {
  readonly timeline: Timeline;
  readonly onChoose: (mark: TimelineMark) => void;
}

/** The marks of the timeline, to jump to. */
function MarkList({ timeline, onChoose }: MarkListProps) {
  const { from } = timeline;
  return (
    <select
      className="replay-marks"
      value=""
      aria-label="Jump to a mark"
      data-testid="replay-marks"
      onChange={({ target }) => {
        const mark = timeline.marks[Number(target.value)];
        if (mark !== undefined) onChoose(mark);
      }}
    >
      <option value="" disabled>
        Marks ({timeline.marks.length.toLocaleString()}
        {timeline.isClipped ? '+' : ''})
      </option>
      {timeline.marks.slice(0, MOST_LISTED).map((mark, at) => (
        <option key={`${mark.kind} ${mark.time} ${mark.offset} ${mark.text}`} value={at}>
          {elapsed(mark.time - from)} {markText(mark)}
        </option>
      ))}
      {(timeline.isClipped || timeline.marks.length > MOST_LISTED) && (
        <option disabled>There are more, which are not listed</option>
      )}
    </select>
  );
}

// The plot of a session's activity over time, with its marks. Loaded on first use.

import type { Timeline, TimelineMark } from '@binnacle/protocol';
import { useEffect, useRef } from 'react';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Theme } from '../ui/theme.ts';
import { bars } from './format.ts';

interface TimelinePlotProps {
  readonly timeline: Timeline;
  /** Theme; a change makes the plot read its colours again. */
  readonly theme: Theme;
}

const COLOURS: Readonly<Record<TimelineMark['kind'], string>> = {
  run: '--brass',
  resize: '--muted',
  signal: '--amber',
  gap: '--red',
  exit: '--red',
  waiting: '--amber',
};

/** Maximum marks to draw: more would be lines upon lines. */
const MOST_MARKS = 1000;

export function TimelinePlot({ timeline, theme }: TimelinePlotProps) {
  const box = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme is in the colours
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const style = getComputedStyle(element);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const marks = (plot: UPlot): void => {
      const { ctx, bbox } = plot;
      ctx.save();
      for (const { kind, time } of timeline.marks.slice(0, MOST_MARKS)) {
        const x = Math.round(plot.valToPos(time / 1000, 'x', true));
        ctx.fillStyle = colour(COLOURS[kind]);
        ctx.fillRect(x, bbox.top, devicePixelRatio, bbox.height);
        // Marks differ by their heads, too, not by colour alone.
        const size = 5 * devicePixelRatio;
        ctx.beginPath();
        if (kind === 'run') ctx.rect(x, bbox.top, size, size);
        else if (kind === 'waiting') ctx.arc(x, bbox.top + size, size / 2, 0, 7);
        else if (kind === 'exit' || kind === 'gap') {
          ctx.moveTo(x - size, bbox.top);
          ctx.lineTo(x + size, bbox.top);
          ctx.lineTo(x, bbox.top + size);
        }
        ctx.fill();
      }
      ctx.restore();
    };
    const plot = new UPlot(
      {
        width: Math.max(50, element.clientWidth),
        height: Math.max(20, element.clientHeight),
        padding: [0, 0, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true }, y: { range: [0, 1] } },
        axes: [{ show: false }, { show: false }],
        series: [
          {},
          {
            fill: colour('--sea'),
            stroke: colour('--sea'),
            width: 0,
            points: { show: false },
            ...(UPlot.paths.bars === undefined ? {} : { paths: UPlot.paths.bars({ size: [1, 12, 2] }) }),
          },
        ],
        hooks: { draw: [marks] },
      },
      bars(timeline) as [number[], number[]],
      element,
    );
    const observer = new ResizeObserver(() =>
      plot.setSize({ width: Math.max(50, element.clientWidth), height: Math.max(20, element.clientHeight) }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [timeline, theme]);
  return <div className="timeline-plot" ref={box} aria-hidden="true" data-testid="timeline-plot" />;
}

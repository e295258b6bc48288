// Touch scrolling of a terminal, with momentum: first moves a picture that is larger than the page, then its lines.
// xterm 6 has no touch scrolling with momentum.

import type { Terminal } from '@xterm/xterm';

/** Minimum speed (px/ms) of a fling: a slower finger had stopped before it was lifted. */
const FLING = 0.25;
const FASTEST = 6;
/** Remaining share of the speed after each ms: half after a third of a second. */
const SLOWING = 0.998;
/** Duration of the last part of the movement, which defines the speed. */
const SPEED_OVER_MS = 80;

interface Sample {
  readonly x: number;
  readonly y: number;
  readonly at: number;
}

export function scrollByTouch(terminal: Terminal, host: HTMLElement, signal: AbortSignal): void {
  let samples: Sample[] = [];
  /** Moved pixels that do not make a whole line yet. */
  let rest = 0;
  let rolling = 0;
  const pan = (x: number, y: number, at: Sample): void => {
    // A terminal wider or higher than the page moves itself; the rest of the movement scrolls its lines.
    const frame = host.parentElement;
    const top = frame?.scrollTop ?? 0;
    frame?.scrollBy(x, y);
    rest += y - ((frame?.scrollTop ?? 0) - top);
    const line = lineHeight(terminal);
    const lines = Math.trunc(rest / line);
    rest -= lines * line;
    if (lines !== 0) scroll(terminal, lines, at);
  };
  const stop = (): void => cancelAnimationFrame(rolling);
  const start = (event: TouchEvent): void => {
    stop();
    rest = 0;
    const touch = event.touches[0];
    samples = touch === undefined ? [] : [sampleOf(touch, event)];
  };
  const move = (event: TouchEvent): void => {
    const touch = event.touches[0];
    const last = samples.at(-1);
    // Two fingers belong to the browser, which zooms the page.
    if (touch === undefined || last === undefined || event.touches.length > 1) {
      samples = [];
      return;
    }
    event.preventDefault();
    const now = sampleOf(touch, event);
    pan(last.x - now.x, last.y - now.y, now);
    samples = [...samples.filter(({ at }) => now.at - at <= SPEED_OVER_MS), now];
  };
  const end = (event: TouchEvent): void => {
    const [first, last] = [samples[0], samples.at(-1)];
    samples = [];
    if (first === undefined || last === undefined || window.matchMedia('(prefers-reduced-motion: reduce)').matches)
      return;
    const duration = last.at - first.at;
    if (duration <= 0 || event.timeStamp - last.at > SPEED_OVER_MS) return;
    const speed = (from: number, to: number): number => Math.max(-FASTEST, Math.min(FASTEST, (from - to) / duration));
    roll(speed(first.x, last.x), speed(first.y, last.y), last);
  };
  const roll = (vx: number, vy: number, from: Sample): void => {
    if (Math.hypot(vx, vy) < FLING) return;
    let before = performance.now();
    let [x, y] = [vx, vy];
    const frame = (now: number): void => {
      // A frame carries the time at which it began: the finger may have been lifted within the frame, and later.
      const ms = Math.max(0, Math.min(64, now - before));
      before = now;
      if (signal.aborted) return;
      pan(x * ms, y * ms, from);
      const slower = SLOWING ** ms;
      x *= slower;
      y *= slower;
      if (Math.hypot(x, y) >= FLING / 4) rolling = requestAnimationFrame(frame);
    };
    rolling = requestAnimationFrame(frame);
  };
  host.addEventListener('touchstart', start, { passive: true, signal });
  host.addEventListener('touchmove', move, { passive: false, signal });
  host.addEventListener('touchend', end, { passive: true, signal });
  host.addEventListener('touchcancel', stop, { passive: true, signal });
  signal.addEventListener('abort', stop);
}

const sampleOf = ({ clientX: x, clientY: y }: Touch, { timeStamp: at }: TouchEvent): Sample => ({ x, y, at });

/** Returns the height of a row in pixels. */
export function lineHeight(terminal: Terminal): number {
  const screen = terminal.element?.querySelector('.xterm-screen');
  return Math.max(1, screen instanceof HTMLElement ? screen.offsetHeight / terminal.rows : 1);
}

function scroll(terminal: Terminal, lines: number, { x: clientX, y: clientY }: Sample): void {
  const { buffer, modes, element } = terminal;
  if (buffer.active.type === 'normal' && modes.mouseTrackingMode === 'none') {
    terminal.scrollLines(lines);
    return;
  }
  // On the alternate screen the program gets wheel events, which xterm converts as the program requested.
  const wheel = {
    deltaY: lines,
    deltaMode: WheelEvent.DOM_DELTA_LINE,
    clientX,
    clientY,
    bubbles: true,
    cancelable: true,
  };
  element?.querySelector('.xterm-screen')?.dispatchEvent(new WheelEvent('wheel', wheel));
}

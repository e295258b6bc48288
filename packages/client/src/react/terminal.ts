/**
 * Parts for a page that draws sessions with xterm.js itself: limits on the work of a sequence, a feed that waits for the
 * drawing, and the sorting of input. Loads neither React nor xterm.js.
 *
 * @module @binnacle/client/terminal
 */

export { TerminalFeed } from './terminal/feed.ts';
export { boundSize, guard } from './terminal/guards.ts';
export { listenToInput, type TerminalInputEvents } from './terminal/input-events.ts';
export { Gestures, type InputKind, inputKind } from './terminal/input-kind.ts';
export { type TerminalAppearance, type TerminalEvents, TerminalScreen } from './terminal/screen.ts';
export { lostTo, type SteerOwner, TerminalSteer } from './terminal/steer.ts';

// @binnacle/client/terminal: what a page that draws sessions with xterm.js itself should have between the two. Loads neither
// React nor xterm.js.

export { TerminalFeed } from './terminal/feed.ts';
export { boundSize, guard } from './terminal/guards.ts';
export { type HandEvents, listenToHand } from './terminal/input-events.ts';
export { Gestures, type InputKind, inputKind } from './terminal/input-kind.ts';
export { lostTo, type SteerOwner, TerminalSteer } from './terminal/steer.ts';

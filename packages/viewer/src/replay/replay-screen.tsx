// The terminal of a replay, over the live one.

import type { Replay } from './use-replay.ts';
import './replay-screen.css';

export function ReplayScreen({ replay }: { readonly replay: Replay }) {
  if (replay.played === undefined) return null;
  const { phase, cols, rows } = replay.played;
  return (
    <div className="screen replay-screen" data-testid="replay-screen" data-phase={phase}>
      <section className="screen-fit watching" ref={replay.host} aria-label={`Replay, ${cols} by ${rows}`} />
    </div>
  );
}

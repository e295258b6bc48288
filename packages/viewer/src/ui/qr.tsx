// A text as a QR code that a phone's camera reads. Knows nothing of what the text opens.

import { useMemo } from 'react';
import { encode } from 'uqr';
import './qr.css';

interface QrProps {
  readonly text: string;
  /** What it is, for who cannot see it. */
  readonly label: string;
}

/** Modules of nothing around it that readers need to find it. */
const QUIET = 4;

/** Dark on light in both themes: many cameras read no code the other way round. */
export function Qr({ text, label }: QrProps) {
  const { size, path } = useMemo(() => drawn(text), [text]);
  return (
    <svg
      className="qr"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      shapeRendering="crispEdges"
      data-testid="qr"
    >
      <path d={path} />
    </svg>
  );
}

/** One path of the dark modules, a run of a row each: a thousand elements would be a thousand to lay out. */
function drawn(text: string): { readonly size: number; readonly path: string } {
  const { size, data } = encode(text, { ecc: 'M', border: QUIET });
  let path = '';
  for (const [y, row] of data.entries()) {
    for (let x = 0; x < row.length; x += 1) {
      if (row[x] !== true) continue;
      const from = x;
      while (row[x + 1] === true) x += 1;
      path += `M${from} ${y}h${x - from + 1}v1h-${x - from + 1}z`;
    }
  }
  return { size, path };
}

// A text as a QR code for a phone's camera.

import { useMemo } from 'react';
import { encode } from 'uqr';
import './qr.css';

interface QrProps {
  readonly text: string;
  /** Description for screen readers. */
  readonly label: string;
}

/** Empty modules around the code, which readers need to find it. */
const QUIET = 4;

/** Renders the code, dark on light in both themes: many cameras cannot read inverted codes. */
export function Qr({ text, label }: QrProps) {
  const { size, path } = useMemo(() => plotOf(text), [text]);
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

/**
 * Draws the dark modules as one path, one segment per run in a row: a thousand elements would cost a thousand layouts.
 */
function plotOf(text: string): { readonly size: number; readonly path: string } {
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

// The cell size of a terminal, and the number of cells that fit; measured before a terminal exists.

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

export const MONO =
  'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, "DejaVu Sans Mono", "Liberation Mono", Consolas, monospace';

export const isPhone = (): boolean => window.matchMedia('(max-width: 719px)').matches;
export const baseFont = (): number => (isPhone() ? 12 : 13.5);

/** Returns the size that fills an element of that many pixels, for a session that does not exist yet. */
export function sizeFor(width: number, height: number): Size | undefined {
  const context = document.createElement('canvas').getContext('2d');
  if (context === null) return undefined;
  context.font = `${baseFont()}px ${MONO}`;
  const metrics = context.measureText('W');
  const cell = metrics.fontBoundingBoxAscent + metrics.fontBoundingBoxDescent;
  if (!(metrics.width > 0 && cell > 0)) return undefined;
  const cols = Math.floor((width - 32) / metrics.width);
  const rows = Math.floor((height - 16) / Math.ceil(cell));
  return cols >= 20 && rows >= 5 ? { cols, rows } : undefined;
}

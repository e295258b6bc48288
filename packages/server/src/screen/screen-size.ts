// How large a terminal is drawn. Apart from the drawing, which brings an emulator along.

/** A larger one is drawn as if it were this large. */
export const MAX_COLS = 500;
export const MAX_ROWS = 200;

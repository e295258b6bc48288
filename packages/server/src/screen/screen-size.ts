// Maximum size of a drawn terminal. A file of its own, because the drawing loads an emulator.

/** Maximum size. A larger terminal is drawn as if it had this size. */
export const MAX_COLS = 500;
export const MAX_ROWS = 200;

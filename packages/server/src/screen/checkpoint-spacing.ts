// How far apart screens are kept. Apart from the drawing, which brings an emulator along.

/** Bytes of output: less than that is drawn faster than anybody notices. */
export const SPACING = 4 * 1024 * 1024;

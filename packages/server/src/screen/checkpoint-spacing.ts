// Distance between checkpoints. A file of its own, because the drawing loads an emulator.

/** Bytes of output between checkpoints. Less output is drawn faster than a user notices. */
export const SPACING = 4 * 1024 * 1024;

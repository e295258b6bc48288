import { readFileSync } from 'node:fs';

/** Reads a file; returns nothing for a journal that was removed after it was listed. */
export function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

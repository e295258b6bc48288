import { readFileSync } from 'node:fs';

/** What a file holds; nothing of a journal that has gone since it was listed. */
export function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

// File names of exports: made from names of people and programs, and safe on every system.

const MAX_NAME = 80;
/** Names by which Windows opens devices, whatever follows the dot. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/** Returns a name of letters, digits, `_`, `-` and single dots between them; never empty, hidden, or a path. */
export function safeFileName(name: string, fallback: string, extension: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/\.{2,}/g, '.')
    .slice(0, MAX_NAME)
    .replace(/^[.-]+|[.-]+$/g, '');
  const base = plain === '' || DEVICE.test(plain.split('.', 1)[0] ?? '') ? fallback : plain;
  return `${base}.${extension}`;
}

/** Returns a Content-Disposition header. `fileName` must need no quoting. */
export const attachment = (fileName: string): string => `attachment; filename="${fileName}"`;

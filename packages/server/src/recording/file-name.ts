// Names of files that an export is saved as: from names that people and programs gave, harmless on every system.

const MAX_NAME = 80;
/** Windows opens devices by these names, whatever stands behind the dot. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/** Letters, digits, `_`, `-` and single dots between them; never empty, hidden, or a path. */
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

/** Of nothing but characters that need no quoting. */
export const attachment = (fileName: string): string => `attachment; filename="${fileName}"`;

// Digests of lease secrets: what is stored and compared is never the secret itself.

import { createHash } from 'node:crypto';

export const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');

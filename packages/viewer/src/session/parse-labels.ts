// Parses typed labels: key=value, separated by commas. The gateway validates their content.

import { BinnacleError } from '@binnacle/protocol';

/** Parses labels; a value may contain `=`. Throws `bad_request` for a part without a key. */
export const labelsFrom = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part) => {
        const at = part.indexOf('=');
        const key = part.slice(0, Math.max(at, 0)).trim();
        if (key === '') {
          throw new BinnacleError('bad_request', {
            message: `“${part.slice(0, 40)}” is not a label.`,
            hint: 'Write key=value, with a comma before the next one.',
          });
        }
        return [key, part.slice(at + 1).trim()];
      }),
  );

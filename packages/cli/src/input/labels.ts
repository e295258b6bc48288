// Labels as one types them: `key=value`, one or several times. What may stand in them, the gateway says.

import { usage } from '../output/failure.ts';

/** A value may hold `=`. Of a key that is given twice the last one counts. */
export const parseLabels = (given: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw usage(`"${text}" is not a label.`, 'Write key=value.');
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );

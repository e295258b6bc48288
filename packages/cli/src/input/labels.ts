// Labels on the command line: `key=value`, repeatable. The gateway validates their contents.

import { usage } from '../output/failure.ts';

/** Parses labels. A value may contain `=`. Of a repeated key the last value wins. */
export const parseLabels = (texts: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw usage(`"${text}" is not a label.`, 'Write key=value.');
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );

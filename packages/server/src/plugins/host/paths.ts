// The files of a plugin in what it says of itself: paths within its folder, instead of where that folder is for its process.

import type { StopReason } from './stop-reason.ts';

export class PluginPaths {
  readonly #dir: string;
  readonly #prefixes: readonly string[];

  /** `dir`: as the process sees it. */
  constructor(dir: string) {
    this.#dir = `${dir}/`;
    this.#prefixes = [`file://${dir}/`, ...["'", '(', ' '].map((before) => `${before}${dir}/`)];
  }

  shortened(text: string): string {
    let short = text.startsWith(this.#dir) ? text.slice(this.#dir.length) : text;
    for (const prefix of this.#prefixes) {
      const kept = prefix.startsWith('file:') ? '' : prefix.slice(0, 1);
      short = short.replaceAll(prefix, kept);
    }
    return short;
  }

  /**
   * Where the syntax of a file is wrong is known to Node alone, which says it as the last thing: a line with the file and
   * the number of the line, before the line itself.
   */
  located(reason: StopReason, lastWords: readonly string[]): StopReason {
    const message = this.shortened(reason.message);
    const at = lastWords.findIndex((line) => /^SyntaxError: /.test(line));
    const where = lastWords.slice(Math.max(0, at - 4), Math.max(0, at)).find((line) => AT_LINE.test(line));
    return { ...reason, message: where === undefined ? message : `${message} (${where})` };
  }
}

const AT_LINE = /^[^\s:]{1,300}\.[cm]?js:\d{1,7}$/;

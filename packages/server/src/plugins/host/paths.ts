// The paths of a plugin's files in its messages: relative to its folder, instead of the folder as its process sees it.

import type { StopReason } from './stop-reason.ts';

export class PluginPaths {
  readonly #dir: string;
  readonly #prefixes: readonly string[];

  /** `dir`: the folder as the process sees it. */
  constructor(dir: string) {
    this.#dir = `${dir}/`;
    this.#prefixes = [`file://${dir}/`, ...["'", '(', ' '].map((before) => `${before}${dir}/`)];
  }

  shortened(text: string): string {
    let short = text.startsWith(this.#dir) ? text.slice(this.#dir.length) : text;
    for (const prefix of this.#prefixes) {
      const delimiter = prefix.startsWith('file:') ? '' : prefix.slice(0, 1);
      short = short.replaceAll(prefix, delimiter);
    }
    return short;
  }

  /**
   * Adds the location of a syntax error. Only Node knows it, and prints it last: a line with the file and the line
   * number, before the source line.
   */
  located(reason: StopReason, lastLines: readonly string[]): StopReason {
    const message = this.shortened(reason.message);
    const at = lastLines.findIndex((line) => /^SyntaxError: /.test(line));
    const where = lastLines.slice(Math.max(0, at - 4), Math.max(0, at)).find((line) => AT_LINE.test(line));
    return { ...reason, message: where === undefined ? message : `${message} (${where})` };
  }
}

const AT_LINE = /^[^\s:]{1,300}\.[cm]?js:\d{1,7}$/;

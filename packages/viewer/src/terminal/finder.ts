// Finds text in the loaded output of a terminal, marks all matches and moves between them. Loads its addon on first
// use.

import type { ISearchOptions, SearchAddon } from '@xterm/addon-search';
import type { Terminal } from '@xterm/xterm';
import { showRuler } from './ruler.ts';

export interface FindResult {
  /** Number of the current match from 1; 0 without a match, or beyond the counted ones. */
  readonly at: number;
  readonly count: number;
  /** True if `count` is only a minimum. */
  readonly isMore: boolean;
  /** True if the search addon could not be loaded. */
  readonly isFailed?: boolean;
}

/** Maximum counted matches: each match is an element on the page. */
export const MOST_FOUND = 1000;

const searchAddon = () => import('@xterm/addon-search');

export class Finder {
  readonly #terminal: Terminal;
  readonly #changed: (found: FindResult) => void;
  readonly #importAddon: typeof searchAddon;
  #addon: Promise<SearchAddon> | undefined;
  #isExact = false;
  #isDisposed = false;

  constructor(terminal: Terminal, changed: (found: FindResult) => void, load = searchAddon) {
    this.#importAddon = load;
    this.#terminal = terminal;
    this.#changed = changed;
  }

  /** Finds and selects a match. `isOlder`: upwards, from the end. */
  async find(query: string, isOlder: boolean, isExact: boolean): Promise<void> {
    const addon = await this.#loaded();
    if (this.#isDisposed || addon === undefined) return;
    if (query === '') {
      addon.clearDecorations();
      this.#terminal.clearSelection();
      this.#changed({ at: 0, count: 0, isMore: false });
      return;
    }
    // The addon does not search again by itself for the same words.
    if (isExact !== this.#isExact) addon.clearDecorations();
    this.#isExact = isExact;
    showRuler(this.#terminal);
    const options: ISearchOptions = { caseSensitive: isExact, decorations: colours() };
    if (isOlder) addon.findPrevious(query, options);
    else addon.findNext(query, options);
  }

  /** Removes the marks; the current match stays selected. */
  async clear(): Promise<void> {
    if (this.#addon === undefined) return;
    const addon = await this.#loaded();
    if (!this.#isDisposed) addon?.clearDecorations();
  }

  /** Drops the addon, because its knowledge of the lines is outdated. */
  forget(): void {
    // A failed load was already reported, and there is nothing to dispose of.
    this.#addon?.then((addon) => addon.dispose()).catch(() => undefined);
    this.#addon = undefined;
  }

  dispose(): void {
    this.#isDisposed = true;
    this.forget();
  }

  /** Loads the addon; undefined after a failure, and the next search tries again. */
  async #loaded(): Promise<SearchAddon | undefined> {
    this.#addon ??= this.#load();
    const addon = this.#addon;
    try {
      return await addon;
    } catch {
      if (this.#addon === addon) this.#addon = undefined;
      if (!this.#isDisposed) this.#changed({ at: 0, count: 0, isMore: false, isFailed: true });
      return undefined;
    }
  }

  async #load(): Promise<SearchAddon> {
    const { SearchAddon } = await this.#importAddon();
    const addon = new SearchAddon({ highlightLimit: MOST_FOUND });
    if (this.#isDisposed) return addon;
    this.#terminal.loadAddon(addon);
    addon.onDidChangeResults(({ resultIndex, resultCount }) => {
      this.#changed({ at: resultIndex + 1, count: resultCount, isMore: resultCount >= MOST_FOUND });
    });
    return addon;
  }
}

/** Returns the colours of matches. The addon accepts colours only, and only as #RRGGBB. */
function colours(): NonNullable<ISearchOptions['decorations']> {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return {
    matchBorder: colour('--muted'),
    matchOverviewRuler: colour('--muted'),
    activeMatchBackground: colour('--hover'),
    activeMatchBorder: colour('--brass'),
    activeMatchColorOverviewRuler: colour('--brass'),
  };
}

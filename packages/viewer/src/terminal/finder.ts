// Finds text in what a terminal has loaded, marks all of it and goes from one to the next. Loaded when it is used first.

import type { ISearchOptions, SearchAddon } from '@xterm/addon-search';
import type { Terminal } from '@xterm/xterm';
import { showRuler } from './ruler.ts';

export interface Found {
  /** From 1; 0 where there is none, or more than are counted. */
  readonly at: number;
  readonly count: number;
  /** There are at least that many. */
  readonly isMore: boolean;
  /** What looks could not be loaded. */
  readonly isFailed?: boolean;
}

/** More are not counted: each is an element on the page. */
export const MOST_FOUND = 1000;

const searchAddon = () => import('@xterm/addon-search');

export class Finder {
  private readonly terminal: Terminal;
  private readonly changed: (found: Found) => void;
  private readonly importAddon: typeof searchAddon;
  private addon: Promise<SearchAddon> | undefined;
  private isExact: boolean;
  private isGone: boolean;

  constructor(terminal: Terminal, changed: (found: Found) => void, load = searchAddon) {
    this.importAddon = load;
    this.terminal = terminal;
    this.changed = changed;
    this.addon = undefined;
    this.isExact = false;
    this.isGone = false;
  }

  /** `isOlder`: upwards, from the end. */
  async find(words: string, isOlder: boolean, isExact: boolean): Promise<void> {
    const addon = await this.loaded();
    if (this.isGone || addon === undefined) return;
    if (words === '') {
      addon.clearDecorations();
      this.terminal.clearSelection();
      this.changed({ at: 0, count: 0, isMore: false });
      return;
    }
    // It does not look again by itself where the words are the same.
    if (isExact !== this.isExact) addon.clearDecorations();
    this.isExact = isExact;
    showRuler(this.terminal);
    const options: ISearchOptions = { caseSensitive: isExact, decorations: colours() };
    if (isOlder) addon.findPrevious(words, options);
    else addon.findNext(words, options);
  }

  /** Takes the marks away; the one that was gone to stays selected. */
  async clear(): Promise<void> {
    if (this.addon === undefined) return;
    const addon = await this.loaded();
    if (!this.isGone) addon?.clearDecorations();
  }

  /** The lines are other ones now: what it remembers of them is wrong. */
  forget(): void {
    // One that did not come has been told of, and nothing is to be taken apart.
    this.addon?.then((addon) => addon.dispose()).catch(() => undefined);
    this.addon = undefined;
  }

  dispose(): void {
    this.isGone = true;
    this.forget();
  }

  /** Undefined where it did not come: the next one that looks tries again. */
  private async loaded(): Promise<SearchAddon | undefined> {
    this.addon ??= this.load();
    const { addon } = this;
    try {
      return await addon;
    } catch {
      if (this.addon === addon) this.addon = undefined;
      if (!this.isGone) this.changed({ at: 0, count: 0, isMore: false, isFailed: true });
      return undefined;
    }
  }

  private async load(): Promise<SearchAddon> {
    const { SearchAddon } = await this.importAddon();
    const addon = new SearchAddon({ highlightLimit: MOST_FOUND });
    if (this.isGone) return addon;
    this.terminal.loadAddon(addon);
    addon.onDidChangeResults(({ resultIndex, resultCount }) => {
      this.changed({ at: resultIndex + 1, count: resultCount, isMore: resultCount >= MOST_FOUND });
    });
    return addon;
  }
}

/** The addon takes colours only, and only as #RRGGBB. */
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

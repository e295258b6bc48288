// Keeps the page above a phone's keyboard.

import { useEffect } from 'react';

/**
 * Sets `--visible` to the height above the keyboard: iOS lays the keyboard over the page and does not report that to
 * CSS.
 */
export function useVisibleHeight(): void {
  useEffect(() => {
    const view = window.visualViewport;
    if (view === null) return;
    const changed = (): void => {
      // A pinch changes the height, too; the page should not shrink then.
      if (view.scale > 1.01) return;
      document.documentElement.style.setProperty('--visible', `${view.height}px`);
      // iOS scrolls the page to the focused field; the page fits, so there is nothing to scroll.
      window.scrollTo(0, 0);
    };
    changed();
    view.addEventListener('resize', changed);
    return () => view.removeEventListener('resize', changed);
  }, []);
}

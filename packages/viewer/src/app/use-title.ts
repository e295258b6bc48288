// The window's title, and the badge of an installed page: the number of waiting sessions and conversations, and the
// subject in view.

import { useEffect } from 'react';

interface BadgeNavigator {
  setAppBadge?(count: number): Promise<void>;
  clearAppBadge?(): Promise<void>;
}

export function useTitle(name: string, waiting: number): void {
  useEffect(() => {
    const title = name === '' ? 'Binnacle' : `${name} · Binnacle`;
    document.title = waiting === 0 ? title : `(${waiting}) ${title}`;
  }, [name, waiting]);
  useEffect(() => {
    const badged = navigator as BadgeNavigator;
    const set = waiting === 0 ? badged.clearAppBadge?.() : badged.setAppBadge?.(waiting);
    // Not every system shows a badge; the title says the same.
    set?.catch(() => undefined);
  }, [waiting]);
}

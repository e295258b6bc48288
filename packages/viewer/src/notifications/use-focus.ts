// Reports the focus to the gateway: a page that is visible and has the focus, and the session or conversation in view.

import type { Binnacle } from '@binnacle/client';
import { useEffect } from 'react';
import type { Route } from '../model/route.ts';
import { renewSubscription } from './use-notifications.ts';

export function useFocusReport(client: Binnacle, route: Route | undefined): void {
  const session = route?.kind === 'session' ? route.id : undefined;
  const conversation = route?.kind === 'conversation' ? route.key : undefined;
  useEffect(() => {
    const say = (): void => {
      const isSeen = document.visibilityState === 'visible' && document.hasFocus();
      const focus = session !== undefined ? { session } : conversation === undefined ? undefined : { conversation };
      client.setFocus(isSeen ? focus : undefined);
    };
    say();
    document.addEventListener('visibilitychange', say);
    window.addEventListener('focus', say);
    window.addEventListener('blur', say);
    return () => {
      document.removeEventListener('visibilitychange', say);
      window.removeEventListener('focus', say);
      window.removeEventListener('blur', say);
      client.setFocus(undefined);
    };
  }, [client, session, conversation]);
  useEffect(() => {
    // The next start tries again; the dialog shows what is wrong.
    renewSubscription(client).catch(() => undefined);
  }, [client]);
}

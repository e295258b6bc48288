// The button and dialog for this browser and the user's phone: notifications, mutes, and a login code.

import type { Binnacle, Me, Muted } from '@binnacle/client';
import { PhoneCode } from '../access/phone-code.tsx';
import type { Route } from '../model/route.ts';
import { NotificationSettings } from '../notifications/notification-settings.tsx';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { DialogButton } from '../ui/icon-button.tsx';
import { PhoneIcon } from '../ui/icons.tsx';

interface PhoneDialogProps {
  readonly client: Binnacle;
  readonly me: Me;
  /** The route in view. */
  readonly route: Route | undefined;
  readonly nameOf: (what: Muted) => string | undefined;
}

export function PhoneDialog({ client, me, route, nameOf }: PhoneDialogProps) {
  const title = 'Phone and notifications';
  return (
    <DialogButton
      label={title}
      test="phone"
      dialog={(close) => (
        <Dialog label={title} onClose={close}>
          <h2>{title}</h2>
          <NotificationSettings client={client} route={route} nameOf={nameOf} />
          <PhoneCode client={client} scope={me.scope} />
          <DialogButtons label="Close" testId="phone-close" onClose={close} />
        </Dialog>
      )}
    >
      <PhoneIcon />
    </DialogButton>
  );
}

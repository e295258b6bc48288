// The button and dialog for this browser and the user's phone: notifications, mutes, and a login code.

import type { Binnacle, Me, Muted } from '@binnacle/client';
import { PhoneCode } from '../access/phone-code.tsx';
import type { Choice } from '../model/route.ts';
import { Notifications } from '../notifications/notification-settings.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { DialogButton } from '../ui/icon-button.tsx';
import { PhoneIcon } from '../ui/icons.tsx';

interface PhoneProps {
  readonly client: Binnacle;
  readonly me: Me;
  /** The route in view. */
  readonly chosen: Choice | undefined;
  readonly nameOf: (what: Muted) => string | undefined;
}

export function Phone({ client, me, chosen, nameOf }: PhoneProps) {
  const words = 'Phone and notifications';
  return (
    <DialogButton
      label={words}
      test="phone"
      dialog={(close) => (
        <Dialog label={words} onClose={close}>
          <h2>{words}</h2>
          <Notifications client={client} chosen={chosen} nameOf={nameOf} />
          <PhoneCode client={client} scope={me.scope} />
          <div className="dialog-buttons">
            <button type="button" className="button" onClick={close} data-testid="phone-close">
              Close
            </button>
          </div>
        </Dialog>
      )}
    >
      <PhoneIcon />
    </DialogButton>
  );
}

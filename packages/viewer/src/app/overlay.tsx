// The overlays of the page, one at a time: the palette, the list of keys, and the forms for a session and a
// conversation.

import type { Binnacle } from '@binnacle/client';
import { NewConversation } from '../conversation/new-conversation.tsx';
import type { Command } from '../model/command.ts';
import { NewSession } from '../session/new-session.tsx';
import type { Talks } from '../state/use-conversations.ts';
import type { Address } from '../state/use-route.ts';
import type { Fleet } from '../state/use-session-list.ts';
import { Palette } from './palette.tsx';
import { KeysDialog } from './shortcuts-dialog.tsx';
import type { Begin } from './use-create.ts';

export type OverlayName = 'palette' | 'keys' | 'session' | 'conversation';

interface OverlayProps {
  readonly client: Binnacle;
  readonly above: OverlayName | undefined;
  readonly fleet: Fleet;
  readonly talks: Talks;
  readonly begin: Begin;
  readonly commands: readonly Command[];
  readonly pick: Address['choose'];
  /** Closes the overlay. With a name: closes that overlay only, and leaves another one that has opened since. */
  readonly onClose: (which?: OverlayName) => void;
}

export function Overlay({ client, above, fleet, talks, begin, commands, pick, onClose }: OverlayProps) {
  switch (above) {
    case 'palette':
      return (
        <Palette
          sessions={fleet.sessions}
          conversations={talks.conversations}
          commands={commands}
          onChoose={pick}
          onClose={() => onClose('palette')}
        />
      );
    case 'keys':
      return <KeysDialog onClose={() => onClose()} />;
    case 'conversation':
      return <NewConversation agents={talks.agents ?? []} onCreate={begin.conversation} onClose={() => onClose()} />;
    case 'session':
      return <NewSession client={client} onCreate={begin.session} onClose={() => onClose()} />;
    case undefined:
      return null;
  }
}

// The overlays of the page, one at a time: the palette, the list of keys, and the forms for a session and a
// conversation.

import type { Binnacle } from '@binnacle/client';
import type { UsedConversations } from '@binnacle/client/react';
import { NewConversation } from '../conversation/new-conversation.tsx';
import type { Command } from '../model/command.ts';
import { NewSession } from '../session/new-session.tsx';
import type { RouteState } from '../state/use-route.ts';
import type { SessionList } from '../state/use-session-list.ts';
import { Palette } from './palette.tsx';
import { ShortcutsDialog } from './shortcuts-dialog.tsx';
import type { CreateActions } from './use-create.ts';

export type OverlayName = 'palette' | 'keys' | 'session' | 'conversation';

interface OverlayProps {
  readonly client: Binnacle;
  readonly above: OverlayName | undefined;
  readonly sessionList: SessionList;
  readonly conversationList: UsedConversations;
  readonly create: CreateActions;
  readonly commands: readonly Command[];
  readonly pick: RouteState['choose'];
  /** Closes the overlay. With a name: closes that overlay only, and leaves another one that has opened since. */
  readonly onClose: (which?: OverlayName) => void;
}

export function Overlay({
  client,
  above,
  sessionList,
  conversationList,
  create,
  commands,
  pick,
  onClose,
}: OverlayProps) {
  switch (above) {
    case 'palette':
      return (
        <Palette
          sessions={sessionList.sessions}
          conversations={conversationList.conversations}
          commands={commands}
          onChoose={pick}
          onClose={() => onClose('palette')}
        />
      );
    case 'keys':
      return <ShortcutsDialog onClose={() => onClose()} />;
    case 'conversation':
      return (
        <NewConversation
          agents={conversationList.agents ?? []}
          onCreate={create.conversation}
          onClose={() => onClose()}
        />
      );
    case 'session':
      return <NewSession client={client} onCreate={create.session} onClose={() => onClose()} />;
    case undefined:
      return null;
  }
}

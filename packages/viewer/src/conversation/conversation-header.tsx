// The header of a conversation: its title and activity, and buttons for sharing, export and settings.

import type { Binnacle, Me } from '@binnacle/client';
import type { ConversationInfo } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { activityLabel, activityMark, type ConversationLoad } from '../model/conversations.ts';
import { oneLine } from '../model/format.ts';
import { MuteButton, useMute } from '../notifications/mute-button.tsx';
import { ExportDialog } from '../recordings/export-dialog.tsx';
import { ShareDialog } from '../sharing/share-dialog.tsx';
import { DialogButton } from '../ui/icon-button.tsx';
import { FileOutIcon, LockIcon, PeopleIcon, ShareIcon } from '../ui/icons.tsx';
import { usageText, visibilityText } from './format.ts';

interface ConversationHeaderProps {
  readonly client: Binnacle;
  readonly info: ConversationInfo;
  readonly me: Me;
  /** Title to show. */
  readonly name: string;
  /** Activity of the agent. */
  readonly now: ConversationLoad;
  readonly isGuest: boolean;
  readonly menu: ReactNode;
  readonly onSettings: () => void;
}

export function ConversationHeader(props: ConversationHeaderProps) {
  const { client, info, me, name, now, isGuest, menu, onSettings } = props;
  const mute = useMute(client, 'conversation', isGuest ? undefined : info.key);
  const used = usageText(info.usage);
  const isShared = info.visibility.kind !== 'private';
  return (
    <header className="bar">
      {menu}
      <div className="bar-name">
        <h2>
          <span className={`dot ${activityMark(now)}`} />
          <span data-testid="conversation-title">{name}</span>
        </h2>
        <p>
          {activityLabel(now)} · {oneLine(info.agent, 60)}
          {info.owner !== null && info.owner !== me.user && ` · of ${oneLine(info.owner, 40)}`}
          {used !== undefined && (
            <span title="All runs together, as far as the agent tells" data-testid="conversation-usage">
              {' · '}
              {used}
            </span>
          )}
        </p>
      </div>
      {!isGuest && (
        <>
          <MuteButton kind="conversation" mute={mute} />
          <DialogButton
            label="Share by a link"
            test="share"
            dialog={(close) => (
              <ShareDialog {...{ client, name }} scope={me.scope} target={{ conversation: info.key }} onClose={close} />
            )}
          >
            <ShareIcon />
          </DialogButton>
          <DialogButton
            className="wide roomy"
            label="Export"
            test="export"
            dialog={(close) => (
              <ExportDialog
                client={client}
                path={`/v1/conversations/${encodeURIComponent(info.key)}/export`}
                kind="conversation"
                onClose={close}
              />
            )}
          >
            <FileOutIcon />
          </DialogButton>
        </>
      )}
      {!isGuest && (
        <button
          type="button"
          className={isShared ? 'button visibility shared' : 'button visibility'}
          onClick={onSettings}
          aria-haspopup="dialog"
          aria-label={`${visibilityText(info.visibility)}. About this conversation`}
          title="Title, who may see it, removal…"
          data-testid="visibility"
          data-visibility={info.visibility.kind}
        >
          {isShared ? <PeopleIcon /> : <LockIcon />}
          <span className="visibility-text">{visibilityText(info.visibility)}</span>
        </button>
      )}
    </header>
  );
}

// The mute setting of one session or conversation for the current user.

import type { Binnacle, Muted } from '@binnacle/client';
import { useEffect, useState } from 'react';
import { IconButton } from '../ui/icon-button.tsx';
import { BellIcon, BellOffIcon } from '../ui/icons.tsx';
import './tick-box.css';
import './mute-button.css';

export interface Mute {
  /** Undefined until the setting is known. */
  readonly isMuted: boolean | undefined;
  readonly change: () => void;
}

/** Reads and changes the setting. `id`: the id of a session, or the key of a conversation; undefined: no request. */
export function useMute(client: Binnacle, kind: 'session' | 'conversation', id: string | undefined): Mute {
  const [isMuted, setMuted] = useState<boolean>();
  useEffect(() => {
    let isUnmounted = false;
    setMuted(undefined);
    if (id === undefined) return;
    client.push.mutes().then(
      ({ sessions, conversations }) =>
        !isUnmounted && setMuted((kind === 'session' ? sessions : conversations).includes(id)),
      // An older gateway without mutes has nothing to mute.
      () => undefined,
    );
    return () => {
      isUnmounted = true;
    };
  }, [client, kind, id]);
  const change = (): void => {
    if (id === undefined) return;
    const what: Muted = kind === 'session' ? { session: id } : { conversation: id };
    const now = isMuted !== true;
    setMuted(now);
    (now ? client.push.mute(what) : client.push.unmute(what)).catch(() => setMuted(!now));
  };
  return { isMuted, change };
}

interface MuteButtonProps {
  readonly kind: 'session' | 'conversation';
  readonly mute: Mute;
}

/** The button for a header; on a phone there is no room for it, see `MuteBox`. */
export function MuteButton({ kind, mute: { isMuted, change } }: MuteButtonProps) {
  const act = `Mute notifications of this ${kind}`;
  return (
    <IconButton
      className="wide"
      label={act}
      title={isMuted === true ? `Notifications of this ${kind} are muted` : act}
      test="mute"
      aria-pressed={isMuted === true}
      disabled={isMuted === undefined}
      onClick={change}
    >
      {isMuted === true ? <BellOffIcon /> : <BellIcon />}
    </IconButton>
  );
}

interface MuteBoxProps {
  readonly client: Binnacle;
  readonly kind: 'session' | 'conversation';
  readonly id: string;
  readonly name: string;
}

/** The setting as a checkbox with text, for a dialog. */
export function MuteBox({ client, kind, id, name }: MuteBoxProps) {
  const { isMuted, change } = useMute(client, kind, id);
  return (
    <label className="mute-box">
      <input
        type="checkbox"
        checked={isMuted === true}
        disabled={isMuted === undefined}
        onChange={change}
        data-testid="mute-box"
      />
      <span>Mute “{name}”</span>
    </label>
  );
}

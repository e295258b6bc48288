// The requested and granted permissions of a plugin, each with its effect, and buttons to grant and revoke.

import type { PluginGrantValue, PluginPermission } from '@binnacle/protocol';
import { useState } from 'react';
import { oneLine } from '../model/format.ts';
import { extentWords, isWide, standingOf, standingWords } from './format.ts';
import { WidenPlugin } from './widen-plugin.tsx';
import './plugin-permissions.css';

interface PluginPermissionsProps {
  readonly plugin: string;
  readonly permissions: readonly PluginPermission[];
  readonly busy: boolean;
  readonly onGrant: (permission: string, value: PluginGrantValue) => void;
  readonly onRevoke: (permission: string) => void;
}

const GRANT = { denied: 'Grant', partly: 'Grant the rest', narrowed: 'Grant more' } as const;

export function PluginPermissions({ plugin, permissions, busy, onGrant, onRevoke }: PluginPermissionsProps) {
  const [asking, setAsking] = useState<string>();
  const wanted = permissions.find(({ permission }) => permission === asking);
  const grant = (one: PluginPermission): void => onGrant(one.permission, one.both);
  if (permissions.length === 0) return <p className="plugin-none">It asks for nothing, and is granted nothing.</p>;
  return (
    <>
      <ul className="plugin-rows">
        {permissions.map((one) => {
          const standing = standingOf(one);
          // Each button replaces the other in place, so that the focus stays on it.
          const acts = [
            ...(standing === 'denied' || standing === 'partly' || standing === 'narrowed'
              ? [
                  {
                    test: 'grant',
                    look: 'button',
                    words: `${GRANT[standing]}${isWide(one) ? '…' : ''}`,
                    label: `Grant ${one.permission} to ${plugin}`,
                    act: () => (isWide(one) ? setAsking(one.permission) : grant(one)),
                  },
                ]
              : []),
            ...(one.granted === false
              ? []
              : [
                  {
                    test: 'revoke',
                    look: 'button danger',
                    words: 'Revoke',
                    label: `Revoke ${one.permission} of ${plugin}`,
                    act: () => onRevoke(one.permission),
                  },
                ]),
          ];
          return (
            <li key={one.permission} data-testid="permission" data-permission={one.permission} data-standing={standing}>
              <div className="plugin-row-words">
                <p>
                  <code title={one.key}>{one.permission}</code>{' '}
                  <span className={`standing ${standing}`}>{standingWords[standing]}</span>
                </p>
                <p>It can {oneLine(one.sentence, 300)}</p>
                {one.reason !== '' && <p className="plugin-reason">“{oneLine(one.reason, 300)}”</p>}
                {extentWords(one).map((words) => (
                  <p key={words} className="plugin-value">
                    {words}
                  </p>
                ))}
              </div>
              <div className="plugin-row-acts">
                {acts.map(({ test, look, words, label, act }, at) => (
                  <button
                    // biome-ignore lint/suspicious/noArrayIndexKey: its place is what stays
                    key={at}
                    type="button"
                    className={look}
                    aria-disabled={busy}
                    aria-label={label}
                    onClick={() => {
                      if (!busy) act();
                    }}
                    data-testid={test}
                  >
                    {words}
                  </button>
                ))}
              </div>
            </li>
          );
        })}
      </ul>
      {wanted !== undefined && (
        <WidenPlugin
          plugin={plugin}
          wanted={wanted}
          onGrant={() => grant(wanted)}
          onClose={() => setAsking(undefined)}
        />
      )}
    </>
  );
}

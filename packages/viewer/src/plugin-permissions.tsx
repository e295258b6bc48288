// What a plugin asks for and what it is granted, each with what that lets it do. Grants and takes away; fetches nothing.

import type { PluginGrantValue, PluginPermission } from '@binnacle/protocol';
import { both, standingOf, standingWords, valueWords } from './plugin-words.ts';
import { oneLine } from './words.ts';

interface PluginPermissionsProps {
  readonly plugin: string;
  readonly permissions: readonly PluginPermission[];
  readonly busy: boolean;
  readonly onGrant: (permission: string, value: PluginGrantValue) => void;
  readonly onRevoke: (permission: string) => void;
}

export function PluginPermissions({ plugin, permissions, busy, onGrant, onRevoke }: PluginPermissionsProps) {
  if (permissions.length === 0) return <p className="plugin-none">It asks for nothing, and is granted nothing.</p>;
  return (
    <ul className="plugin-rows">
      {permissions.map((one) => {
        const standing = standingOf(one);
        // One button turns into the other in its place, so that whoever pressed it still has it.
        const acts = [
          ...(standing === 'denied' || standing === 'partly'
            ? [
                {
                  test: 'grant',
                  look: 'button',
                  words: standing === 'partly' ? 'Grant the rest' : 'Grant',
                  label: `Grant ${one.permission} to ${plugin}`,
                  act: () => onGrant(one.permission, both(one.granted, one.asked)),
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
              {one.asked !== false && typeof one.asked === 'object' && (
                <p className="plugin-value">asks for {valueWords(one.asked)}</p>
              )}
              {(typeof one.granted === 'object' || (one.granted && one.asked !== true)) && (
                <p className="plugin-value">granted {valueWords(one.granted)}</p>
              )}
              {standing === 'partly' && <p className="plugin-value">missing {valueWords(one.missing)}</p>}
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
  );
}

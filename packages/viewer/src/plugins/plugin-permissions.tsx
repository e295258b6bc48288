// The requested and granted permissions of a plugin, each with its effect, and buttons to grant and revoke.

import type { PluginGrantValue, PluginPermission } from '@binnacle/protocol';
import { useState } from 'react';
import { oneLine } from '../model/format.ts';
import { extentTexts, grantStatusLabels, grantStatusOf, grantText, isWide } from './format.ts';
import './plugin-permissions.css';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';

interface PluginPermissionsProps {
  readonly plugin: string;
  readonly permissions: readonly PluginPermission[];
  readonly busy: boolean;
  readonly onGrant: (permission: string, value: PluginGrantValue) => void;
  readonly onRevoke: (permission: string) => void;
}

const GRANT = { denied: 'Grant', partly: 'Grant the rest', narrowed: 'Grant more' } as const;

export function PluginPermissions({ plugin, permissions, busy, onGrant, onRevoke }: PluginPermissionsProps) {
  const [confirming, setConfirming] = useState<string>();
  const request = permissions.find(({ permission }) => permission === confirming);
  const grant = (one: PluginPermission): void => onGrant(one.permission, one.both);
  if (permissions.length === 0) return <p className="plugin-none">It asks for nothing, and is granted nothing.</p>;
  return (
    <>
      <ul className="plugin-rows">
        {permissions.map((one) => {
          const status = grantStatusOf(one);
          // Each button replaces the other in place, so that the focus stays on it.
          const acts = [
            ...(status === 'denied' || status === 'partly' || status === 'narrowed'
              ? [
                  {
                    test: 'grant',
                    className: 'button',
                    text: `${GRANT[status]}${isWide(one) ? '…' : ''}`,
                    label: `Grant ${one.permission} to ${plugin}`,
                    act: () => (isWide(one) ? setConfirming(one.permission) : grant(one)),
                  },
                ]
              : []),
            ...(one.granted === false
              ? []
              : [
                  {
                    test: 'revoke',
                    className: 'button danger',
                    text: 'Revoke',
                    label: `Revoke ${one.permission} of ${plugin}`,
                    act: () => onRevoke(one.permission),
                  },
                ]),
          ];
          return (
            <li key={one.permission} data-testid="permission" data-permission={one.permission} data-status={status}>
              <div className="plugin-row-text">
                <p>
                  <code title={one.key}>{one.permission}</code>{' '}
                  <span className={`grant-status ${status}`}>{grantStatusLabels[status]}</span>
                </p>
                <p>It can {oneLine(one.sentence, 300)}</p>
                {one.reason !== '' && <p className="plugin-reason">“{oneLine(one.reason, 300)}”</p>}
                {extentTexts(one).map((text) => (
                  <p key={text} className="plugin-value">
                    {text}
                  </p>
                ))}
              </div>
              <div className="plugin-row-acts">
                {acts.map(({ test, className, text, label, act }, at) => (
                  <button
                    // biome-ignore lint/suspicious/noArrayIndexKey: its place is what stays
                    key={at}
                    type="button"
                    className={className}
                    aria-disabled={busy}
                    aria-label={label}
                    onClick={() => {
                      if (!busy) act();
                    }}
                    data-testid={test}
                  >
                    {text}
                  </button>
                ))}
              </div>
            </li>
          );
        })}
      </ul>
      {request !== undefined && (
        <WidenPlugin
          plugin={plugin}
          request={request}
          onGrant={() => grant(request)}
          onClose={() => setConfirming(undefined)}
        />
      )}
    </>
  );
}

interface WidenPluginProps {
  readonly plugin: string;
  readonly request: PluginPermission;
  readonly onGrant: () => void;
  readonly onClose: () => void;
}

function WidenPlugin({ plugin, request, onGrant, onClose }: WidenPluginProps) {
  const { permission, sentence, granted, asked: requested, limits } = request;
  const isAll = requested === true;
  const question = isAll ? `Grant ${permission} without a limit?` : `Grant more of ${permission}?`;
  return (
    <Dialog label={question} onClose={onClose}>
      <h2>{question}</h2>
      <p>
        {plugin} can then {oneLine(sentence, 300)}
        {isAll ? ', without a limit' : `: ${grantText(requested)}`}.
        {typeof granted === 'object' && ` Somebody has narrowed it to ${grantText(granted)}, which it keeps.`}
      </p>
      {isAll && limits !== null && (
        <p className="plugin-limits">
          A list limits it, of {oneLine(limits, 300)}: <code>{`binnacle plugin grant ${plugin} ${permission} …`}</code>
        </p>
      )}
      <DialogButtons onClose={onClose}>
        <button
          type="button"
          className="button danger"
          onClick={() => {
            onGrant();
            onClose();
          }}
          data-testid="widen-sure"
        >
          {isAll ? 'Grant without a limit' : 'Grant'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

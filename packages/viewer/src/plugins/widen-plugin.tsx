// The confirmation before a plugin gets an unlimited grant: shows the remaining exceptions, and how to limit the grant.

import type { PluginPermission } from '@binnacle/protocol';
import { oneLine } from '../model/format.ts';
import { Dialog } from '../ui/dialog.tsx';
import { grantText } from './format.ts';

interface WidenPluginProps {
  readonly plugin: string;
  readonly request: PluginPermission;
  readonly onGrant: () => void;
  readonly onClose: () => void;
}

export function WidenPlugin({ plugin, request, onGrant, onClose }: WidenPluginProps) {
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
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
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
      </div>
    </Dialog>
  );
}

// The call `notify`: a plugin shows a notice to people, throttled.

import { BinnacleError } from '@binnacle/protocol';
import type { Power } from './powers.ts';

/** Maximum notices of a plugin in a burst. Afterwards one per EVERY_MS. */
const BURST = 10;
const EVERY_MS = 1000;

export interface NoticeReceiver {
  add(notice: { readonly plugin: string; readonly title: string; readonly text: string }): void;
}

/** `now`: monotonic, ms. */
export function notifyPower(notices: NoticeReceiver, now: () => number = () => performance.now()): Power {
  /** Time at which each plugin has its whole burst again. At most one entry per installed plugin. */
  const freeAt = new Map<string, number>();
  return (params, { plugin, gate }) => {
    const { title, text } = gate.allow('notify', params);
    const at = Math.max(now(), freeAt.get(plugin) ?? 0) + EVERY_MS;
    const overMs = at - now() - BURST * EVERY_MS;
    if (overMs > 0) {
      throw new BinnacleError('too_fast', {
        message: `The plugin ${plugin} sends more than ${BURST} notifications at once.`,
        hint: 'Combine related notifications.',
        details: { plugin, retryAfterMs: Math.ceil(overMs) },
      });
    }
    freeAt.set(plugin, at);
    // A title is a single line wherever it is shown.
    notices.add({ plugin, title: title.replace(/\s+/g, ' ').trim(), text: text.trim() });
    return null;
  };
}

// Notices of plugins: toasts at the edge of the page, and all notices behind a bell. Always plain text.

import type { PluginNotice } from '@binnacle/protocol';
import { useEffect, useState } from 'react';
import { age, oneLine } from '../model/format.ts';
import { useNow } from '../state/use-clock.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { BellIcon, CloseIcon } from '../ui/icons.tsx';
import type { PluginNotices } from './use-plugin-notices.ts';
import './plugin-notices.css';

/** Duration of a toast: enough to read four lines. */
const TOAST_MS = 10_000;

export function Toasts({ toasts, dismiss }: Pick<PluginNotices, 'toasts' | 'dismiss'>) {
  const newest = toasts.at(-1)?.n;
  useEffect(() => {
    if (newest === undefined) return;
    const pressed = (event: KeyboardEvent): void => {
      // In a terminal and in a dialog the key has its own meaning.
      const { target } = event;
      const isOthers = target instanceof Element && target.closest('.xterm, dialog') !== null;
      if (event.key === 'Escape' && !isOthers && !event.defaultPrevented) dismiss(newest);
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [newest, dismiss]);
  return (
    // Rendered even when empty: a live region that appears together with its first text is not announced.
    <div className="toasts" role="status" aria-live="polite" data-testid="toasts">
      {toasts.map((notice) => (
        <Toast key={notice.n} notice={notice} onClose={dismiss} />
      ))}
    </div>
  );
}

function Toast({ notice, onClose }: { readonly notice: PluginNotice; readonly onClose: (n: number) => void }) {
  const { n, plugin, title, text } = notice;
  const [isPaused, setPaused] = useState(false);
  useEffect(() => {
    if (isPaused) return;
    // A toast behind a dialog is unreadable: it stays at least until the dialog is closed.
    const timer = setInterval(() => {
      if (document.querySelector('dialog[open]') === null) onClose(n);
    }, TOAST_MS);
    return () => clearInterval(timer);
  }, [n, isPaused, onClose]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: whoever reads it holds it; nothing is done with it
    <div
      className="toast"
      onPointerEnter={() => setPaused(true)}
      onPointerLeave={() => setPaused(false)}
      onFocus={() => setPaused(true)}
      onBlur={() => setPaused(false)}
      data-testid="toast"
    >
      <div className="notice-text">
        <small>Plugin {oneLine(plugin, 64)}</small>
        <strong>{oneLine(title, 200)}</strong>
        {text !== '' && <p>{lines(text, 300)}</p>}
      </div>
      <IconButton label="Dismiss" onClick={() => onClose(n)}>
        <CloseIcon />
      </IconButton>
    </div>
  );
}

export function Bell({ all, unseen, isKnown, see }: Pick<PluginNotices, 'all' | 'unseen' | 'isKnown' | 'see'>) {
  const [isOpen, setOpen] = useState(false);
  const now = useNow();
  const label = unseen === 0 ? 'Plugin messages' : `Plugin messages: ${unseen} new`;
  const close = (): void => {
    see();
    setOpen(false);
  };
  return (
    <>
      <IconButton
        className="bell"
        label={label}
        aria-haspopup="dialog"
        onClick={() => {
          see();
          setOpen(true);
        }}
        test="bell"
        data-unseen={isKnown ? unseen : undefined}
      >
        <BellIcon />
        {unseen > 0 && <span className="bell-count">{unseen > 99 ? '99+' : unseen}</span>}
      </IconButton>
      {isOpen && (
        <Dialog label="Plugin messages" onClose={close}>
          <h2>Plugin messages</h2>
          {all.length === 0 ? (
            <p data-testid="plugin-notices-none">Nothing since Binnacle was started.</p>
          ) : (
            <ul className="notice-list">
              {all.map(({ n, at, plugin, title, text }) => (
                <li key={n} className="notice-text" data-testid="plugin-notice">
                  <small>
                    Plugin {oneLine(plugin, 64)} · <time dateTime={new Date(at).toISOString()}>{age(now - at)}</time>
                  </small>
                  <strong>{oneLine(title, 200)}</strong>
                  {text !== '' && <p>{lines(text, 4000)}</p>}
                </li>
              ))}
            </ul>
          )}
          <DialogButtons label="Close" testId="plugin-notices-close" onClose={close} />
        </Dialog>
      )}
    </>
  );
}

/** Returns the text with its line breaks and without other invisible characters. */
const lines = (text: string, limit: number): string =>
  oneLine(text.replaceAll('\n', '\ufdd0'), limit).replaceAll('\ufdd0', '\n'); // of no meaning in Unicode

// A button that copies a text, and shows for a moment whether that worked.

import { useEffect, useRef, useState } from 'react';
import { copyText } from './clipboard.ts';
import { CopyIcon, TickIcon } from './icons.tsx';
import './copy-button.css';

// Duration of the confirmation, long enough to be noticed.
const COPIED_MS = 1600;

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = (): void => {
    copyText(text)
      .then(
        () => setState('copied'),
        () => setState('failed'),
      )
      .finally(() => {
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setState('idle'), COPIED_MS);
      });
  };
  const label = { idle: 'Copy', copied: 'Copied', failed: 'Not allowed' }[state];
  return (
    <button type="button" className="copy" onClick={copy} aria-label={`${label} ${what}`} data-testid="copy">
      {state === 'copied' ? <TickIcon /> : <CopyIcon />} {label}
    </button>
  );
}

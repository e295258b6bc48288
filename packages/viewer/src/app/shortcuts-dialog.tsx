// The dialog with the keyboard shortcuts.

import { Fragment, useLayoutEffect, useRef } from 'react';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { SHORTCUTS } from '../ui/shortcuts.ts';
import './shortcuts-dialog.css';

export function ShortcutsDialog({ onClose }: { readonly onClose: () => void }) {
  const top = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => top.current?.focus(), []);
  return (
    <Dialog label="Keyboard shortcuts" onClose={onClose}>
      {/* The heading takes the focus: with the focus on the button below, a low window would show the end of the
          list first. */}
      <h2 ref={top} tabIndex={-1}>
        Keyboard shortcuts
      </h2>
      <div className="keys-all">
        {SHORTCUTS.map(({ where, keys }) => (
          <section key={where} className="keys-of" aria-label={where}>
            <h3>{where}</h3>
            <dl>
              {keys.map(([chords, text]) => (
                <div key={chords}>
                  <dt>
                    <Chords text={chords} />
                  </dt>
                  <dd>{text}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <DialogButtons label="Close" testId="keys-close" onClose={onClose} />
    </Dialog>
  );
}

function Chords({ text }: { readonly text: string }) {
  return text.split(' or ').map((chord, n) => (
    <Fragment key={chord}>
      {n > 0 && ' or '}
      {chord.split('+').map((key, i) => (
        <Fragment key={key}>
          {i > 0 && '+'}
          <kbd>{key}</kbd>
        </Fragment>
      ))}
    </Fragment>
  ));
}

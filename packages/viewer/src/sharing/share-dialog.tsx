// Sharing of one session or conversation: creates a link, shows it once, and lists the existing links. Polls while
// open: no event reports the viewers of links.

import type { Binnacle, CreatedShare, ShareInfo, ShareMode } from '@binnacle/client';
import { allows, type BinnacleError, type Scope } from '@binnacle/protocol';
import { type FormEvent, useCallback, useEffect, useId, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { oneLine, timeLeftText } from '../model/format.ts';
import { useRequest } from '../state/use-request.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';
import { Qr } from '../ui/qr.tsx';
import { LIFETIMES, MAX_LABEL, MAX_USES, MODE_TEXTS, USUAL_LIFETIME_MS } from './format.ts';
import { ShareList } from './share-list.tsx';
import '../ui/radio-cards.css';
import './share-dialog.css';

/** The shared subject: one of the two. */
export type ShareTarget = { readonly session: string } | { readonly conversation: string };

interface ShareDialogProps {
  readonly client: Binnacle;
  readonly scope: Scope;
  readonly target: ShareTarget;
  readonly name: string;
  readonly onClose: () => void;
}

/** Polling interval: a new viewer appears within this time. */
const POLL_MS = 2000;
const MODES = ['view', 'type'] as const;

export function ShareDialog({ client, scope, target, name, onClose }: ShareDialogProps) {
  const [options, setOptions] = useState(USUAL_OPTIONS);
  const change = (one: Partial<LinkOptions>): void => setOptions((before) => ({ ...before, ...one }));
  const { busy, error, setError, run } = useRequest();
  const [made, setMade] = useState<CreatedShare>();
  const { shares, failed, reload } = useShares(client, target);
  const kind = 'session' in target ? 'session' : 'conversation';
  const mayType = allows(scope, 'input');

  const make = (): void => {
    const { mode, lifetime, label, uses } = options;
    const link = { ...target, mode, expiresInMs: lifetime, label: label.trim() };
    run(client.shares.create(uses === '' ? link : { ...link, uses: Number(uses) }), (created) => {
      setMade(created);
      reload();
    });
  };
  const revoke = async (share: string): Promise<void> => {
    setError(undefined);
    try {
      await client.shares.revoke(share);
      if (made?.id === share) setMade(undefined);
    } catch (cause) {
      setError(asFailure(cause));
    }
    reload();
  };

  return (
    <Dialog label={`Share this ${kind}`} onClose={onClose}>
      <div className="share" data-testid="share-dialog">
        <h2>Share “{oneLine(name, 60)}”</h2>
        {made === undefined ? (
          <LinkForm {...{ kind, mayType, busy, options, onClose }} onChange={change} onMake={make} />
        ) : (
          <MadeLink
            made={made}
            now={Date.now() + (client.clockOffsetMs ?? 0)}
            onAnother={() => {
              setMade(undefined);
              change({ label: '' });
            }}
            onClose={onClose}
          />
        )}
        {(error ?? failed) !== undefined && <Failure error={(error ?? failed) as BinnacleError} />}
        <ShareList client={client} shares={shares} onRevoke={revoke} />
      </div>
    </Dialog>
  );
}

interface LinkOptions {
  readonly mode: ShareMode;
  /** Milliseconds. */
  readonly lifetime: number;
  /** Maximum visitors, as typed. */
  readonly uses: string;
  readonly label: string;
}

const USUAL_OPTIONS: LinkOptions = { mode: 'view', lifetime: USUAL_LIFETIME_MS, uses: '', label: '' };

interface LinkFormProps {
  readonly kind: 'session' | 'conversation';
  readonly mayType: boolean;
  readonly busy: boolean;
  readonly options: LinkOptions;
  readonly onChange: (change: Partial<LinkOptions>) => void;
  readonly onMake: () => void;
  readonly onClose: () => void;
}

function LinkForm({ kind, mayType, busy, options, onChange, onMake, onClose }: LinkFormProps) {
  const { mode, lifetime, uses, label } = options;
  const id = useId();
  const isCount = uses === '' || (/^\d{1,4}$/.test(uses) && Number(uses) >= 1 && Number(uses) <= MAX_USES);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isCount) onMake();
  };
  return (
    <form onSubmit={submit}>
      <p>A link shows this {kind} to whoever has it, without a login. Nothing else can be seen through it.</p>
      <fieldset className="share-modes">
        <legend>Anyone with the link can</legend>
        {MODES.map((one) => (
          <label key={one} className={one === mode ? 'share-mode chosen' : 'share-mode'}>
            <input
              type="radio"
              name={`${id}-mode`}
              value={one}
              checked={one === mode}
              disabled={one === 'type' && !mayType}
              onChange={() => onChange({ mode: one })}
              data-testid={`share-${one}`}
            />
            <span>
              {MODE_TEXTS[one].label}
              <small>{one === 'type' && !mayType ? 'This login may not write itself.' : MODE_TEXTS[one].what}</small>
            </span>
          </label>
        ))}
      </fieldset>
      <div className="dialog-fields share-fields">
        <div>
          <label htmlFor={`${id}-lifetime`}>Expires after</label>
          <select
            id={`${id}-lifetime`}
            value={lifetime}
            onChange={(event) => onChange({ lifetime: Number(event.target.value) })}
            data-testid="share-lifetime"
          >
            {LIFETIMES.map(({ ms, label: text }) => (
              <option key={ms} value={ms}>
                {text}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label htmlFor={`${id}-uses`}>Limit of visitors</label>
          <input
            id={`${id}-uses`}
            value={uses}
            inputMode="numeric"
            placeholder="No limit"
            autoComplete="off"
            aria-invalid={!isCount}
            aria-describedby={isCount ? undefined : `${id}-uses-wrong`}
            onChange={(event) => onChange({ uses: event.target.value.trim() })}
            data-testid="share-uses"
          />
          {!isCount && (
            <small id={`${id}-uses-wrong`} className="share-wrong">
              A number from 1 to {MAX_USES}, or nothing.
            </small>
          )}
        </div>
        <div className="share-label">
          <label htmlFor={`${id}-label`}>Note for visitors</label>
          <input
            id={`${id}-label`}
            value={label}
            maxLength={MAX_LABEL}
            autoComplete="off"
            onChange={(event) => onChange({ label: event.target.value })}
            data-testid="share-label"
          />
        </div>
      </div>
      <DialogButtons label="Close" onClose={onClose}>
        <button type="submit" className="button primary" disabled={busy || !isCount} data-testid="share-make">
          {busy ? 'Making it…' : 'Make a link'}
        </button>
      </DialogButtons>
    </form>
  );
}

interface MadeLinkProps {
  readonly made: CreatedShare;
  /** The gateway's time. */
  readonly now: number;
  readonly onAnother: () => void;
  readonly onClose: () => void;
}

function MadeLink({ made, now, onAnother, onClose }: MadeLinkProps) {
  const id = useId();
  const often = made.uses === null ? '' : made.uses === 1 ? ', once' : `, ${made.uses} times`;
  return (
    <div data-testid="share-made">
      <p id={id}>
        Anyone with this link can {MODE_TEXTS[made.mode].label.toLowerCase()}, for {timeLeftText(made.expiresAt, now)}
        {often}. <strong>It is shown this once:</strong> copy it now.
      </p>
      <div className="share-link">
        <input
          readOnly
          value={made.url}
          aria-label="The link"
          aria-describedby={id}
          onFocus={(event) => event.target.select()}
          data-testid="share-url"
        />
        <CopyButton text={made.url} what="the link" />
      </div>
      <div className="share-qr">
        <Qr text={made.url} label="The link as a QR code: point a phone’s camera at it" />
      </div>
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onAnother} data-testid="share-another">
          Another link
        </button>
        <button type="button" className="button primary" onClick={onClose} data-testid="share-done">
          Done
        </button>
      </div>
    </div>
  );
}

/** Returns the links to this subject, including ended ones. */
function useShares(client: Binnacle, target: ShareTarget) {
  const [shares, setShares] = useState<readonly ShareInfo[]>();
  const [failed, setFailed] = useState<BinnacleError>();
  const id = 'session' in target ? target.session : target.conversation;
  const reload = useCallback(() => {
    client.shares.list({ over: true }).then(
      (all) => {
        setShares(all.filter(({ session, conversation }) => session === id || conversation === id));
        setFailed(undefined);
      },
      (cause: unknown) => setFailed(asFailure(cause)),
    );
  }, [client, id]);
  useEffect(() => {
    reload();
    const timer = setInterval(reload, POLL_MS);
    return () => clearInterval(timer);
  }, [reload]);
  return { shares, failed, reload };
}

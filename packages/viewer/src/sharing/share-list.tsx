// The existing links to one subject: the viewers of each, its history, and its revocation.

import type { Binnacle, ShareDetails, ShareInfo } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { useEffect, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { clockTime, oneLine, person } from '../model/format.ts';
import { Failure } from '../ui/failure.tsx';
import { auditText, MODE_TEXTS, shareStatusText } from './format.ts';
import '../ui/chip.css';
import './share-list.css';

interface ShareListProps {
  readonly client: Binnacle;
  /** Undefined until the links are known. */
  readonly shares: readonly ShareInfo[] | undefined;
  readonly onRevoke: (share: string) => Promise<void>;
}

const isOpen = ({ state }: ShareInfo): boolean => state === 'open' || state === 'used_up';

export function ShareList({ client, shares, onRevoke }: ShareListProps) {
  if (shares === undefined || shares.length === 0) return null;
  const open = shares.filter(isOpen);
  const over = shares.filter((share) => !isOpen(share));
  const now = Date.now() + (client.clockOffsetMs ?? 0);
  const row = (share: ShareInfo) => (
    <ShareRow key={share.id} client={client} share={share} now={now} onRevoke={onRevoke} />
  );
  return (
    <section className="share-list" aria-label="Links" data-testid="share-list">
      {open.length > 0 && (
        <>
          <h3>{open.length === 1 ? 'One link is open' : `${open.length} links are open`}</h3>
          <ul>{open.map(row)}</ul>
        </>
      )}
      {over.length > 0 && (
        <details>
          <summary>{over.length === 1 ? 'One link has ended' : `${over.length} links have ended`}</summary>
          <ul>{over.map(row)}</ul>
        </details>
      )}
    </section>
  );
}

interface ShareRowProps {
  readonly client: Binnacle;
  readonly share: ShareInfo;
  /** The gateway's time. */
  readonly now: number;
  readonly onRevoke: (share: string) => Promise<void>;
}

function ShareRow({ client, share, now, onRevoke }: ShareRowProps) {
  const [busy, setBusy] = useState(false);
  const [isHistoryOpen, setHistoryOpen] = useState(false);
  const name = share.label === '' ? MODE_TEXTS[share.mode].label : oneLine(share.label, 100);
  return (
    <li data-testid="share-row" data-share={share.id} data-state={share.state}>
      <div className="share-head">
        <strong>{name}</strong>
        {share.label !== '' && <span className="turn-mark">{MODE_TEXTS[share.mode].label.toLowerCase()}</span>}
        <button
          type="button"
          className="button quiet"
          aria-expanded={isHistoryOpen}
          onClick={() => setHistoryOpen((before) => !before)}
          data-testid="share-history"
        >
          History
        </button>
        {isOpen(share) && (
          <button
            type="button"
            className="button danger"
            disabled={busy}
            aria-label={`Revoke the link ${name}`}
            onClick={() => {
              setBusy(true);
              void onRevoke(share.id).finally(() => setBusy(false));
            }}
            data-testid="share-revoke"
          >
            Revoke
          </button>
        )}
      </div>
      <p className="share-status">{shareStatusText(share, now)}</p>
      {share.viewers.length > 0 && (
        <ul className="share-viewers" aria-label="Looking now" data-testid="share-viewers">
          {share.viewers.map((viewer) => (
            <li key={viewer.id} className="chip">
              <span className="dot running" />
              {person(viewer.name)}
              {viewer.driving && ', in control'}
            </li>
          ))}
        </ul>
      )}
      {isHistoryOpen && <History client={client} share={share} />}
    </li>
  );
}

/** The history of a link. Loaded again each time it is opened: refused attempts are counted nowhere else. */
function History({ client, share }: { readonly client: Binnacle; readonly share: ShareInfo }) {
  const [details, setDetails] = useState<ShareDetails>();
  const [error, setError] = useState<BinnacleError>();
  const { id } = share;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another look, another share
  useEffect(() => {
    let isOver = false;
    client.shares.get(id).then(
      (known) => {
        if (!isOver) setDetails(known);
      },
      (cause: unknown) => {
        if (!isOver) setError(asFailure(cause));
      },
    );
    return () => {
      isOver = true;
    };
  }, [client, id, share]);
  if (error !== undefined) return <Failure error={error} />;
  if (details === undefined) return <p className="share-status">Looking…</p>;
  return (
    <ol className="share-audit" data-testid="share-audit">
      {details.audit.map((deed, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: it only grows
        <li key={at} data-what={deed.what}>
          <time dateTime={new Date(deed.at).toISOString()}>{clockTime(deed.at, Date.now())}</time> {auditText(deed)}
          {deed.address !== null && <span className="share-address"> from {oneLine(deed.address, 60)}</span>}
        </li>
      ))}
    </ol>
  );
}

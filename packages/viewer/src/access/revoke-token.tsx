// The confirmation before a token is revoked, with a choice for the tokens that it has issued.

import type { Binnacle, IssuedByToken, TokenInfo } from '@binnacle/client';
import { useEffect, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { oneLine } from '../model/format.ts';
import { useRequest } from '../state/use-request.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';
import { dependentsText, makerText } from './format.ts';
import './revoke-token.css';

interface RevokeTokenProps {
  readonly client: Binnacle;
  readonly token: TokenInfo;
  readonly onRevoked: () => Promise<void>;
  readonly onClose: () => void;
}

export function RevokeToken({ client, token, onRevoked, onClose }: RevokeTokenProps) {
  const [issued, setIssued] = useState<IssuedByToken>();
  const { busy, error, setError, run } = useRequest();
  const { id } = token;
  useEffect(() => {
    let isOver = false;
    client.tokens.issued(id).then(
      (found) => {
        if (!isOver) setIssued(found);
      },
      (cause: unknown) => {
        if (!isOver) setError(asFailure(cause));
      },
    );
    return () => {
      isOver = true;
    };
  }, [client, id, setError]);
  const revoke = (what: 'revoke' | 'keep'): void =>
    run(client.tokens.revoke(id, { issued: what }).then(onRevoked), onClose);
  const hasMade = issued !== undefined && issued.tokens.length > 0;
  const also = issued === undefined ? '' : dependentsText(issued);
  return (
    <Dialog label="Revoke this token?" onClose={onClose}>
      <h2>Revoke “{oneLine(token.name, 60)}”?</h2>
      <p>What it has open is closed at once. That cannot be undone.{also !== '' && ` With it end ${also}.`}</p>
      {issued === undefined && error === undefined && <p>Looking for what it has made…</p>}
      {hasMade && (
        <>
          <p>It has made tokens that count still:</p>
          <ul className="issued" data-testid="issued">
            {issued.tokens.map((one) => (
              <li key={one.id}>
                <strong>{oneLine(one.name, 60)}</strong> <span className="turn-mark">{one.scope}</span>{' '}
                <small>{makerText(one)}</small>
              </li>
            ))}
          </ul>
        </>
      )}
      {error !== undefined && <Failure error={error} />}
      <DialogButtons onClose={onClose}>
        {hasMade && (
          <button
            type="button"
            className="button danger"
            disabled={busy}
            onClick={() => revoke('keep')}
            data-testid="revoke-alone"
          >
            Revoke it alone
          </button>
        )}
        <button
          type="button"
          className="button danger"
          disabled={busy || issued === undefined}
          onClick={() => revoke(hasMade ? 'revoke' : 'keep')}
          data-testid="revoke-sure"
        >
          {hasMade ? 'Revoke all' : 'Revoke'}
        </button>
      </DialogButtons>
    </Dialog>
  );
}

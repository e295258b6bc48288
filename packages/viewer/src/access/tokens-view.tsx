// The page of tokens and browser logins, for admins: their makers and their end. Tokens are created in a shell, where
// their secret is needed.

import type { Binnacle, TokenInfo } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { type ReactNode, useCallback, useEffect, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { oneLine } from '../model/format.ts';
import { LockIcon } from '../ui/icons.tsx';
import { ErrorNotice } from '../ui/notices.tsx';
import { Empty, Failed, Page } from '../ui/page.tsx';
import { factsOf } from './format.ts';
import { RevokeToken } from './revoke-token.tsx';
import './tokens-view.css';

interface TokensViewProps {
  readonly client: Binnacle;
  readonly menu: ReactNode;
  readonly linkNotice: ReactNode;
}

export function TokensView({ client, menu, linkNotice }: TokensViewProps) {
  const [tokens, setTokens] = useState<readonly TokenInfo[]>();
  const [error, setError] = useState<BinnacleError>();
  const [revoking, setRevoking] = useState<TokenInfo>();
  const load = useCallback(async () => {
    try {
      setTokens(await client.tokens.list());
      setError(undefined);
    } catch (cause) {
      setError(asFailure(cause));
    }
  }, [client]);
  useEffect(() => void load(), [load]);
  const icon = <LockIcon />;
  const now = Date.now() + (client.clockOffsetMs ?? 0);
  return (
    <Page
      title="Tokens"
      icon={icon}
      subtitle="Tokens and browser logins that are let in, and who made them"
      menu={menu}
      notices={
        <>
          {linkNotice}
          {error !== undefined && tokens !== undefined && <ErrorNotice error={error} />}
        </>
      }
      busy={tokens === undefined && error === undefined}
      test="tokens-view"
    >
      {tokens === undefined && error === undefined && (
        <Empty icon={icon} title="Looking…" waiting test="tokens-loading" />
      )}
      {tokens === undefined && error !== undefined && <Failed error={error} onAgain={() => void load()} />}
      {tokens?.length === 0 && (
        <Empty icon={icon} title="Only the admin token is let in" test="tokens-none">
          <p>
            On the machine that runs Binnacle, <code>binnacle token create NAME</code> makes a token,{' '}
            <code>binnacle token link</code> a login link.
          </p>
        </Empty>
      )}
      <ul className="tokens">
        {tokens?.map((token) => (
          <TokenRow key={token.id} token={token} now={now} onRevoke={() => setRevoking(token)} />
        ))}
      </ul>
      {revoking !== undefined && (
        <RevokeToken client={client} token={revoking} onRevoked={load} onClose={() => setRevoking(undefined)} />
      )}
    </Page>
  );
}

interface TokenRowProps {
  readonly token: TokenInfo;
  /** The gateway's time. */
  readonly now: number;
  readonly onRevoke: () => void;
}

function TokenRow({ token, now, onRevoke }: TokenRowProps) {
  const name = oneLine(token.name, 100);
  return (
    <li className="token" data-testid="token-row" data-token={token.id}>
      <div>
        <strong>{name}</strong>{' '}
        <span className="turn-mark">
          {token.kind === 'cookie' ? 'browser, ' : ''}
          {token.scope}
        </span>
        <p className="token-facts">{factsOf(token, now)}</p>
      </div>
      <button
        type="button"
        className="button danger"
        aria-label={`Revoke ${name}`}
        onClick={onRevoke}
        data-testid="token-revoke"
      >
        Revoke
      </button>
    </li>
  );
}

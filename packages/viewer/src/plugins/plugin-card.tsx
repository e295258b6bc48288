// The card of a plugin: its containment, its state, its permissions and offers, and the actions on it.

import type { Binnacle } from '@binnacle/client';
import type { PluginInfo, PluginOffer, PluginSetting } from '@binnacle/protocol';
import { useId, useState } from 'react';
import { age, bytes, oneLine } from '../model/format.ts';
import { useNow } from '../state/use-clock.ts';
import { useRequest } from '../state/use-request.ts';
import { Failure } from '../ui/failure.tsx';
import { kindLabel, levelText, settingText, stateOf } from './format.ts';
import { PluginLog } from './plugin-log.tsx';
import { PluginPermissions } from './plugin-permissions.tsx';
import type { PluginList } from './use-plugins.ts';
import './plugin-card.css';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';

interface PluginCardProps {
  readonly client: Binnacle;
  readonly info: PluginInfo;
  readonly act: PluginList['act'];
  /** True beside several others: the card is folded at first, unless the plugin has a problem. */
  readonly folds: boolean;
}

export function PluginCard({ client, info, act, folds }: PluginCardProps) {
  const { id } = info;
  const name = useId();
  const now = useNow();
  const { busy, error, run: follow } = useRequest();
  const [shown, setShown] = useState<'log' | 'remove'>();
  const [done, setDone] = useState('');
  // Initial value only: from then on the user folds and unfolds.
  const [startsOpen] = useState(!folds || info.problem !== null);
  const run = (work: () => Promise<unknown>, label: string): void => {
    if (busy) return;
    setDone('');
    follow(act(work), () => setDone(label));
  };
  const { label, mark } = stateOf(info);
  const isOff = info.state === 'off';
  const { plugins } = client;
  return (
    <section className="plugin" aria-labelledby={name} data-testid="plugin" data-plugin={id} data-state={info.state}>
      <details open={startsOpen}>
        <summary className="plugin-head">
          <h3 id={name}>
            <span className={`dot ${mark}`} />
            <span>{oneLine(info.name, 80)}</span>
            <small>{oneLine(info.version, 40)}</small>
          </h3>
          <span className={`session-state ${mark}`}>{label}</span>
          <span className={`level ${info.level ?? 'unknown'}`} data-testid="level">
            {info.level ?? 'level not known'}
          </span>
        </summary>
        <div className="plugin-body">
          {info.description !== '' && <p className="plugin-about">{oneLine(info.description, 400)}</p>}
          <p className="plugin-facts" data-testid="plugin-facts">
            {info.name !== id && <code>{id}</code>}
            {info.memoryBytes !== null && <span>{bytes(info.memoryBytes)} of memory</span>}
            {info.restarts > 0 && (
              <span className="plugin-restarts">
                {info.restarts === 1 ? 'ended once' : `ended ${info.restarts} times`} in the last ten minutes
              </span>
            )}
            <span>installed {ago(now - info.installedAt)}</span>
          </p>
          <p className="plugin-level" data-testid="level-text">
            {levelText(info.level)}
            {info.missing.length > 0 &&
              ` This machine lacks ${info.missing.map((one) => oneLine(one, 40)).join(', ')}: each a wall less.`}
          </p>
          {info.problem !== null && (
            <div className="failure" data-testid="problem" data-code={info.problem.code}>
              <p className="failure-message">{oneLine(info.problem.message, 600)}</p>
              <p className="failure-hint">
                {info.problem.hint !== null && oneLine(info.problem.hint, 400)} <code>{info.problem.code}</code>
              </p>
            </div>
          )}
          <h4>What it may do</h4>
          <PluginPermissions
            plugin={id}
            permissions={info.permissions}
            busy={busy}
            onGrant={(permission, value) =>
              run(() => plugins.grant(id, permission, value), `${permission} is granted.`)
            }
            onRevoke={(permission) => run(() => plugins.revoke(id, permission), `${permission} is revoked.`)}
          />
          {info.offers.length > 0 && (
            <>
              <h4>What it offers</h4>
              <Offers offers={info.offers} />
            </>
          )}
          {info.settings.length > 0 && (
            <>
              <h4>Settings</h4>
              <Settings settings={info.settings} />
            </>
          )}
          {error !== undefined && <Failure error={error} />}
          <p className="sr-only" role="status">
            {done}
          </p>
          <div className="plugin-acts">
            <Act label="Log" of={id} test="plugin-log-open" onAct={() => setShown('log')} />
            {!isOff && (
              <Act
                label={info.pid === null ? 'Start' : 'Restart'}
                of={id}
                busy={busy}
                test="plugin-restart"
                onAct={() => run(() => plugins.restart(id), 'It was started.')}
              />
            )}
            <Act
              label={isOff ? 'Enable' : 'Disable'}
              of={id}
              busy={busy}
              test="plugin-enable"
              onAct={() => run(() => plugins.setEnabled(id, isOff), isOff ? 'It is enabled.' : 'It is disabled.')}
            />
            <Act label="Remove" of={id} busy={busy} danger test="plugin-remove" onAct={() => setShown('remove')} />
          </div>
        </div>
      </details>
      {shown === 'log' && <PluginLog client={client} id={id} onClose={() => setShown(undefined)} />}
      {shown === 'remove' && (
        <RemovePlugin info={info} onRemove={() => act(() => plugins.remove(id))} onClose={() => setShown(undefined)} />
      )}
    </section>
  );
}

interface ActProps {
  readonly label: string;
  /** Name of the plugin, for screen readers. */
  readonly of: string;
  readonly busy?: boolean;
  readonly danger?: boolean;
  readonly test: string;
  readonly onAct: () => void;
}

/** A button that is not `disabled` while busy: the disabled button would lose the focus. */
function Act({ label, of, busy = false, danger = false, test, onAct }: ActProps) {
  return (
    <button
      type="button"
      className={danger ? 'button danger' : 'button'}
      aria-disabled={busy}
      aria-label={`${label} ${of}`}
      onClick={() => {
        if (!busy) onAct();
      }}
      data-testid={test}
    >
      {label}
    </button>
  );
}

function Offers({ offers }: { readonly offers: readonly PluginOffer[] }) {
  return (
    <ul className="plugin-rows">
      {offers.map((offer) => (
        <li
          key={`${offer.kind} ${offer.name}`}
          data-testid="offer"
          data-kind={offer.kind}
          data-in-force={offer.inForce}
        >
          <div className="plugin-row-text">
            <p>
              {kindLabel(offer.kind)} <code>{oneLine(offer.name, 200)}</code>{' '}
              <span className={`grant-status ${offer.inForce ? 'granted' : 'denied'}`}>
                {offer.inForce ? 'in force' : `not in force: it lacks ${offer.permission}`}
              </span>
            </p>
            {offer.description !== '' && <p className="plugin-reason">{oneLine(offer.description, 200)}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

/** Shows which settings are set. Their values are in the config file only: they may be secrets. */
function Settings({ settings }: { readonly settings: readonly PluginSetting[] }) {
  return (
    <ul className="plugin-rows">
      {settings.map((one) => (
        <li key={one.key} data-testid="setting" data-set={one.isSet}>
          <div className="plugin-row-text">
            <p>
              <code>{oneLine(one.key, 100)}</code>{' '}
              <span className={`grant-status ${one.isSet ? 'granted' : one.isRequired ? 'partly' : 'denied'}`}>
                {settingText(one)}
              </span>
            </p>
            {one.description !== '' && <p className="plugin-reason">{oneLine(one.description, 200)}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

const ago = (ms: number): string => (age(ms) === 'now' ? 'just now' : `${age(ms)} ago`);

interface RemovePluginProps {
  readonly info: PluginInfo;
  readonly onRemove: () => Promise<void>;
  readonly onClose: () => void;
}

function RemovePlugin({ info, onRemove, onClose }: RemovePluginProps) {
  const { busy, error, run } = useRequest();
  return (
    <Dialog label="Remove this plugin?" onClose={onClose}>
      <h2>Remove “{oneLine(info.name, 60)}”?</h2>
      <p>
        Its process is ended, and its files, its log, its stored data and its grants are removed from this server. That
        cannot be undone.
      </p>
      {error !== undefined && <Failure error={error} />}
      <DialogButtons onClose={onClose}>
        <button
          type="button"
          className="button danger"
          disabled={busy}
          onClick={() => run(onRemove(), onClose)}
          data-testid="remove-sure"
        >
          Remove
        </button>
      </DialogButtons>
    </Dialog>
  );
}

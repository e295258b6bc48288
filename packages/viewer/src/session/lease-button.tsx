// The lease as one button: acquire, take over, or release.

import type { LeaseInfo } from '@binnacle/protocol';
import { person } from '../model/format.ts';
import { EyeIcon, HelmIcon } from '../ui/icons.tsx';
import './lease-button.css';

/**
 * State of the lease: `yours`: held by this page. `free`: no holder. `held`: another holder. `none`: the session takes
 * no input.
 */
export type Helm =
  | { readonly kind: 'yours' }
  | { readonly kind: 'free' }
  | { readonly kind: 'held'; readonly holder: string }
  | { readonly kind: 'none' };

export function helmOf(lease: LeaseInfo | null, yours: boolean, steerable: boolean): Helm {
  if (!steerable) return { kind: 'none' };
  if (yours) return { kind: 'yours' };
  return lease === null ? { kind: 'free' } : { kind: 'held', holder: person(lease.holder, 24) };
}

/** Describes the state of the lease in a sentence, also for screen readers. */
export function helmWords(helm: Helm): string {
  if (helm.kind === 'yours') return 'You have the helm';
  if (helm.kind === 'held') return `${helm.holder} has the helm`;
  return helm.kind === 'free' ? 'Nobody has the helm' : 'Watching';
}

interface HelmButtonProps {
  readonly helm: Helm;
  readonly busy: boolean;
  readonly onAcquire: () => void;
  readonly onTake: () => void;
  readonly onRelease: () => void;
}

export function HelmButton({ helm, busy, onAcquire, onTake, onRelease }: HelmButtonProps) {
  if (helm.kind === 'none') {
    return (
      <span className="button quiet helm" data-testid="helm" data-helm="none">
        <EyeIcon /> Watching
      </span>
    );
  }
  const look = {
    yours: ['mine', 'Release', onRelease],
    free: ['', 'Take', onAcquire],
    held: ['held', 'Take over', onTake],
  } as const;
  const [style, act, onClick] = look[helm.kind];
  const words = helmWords(helm);
  return (
    <button
      type="button"
      className={`button helm ${style}`}
      disabled={busy}
      onClick={onClick}
      title={helm.kind === 'free' ? 'Typing takes the helm while it is free' : undefined}
      data-testid="helm"
      data-helm={helm.kind}
    >
      <HelmIcon />
      {helm.kind === 'free' && <span className="wide">Watching</span>}
      {helm.kind === 'held' && (
        <span className="helm-words">
          {helm.holder}
          <span className="wide"> has the helm</span>
        </span>
      )}
      {helm.kind === 'yours' && (
        <>
          <span className="wide">{words}</span>
          <span className="narrow">
            Steering<span className="sr-only">. {act}</span>
          </span>
        </>
      )}
      <span className="sr-only">. </span>
      <span className={helm.kind === 'yours' ? 'helm-act wide' : 'helm-act'}>
        {helm.kind === 'free' ? 'Take the helm' : act}
      </span>
    </button>
  );
}

// The lease as one button: acquire, take over, or release.

import type { LeaseInfo } from '@binnacle/protocol';
import { person } from '../model/format.ts';
import { LeaseIcon, ViewIcon } from '../ui/icons.tsx';
import './lease-button.css';

/**
 * State of the lease: `yours`: held by this page. `free`: no holder. `taken`: another holder. `none`: the session takes
 * no input.
 */
export type LeaseStatus =
  | { readonly kind: 'yours' }
  | { readonly kind: 'free' }
  | { readonly kind: 'taken'; readonly holder: string }
  | { readonly kind: 'none' };

export function leaseStatusOf(lease: LeaseInfo | null, yours: boolean, steerable: boolean): LeaseStatus {
  if (!steerable) return { kind: 'none' };
  if (yours) return { kind: 'yours' };
  return lease === null ? { kind: 'free' } : { kind: 'taken', holder: person(lease.holder, 24) };
}

/** Describes the state of the lease in a sentence, also for screen readers. */
export function leaseText(leaseStatus: LeaseStatus): string {
  if (leaseStatus.kind === 'yours') return 'You’re in control';
  if (leaseStatus.kind === 'taken') return `${leaseStatus.holder} is in control`;
  return leaseStatus.kind === 'free' ? 'Nobody is in control' : 'Watching';
}

interface LeaseButtonProps {
  readonly leaseStatus: LeaseStatus;
  readonly busy: boolean;
  readonly onAcquire: () => void;
  readonly onTake: () => void;
  readonly onRelease: () => void;
}

export function LeaseButton({ leaseStatus, busy, onAcquire, onTake, onRelease }: LeaseButtonProps) {
  if (leaseStatus.kind === 'none') {
    return (
      <span className="button quiet lease" data-testid="lease" data-lease="none">
        <ViewIcon /> Watching
      </span>
    );
  }
  const variants = {
    yours: ['mine', 'Let go', onRelease],
    free: ['', 'Take', onAcquire],
    taken: ['taken', 'Take over', onTake],
  } as const;
  const [style, act, onClick] = variants[leaseStatus.kind];
  const text = leaseText(leaseStatus);
  return (
    <button
      type="button"
      className={`button lease ${style}`}
      disabled={busy}
      onClick={onClick}
      title={leaseStatus.kind === 'free' ? 'Typing takes control while nobody has it' : undefined}
      data-testid="lease"
      data-lease={leaseStatus.kind}
    >
      <LeaseIcon />
      {leaseStatus.kind === 'free' && <span className="wide">Watching</span>}
      {leaseStatus.kind === 'taken' && (
        <span className="lease-text">
          {leaseStatus.holder}
          <span className="wide"> is in control</span>
        </span>
      )}
      {leaseStatus.kind === 'yours' && (
        <>
          <span className="wide">{text}</span>
          <span className="narrow">
            In control<span className="sr-only">. {act}</span>
          </span>
        </>
      )}
      <span className="sr-only">. </span>
      <span className={leaseStatus.kind === 'yours' ? 'lease-act wide' : 'lease-act'}>
        {leaseStatus.kind === 'free' ? 'Take control' : act}
      </span>
    </button>
  );
}

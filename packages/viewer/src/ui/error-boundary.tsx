// The replacement for a failed part of the page: a bug, or a part that could not be loaded. The rest of the page
// continues.

import type { BinnacleError } from '@binnacle/protocol';
import { Component, type ReactNode } from 'react';
import { asFailure } from '../model/failure.ts';
import { Failure } from './failure.tsx';
import { reloadWhenThere } from './lazy-part.ts';
import './page.css';

interface MishapProps {
  readonly menu: ReactNode;
  readonly children: ReactNode;
}

interface MishapState {
  readonly error: BinnacleError | undefined;
}

export class Mishap extends Component<MishapProps, MishapState> {
  override state: MishapState = { error: undefined };
  private undo: (() => void) | undefined;

  static getDerivedStateFromError(thrown: unknown): MishapState {
    return { error: asFailure(thrown) };
  }

  override componentDidCatch(thrown: unknown): void {
    if (asFailure(thrown).code === 'unreachable') this.undo = reloadWhenThere();
  }

  override componentWillUnmount(): void {
    this.undo?.();
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <main className="main" data-testid="mishap">
        <header className="bar bar-bare">{this.props.menu}</header>
        <div className="page-empty">
          <h2>This part of the page could not be shown</h2>
          <p>The gateway may have been upgraded since the page was loaded. What runs goes on.</p>
          <Failure error={error} />
          <button type="button" className="button primary" onClick={() => location.reload()}>
            Reload the page
          </button>
        </div>
      </main>
    );
  }
}

interface PartMishapProps {
  /** The rendered content: a change of this identity triggers a new try. */
  readonly of: unknown;
  readonly children: ReactNode;
}

interface PartMishapState extends MishapState {
  readonly of: unknown;
}

/** The error boundary for one item of a list: one line in its place. */
export class PartMishap extends Component<PartMishapProps, PartMishapState> {
  override state: PartMishapState = { error: undefined, of: this.props.of };

  static getDerivedStateFromError(thrown: unknown): MishapState {
    return { error: asFailure(thrown) };
  }

  static getDerivedStateFromProps({ of }: PartMishapProps, before: PartMishapState): PartMishapState | null {
    return of === before.of ? null : { error: undefined, of };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <p className="turn-end error" role="note" data-testid="part-mishap">
        This could not be shown.
        <small>
          {' '}
          {error.message} {error.hint} <code>{error.code}</code>
        </small>
      </p>
    );
  }
}

// The replacement for a failed part of the page: a bug, or a part that could not be loaded. The rest of the page
// continues.

import type { BinnacleError } from '@binnacle/protocol';
import { Component, type ReactNode } from 'react';
import { asFailure } from '../model/failure.ts';
import { Failure } from './failure.tsx';
import { reloadWhenThere } from './lazy-part.ts';
import './page.css';

interface ErrorBoundaryProps {
  readonly menu: ReactNode;
  readonly children: ReactNode;
}

interface ErrorBoundaryState {
  readonly error: BinnacleError | undefined;
}

export class ErrorBoundary extends Component<ErrorBoundaryProps, ErrorBoundaryState> {
  override state: ErrorBoundaryState = { error: undefined };
  #undo: (() => void) | undefined;

  static getDerivedStateFromError(cause: unknown): ErrorBoundaryState {
    return { error: asFailure(cause) };
  }

  override componentDidCatch(cause: unknown): void {
    if (asFailure(cause).code === 'unreachable') this.#undo = reloadWhenThere();
  }

  override componentWillUnmount(): void {
    this.#undo?.();
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <main className="main" data-testid="error-boundary">
        <header className="bar bar-bare">{this.props.menu}</header>
        <div className="page-empty">
          <h2>This part of the page could not be shown</h2>
          <p>Binnacle may have been upgraded since the page was loaded. Programs keep running.</p>
          <Failure error={error} />
          <button type="button" className="button primary" onClick={() => location.reload()}>
            Reload the page
          </button>
        </div>
      </main>
    );
  }
}

interface PartErrorBoundaryProps {
  /** The rendered content: a change of this identity triggers a new try. */
  readonly of: unknown;
  readonly children: ReactNode;
}

interface PartErrorBoundaryState extends ErrorBoundaryState {
  readonly of: unknown;
}

/** The error boundary for one item of a list: one line in its place. */
export class PartErrorBoundary extends Component<PartErrorBoundaryProps, PartErrorBoundaryState> {
  override state: PartErrorBoundaryState = { error: undefined, of: this.props.of };

  static getDerivedStateFromError(cause: unknown): ErrorBoundaryState {
    return { error: asFailure(cause) };
  }

  static getDerivedStateFromProps(
    { of }: PartErrorBoundaryProps,
    before: PartErrorBoundaryState,
  ): PartErrorBoundaryState | null {
    return of === before.of ? null : { error: undefined, of };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <p className="turn-end error" role="note" data-testid="part-error">
        This could not be shown.
        <small>
          {' '}
          {error.message} {error.hint} <code>{error.code}</code>
        </small>
      </p>
    );
  }
}

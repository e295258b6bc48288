// A request of an agent for a person's consent: what it wants, the answers, and who gave one.

import type { Approval, ApprovalAnswer, BinnacleError } from '@binnacle/protocol';
import { useId, useState } from 'react';
import { answerWords, isAllowing, timeLeft, visible } from './conversation-words.ts';
import { asFailure, Failure } from './failure.tsx';
import { ShieldIcon } from './icons.tsx';
import { useCountdown } from './use-client.ts';
import { oneLine } from './words.ts';

interface ApprovalCardProps {
  readonly approval: Approval;
  /** Null while it waits. */
  readonly answer: ApprovalAnswer | null;
  /** The gateway's clock minus ours, ms. */
  readonly clockOffsetMs: number;
  /** Undefined for those who may only watch. */
  readonly onAnswer: ((option: string) => Promise<unknown>) | undefined;
}

export function ApprovalCard({ approval, answer, clockOffsetMs, onAnswer }: ApprovalCardProps) {
  const [sent, setSent] = useState<string>();
  const [error, setError] = useState<BinnacleError>();
  const heading = useId();
  // A command is read as it is, letter by letter: never as a heading alone.
  const isTold = approval.detail !== '' && approval.detail !== approval.title;
  const choose = (option: string): void => {
    if (onAnswer === undefined) return;
    setSent(option);
    setError(undefined);
    onAnswer(option)
      // The answer itself comes with the conversation's events, here as in every other tab.
      .catch((thrown: unknown) => {
        const failure = asFailure(thrown);
        // Somebody was faster: their answer is on its way, and says who.
        if (failure.code !== 'approval_answered') setError(failure);
      })
      .finally(() => setSent(undefined));
  };
  return (
    <section
      className={answer === null ? 'approval waiting' : 'approval'}
      aria-labelledby={heading}
      data-testid="approval"
      data-approval={approval.id}
      data-state={answer === null ? 'waiting' : answer.reason}
    >
      <header>
        <ShieldIcon />
        <h3 id={heading}>{isTold ? oneLine(approval.title, 300) : 'May it do this?'}</h3>
        {answer === null && <TimeLeft at={approval.expiresAt - clockOffsetMs} />}
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{visible(isTold ? approval.detail : approval.title)}</pre>
      {answer === null ? (
        onAnswer === undefined ? (
          <p className="approval-answer">Somebody who may steer this conversation has to answer.</p>
        ) : (
          <div className="approval-options">
            {approval.options.map((option) => (
              <button
                type="button"
                key={option.id}
                className={`button ${option.kind === 'allow_once' ? 'primary' : isAllowing(option) ? '' : 'danger'}`}
                disabled={sent !== undefined}
                onClick={() => choose(option.id)}
                data-testid="approval-option"
                data-option={option.id}
              >
                {sent === option.id ? 'Sending…' : oneLine(option.label, 80)}
              </button>
            ))}
          </div>
        )
      ) : (
        <p className="approval-answer" data-testid="approval-answer">
          {answerWords(answer, approval.options)}
        </p>
      )}
      {error !== undefined && <Failure error={error} />}
    </section>
  );
}

function TimeLeft({ at }: { readonly at: number }) {
  const seconds = useCountdown(at);
  return (
    <span className={seconds < 30 ? 'approval-left soon' : 'approval-left'} data-testid="approval-left">
      {seconds > 0 ? `${timeLeft(seconds)} left` : 'time is up'}
    </span>
  );
}

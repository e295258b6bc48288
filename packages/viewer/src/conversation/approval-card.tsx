// A request of an agent for a person's approval: the requested action, the answers, and who gave one.

import { optionLabel, visibleLine, visibleText } from '@binnacle/client';
import type { Approval, ApprovalAnswer, BinnacleError } from '@binnacle/protocol';
import { type KeyboardEvent, type RefObject, useCallback, useEffect, useId, useMemo, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { useCountdown } from '../state/use-clock.ts';
import { Failure } from '../ui/failure.tsx';
import { ShieldIcon } from '../ui/icons.tsx';
import { approvalText, isAllowing, timeLeft } from './format.ts';
import './approval-card.css';

/** Maximum answers with a key of their own. */
const MAX_DIGIT = 9;

interface ApprovalCardProps {
  readonly approval: Approval;
  /** Null while the request waits. */
  readonly answer: ApprovalAnswer | null;
  /** The gateway's clock minus this browser's, ms. */
  readonly clockOffsetMs: number;
  /** Undefined for a viewer without the right to answer. */
  readonly onAnswer: ((option: string) => Promise<unknown>) | undefined;
}

export function ApprovalCard({ approval, answer, clockOffsetMs, onAnswer }: ApprovalCardProps) {
  const [sent, setSent] = useState<string>();
  const [error, setError] = useState<BinnacleError>();
  const heading = useId();
  const hint = useId();
  const box = useRef<HTMLPreElement>(null);
  const { isRead, readOn } = useReadToEnd(box);
  // A command is shown as it is, character by character: never as a heading alone.
  const hasDetail = approval.detail !== '' && approval.detail !== approval.title;
  const requestText = useMemo(() => visibleText(hasDetail ? approval.detail : approval.title), [approval, hasDetail]);
  const isWaiting = answer === null;
  const choose = (option: string): void => {
    if (onAnswer === undefined) return;
    setSent(option);
    setError(undefined);
    onAnswer(option)
      // The answer itself arrives with the conversation's events, here as in every other tab.
      .catch((cause: unknown) => {
        const failure = asFailure(cause);
        // Another person answered first: the event with that answer is on its way, and names the person.
        if (failure.code !== 'approval_answered') setError(failure);
      })
      .finally(() => setSent(undefined));
  };
  /**
   * Answers by a digit while the card has the focus: the answers are counted, and the key cannot be pressed by mistake
   * elsewhere.
   */
  const pressed = (event: KeyboardEvent): void => {
    if (!isWaiting || event.repeat || event.ctrlKey || event.metaKey || event.altKey || sent !== undefined) return;
    const option = /^[1-9]$/.test(event.key) ? approval.options[Number(event.key) - 1] : undefined;
    if (option === undefined || (isAllowing(option) && !isRead)) return;
    event.preventDefault();
    choose(option.id);
  };
  return (
    <section
      onKeyDown={pressed}
      className={isWaiting ? 'approval waiting' : 'approval'}
      aria-labelledby={heading}
      data-testid="approval"
      data-approval={approval.id}
      data-state={isWaiting ? 'waiting' : answer.reason}
    >
      <header>
        <ShieldIcon />
        <h3 id={heading}>{hasDetail ? visibleLine(approval.title) : 'Allow this?'}</h3>
        {isWaiting && <TimeLeft at={approval.expiresAt - clockOffsetMs} />}
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <pre ref={box} tabIndex={0} data-testid="approval-detail">
        {requestText}
      </pre>
      {isWaiting && !isRead && (
        <p className="approval-more" id={hint} data-testid="approval-more">
          <button type="button" className="button" onClick={readOn}>
            There is more ↓
          </button>
          <span>{onAnswer === undefined ? '' : 'Read it to the end to be able to allow it.'}</span>
        </p>
      )}
      {isWaiting ? (
        onAnswer === undefined ? (
          <p className="approval-answer">Somebody who may steer this conversation has to answer.</p>
        ) : (
          <div className="approval-options">
            {approval.options.map((option, at) => {
              const isTooEarly = isAllowing(option) && !isRead;
              return (
                <button
                  type="button"
                  key={option.id}
                  className={`button ${option.kind === 'allow_once' ? 'primary' : isAllowing(option) ? '' : 'danger'}`}
                  disabled={sent !== undefined || isTooEarly}
                  aria-describedby={isTooEarly ? hint : undefined}
                  data-key={at < MAX_DIGIT ? at + 1 : undefined}
                  aria-keyshortcuts={at < MAX_DIGIT ? String(at + 1) : undefined}
                  onClick={() => choose(option.id)}
                  data-testid="approval-option"
                  data-option={option.id}
                >
                  {/* Characters in their stored order, whatever their script. */}
                  <bdo dir="ltr">{sent === option.id ? 'Sending…' : optionLabel(option)}</bdo>
                </button>
              );
            })}
          </div>
        )
      ) : (
        <p className="approval-answer" data-testid="approval-answer">
          {approvalText(answer, approval.options)}
        </p>
      )}
      {error !== undefined && <Failure error={error} />}
    </section>
  );
}

/** Tolerance for scroll positions: browsers place scrolled content at fractions of a pixel. */
const SLACK_PX = 4;

/**
 * Returns whether the end of a box was visible; once is enough. A box without room, or without a layout yet, does not
 * count as read.
 */
function useReadToEnd(box: RefObject<HTMLElement | null>): { readonly isRead: boolean; readonly readOn: () => void } {
  const [isRead, setRead] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (element === null || isRead) return;
    const check = (): void => {
      const { scrollTop, clientHeight, scrollHeight } = element;
      if (clientHeight > 0 && scrollTop + clientHeight >= scrollHeight - SLACK_PX) setRead(true);
    };
    const sizes = new ResizeObserver(check);
    sizes.observe(element);
    element.addEventListener('scroll', check, { passive: true });
    check();
    return () => {
      sizes.disconnect();
      element.removeEventListener('scroll', check);
    };
  }, [box, isRead]);
  const readOn = useCallback(() => {
    const element = box.current;
    element?.scrollBy({ top: element.clientHeight * 0.9 });
    element?.focus({ preventScroll: true });
  }, [box]);
  return { isRead, readOn };
}

function TimeLeft({ at }: { readonly at: number }) {
  // The wall clock gives the duration; from there on a monotonic clock counts down, which nobody can set.
  const until = useMemo(() => performance.now() + at - Date.now(), [at]);
  const seconds = useCountdown(until);
  return (
    <span className={seconds < 30 ? 'approval-left soon' : 'approval-left'} data-testid="approval-left">
      {seconds > 0 ? `${timeLeft(seconds)} left` : 'time is up'}
    </span>
  );
}

// The turns of a conversation: messages of people, and answers of the agent with all their parts.

import type { Answer, AnswerPart } from '@binnacle/client';
import { type Author, describeSilence, type MessageInfo, type SilenceInfo } from '@binnacle/protocol';
import { memo, type ReactNode, useState } from 'react';
import { clockTime } from '../model/format.ts';
import { useElapsed } from '../state/use-clock.ts';
import { MoreIcon } from '../ui/icons.tsx';
import { ApprovalCard } from './approval-card.tsx';
import {
  agentText,
  nameOf,
  type PlanStep,
  planSteps,
  runEndText,
  runMs,
  STEER_LABELS,
  sentence,
  usageText,
  visible,
} from './format.ts';
import { Prose } from './prose.tsx';
import { ToolRow } from './tool-call.tsx';
import './turns.css';

/**
 * Dependencies of the rows. The object stays identical while nothing in it changes, so that rows need not render again.
 */
export interface TurnContext {
  /** The agent's name. */
  readonly agent: string;
  readonly user: string;
  readonly clockOffsetMs: number;
  /** Undefined for a viewer without the right to answer. */
  readonly onAnswer: ((approval: string, option: string) => Promise<unknown>) | undefined;
  readonly onSession: (id: string) => void;
  /** Client for terminals inside answers. */
  readonly hasSession: (id: string) => boolean;
}

function Head({
  name,
  at,
  children,
}: {
  readonly name: string;
  readonly at: number | null;
  readonly children?: ReactNode;
}) {
  return (
    <header className="turn-head">
      <strong>{name}</strong>
      {children}
      {at !== null && at > 0 && (
        <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
          {clockTime(at, Date.now())}
        </time>
      )}
    </header>
  );
}

interface MessageTurnProps {
  readonly message: MessageInfo;
  readonly context: TurnContext;
}

export const MessageTurn = memo(function MessageTurn({ message, context }: MessageTurnProps) {
  const isMine = message.by.user !== null && message.by.user === context.user;
  const isCancelled = message.state === 'cancelled';
  return (
    <article
      className={isCancelled ? 'turn person cancelled' : 'turn person'}
      aria-label={`Message of ${isMine ? 'you' : nameOf(message.by)}`}
      data-testid="message"
      data-message={message.id}
      data-state={message.state}
    >
      <Head name={isMine ? 'You' : nameOf(message.by)} at={message.at}>
        {isCancelled && <span className="turn-mark">taken back</span>}
        {!isCancelled && message.steer !== 'queue' && (
          <span className="turn-mark">{STEER_LABELS[message.steer].mark}</span>
        )}
      </Head>
      <div className="prose">
        <p>{message.text}</p>
      </div>
    </article>
  );
});

interface AnswerTurnProps {
  readonly answer: Answer;
  readonly context: TurnContext;
}

export const AnswerTurn = memo(function AnswerTurn({ answer, context }: AnswerTurnProps) {
  const isLive = answer.end === null && answer.state === 'running';
  const last = answer.parts.length - 1;
  const needsApproval = answer.parts.some((part) => part.kind === 'approval' && part.answer === null);
  const usage = usageText(answer.usage);
  return (
    <article
      className="turn agent"
      aria-label={`Answer of ${context.agent}`}
      aria-busy={isLive}
      data-testid="answer"
      data-run={answer.run}
      data-state={answer.state}
    >
      <Head name={context.agent} at={answer.startedAt ?? answer.endedAt}>
        {isLive && (
          <span className={needsApproval ? 'turn-mark approval-needed' : 'turn-mark live'}>
            {needsApproval ? 'asks' : 'working'}
          </span>
        )}
      </Head>
      {answer.parts.map((part, at) => (
        <Part key={keyOf(part, at)} part={part} live={isLive && at === last} context={context} />
      ))}
      {isLive && answer.silence === null && answer.parts.length === 0 && <p className="turn-wait">…</p>}
      {isLive && !needsApproval && answer.silence !== null && (
        <SilenceLine silence={answer.silence} clockOffsetMs={context.clockOffsetMs} />
      )}
      <RunEnding answer={answer} />
      {usage !== undefined && <p className="turn-usage">{usage}</p>}
    </article>
  );
});

function keyOf(part: AnswerPart, at: number): string {
  if (part.kind === 'tool') return `tool-${part.tool.id}`;
  return part.kind === 'approval' ? `approval-${part.approval.id}` : `${part.kind}-${at}`;
}

/** Shows for how long a turn has been silent, and what the turn waits for. */
function SilenceLine({ silence, clockOffsetMs }: { readonly silence: SilenceInfo; readonly clockOffsetMs: number }) {
  const { at, silentMs, waitsFor, isLong } = silence;
  const seconds = useElapsed(at - silentMs - clockOffsetMs);
  return (
    <p className={isLong === true ? 'turn-wait long' : 'turn-wait'} data-testid="silence">
      {/* A counting number is read out once. */}
      <span className="sr-only" role="status">
        {visible(sentence(describeSilence(silence)))}
      </span>
      <span aria-hidden="true">
        {visible(sentence(describeSilence({ silentMs: silentMs === 0 ? 0 : seconds * 1000, waitsFor })))}
      </span>
    </p>
  );
}

function RunEnding({ answer }: { readonly answer: Answer }) {
  const { end } = answer;
  // A turn from a page of history: its state is known, but no reason for its end.
  if (end === null) {
    if (answer.state === 'final' && answer.text === '')
      return <p className="turn-end final">It ended without a word.</p>;
    if (answer.state !== 'error' && answer.state !== 'aborted') return null;
    return (
      <p className={`turn-end ${answer.state}`} data-testid="end" data-state={answer.state}>
        {answer.state === 'error' ? 'The agent failed here.' : 'It was stopped here.'}
      </p>
    );
  }
  const text = runEndText(end, runMs(answer)) ?? (answer.text === '' ? 'It ended without a word.' : undefined);
  if (text === undefined) return null;
  return (
    <p className={`turn-end ${end.state}`} data-testid="end" data-state={end.state}>
      {text}
      {end.state === 'error' && (
        <small>
          {' '}
          {end.error.hint} <code>{end.error.code}</code>
        </small>
      )}
    </p>
  );
}

interface PartProps {
  readonly part: AnswerPart;
  /** True while the answer is still growing. */
  readonly live: boolean;
  readonly context: TurnContext;
}

const Part = memo(function Part({ part, live, context }: PartProps) {
  switch (part.kind) {
    case 'said':
      return <Prose text={part.text} live={live} />;
    case 'thought':
      return <Thought text={part.text} live={live} />;
    case 'tool': {
      const { session } = part.tool;
      const isThere = session !== undefined && context.hasSession(session);
      return <ToolRow tool={part.tool} onSession={isThere ? context.onSession : undefined} />;
    }
    case 'approval': {
      const { onAnswer, clockOffsetMs } = context;
      const { approval } = part;
      return (
        <ApprovalCard
          approval={approval}
          answer={part.answer}
          clockOffsetMs={clockOffsetMs}
          onAnswer={onAnswer === undefined ? undefined : (option) => onAnswer(approval.id, option)}
        />
      );
    }
    case 'message':
      return <MessageTurn message={part.message} context={context} />;
    case 'agent':
      return <AgentReport name={part.name} data={part.data} />;
    default:
      return null; // a newer client has parts that this page cannot draw
  }
});

function Thought({ text, live }: { readonly text: string; readonly live: boolean }) {
  const [open, setOpen] = useState(false);
  return (
    <div className="thought" data-testid="thought">
      <button type="button" className="thought-open" aria-expanded={open} onClick={() => setOpen((before) => !before)}>
        <MoreIcon /> {live ? 'Thinking…' : 'Thoughts'}
      </button>
      {open && <p className="thought-text">{visible(text)}</p>}
    </div>
  );
}

const STEP_MARKS: Readonly<Record<PlanStep['state'], readonly [string, string]>> = {
  done: ['✓', 'done'],
  now: ['▸', 'under way'],
  later: ['○', 'to do'],
};

function AgentReport({ name, data }: { readonly name: string; readonly data: unknown }) {
  const steps = name === 'plan' ? planSteps(data) : undefined;
  if (steps === undefined) {
    return (
      <p className="agent-report" data-testid="agent-report" data-name={name}>
        <span>{visible(name)}</span> {visible(agentText(data))}
      </p>
    );
  }
  return (
    <section className="plan" aria-label="Plan" data-testid="plan">
      <ol>
        {steps.map((step, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a plan is replaced as a whole
          <li key={at} className={step.state}>
            <span aria-hidden="true">{STEP_MARKS[step.state][0]}</span>
            <span>
              {visible(step.text)}
              <span className="sr-only">, {STEP_MARKS[step.state][1]}</span>
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

interface NoteTurnProps {
  readonly text: string;
  readonly by: Author;
  readonly at: number;
}

/** A note that a program wrote into the conversation; not for the agent. */
export const NoteTurn = memo(function NoteTurn({ text, by, at }: NoteTurnProps) {
  return (
    <article className="turn note" aria-label={`Note of ${nameOf(by)}`} data-testid="note">
      <Head name={nameOf(by)} at={at}>
        <span className="turn-mark">note</span>
      </Head>
      <div className="prose">
        <p>{visible(text)}</p>
      </div>
    </article>
  );
});

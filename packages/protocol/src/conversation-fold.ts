// The parts of a conversation's state: for each, the one function that folds events into it. Pure. A user of a
// conversation folds only the parts that it needs, so that the gateway keeps no text of earlier runs.

import type {
  Approval,
  ConversationEvent,
  ConversationInfo,
  ConversationRun,
  EndEvent,
  MessageInfo,
  RunEnd,
  Usage,
} from './conversation.ts';
import { defined } from './defined.ts';
import { endsSilence, retryOf, type SilenceInfo } from './silence.ts';

/** Maximum characters of a title that is made of the first words of a message. */
const TITLE_LENGTH = 80;

/** Returns a message after an event; the same object if the event does not change it. */
export function messageAfter(message: MessageInfo, event: ConversationEvent): MessageInfo {
  if (!('id' in event) || event.id !== message.id) return message;
  switch (event.type) {
    case 'message_edited':
      return { ...message, text: event.text };
    case 'message_cancelled':
      return { ...message, state: 'cancelled', run: null };
    case 'message_delivered': {
      // A message that begins a run of its own was neither injected nor did it interrupt that run.
      const steer = event.run === event.id ? 'queue' : message.steer;
      return { ...message, state: 'delivered', run: event.run, steer };
    }
    default:
      return message;
  }
}

/**
 * Returns the waiting messages after an event; the same array if the event does not change them. Interrupting messages
 * go before the others, behind earlier interrupting ones.
 */
export function queueAfter(queue: readonly MessageInfo[], event: ConversationEvent): readonly MessageInfo[] {
  switch (event.type) {
    case 'message': {
      const { message } = event;
      if (message.role !== 'user') return queue;
      if (message.state !== 'queued') return without(queue, message.id);
      if (queue.some(({ id }) => id === message.id)) return replaced(queue, message);
      const at = message.steer === 'interrupt' ? queue.findIndex(({ steer }) => steer !== 'interrupt') : -1;
      return at < 0 ? [...queue, message] : queue.toSpliced(at, 0, message);
    }
    case 'message_edited':
      return queue.map((message) => messageAfter(message, event));
    case 'message_cancelled':
    case 'message_delivered':
      return without(queue, event.id);
    case 'run_started':
      return without(queue, event.run.id);
    default:
      return queue;
  }
}

/** The part of a run, or of its answer, that its events change. */
export type RunProgress = Pick<ConversationRun, 'state' | 'text' | 'endedAt' | 'end' | 'usage'>;

/** Returns the progress of a run after one of its events. Nothing comes behind the end of a run, so the first counts. */
export function progressAfter<P extends RunProgress>(run: P, event: ConversationEvent): P {
  if (run.end !== null) return run;
  switch (event.type) {
    case 'delta':
      if (event.stream === 'thought') return run;
      return { ...run, text: event.replace === true ? event.text : run.text + event.text };
    case 'agent':
      return event.name === 'usage' && isUsage(event.data) ? { ...run, usage: event.data } : run;
    case 'final':
    case 'error':
    case 'aborted': {
      const end = runEndOf(event);
      // The text of an end is complete. Only a final end repeats the usage, but an aborted run has costs as well.
      const usage = event.type === 'final' ? (event.usage ?? run.usage) : run.usage;
      return { ...run, state: end.state, text: event.text, endedAt: event.at, end, usage };
    }
    default:
      return run;
  }
}

/** Returns a run after one of its events: its progress, its silence, and whether plugins still decide. */
export function runAfter(run: ConversationRun, event: ConversationEvent): ConversationRun {
  const { silence, ...rest } = progressAfter(run, event);
  const next = silenceAfter(silence ?? null, event);
  const { isAsked, ...allowed } = rest;
  return { ...(event.type === 'run_allowed' ? allowed : rest), ...(next === null ? {} : { silence: next }) };
}

/** Returns the report of a run's silence after one of the run's events; null when something has come. */
export function silenceAfter(silence: SilenceInfo | null, event: ConversationEvent): SilenceInfo | null {
  if (event.type === 'silent') {
    const { at, silentMs, waitsFor, isLong } = event;
    return { at, silentMs, waitsFor, ...defined({ isLong }) };
  }
  const retry = event.type === 'agent' && event.name === 'retry' ? retryOf(event.data) : undefined;
  if (event.type === 'agent' && retry !== undefined) {
    // People were notified of a long silence. A retry does not end it.
    return silence?.isLong === true ? silence : { at: event.at, silentMs: 0, waitsFor: { kind: 'model', retry } };
  }
  return endsSilence(event) ? null : silence;
}

/** Returns the pending requests for approval after an event, oldest first. None outlives its run. */
export function approvalsAfter(approvals: readonly Approval[], event: ConversationEvent): readonly Approval[] {
  switch (event.type) {
    case 'approval': {
      const { approval } = event;
      return approvals.some(({ id }) => id === approval.id) ? replaced(approvals, approval) : [...approvals, approval];
    }
    case 'approval_answered':
      return without(approvals, event.id);
    case 'final':
    case 'error':
    case 'aborted':
      return approvals.some(({ run }) => run === event.run)
        ? approvals.filter(({ run }) => run !== event.run)
        : approvals;
    default:
      return approvals;
  }
}

/** Returns title, visibility and time of the last change after an event. */
export function factsAfter<F extends Pick<ConversationInfo, 'title' | 'visibility' | 'updatedAt'>>(
  facts: F,
  event: ConversationEvent,
): F {
  switch (event.type) {
    case 'message': {
      const title = facts.title === '' ? titleOf(event.message.text) : facts.title;
      return { ...facts, title, updatedAt: Math.round(event.at) };
    }
    case 'changed': {
      const { title = facts.title, visibility = facts.visibility } = event;
      return { ...facts, title, visibility, updatedAt: Math.round(event.at) };
    }
    case 'run_started':
    case 'final':
    case 'error':
    case 'aborted':
      return { ...facts, updatedAt: Math.round(event.at) };
    default:
      return facts;
  }
}

/** Returns how a run ended. */
export function runEndOf(event: EndEvent): RunEnd {
  switch (event.type) {
    case 'final':
      return event.stopReason === undefined ? { state: 'final' } : { state: 'final', stopReason: event.stopReason };
    case 'error':
      return { state: 'error', error: event.error };
    case 'aborted':
      return { state: 'aborted', via: event.via, by: event.by };
  }
}

const isUsage = (data: unknown): data is Usage => typeof data === 'object' && data !== null;

function titleOf(text: string): string {
  const [line = ''] = text.trim().split('\n', 1);
  const letters = [...line];
  return letters.length <= TITLE_LENGTH ? line : `${letters.slice(0, TITLE_LENGTH - 1).join('')}…`;
}

const replaced = <T extends { readonly id: string }>(list: readonly T[], item: T): readonly T[] =>
  list.map((other) => (other.id === item.id ? item : other));

const without = <T extends { readonly id: string }>(list: readonly T[], id: string): readonly T[] =>
  list.some((item) => item.id === id) ? list.filter((item) => item.id !== id) : list;

// One run under way: its text so far, its open requests, and the conversion of the agent's effects into events. Stores
// nothing and sends nothing.

import {
  type Approval,
  type ApprovalAnswer,
  type Author,
  approvalsAfter,
  BinnacleError,
  type ConversationEvent,
  type ConversationRun,
  defined,
  type EndEvent,
  type MessageInfo,
  parsePosition,
  runAfter,
  type ToolCall,
  type Usage,
  type WireError,
} from '@binnacle/protocol';
import type { ConversationRecord, RunRecord } from '../store/conversations.ts';
import type { Effect } from './agents/effects.ts';
import type { TurnEnd } from './drivers/driver.ts';
import type { TurnCarry } from './state/transcript.ts';

/**
 * Maximum bytes of an answer as JSON. Together with a last `replace` and the end it must fit into one log entry (1
 * MiB).
 */
const MAX_ANSWER_BYTES = 400 * 1024;
/** Maximum UTF-16 units of one delta, about the largest frame for a viewer. */
const MAX_DELTA_LENGTH = 32 * 1024;
const MAX_TOOL_TEXT = 64 * 1024;
/** Maximum bytes of each part of a tool call as JSON: the whole call must fit into one log entry (1 MiB). */
const MAX_TOOL_JSON = 192 * 1024;
const MAX_DIFF_JSON = 384 * 1024;
const MAX_DIFFS = 20;
const MAX_DETAIL = 64 * 1024;
const MAX_TITLE = 500;
const MAX_OPTIONS = 16;
/** Maximum open requests, against an agent that keeps asking without waiting for answers. */
const MAX_APPROVALS = 32;

export interface TurnResult {
  readonly events: readonly ConversationEvent[];
  readonly carry: TurnCarry;
  /** True if the agent must be interrupted because its answer exceeded the limit. */
  readonly isOver: boolean;
}

export class Turn {
  readonly #approvalMs: number;
  #run: ConversationRun;
  #textBytes: number;
  #carry: TurnCarry = {};
  #approvals: readonly Approval[] = [];

  constructor(run: ConversationRun, approvalMs: number) {
    this.#run = run;
    this.#textBytes = jsonBytes(run.text);
    this.#approvalMs = approvalMs;
  }

  get run(): ConversationRun {
    return this.#run;
  }

  get approvals(): readonly Approval[] {
    return this.#approvals;
  }

  get isOver(): boolean {
    return this.#run.end !== null;
  }

  /** Returns the driver's own id of a request, which its answer needs. */
  driverId(approval: string): string {
    return approval.slice(this.run.id.length + 1);
  }

  approvalId(driverId: string): string {
    return `${this.run.id}.${driverId}`;
  }

  /** Sets the carry from the previous entry, after a restart. */
  restore(carry: TurnCarry): void {
    this.#carry = carry;
  }

  /**
   * Converts effects into events. Changes nothing in this object; `fold` does, once the events are stored. The
   * conversion can therefore be repeated when the write failed.
   */
  convert(effects: readonly Effect[], at: number): TurnResult {
    const draft = this.#draft(at);
    for (const effect of effects) {
      if (draft.isEnded) break;
      this.#add(draft, effect, at);
    }
    if (draft.isOver) this.#endRest(draft, at);
    return { events: draft.events, carry: draft.carry, isOver: draft.isOver };
  }

  /** Returns the events of an end that the agent did not report. No text is lost. */
  end(
    end: { readonly error: WireError } | Pick<Extract<EndEvent, { type: 'aborted' }>, 'via' | 'by'>,
    at: number,
  ): ConversationEvent[] {
    const draft = this.#draft(at);
    this.#endRest(draft, at);
    if (draft.isEnded) return draft.events;
    if ('error' in end) draft.events.push({ type: 'error', at, run: this.run.id, text: draft.text, error: end.error });
    else draft.events.push({ type: 'aborted', at, run: this.run.id, text: draft.text, via: end.via, by: end.by });
    return draft.events;
  }

  /** Applies a stored event. Also rebuilds a turn from the log. */
  fold(event: ConversationEvent): void {
    this.#run = runAfter(this.#run, event);
    this.#approvals = approvalsAfter(this.#approvals, event);
    // Counted by each delta: the whole text is too long to be counted again for each.
    if (event.type !== 'delta' || event.stream === 'thought') return;
    this.#textBytes = jsonBytes(event.text) + (event.replace === true ? 0 : this.#textBytes);
  }

  keep(carry: TurnCarry): void {
    this.#carry = carry;
  }

  #draft(at: number): EntryDraft {
    return new EntryDraft(this.#run, at, this.#textBytes, this.#carry);
  }

  #add(draft: EntryDraft, effect: Effect, at: number): void {
    const run = this.run.id;
    switch (effect.kind) {
      case 'delta':
        draft.delta(effect.stream, effect.text);
        return;
      case 'replace':
        draft.replace(effect.text);
        return;
      case 'paragraph':
        draft.paragraph();
        return;
      case 'tool':
        draft.events.push({ type: 'tool', at, run, tool: cutCall(effect.call) });
        return;
      case 'agent':
        draft.events.push({ type: 'agent', at, run, name: cut(effect.name, 100), data: cutJson(effect.data) });
        return;
      case 'usage':
        // Agents report tokens and cost separately.
        draft.usage = { ...(draft.usage ?? this.run.usage), ...effect.usage };
        draft.events.push({ type: 'agent', at, run, name: 'usage', data: draft.usage });
        return;
      case 'approval':
        if (draft.openApprovals(this.#approvals).length >= MAX_APPROVALS) {
          draft.fail(new BinnacleError('agent_failed', { message: 'The agent asks for too many approvals at once.' }));
          return;
        }
        draft.events.push({ type: 'approval', at, run, approval: this.#approvalOf(effect.request, at) });
        return;
      case 'withdraw':
        draft.answer(this.approvalId(effect.id), {
          option: '',
          by: { user: null, name: this.run.agent },
          reason: 'run_ended',
        });
        return;
      case 'delivered':
        draft.events.push({ type: 'message_delivered', at, id: effect.message, run });
        return;
      case 'ended':
        this.#end(draft, effect.end, at);
        return;
    }
  }

  #end(draft: EntryDraft, end: TurnEnd, at: number): void {
    const run = this.run.id;
    if (end.kind === 'done' && end.text !== undefined) draft.settleOn(end.text);
    if (draft.isEnded) return;
    this.#endRest(draft, at);
    if (end.kind === 'failed') {
      const { message, hint } = end;
      const error = new BinnacleError('agent_failed', hint === undefined ? { message } : { message, hint }).toWire();
      draft.events.push({ type: 'error', at, run, text: draft.text, error });
    } else if (end.kind === 'cancelled') {
      // The agent cancelled on its own: after an abort by the conversation the run would be over.
      const by: Author = { user: null, name: this.run.agent };
      draft.events.push({ type: 'aborted', at, run, text: draft.text, via: 'run', by });
    } else {
      const { stopReason } = end;
      const usage = draft.usage ?? this.run.usage;
      draft.events.push({
        type: 'final',
        at,
        run,
        text: draft.text,
        ...(stopReason === undefined ? {} : { stopReason: cut(stopReason, 100) }),
        ...(usage === null ? {} : { usage }),
      });
    }
    draft.isEnded = true;
  }

  /** Appends the events before every end: a last half character, and the withdrawal of open requests. */
  #endRest(draft: EntryDraft, at: number): void {
    if (!draft.isEnded) draft.flush();
    // After `answer_too_large` the end is already among the events, and must stay the last.
    const end = draft.isEnded ? draft.events.splice(-1) : [];
    const answer: ApprovalAnswer = { option: '', by: { user: null, name: this.run.agent }, reason: 'run_ended' };
    const answers = draft
      .openApprovals(this.#approvals)
      .map(({ id }): ConversationEvent => ({ type: 'approval_answered', at, run: this.run.id, id, answer }));
    for (const event of [...answers, ...end]) draft.events.push(event);
  }

  #approvalOf(request: Extract<Effect, { kind: 'approval' }>['request'], at: number): Approval {
    return {
      id: this.approvalId(request.id),
      run: this.run.id,
      title: cut(request.title, MAX_TITLE),
      detail: cut(request.detail, MAX_DETAIL),
      ...(request.detail.length > MAX_DETAIL || request.title.length > MAX_TITLE ? { isCut: true } : {}),
      ...defined({ tool: request.tool }),
      options: request.options
        .filter(({ id }, at, all) => all.findIndex((one) => one.id === id) === at)
        .slice(0, MAX_OPTIONS)
        .map(({ id, label, kind }) => ({ id, label: cut(label, MAX_TITLE), kind })),
      askedAt: at,
      expiresAt: at + this.#approvalMs,
    };
  }
}

/** The events of one log entry under construction. */
class EntryDraft {
  readonly events: ConversationEvent[] = [];
  readonly #run: ConversationRun;
  readonly #at: number;
  text: string;
  /** Usage that was reported in this entry. */
  usage: Usage | undefined;
  isEnded = false;
  isOver = false;
  #bytes: number;
  #carry: { -readonly [Field in keyof TurnCarry]: TurnCarry[Field] };

  constructor(run: ConversationRun, at: number, bytes: number, carry: TurnCarry) {
    this.#run = run;
    this.#at = at;
    this.text = run.text;
    this.#bytes = bytes;
    this.#carry = { ...carry };
  }

  get carry(): TurnCarry {
    return this.#carry;
  }

  paragraph(): void {
    this.flush();
    if (this.text !== '') this.#carry.paragraph = true;
  }

  delta(stream: 'said' | 'thought', text: string): void {
    if (text === '') return;
    let whole = (this.#carry[stream] ?? '') + text;
    delete this.#carry[stream];
    // A high surrogate waits for its other half: drivers, too, receive their text in pieces.
    const last = whole.charCodeAt(whole.length - 1);
    if (last >= 0xd800 && last < 0xdc00) {
      this.#carry[stream] = whole.slice(-1);
      whole = whole.slice(0, -1);
    }
    if (stream === 'said' && this.#carry.paragraph === true && whole !== '') {
      whole = `\n\n${whole}`;
      delete this.#carry.paragraph;
    }
    this.#push(stream, whole.toWellFormed());
  }

  replace(text: string): void {
    delete this.#carry.said;
    delete this.#carry.paragraph;
    const whole = text.toWellFormed();
    if (whole === this.text || !this.#fits(jsonBytes(whole))) return;
    this.text = whole;
    this.#bytes = jsonBytes(whole);
    this.events.push({ type: 'delta', at: this.#at, run: this.#run.id, stream: 'said', text: whole, replace: true });
  }

  /** Adopts the agent's own version of the whole text. */
  settleOn(text: string): void {
    const whole = text.toWellFormed();
    this.flush();
    if (whole.startsWith(this.text)) this.#push('said', whole.slice(this.text.length));
    else this.replace(whole);
  }

  flush(): void {
    for (const stream of ['said', 'thought'] as const) {
      const half = this.#carry[stream];
      delete this.#carry[stream];
      if (half !== undefined) this.#push(stream, half.toWellFormed());
    }
  }

  answer(id: string, answer: ApprovalAnswer): void {
    this.events.push({ type: 'approval_answered', at: this.#at, run: this.#run.id, id, answer });
  }

  /** Returns the open requests: those from before and from this entry, without those that it answers. */
  openApprovals(before: readonly Approval[]): readonly Approval[] {
    return this.events.reduce(approvalsAfter, before);
  }

  fail(error: BinnacleError): void {
    this.events.push({ type: 'error', at: this.#at, run: this.#run.id, text: this.text, error: error.toWire() });
    this.isEnded = true;
    this.isOver = true;
  }

  #push(stream: 'said' | 'thought', text: string): void {
    for (const piece of pieces(text)) {
      const bytes = jsonBytes(piece);
      if (stream === 'said') {
        if (!this.#fits(this.#bytes + bytes)) return;
        this.text += piece;
        this.#bytes += bytes;
      }
      this.events.push({ type: 'delta', at: this.#at, run: this.#run.id, stream, text: piece });
    }
  }

  #fits(bytes: number): boolean {
    if (this.isEnded) return false;
    if (bytes <= MAX_ANSWER_BYTES) return true;
    this.fail(new BinnacleError('answer_too_large', { details: { limitBytes: MAX_ANSWER_BYTES } }));
    return false;
  }
}

/** Returns the future run of a queued message. */
export const queuedRun = (
  { id, by, at }: MessageInfo,
  { key, agent }: Pick<ConversationRecord, 'key' | 'agent'>,
): ConversationRun => ({
  id,
  conversation: key,
  agent,
  state: 'queued',
  by,
  queuedAt: at,
  startedAt: null,
  endedAt: null,
  position: null,
  text: '',
  end: null,
  usage: null,
});

/** Returns the place from which on a later gateway needs the log. `memoryPlace`: that of the memory of the process. */
export const placeToResumeFrom = (running: RunRecord | undefined, memoryPlace: number): number =>
  running !== undefined && isDelivered(running) ? Math.min(memoryPlace, startOf(running)) : memoryPlace;

/** Returns true if the agent had been given its message before the gateway ended. */
export const isDelivered = ({ isAsked, command }: RunRecord): boolean => isAsked !== true && command === undefined;

/** Returns the place of the log at which a run began. */
export const startOf = ({ position }: RunRecord): number => (position === null ? 0 : parsePosition(position).place);

/** Splits text between characters. */
function* pieces(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + MAX_DELTA_LENGTH);
    const last = text.charCodeAt(to - 1);
    if (to < text.length && last >= 0xd800 && last < 0xdc00) to -= 1;
    yield text.slice(from, to);
    from = to;
  }
}

/** Counts the bytes of the JSON text, without the quotes. */
const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

function cut(text: string, length: number): string {
  return (text.length <= length ? text : `${text.slice(0, length - 1)}…`).toWellFormed();
}

function cutJson(value: unknown): unknown {
  const text = JSON.stringify(value) ?? 'null';
  if (Buffer.byteLength(text) <= MAX_TOOL_JSON) return JSON.parse(text.toWellFormed()) as unknown;
  return cutBytes(text, MAX_TOOL_JSON);
}

/** Cuts to a length for display and to a maximum of bytes as JSON, where a control character takes six. */
function cutBytes(text: string, maxBytes: number): string {
  let short = cut(text, MAX_TOOL_TEXT);
  for (let bytes = jsonBytes(short); bytes > maxBytes; bytes = jsonBytes(short)) {
    short = cut(short, Math.floor((short.length * maxBytes) / bytes) - 1);
  }
  return short;
}

/** Returns as many whole diffs as fit: half of a diff would be a wrong diff. */
function cutDiffs(diffs: NonNullable<ToolCall['diffs']>): NonNullable<ToolCall['diffs']> {
  const fitting: NonNullable<ToolCall['diffs']>[number][] = [];
  let bytes = 0;
  for (const diff of diffs.slice(0, MAX_DIFFS)) {
    const { path, before, after } = diff;
    const whole = {
      path: path.toWellFormed(),
      before: before === null ? null : before.toWellFormed(),
      after: after.toWellFormed(),
    };
    bytes += Buffer.byteLength(JSON.stringify(whole));
    if (bytes > MAX_DIFF_JSON) break;
    fitting.push(whole);
  }
  return fitting;
}

function cutCall(call: ToolCall): ToolCall {
  return {
    id: cut(call.id, 200),
    title: cut(call.title, MAX_TITLE),
    kind: call.kind,
    status: call.status,
    ...(call.input === undefined ? {} : { input: cutJson(call.input) }),
    ...(call.output === undefined ? {} : { output: cutBytes(call.output, MAX_TOOL_JSON) }),
    ...(call.diffs === undefined ? {} : { diffs: cutDiffs(call.diffs) }),
    ...defined({ session: call.session }),
  };
}

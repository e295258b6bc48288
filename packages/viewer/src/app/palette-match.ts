// Matches the palette's offers against typed words. Pure.

import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import type { Command, CommandAction } from '../model/command.ts';
import { activityLabel, activityMark, conversationTitle } from '../model/conversations.ts';
import { oneLine } from '../model/format.ts';
import { commandLine, mark, stateWord, title } from '../model/sessions.ts';
import { isWaiting, needsApproval, type Row, routeOf, sectionsOf } from '../sidebar/rows.ts';

export interface Offer {
  readonly key: string;
  readonly name: string;
  /** Description or state. */
  readonly more: string;
  /** Class of the dot; undefined for offers other than sessions and conversations. */
  readonly mark: string | undefined;
  readonly act: CommandAction;
}

/** Maximum offers: nobody reads more, another letter is faster. */
export const MAX_OFFERS = 40;

/**
 * Scores how well a text fits one word: 3 if a word of the text begins with it, 2 if the text contains it, 1 if the
 * text contains its letters in that order, otherwise 0.
 */
export function wordScore(text: string, word: string): number {
  const at = text.indexOf(word);
  if (at !== -1) return at === 0 || beginsWord(text, word) ? 3 : 2;
  let from = 0;
  for (const letter of word) {
    const found = text.indexOf(letter, from);
    if (found === -1) return 0;
    from = found + 1;
  }
  // Any long text contains two given letters somewhere.
  return word.length >= 3 ? 1 : 0;
}

function beginsWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1))
    if (at === 0 || /[^\p{L}\p{N}]/u.test(text[at - 1] ?? '')) return true;
  return false;
}

/** Sums the scores of all words; 0 if one of them does not fit. An exact name gets one point more. */
export function score(name: string, also: string, terms: readonly string[]): number {
  let sum = 0;
  for (const word of terms) {
    // A match only in secondary text weighs less, and scattered letters there count nothing.
    const small = wordScore(also, word);
    const found = Math.max(wordScore(name, word) * 2, small > 1 ? small : 0);
    if (found === 0) return 0;
    sum += found;
  }
  return name === terms.join(' ') ? sum + 1 : sum;
}

interface PaletteQuery {
  readonly text: string;
  readonly sessions: readonly SessionInfo[];
  readonly conversations: readonly ConversationInfo[];
  readonly commands: readonly Command[];
}

/**
 * Returns the offers, best first. Without words: waiting sessions and conversations, commands, and the newest of the
 * rest.
 */
export function offersFor({ text, sessions, conversations, commands }: PaletteQuery): readonly Offer[] {
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = sectionsOf(sessions, conversations).flatMap((section) => section.rows);
  if (terms.length === 0) {
    const waiting = rows.filter((row) => (row.kind === 'session' ? isWaiting(row.info) : needsApproval(row.info)));
    const rest = rows.filter((row) => !waiting.includes(row)).slice(0, MAX_OFFERS);
    return [...waiting.map(rowOffer), ...commands.map(commandOffer), ...rest.map(rowOffer)].slice(0, MAX_OFFERS);
  }
  const found: { readonly offer: () => Offer; readonly score: number }[] = [];
  for (const command of commands) {
    const fits = score(command.name.toLowerCase(), command.also ?? '', terms);
    if (fits > 0) found.push({ offer: () => commandOffer(command), score: fits });
  }
  for (const row of rows) {
    const fits = score(nameOf(row).toLowerCase(), smallPrint(row), terms);
    if (fits > 0) found.push({ offer: () => rowOffer(row), score: fits });
  }
  const best = found.sort((a, b) => b.score - a.score).slice(0, MAX_OFFERS - 1);
  const q = text.trim();
  return [
    ...best.map(({ offer }) => offer()),
    {
      key: 'search',
      name: `Search all output for “${oneLine(q, 60)}”`,
      more: '',
      mark: undefined,
      act: { to: { kind: 'search', q } },
    },
  ];
}

const nameOf = (row: Row): string => (row.kind === 'session' ? title(row.info) : row.info.title || 'New conversation');
const smallPrint = (row: Row): string =>
  row.kind === 'session'
    ? `${commandLine(row.info)} ${stateWord(row.info)} ${row.info.cwd} ${row.info.foreign?.source ?? ''}`.toLowerCase()
    : `${row.info.agent} ${activityLabel(row.info)} conversation`.toLowerCase();

function rowOffer(row: Row): Offer {
  const { key } = row;
  const act = { to: routeOf(row) };
  return row.kind === 'session'
    ? { key, name: oneLine(title(row.info)), more: stateWord(row.info), mark: mark(row.info), act }
    : { key, name: conversationTitle(row.info), more: activityLabel(row.info), mark: activityMark(row.info), act };
}

const commandOffer = ({ name, of = '', act }: Command): Offer => ({
  key: `command:${of}:${name}`,
  name,
  more: of,
  mark: undefined,
  act,
});

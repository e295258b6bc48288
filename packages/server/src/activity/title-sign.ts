// Signs of agents' states in the titles of their terminals. Recorded from Claude Code 2.1, Codex 0.169, Gemini CLI 0.61
// and Qwen Code 0.24; OpenCode 1.18 sets no such titles.

/** `asking`: for permission. `resting`: not at work; only the screen shows whether it asks for something. */
export type TitleSign = 'asking' | 'working' | 'resting';

const SIGNS: readonly (readonly [RegExp, TitleSign])[] = [
  // Codex, where it blinks, and Gemini CLI.
  [/\bAction Required\b/, 'asking'],
  // Braille: Codex, and Claude Code before 2.1. Circles: Claude Code and Qwen Code. The star and the clock: Gemini CLI.
  [/^[\u2801-\u28ff\u25d0-\u25d3]/, 'working'],
  [/^[\u2726\u23f2]\s/, 'working'],
  // Claude Code, and Qwen Code while it asks. The diamond: Gemini CLI.
  [/^[\u2733\u25c7]/, 'resting'],
];

/**
 * Returns the sign in a title; undefined without one.
 * @example titleSignOf('✋  Action Required (project)') // 'asking'
 */
export function titleSignOf(title: string): TitleSign | undefined {
  return SIGNS.find(([pattern]) => pattern.test(title))?.[1];
}

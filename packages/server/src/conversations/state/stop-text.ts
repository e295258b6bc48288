// Texts that stop an agent instead of being sent to it. Exact forms only: "stop the server" is work for the agent.

/** The command, and the words that people type in a hurry, in the most widely spoken languages. */
const STOP_TEXTS: ReadonlySet<string> = new Set(
  [
    '/stop',
    '/abort',
    '/cancel',
    'stop',
    'esc',
    'abort',
    'exit',
    'interrupt',
    'halt',
    'cancel',
    'please stop',
    'stop please',
    'stop it',
    'stop now',
    'stop run',
    'stop agent',
    'stop everything',
    'dont do that',
    'stopp',
    'halt stopp',
    'anhalten',
    'abbrechen',
    'aufhoren',
    'arrete',
    'arreter',
    'arrete toi',
    'arretez',
    'para',
    'detente',
    'alto',
    'pare',
    'parar',
    'ferma',
    'fermati',
    'basta',
    'стоп',
    'остановись',
    'прекрати',
    'стій',
    'зупинись',
    '停止',
    '停',
    '停下',
    '停下来',
    '止めて',
    'やめて',
    'ストップ',
    '정지',
    '멈춰',
    '그만',
    'توقف',
    'قف',
    'रुको',
    'रुकिए',
    'dur',
    'stop met',
  ].map(fold),
);

export function isStopText(text: string): boolean {
  // Every stop word is shorter than that.
  return text.length <= 100 && STOP_TEXTS.has(fold(text));
}

/** Normalizes a text: case, accents, apostrophes, runs of spaces and closing punctuation make no difference. */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[\u0300-\u036f'’‘`´]/gu, '')
    .normalize('NFC')
    .toLowerCase()
    .trim()
    .replaceAll(/\s+/gu, ' ')
    .replace(/[\s.!?,;:…。！？，、；：]+$/u, '');
}

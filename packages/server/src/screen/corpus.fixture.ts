// What real programs write to a terminal, recorded now from those that are installed: typed at, resized, ended. The ones
// that are not are left out. Two that are too large to install were recorded once, and small ones of our own are always there.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Step = { readonly bytes: Buffer } | { readonly cols: number; readonly rows: number };
export interface Recorded {
  readonly name: string;
  /** Recorded now: not the same at every run. */
  readonly isLive?: boolean;
  readonly size: { readonly cols: number; readonly rows: number };
  readonly steps: readonly Step[];
}

/** `\0CxR` between keys changes the size; each part is sent when the program has been quiet. */
const PROGRAMS: readonly {
  readonly name: string;
  readonly argv: readonly string[];
  readonly keys: readonly string[];
}[] = [
  {
    name: 'vim',
    argv: ['vim', '-u', 'NONE', '-N', '--cmd', 'set nocp mouse=a title ruler', 'text.txt'],
    keys: [
      '20j',
      ':set number\r',
      '\0' + '60x20',
      '/日本\r',
      ':split\r',
      'ihello\x1b',
      '\0' + '100x30',
      'gg',
      'G',
      ':q!\r',
    ],
  },
  {
    name: 'less',
    argv: ['less', '-R', 'text.txt'],
    keys: [' ', ' ', 'b', '/row 7\r', 'n', '\0' + '50x12', 'G', 'g', 'q'],
  },
  {
    name: 'tmux',
    argv: ['tmux', '-L', 'corpus', '-f', '/dev/null', 'new', 'sh'],
    keys: [
      'seq 40\r',
      '\x02"',
      'printf "\\033[31mred 日本\\033[m\\n"\r',
      '\0' + '70x18',
      '\x02%',
      'ls -la /\r',
      '\x02o',
      'exit\r',
      'exit\r',
      'exit\r',
    ],
  },
  { name: 'top', argv: ['top', '-d', '0.3'], keys: ['1', 'c', '\0' + '60x15', 'M', 'q'] },
];

const { spawn } = createRequire(import.meta.url)('@lydell/node-pty') as typeof import('@lydell/node-pty');

export async function recordAll(): Promise<Recorded[]> {
  const dir = mkdtempSync(join(tmpdir(), 'binnacle-corpus-'));
  try {
    const rows = Array.from(
      { length: 200 },
      (_, n) => `row ${n} \x1b[3${n % 8}mcolour\x1b[m 日本語 e\u0301 ${'x'.repeat(n)}`,
    );
    writeFileSync(join(dir, 'text.txt'), rows.join('\n'));
    const installed = PROGRAMS.filter(({ argv: [name = ''] }) => spawnSync('which', [name]).status === 0);
    return [
      ...(await Promise.all(installed.map((program) => record(program, dir)))),
      ...recordedIn('htop'),
      ...recordedIn('codex-tui'),
      ...own(),
    ];
  } finally {
    spawnSync('tmux', ['-L', 'corpus', 'kill-server']);
    rmSync(dir, { recursive: true, force: true });
  }
}

function record({ name, argv, keys }: (typeof PROGRAMS)[number], cwd: string): Promise<Recorded> {
  const size = { cols: 80, rows: 24 };
  const [file = '', ...args] = argv;
  const steps: Step[] = [];
  return new Promise((resolve) => {
    const env = { ...process.env, TERM: 'xterm-256color', LANG: 'C.UTF-8', TMUX: '' };
    const pty = spawn(file, args, { ...size, cwd, env, encoding: null });
    let quiet: NodeJS.Timeout | undefined;
    const next = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        const key = keys[at++];
        if (key === undefined) pty.kill('SIGKILL');
        else if (key.startsWith('\0')) {
          const [cols = 80, rows = 24] = key.slice(1).split('x').map(Number);
          pty.resize(cols, rows);
          steps.push({ cols, rows });
          next();
        } else {
          pty.write(key);
          next();
        }
      }, 80);
    };
    let at = 0;
    pty.onData((data) => {
      steps.push({ bytes: Buffer.from(data as unknown as Uint8Array) });
      if (name !== 'top') next();
    });
    pty.onExit(() => {
      clearTimeout(quiet);
      resolve({ name, isLive: true, size, steps });
    });
    next();
  });
}

/** htop 3.2.2 with a few processes of its own, and Codex 0.169.0 with a model for tests: output as text, and new sizes. */
function recordedIn(name: string): Recorded[] {
  const text = readFileSync(join(import.meta.dirname, `${name}.recorded.json`), 'utf8');
  const parts = JSON.parse(text) as readonly (string | { cols: number; rows: number })[];
  const steps = parts.map((part) => (typeof part === 'string' ? { bytes: Buffer.from(part) } : part));
  return [{ name, size: { cols: 80, rows: 24 }, steps }];
}

function own(): Recorded[] {
  const size = { cols: 80, rows: 24 };
  const text = (name: string, ...parts: (string | { cols: number; rows: number })[]): Recorded => ({
    name,
    size,
    steps: parts.map((part) => (typeof part === 'string' ? { bytes: Buffer.from(part) } : part)),
  });
  const colors = Array.from(
    { length: 256 },
    (_, n) => `\x1b[48;5;${n}m${n}\x1b[0m${n % 16 === 15 ? '\r\n' : ' '}`,
  ).join('');
  const deep = Array.from(
    { length: 300 },
    (_, n) => `\x1b[38;2;${n % 256};${(n * 7) % 256};9;4:${(n % 5) + 1}m▄\x1b[0m`,
  ).join('');
  // As agents draw: a box that is drawn again below what was said, the cursor hidden, in one go.
  const frame = (n: number): string =>
    `\x1b[?2026h\x1b[3A\r\x1b[J${n % 4 === 0 ? `● said ${n} 👩‍👩‍👧 ${'word '.repeat(n % 30)}\r\n` : ''}╭${'─'.repeat(40)}╮\r\n│ ${['⠋', '⠙', '⠹'][n % 3]} thinking… ${n}s\x1b[42G│\r\n╰${'─'.repeat(40)}╯\r\n\x1b[?2026l`;
  const frames = Array.from({ length: 80 }, (_, n) => frame(n));
  return [
    text(
      'colour tests',
      colors,
      deep,
      '\r\n',
      { cols: 50, rows: 10 },
      colors,
      '\x1b[5;5r\x1b[m',
      { cols: 120, rows: 40 },
      deep,
    ),
    text(
      'a TUI agent',
      '\x1b]0;✳ agent\x07\x1b[?25l\x1b[?2004h\x1b[?1004h\r\n\r\n\r\n',
      ...frames.slice(0, 40),
      { cols: 45, rows: 20 },
      ...frames.slice(40),
      '\x1b[?25h\x1b[?2004l\x1b[?1004l',
    ),
    text(
      'styles and scripts',
      ...Array.from(
        { length: 10 },
        (_, n) => `\x1b[${n}mstyle ${n}\x1b[m \x1b[${30 + (n % 8)};${100 + (n % 8)}mbright\x1b[m `,
      ),
      '\r\n',
      ...Array.from(
        { length: 6 },
        (_, n) => `\x1b[4:${n}m\x1b[58;2;${n * 40};9;200mline ${n}\x1b[59m\x1b[58:5:${n}m again\x1b[m `,
      ),
      '\r\n\x1b[1;2;3;4;5;7;8;9;53mall\x1b[22;23;24;25;27;28;29;55mnone\x1b[21mdouble\x1b[m\x1b[38:2::1:2:3mcolon\x1b[39;49m\r\n',
      ...[
        'हिन्दी नमस्ते',
        'ภาษาไทย สวัสดี',
        'العربية مرحبا',
        'עברית שלום',
        'தமிழ் வணக்கம்',
        '한국어 \u1112\u1161\u11ab',
        '日本語 カタカナ ﾊﾝｶｸ',
        'Zalgo\u0300\u0301\u0302\u0303\u0304',
        '👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇫🇷 1️⃣ ❤️ ☺︎',
        '\u{1f9d1}\u200d\u{1f680}\u{e0067}\u{e007f}',
      ].map((text) => `${text} \x1b[7m${text}\x1b[m\x1b[3D!\r\n`),
      { cols: 23, rows: 12 },
      '日'.repeat(40),
      '\x1b[3;20H日\x1b[3;21Hx\x1b[3;19H\x1b[1P\x1b[2@e\u0301\x1b[1X',
      { cols: 70, rows: 20 },
      '\x1b[5;10H\x1b[1J\x1b[2;4r\x1b[?6h\x1b[1;1Hin the margins 👍🏽\n\n\n\x1b[?6l\x1b[r\x1b[12;1Hend',
    ),
    text(
      'awkward text',
      ...Array.from(
        { length: 60 },
        (_, n) =>
          `e\u0301${'日'.repeat(n % 5)}\u200d\x1b[${n % 9}C\x1b[1mx\x1b]8;;https://x.example/${n}\x1b\\l\x1b]8;;\x1b\\${'\t'.repeat(n % 4)}\x1b(0qqq\x1b(B\r\n`,
      ),
      { cols: 31, rows: 7 },
      `${'long '.repeat(200)}\x1bP$qm\x1b\\\x1b[2;5r\x1b[5;1H\n\n\x1b7\x1b[?1049h\x1b[2Jother`,
      { cols: 90, rows: 30 },
      '\x1b[?1049l\x1b[r done\r\n$ ',
    ),
  ];
}

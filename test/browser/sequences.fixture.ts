// Escape sequences that have harmed somebody's terminal, as bytes (latin1). Knows no test and no terminal.

import { TRACE } from './alarms.fixture.ts';

type Sequence = readonly [what: string, bytes: string];
const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const hex = (text: string): string => Buffer.from(text).toString('hex');
const HOSTILE = `"; rm -rf ${TRACE}\r`;

/** Those to which terminals answer with input for the program. */
export const ASKS: readonly Sequence[] = [
  ['answerback', '\x05'],
  ['primary attributes', '\x1b[c'],
  ['secondary attributes', '\x1b[>c'],
  ['tertiary attributes', '\x1b[=c'],
  ['identify (DECID)', '\x1bZ'],
  ['status', '\x1b[5n'],
  ['where the cursor is', '\x1b[6n'],
  ['where the cursor is, private', '\x1b[?6n'],
  ['printer, keys, locator', '\x1b[?15n\x1b[?25n\x1b[?26n\x1b[?53n'],
  ['terminal parameters', '\x1b[x\x1b[1x'],
  ['modes', '\x1b[4$p\x1b[?1049$p\x1b[?2004$p\x1b[?9999$p'],
  ['version', '\x1b[>q'],
  ['title, then its report', `\x1b]0;${utf8(HOSTILE)}\x07\x1b[21t`],
  ['icon title, then its report', `\x1b]1;${utf8(HOSTILE)}\x07\x1b[20t`],
  ['title with line feeds as hex', `\x1b[>0;1t\x1b]0;${hex(HOSTILE)}\x07\x1b[21t`],
  ['titles kept and back', `\x1b[22;0t\x1b]0;${TRACE}\x07\x1b[23;0t\x1b[21t`],
  ['window state, place, sizes', '\x1b[11t\x1b[13t\x1b[14t\x1b[15t\x1b[16t\x1b[18t\x1b[19t'],
  ['DECRQSS of SGR, margins, a cursor', '\x1bP$qm\x1b\\\x1bP$qr\x1b\\\x1bP$q q\x1b\\'],
  ['DECRQSS that it echoes', `\x1bP$q${TRACE}\x1b\\\x1bP$q\r${TRACE}\r\x1b\\`],
  ['termcap', `\x1bP+q${hex('TN')};${hex(`\r${TRACE}\r`)}\x1b\\`],
  ['the clipboard', '\x1b]52;c;?\x07\x1b]52;p;?\x07\x1b]52;s0;?\x1b\\'],
  ['colours', '\x1b]4;1;?\x07\x1b]10;?\x07\x1b]11;?\x07\x1b]12;?\x07\x1b]17;?\x07'],
  ['keyboard flags', '\x1b[?u\x1b[>1u\x1b[?u'],
  ['a checksum of the screen', '\x1b[1;1;1;1;1;24*y'],
  ['a macro, then its report', `\x1bP1;0;0!z${TRACE}\x1b\\\x1b[1*z\x1b[?62n\x1b[?63;1n`],
  ['user keys', `\x1bP0;1|17/${hex(HOSTILE)}\x1b\\`],
  ['what tells focus, mouse, paste', '\x1b[?1004h\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?2004h'],
  ['and no more', '\x1b[?1004l\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l'],
];

/** All, with those that act outside of the terminal, or that break it. */
export const SEQUENCES: readonly Sequence[] = [
  ...ASKS,
  [
    'into the clipboard',
    `\x1b]52;c;${base64(TRACE)}\x07\x1b]52;;${base64(TRACE)}\x1b\\\x1b]52;pc;${base64(TRACE)}\x07`,
  ],
  ['into the clipboard, as kitty', `\x1b]5522;type=write;${base64(TRACE)}\x1b\\`],
  [
    'iTerm: copy, files, attention',
    `\x1b]1337;Copy=:${base64(TRACE)}\x07\x1b]1337;CopyToClipboard=\x07${TRACE}\x1b]1337;EndCopy\x07`,
  ],
  ['iTerm: a file', `\x1b]1337;File=name=${base64('x.html')};inline=1:${base64(`<script>${TRACE}=1</script>`)}\x07`],
  [
    'iTerm: a link that is opened',
    '\x1b]1337;OpenURL=:aHR0cHM6Ly9ldmlsLmV4YW1wbGU=\x07\x1b]1337;RequestAttention=yes\x07',
  ],
  ['iTerm: shell, profile, upload', `\x1b]50;SetProfile=${TRACE}\x07\x1b]1337;RequestUpload=format=tgz\x07`],
  ['notices', `\x1b]9;${TRACE}\x07\x1b]777;notify;${TRACE};x\x07\x1b]99;;${TRACE}\x1b\\`],
  ['progress', '\x1b]9;4;1;99999999\x07'],
  ['a folder', `\x1b]7;file://evil.example/${TRACE}\x07`],
  ['marks of a shell with a command', `\x1b]133;A\x07\x1b]133;C;${TRACE}\x07\x1b]633;E;${TRACE};x\x07`],
  ['colours from elsewhere', '\x1b]4;1;url(https://evil.example/)\x07\x1b]11;expression(alert(1))\x07'],
  ['a font', '\x1b]50;url(https://evil.example/f.woff)\x07'],
  ['print the screen', '\x1b[i\x1b[5i\x1b[?5i text \x1b[4i\x1b[?1i'],
  ['move, size, raise, iconify the window', '\x1b[3;0;0t\x1b[4;9999;9999t\x1b[5t\x1b[2t\x1b[8;9;9t\x1b[9;1t\x1b[10;1t'],
  ['lines and columns', '\x1b[?40h\x1b[?3h\x1b[?3l\x1b[99t\x1b[5$|\x1b[9*|'],
  ['a program to be run (old xterm, Eterm)', `\x1b]703;${TRACE}\x07\x1b]6;xload\x07\x1b]46;/tmp/${TRACE}\x07`],
  ['a log file', `\x1b[?46h\x1b]46;/tmp/${TRACE}.log\x07\x1b[?46l`],
  ['pictures: sixel', '\x1bPq"1;1;99999;99999#0;2;0;0;0!999999~\x1b\\'],
  ['pictures: kitty, from a file', `\x1b_Gf=100,t=f,a=T;${base64('/etc/passwd')}\x1b\\\x1b_Ga=q,i=1;AAAA\x1b\\`],
  ['pictures: ReGIS', '\x1bPpS(E)P[0,0]V[999999,999999]\x1b\\'],
  ['a title with directions', `\x1b]0;${utf8(`\u202e\u2066\u061c\u200b\ufeff\u2028${TRACE}\u2069\u200f`)}\x07`],
  ['a title with controls', `\x1b]2;a\x1bb\x1b]2;\x01\x02\x7f${TRACE}\x07`],
  ['a title with markup', `\x1b]0;</title><img src=x onerror=window.${TRACE}=1>\x07`],
  ['a link that is script', `\x1b]8;;javascript:window.${TRACE}=1\x1b\\x\x1b]8;;\x1b\\`],
  [
    'a link with markup',
    `\x1b]8;id="><script>window.${TRACE}=1</script>;https://evil.example/"onmouseover="1\x1b\\x\x1b]8;;\x1b\\`,
  ],
  ['a link without an end', `\x1b]8;;https://evil.example/${'a'.repeat(5000)}\x07`],
  ['directions and widths of nothing', utf8('\u202eabc\u2066\u200b\u0301\u0301\ud83d\udc69\u200d\u200d')],
  ['accents by the thousand', utf8(`a${'\u0301'.repeat(5000)}`)],
  ['far away', '\x1b[999999999;999999999H\x1b[2147483647A\x1b[2147483647B\x1b[2147483647C\x1b[2147483647D'],
  ['many letters in and out', '\x1b[2147483647@\x1b[2147483647P\x1b[2147483647X'],
  ['margins that are none', '\x1b[9999;1r\x1b[?69h\x1b[9999;1s\x1b[r\x1b[?69l'],
  ['numbers without an end', `\x1b[${'9'.repeat(500)}m\x1b[${';'.repeat(500)}m\x1b[38:2::::::::::m`],
  ['strings that are never closed', '\x1b]0;open\x18\x1bPopen\x18\x1b_open\x18\x1b^open\x18\x1bXopen\x18'],
  ['eight bits', '\x9d0;x\x9c\x9b6n\x90$qm\x9c'],
  ['no keys, no letters, other letters', '\x1b[2h\x1b[12h\x1b(0\x1b)0\x0e\x1b[?1h\x1b=\x1b%@\x1b%G'],
  ['hidden and blinking', '\x1b[?25l\x1b[8m\x1b[5mx\x1b[?5h\x1b[?5l'],
  ['bells', '\x07'.repeat(200)],
];

/** Target and text of a link, and the host that is shown before it is opened; undefined where it must not be offered. */
export const LINKS: readonly (readonly [target: string, text: string, shown?: string])[] = [
  [`javascript:window.${TRACE}=1`, 'script'],
  [`JaVaScRiPt:window.${TRACE}=1`, 'mixed-script'],
  [` javascript:window.${TRACE}=1`, 'spaced-script'],
  [`data:text/html,<script>window.${TRACE}=1</script>`, 'data'],
  ['file:///etc/passwd', 'file'],
  ['vbscript:msgbox', 'vbscript'],
  ['blob:https://good.example/x', 'blob'],
  ['view-source:https://good.example/', 'source'],
  ['ftp://good.example/', 'ftp'],
  ['//evil.example/', 'no-scheme'],
  ['https:evil.example', 'no-slashes', 'evil.example'],
  ['https://evil.example/a', 'https://good.example/a', 'evil.example'],
  ['https://good.example@evil.example/', 'userinfo', 'evil.example'],
  ['https://good.example%2f@evil.example:8443/', 'escaped-userinfo', 'evil.example:8443'],
  ['https://go\u043ed.example/', 'lookalike', 'xn--god-ted.example'],
  ['https://evil.example/\u202egpj.exe', 'directions', 'evil.example'],
];

// Checks that targets in documents and comments exist: relative links and their #anchors in every *.md, and paths that
// begin at the root of the repository (`packages/…`, `docs/…`) in documents, comments, scripts and settings. A shorter
// path or a bare name of a source file (`log/page.ts`) is the end of the path of some file. Reads files as text.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, join, posix } from 'node:path';
import { main, root } from './run.mjs';

/** Folders at the root of the repository that a path can begin with. */
const ROOTS = ['packages', 'docs', 'examples', 'scripts', 'test', 'bench', '.github', '.ci'];
/** A path from the root. It ends before punctuation that belongs to the sentence around it. */
const PATH = new RegExp(
  `(?<![\\w/.@$~{}*-])(?:${ROOTS.map((name) => name.replace('.', '\\.')).join('|')})/[\\w.@*{},/<>$…-]*`,
  'g',
);
/** Files that a script makes, which are not in the repository. */
const BUILT = /(?:^|\/)(?:dist|assets|node_modules)(?:\/|$)|^docs\/api(?:\/|$)/;
/** Marks of a pattern or of a placeholder: the part of the path before them must exist. */
const PATTERN = /[*{}<>$…,]/;

/** Name of a source file, with the last folders of its path or without. */
const NAME = /(?<![\w/.@$~{}*:<>-])(?:[\w-][\w.-]*\/)*[\w-][\w.-]*\.(?:tsx?|mts|css)(?![\w/-]|\.\w)/g;
/** Names that documents use for files of their readers, and names that are more than a file. */
const EXAMPLES = new Set(['x.ts', 'index.ts', 'plugin.d.ts', 'index.d.ts']);

/** Source files, in which only comments are read: a string in a program can be any path. */
const SOURCE = /\.(?:tsx?|mts|cts|jsx?|css)$/;
/** Files in which every line is read. */
const WHOLE = /\.(?:mjs|json|jsonc|ya?ml|sh|toml|html)$|^\.ci\/|^\.(?:npmrc|editorconfig)$/;
const isRead = (file) =>
  basename(file) !== 'package-lock.json' && (file.endsWith('.md') || SOURCE.test(file) || WHOLE.test(file));

/** Files of the repository: those that git knows, and new ones that it does not ignore. */
const filesOf = (folder) =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
    .split('\n')
    .filter((file) => file !== '' && existsSync(join(folder, file)));

/** Lines of a document; those of code blocks are empty. */
function withoutFences(text) {
  let fence;
  return text.split('\n').map((line) => {
    const mark = /^\s*(?:>\s*)?(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === undefined && mark !== undefined) {
      fence = mark;
      return '';
    }
    if (fence === undefined) return line;
    if (mark?.startsWith(fence)) fence = undefined;
    return '';
  });
}

/** Lines of a document without code, whose brackets are no links. */
const withoutCode = (text) => withoutFences(text).map((line) => line.replace(/(`+)(?!`).*?(?<!`)\1(?!`)/g, ''));

/** Targets of the links and images of a document, each with its line. */
function linksOf(text) {
  const found = [];
  for (const [at, line] of withoutCode(text).entries()) {
    const targets = [
      ...line.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g),
      ...line.matchAll(/^\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?/g),
      ...line.matchAll(/<(?:a|img|source)\b[^>]*?\s(?:href|src|srcset)="([^"\s]+)"/g),
    ];
    for (const match of targets) found.push({ line: at + 1, target: match[1] });
  }
  return found;
}

/** Anchors of a document: GitHub's names of its headings, and the names that are written into it. */
function anchorsOf(text) {
  const anchors = new Set();
  const times = new Map();
  for (const line of withoutFences(text)) {
    for (const match of line.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(match[1]);
    const heading = /^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = slugOf(heading);
    const seen = times.get(slug) ?? 0;
    times.set(slug, seen + 1);
    anchors.add(seen === 0 ? slug : `${slug}-${seen}`);
  }
  return anchors;
}

/** Name that GitHub gives to a heading. */
const slugOf = (heading) =>
  heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]+>/g, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

/** Says what is wrong with a link; undefined when nothing is. */
function linkFault(folder, file, target, anchorsAt) {
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target)) return undefined; // Another site: not checked.
  const [path, anchor] = target.split('#');
  const to = path === '' ? file : posix.normalize(posix.join(dirname(file), decodeURIComponent(path)));
  if (to.startsWith('..')) return 'leaves the repository';
  if (!BUILT.test(to) && !existsSync(join(folder, to))) return 'is not there';
  if (anchor === undefined || anchor === '' || extname(to) !== '.md') return undefined;
  return anchorsAt(to).has(decodeURIComponent(anchor)) ? undefined : `has no heading #${anchor}`;
}

/** Lines of a source that are comments, or end in one; the others are empty. */
function commentsOf(text) {
  let isInside = false;
  return text.split('\n').map((line) => {
    if (isInside) {
      if (line.includes('*/')) isInside = false;
      return line;
    }
    const open = /(?:^|\s|\{)(\/\*.*)$/.exec(line)?.[1];
    if (open !== undefined) {
      isInside = !open.includes('*/');
      return open;
    }
    return /(?:^|\s)(\/\/ .*)$/.exec(line)?.[1] ?? '';
  });
}

/** Whether a path from the root, as it is written, names something of the repository. */
function isThere(folder, path, files) {
  if (BUILT.test(path)) return true;
  const end = path.search(PATTERN);
  if (end >= 0) {
    const start = path.slice(0, end);
    return files.some((file) => file.startsWith(start));
  }
  if (existsSync(join(folder, path))) return true;
  // A decision is called by its number.
  return /^docs\/decisions\/\d{3}$/.test(path) && files.some((file) => file.startsWith(`${path}-`));
}

/** Paths of one line, without the punctuation of the sentence. */
const pathsOf = (line) =>
  Array.from(line.matchAll(PATH), ([path]) => path.replace(/[.,…-]+$/, '').replace(/\/+$/, '')).filter(
    (path) => !ROOTS.includes(path),
  );

/** Whether some file of the repository has a path that ends so. */
const isFile = (name, files) =>
  EXAMPLES.has(name) || BUILT.test(name) || files.some((file) => file === name || file.endsWith(`/${name}`));

/** Names of source files in a line, of those that are not paths from the root. */
const namesOf = (line) =>
  Array.from(line.matchAll(NAME), ([name]) => name).filter((name) => !ROOTS.includes(name.split('/', 1)[0]));

/** Lines of a file in which names of source files are looked up. */
function proseOf(file, text) {
  if (file === 'CHANGELOG.md') return []; // It names files of earlier versions.
  if (file.endsWith('.md')) return withoutFences(text);
  return SOURCE.test(file) || file.endsWith('.mjs') ? commentsOf(text) : [];
}

function linesOf(file, text) {
  if (file.endsWith('.md') || WHOLE.test(file)) return text.split('\n');
  return SOURCE.test(file) ? commentsOf(text) : [];
}

/** Sentences about what one file points to and is not there. */
function faultsOf(folder, file, files, anchorsAt) {
  const text = readFileSync(join(folder, file), 'utf8');
  const faults = [];
  for (const { line, target } of file.endsWith('.md') ? linksOf(text) : []) {
    const fault = linkFault(folder, file, target, anchorsAt);
    if (fault !== undefined) faults.push(`${file}:${line} links to ${target}, which ${fault}.`);
  }
  for (const [at, line] of linesOf(file, text).entries()) {
    for (const path of pathsOf(line)) {
      if (!isThere(folder, path, files)) faults.push(`${file}:${at + 1} names ${path}, which is not there.`);
    }
  }
  for (const [at, line] of proseOf(file, text).entries()) {
    for (const name of namesOf(line)) {
      if (!isFile(name, files)) faults.push(`${file}:${at + 1} names ${name}, and no file's path ends so.`);
    }
  }
  return faults;
}

/** Takes another folder for its test. */
await main(import.meta, ([folder = root]) => {
  const files = filesOf(folder);
  const known = new Map();
  const anchorsAt = (file) => {
    if (!known.has(file)) known.set(file, anchorsOf(readFileSync(join(folder, file), 'utf8')));
    return known.get(file);
  };
  const read = files.filter((file) => isRead(file));
  const faults = read.flatMap((file) => faultsOf(folder, file, files, anchorsAt));
  for (const fault of faults) console.error(fault);
  console.log(`${read.length} files, ${faults.length === 0 ? 'no dead link or path' : `${faults.length} dead ones`}.`);
  return faults.length === 0 ? 0 : 1;
});

// TypeScript in a form that Node 20 can load: types become blanks, so that line numbers stay the same, and imports of
// .ts files become imports of .js files. Runs in a thread, see type-stripping.ts, because a parser can hang.

import { readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinnacleError, defined } from '@binnacle/protocol';

const MAX_MESSAGE = 500;
/**
 * Maximum bytes of a TypeScript file. The parser needs many times as much memory, which no limit of a thread bounds.
 */
const MAX_TYPED_BYTES = 1024 * 1024;
/** Maximum bytes of a file whose imports are rewritten. Each import costs many times its text. */
const MAX_AIMED_BYTES = 4 * 1024 * 1024;
const NAMES_TYPED = /\.m?ts\b/;
const PLAIN = /\.m?js$/;
/** Groups: the text before and after the part of a specifier that changes. */
const IMPORTED = /^(\.{1,2}\/[^?#]*\.m?)ts((?:[?#].*)?)$/s;

export interface Stripping {
  /** Private to the gateway. */
  readonly dir: string;
  /** Paths below `dir`, with `/`: `typed` has the files with types, `plain` all others that may import them. */
  readonly typed: readonly string[];
  readonly plain: readonly string[];
}

/** Returns the name under which a file is loaded. */
export const loadedName = (path: string): string => path.replace(/\.(m?)ts$/, '.$1js');

/** Strips types and rewrites imports. Throws `bad_typescript`. */
export async function stripTypes({ dir, typed, plain }: Stripping): Promise<void> {
  const strip = await stripper();
  const aim = await aimer();
  for (const path of typed) {
    const { size } = await stat(join(dir, path));
    if (size > MAX_TYPED_BYTES) throw wrong(path, `it has ${size} bytes; ${MAX_TYPED_BYTES} are taken`);
    const text = aim(path, strip(path, await textOf(dir, path)));
    await unlink(join(dir, path));
    await writeFile(join(dir, loadedName(path)), text, { mode: 0o400, flag: 'wx' });
  }
  for (const path of plain.filter((path) => PLAIN.test(path))) {
    const before = await textOf(dir, path);
    if (before.length > MAX_AIMED_BYTES) {
      if (!NAMES_TYPED.test(before)) continue;
      throw wrong(path, `it may import TypeScript and has more than ${MAX_AIMED_BYTES} bytes`);
    }
    const after = aim(path, before);
    if (after === before) continue;
    await unlink(join(dir, path));
    await writeFile(join(dir, path), after, { mode: 0o400, flag: 'wx' });
  }
}

async function textOf(dir: string, path: string): Promise<string> {
  const bytes = await readFile(join(dir, path));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw wrong(path, 'it is not UTF-8');
  }
}

type Transform = (path: string, text: string) => string;

async function stripper(): Promise<Transform> {
  const { default: swc } = await import('@swc/wasm-typescript');
  return (path, text) => {
    try {
      return swc.transformSync(text, { mode: 'strip-only', module: true, filename: path, sourceMap: false }).code;
    } catch (error) {
      const { code, message, startLine } = read(error);
      const hint =
        code === 'UnsupportedSyntax'
          ? 'Types are removed, and nothing is compiled: set "erasableSyntaxOnly" in tsconfig.json, and tsc reports each.'
          : undefined;
      throw wrong(startLine === undefined ? path : `${path}:${startLine}`, message, hint);
    }
  };
}

/** Converts an error of swc, which throws plain objects. */
function read(error: unknown): { readonly code: unknown; readonly message: string; readonly startLine?: number } {
  if (typeof error !== 'object' || error === null) return { code: '', message: String(error) };
  const { code, message, startLine } = error as Record<string, unknown>;
  return {
    code,
    message: String(message).replace(/\.$/, ''),
    ...(typeof startLine === 'number' ? { startLine } : {}),
  };
}

/**
 * Makes the function that rewrites imports. It cannot see a module named by an expression: the author must name it as
 * .js.
 */
async function aimer(): Promise<Transform> {
  const { init, parse } = await import('es-module-lexer');
  await init;
  return (path, text) => {
    let after = '';
    let done = 0;
    for (const found of importsOf(parse, path, text)) {
      const { type, specifier, start, end } = found;
      if (type === 'import-meta' || (type === 'dynamic' && found.glob) || specifier === undefined) continue;
      const [, before, behind] = IMPORTED.exec(specifier) ?? [];
      if (before === undefined) continue;
      // In a dynamic import, the range includes the quotes.
      const quoted = JSON.stringify(`${before}js${behind ?? ''}`);
      const named = type === 'dynamic' ? quoted : quoted.slice(1, -1).replaceAll("'", "\\'");
      after += text.slice(done, start) + named;
      done = end;
    }
    return after + text.slice(done);
  };
}

type Parse = typeof import('es-module-lexer')['parse'];

function importsOf(parse: Parse, path: string, text: string): ReturnType<Parse>[0] {
  try {
    return parse(text, path)[0];
  } catch (error) {
    const at = error instanceof Error && 'idx' in error && typeof error.idx === 'number' ? error.idx : 0;
    throw wrong(`${path}:${text.slice(0, at).split('\n').length}`, 'it cannot be read as a module');
  }
}

export function wrong(where: string, what: string, hint?: string): BinnacleError {
  return new BinnacleError('bad_typescript', {
    message: `${where}: ${what.slice(0, MAX_MESSAGE)}.`,
    details: { file: where },
    ...defined({ hint }),
  });
}

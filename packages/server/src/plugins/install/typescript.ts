// TypeScript as Node 20 can load it: the types become blanks, so that each line stays where it was, and a file that is
// imported as .ts is imported as .js. Runs in a thread of its own, see type-stripping.ts: a parser can be made to hang.

import { readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';

const MAX_MESSAGE = 500;
/** A parser needs many times as much, of memory that no limit of a thread bounds. */
const MAX_TYPED_BYTES = 1024 * 1024;
/** Each import that is found costs many times its text. */
const MAX_AIMED_BYTES = 4 * 1024 * 1024;
const NAMES_TYPED = /\.m?ts\b/;
const PLAIN = /\.m?js$/;
/** Before and behind what has to be changed in a specifier. */
const IMPORTED = /^(\.{1,2}\/[^?#]*\.m?)ts((?:[?#].*)?)$/s;

export interface Stripping {
  /** Ours alone. */
  readonly dir: string;
  /** Below it, with `/`: those with types, and all others that may import them. */
  readonly typed: readonly string[];
  readonly plain: readonly string[];
}

/** What is loaded of a file with this name. */
export const loadedName = (path: string): string => path.replace(/\.(m?)ts$/, '.$1js');

/** Throws `bad_typescript`. */
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

type Turn = (path: string, text: string) => string;

async function stripper(): Promise<Turn> {
  const { default: swc } = await import('@swc/wasm-typescript');
  return (path, text) => {
    try {
      return swc.transformSync(text, { mode: 'strip-only', module: true, filename: path, sourceMap: false }).code;
    } catch (error) {
      const { code, message, startLine } = read(error);
      const hint =
        code === 'UnsupportedSyntax'
          ? 'Types are taken away, and nothing is compiled: set "erasableSyntaxOnly" in tsconfig.json, and tsc tells you of each.'
          : undefined;
      throw wrong(startLine === undefined ? path : `${path}:${startLine}`, message, hint);
    }
  };
}

/** It throws plain objects. */
function read(error: unknown): { readonly code: unknown; readonly message: string; readonly startLine?: number } {
  if (typeof error !== 'object' || error === null) return { code: '', message: String(error) };
  const { code, message, startLine } = error as Record<string, unknown>;
  return {
    code,
    message: String(message).replace(/\.$/, ''),
    ...(typeof startLine === 'number' ? { startLine } : {}),
  };
}

/** A module that is named by an expression is not seen: it has to be named as .js. */
async function aimer(): Promise<Turn> {
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
      // Of a call, the quotes are within.
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
    ...(hint === undefined ? {} : { hint }),
  });
}

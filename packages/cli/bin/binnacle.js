#!/usr/bin/env node
// Committed, unlike dist/, so that npm can link it before the first build.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import * as modules from 'node:module';
import { isAbsolute, join } from 'node:path';

const main = new URL('../dist/binnacle.mjs', import.meta.url);

/**
 * Returns a directory for compiled code that nobody else can write to; undefined without one. Not in a checkout, where each
 * build has other files.
 */
function cacheDirectory() {
  if (existsSync(new URL('../src', import.meta.url))) return undefined;
  const { HOME = '', XDG_CACHE_HOME = '' } = process.env;
  const base = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(HOME, '.cache');
  if (!isAbsolute(base)) return undefined;
  const directory = join(base, 'binnacle');
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const isOurs = [base, directory].map((path) => statSync(path)).every(isPrivate);
    return isOurs ? directory : undefined;
  } catch {
    return undefined;
  }
}

/** With sudo, HOME may be that of another user. */
const isPrivate = ({ uid, mode }) => uid === process.getuid?.() && (mode & 0o022) === 0;

// Node 22 and later store compiled code, and start faster with it.
const cache = modules.enableCompileCache === undefined ? undefined : cacheDirectory();
if (cache !== undefined) modules.enableCompileCache(cache);
if (existsSync(main)) await import(main.href);
else {
  console.error('binnacle: not built yet. Run: npm run build');
  process.exitCode = 1;
}

#!/usr/bin/env node
// Committed, unlike dist/, so that npm can link it before the first build.
import { existsSync } from 'node:fs';
import * as modules from 'node:module';
import { join } from 'node:path';

const main = new URL('../dist/binnacle.mjs', import.meta.url);
const isCheckout = existsSync(new URL('../src', import.meta.url));
const { HOME, XDG_CACHE_HOME: cache = HOME && join(HOME, '.cache') } = process.env;
// Node 22 and later store compiled code, and start faster with it. Not in a checkout, where each build has other files. Node
// goes on without the directory if it cannot be written.
if (!isCheckout && cache) modules.enableCompileCache?.(join(cache, 'binnacle'));
if (existsSync(main)) await import(main.href);
else {
  console.error('binnacle: not built yet. Run: npm run build');
  process.exitCode = 1;
}

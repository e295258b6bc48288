#!/usr/bin/env node
// Committed, unlike dist/, so that npm can link it before the first build.
import { existsSync } from 'node:fs';

const main = new URL('../dist/binnacle.mjs', import.meta.url);
if (existsSync(main)) await import(main.href);
else {
  console.error('binnacle: not built yet. Run: npm run build');
  process.exitCode = 1;
}

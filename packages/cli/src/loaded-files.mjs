// Preloaded into the binary by a test: writes the path of each file that the process loads to $LOADED_FILES, a line each,
// and `fetch` if it has loaded the global one.

import { appendFileSync } from 'node:fs';
import Module, { register } from 'node:module';

const hooks = `import { appendFileSync } from 'node:fs';
export async function load(url, context, next) {
  if (url.startsWith('file:')) appendFileSync(process.env.LOADED_FILES, new URL(url).pathname + '\\n');
  return next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

// Modules loaded by require() pass no hook.
const { _load: load } = Module;
Module._load = function loadAndLog(request, parent, isMain) {
  if (!Module.isBuiltin(request)) {
    appendFileSync(process.env.LOADED_FILES, `${Module._resolveFilename(request, parent, isMain)}\n`);
  }
  return load.call(this, request, parent, isMain);
};

process.on('exit', () => {
  // Not in the types of Node, but there since its first versions.
  if (process.moduleLoadList.some((name) => name.includes('undici')))
    appendFileSync(process.env.LOADED_FILES, 'fetch\n');
});

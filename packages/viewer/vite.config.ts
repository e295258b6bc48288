// How the page is built into the server's assets. It knows nothing of the gateway.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';
import { type BuiltPart, overBudget } from './src/build/bundle-budget.ts';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Tells the service worker which files it keeps: those with a hash in their names, and what the offline page needs. Its
 * version changes with any of them and with the page, so that browsers see a new worker exactly when there is a new page.
 */
function workerFiles(): Plugin {
  return {
    name: 'worker-files',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const own = readdirSync(source('public')).sort();
      const hashed = Object.keys(bundle)
        .filter((name) => name.startsWith('assets/') && !name.endsWith('.map'))
        .sort();
      const version = createHash('sha256').update(JSON.stringify(hashed));
      for (const name of own) version.update(readFileSync(source(`public/${name}`)));
      const worker = bundle['sw.js'];
      if (worker?.type !== 'chunk' || worker.imports.length > 0) throw new Error('The worker is not one file.');
      const files = JSON.stringify([...hashed, ...own.filter((name) => name !== 'manifest.webmanifest')]);
      version.update(worker.code);
      worker.code = worker.code
        .replaceAll('__FILES__', () => files)
        .replaceAll('__VERSION__', () => JSON.stringify(version.digest('hex').slice(0, 16)));
    },
  };
}

/** Fails the build where a browser would load too much before it shows the page. */
function budget(): Plugin {
  return {
    name: 'bundle-budget',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const parts = new Map<string, BuiltPart>();
      for (const [name, part] of Object.entries(bundle)) {
        const isChunk = part.type === 'chunk';
        const bytes = gzipSync(isChunk ? part.code : part.source).byteLength;
        const styles = isChunk ? [...(part.viteMetadata?.importedCss ?? [])] : [];
        // The page does not wait for the worker.
        const isEntry = isChunk && part.isEntry && name !== 'sw.js';
        parts.set(name, { bytes, isEntry, imports: isChunk ? [...part.imports, ...styles] : [] });
      }
      const excess = overBudget(parts);
      if (excess !== undefined) this.error(excess);
    },
  };
}

export default defineConfig({
  root: source('.'),
  // Relative, so that a reverse proxy may serve the page below a path.
  base: './',
  plugins: [react(), workerFiles(), budget()],
  resolve: {
    alias: {
      '@binnacle/client/terminal': source('../client/src/react/terminal.ts'),
      '@binnacle/client/react.css': source('../client/src/react/react.css'),
      '@binnacle/client/react': source('../client/src/react/index.ts'),
      '@binnacle/client': source('../client/src/index.ts'),
      '@binnacle/protocol': source('../protocol/src/index.ts'),
    },
  },
  build: {
    outDir: source('../server/assets'),
    emptyOutDir: true,
    target: 'es2022',
    // The strict Content-Security-Policy allows data: for images only; files keep it simple and cacheable.
    assetsInlineLimit: 0,
    // Vite's polyfill would be an inline script in older targets; every browser of this target preloads by itself.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      input: { index: source('index.html'), sw: source('src/notifications/service-worker.ts') },
      output: {
        // A worker's scope is where it lies, and its name must not change.
        entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/ },
            { name: 'xterm', test: /node_modules[\\/]@xterm[\\/](xterm|addon-fit)[\\/]/ },
          ],
        },
      },
    },
  },
});

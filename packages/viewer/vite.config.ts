// How the page is built into the server's assets. It knows nothing of the gateway.

import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: source('.'),
  // Relative, so that a reverse proxy may serve the page below a path.
  base: './',
  plugins: [react()],
  resolve: {
    alias: {
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
      output: {
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

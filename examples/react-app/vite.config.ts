// The page comes from vite, and what it asks for from the gateway: for the browser both are one address.

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const target = process.env.BINNACLE_URL ?? 'http://127.0.0.1:7117';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Loaded when the first terminal is shown; found only then, vite would load the page anew.
  optimizeDeps: { include: ['@xterm/xterm'] },
  server: {
    port: 5173,
    strictPort: true,
    proxy: { '/v1': { target, changeOrigin: true, ws: true }, '/ws': { target, changeOrigin: true, ws: true } },
  },
});

import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
// @ts-expect-error: a script without types
import { generate } from './scripts/codegen.mjs';

const API = process.env.DEALMARK_API ?? 'http://127.0.0.1:8000';

// In `npm run dev`: generate types and documents again when a .graphql file is saved.
const documents: Plugin = {
  name: 'documents',
  apply: 'serve',
  configureServer(server) {
    server.watcher.on('change', (file) => {
      if (file.endsWith('.graphql')) void generate();
    });
  },
};

export default defineConfig({
  plugins: [react(), documents],
  // The Python package serves the built page and a wheel contains it.
  build: {
    outDir: '../app/web_dist',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: 'build.json',
    reportCompressedSize: false,
  },
  server: { proxy: { '/graphql': { target: API, ws: true }, '/health': API, '/ready': API } },
  test: { include: ['src/**/*.test.ts'], environment: 'node', css: true },
});

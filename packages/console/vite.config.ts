/**
 * Builds the console into `dist`, which the server serves as plain files; in development, proxies the API to a
 * running server.
 */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where `npm run build` leaves the console and the server looks for it. */
const OUTPUT_DIRECTORY = 'dist';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  // The generated code and the transport must share one copy of the message runtime.
  resolve: { dedupe: ['@bufbuild/protobuf', '@connectrpc/connect'] },
  build: {
    outDir: OUTPUT_DIRECTORY,
    emptyOutDir: true,
    // Nothing may be inlined as a data: address, so that the strictest content security policy holds.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One file of this size arrives in one round trip; splitting it would only delay the first paint.
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { '/sluice.v1.QueryService': 'http://127.0.0.1:8080' } },
});

/**
 * The console's files. The console is one page: every path that is no file is that page. When it is not built, a page
 * says how to build it.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

const NOT_BUILT = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sluice</title></head>
<body><h1>Sluice</h1><p>This server runs, but its console is not built. Build it with <code>npm run build</code>
in the project's directory and reload this page. The API and the command line work without it.</p></body></html>
`;

/** Files whose names carry a hash of their content never change. */
const HASHED_FILE = /[/\\]assets[/\\]/;
const YEAR_SECONDS = 31_536_000;

/** @param directory what `vite build` made; looked at again with each request while it is missing */
export async function serveConsole(server: FastifyInstance, directory: string): Promise<void> {
  const index = path.join(directory, 'index.html');
  await server.register(fastifyStatic, {
    root: path.resolve(directory),
    index: false,
    wildcard: false,
    serve: false,
    cacheControl: false,
  });
  server.get('/*', async (request, reply) => {
    const wanted = decodedPath(request.url);
    if (wanted === undefined)
      return await reply.code(400).type('text/plain').send('The path cannot be read.\n');
    if (!existsSync(index))
      return await reply
        .code(wanted === '/' ? 200 : 404)
        .type('text/html')
        .send(NOT_BUILT);
    if (wanted !== '/' && path.extname(wanted) !== '') {
      reply.header(
        'cache-control',
        HASHED_FILE.test(wanted) ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache',
      );
      return await reply.sendFile(wanted.slice(1));
    }
    return await reply.header('cache-control', 'no-cache').sendFile('index.html');
  });
}

function decodedPath(url: string): string | undefined {
  try {
    return decodeURIComponent(url.split('?', 1)[0] ?? '/');
  } catch {
    return undefined;
  }
}

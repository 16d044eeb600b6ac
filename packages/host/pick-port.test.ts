import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { isPortFree, pickPort } from './pick-port.ts';

test('a free port is kept, a taken one replaced by another', async () => {
  const preferred = await pickPort('127.0.0.1', 0);
  // No port that the system gives to connections by itself.
  expect(preferred).toBeGreaterThan(1_023);
  expect(preferred).toBeLessThan(32_768);
  const server = createServer();
  const port = await pickPort('127.0.0.1', preferred);
  expect(port).toBe(preferred);
  server.listen({ host: '127.0.0.1', port });
  await once(server, 'listening');
  expect(await isPortFree('127.0.0.1', port)).toBe(false);
  const other = await pickPort('127.0.0.1', port);
  expect(other).not.toBe(port);
  expect(await isPortFree('127.0.0.1', other)).toBe(true);
  server.close();
  await once(server, 'close');
});

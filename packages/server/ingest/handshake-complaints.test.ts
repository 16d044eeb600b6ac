import { pino } from 'pino';
import { expect, test } from 'vitest';
import { HandshakeComplaints } from './handshake-complaints.ts';
import { HANDSHAKE_COMPLAINT_INTERVAL_MS } from './limits.ts';

test('one failed handshake is told per interval, with the number of those that were not', () => {
  const lines: unknown[] = [];
  const logger = pino(
    { level: 'info', base: null },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  );
  const complaints = new HandshakeComplaints(logger);
  complaints.failed(Object.assign(new Error('disconnected'), { code: 'ECONNRESET' }), '10.0.0.6', 0);
  complaints.failed(new Error('certificate has expired'), '10.0.0.7', 0);
  complaints.failed(new Error('no certificate'), '10.0.0.8', 1);
  complaints.failed(new Error('no certificate'), '10.0.0.8', HANDSHAKE_COMPLAINT_INTERVAL_MS - 1);
  complaints.failed(new Error('no certificate'), undefined, HANDSHAKE_COMPLAINT_INTERVAL_MS);
  expect(lines).toMatchObject([
    { error: 'certificate has expired', remoteAddress: '10.0.0.7', untoldBefore: 0 },
    { error: 'no certificate', untoldBefore: 2 },
  ]);
});

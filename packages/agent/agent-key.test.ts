import { createPublicKey, verify } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AgentKey, KEY_FILE_NAME, loadAgentKey } from './agent-key.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-key-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const file = (): string => path.join(directory, KEY_FILE_NAME);

function fits(key: AgentKey, text: Uint8Array, signature: Uint8Array): boolean {
  const x = Buffer.from(key.publicKey).toString('base64url');
  return verify(
    null,
    text,
    createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
    signature,
  );
}

test('a key is made once, is closed to others whatever the umask, and signs', () => {
  const umask = process.umask(0);
  try {
    const first = loadAgentKey(directory);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    const text = readFileSync(file(), 'utf8');
    const second = loadAgentKey(directory);
    expect(readFileSync(file(), 'utf8')).toBe(text);
    expect([second.publicKey, second.problem]).toEqual([first.publicKey, undefined]);
    const message = Buffer.from('a text');
    expect(second.publicKey).toHaveLength(32);
    expect(fits(first, message, second.sign(message))).toBe(true);
    expect(fits(first, Buffer.from('another'), second.sign(message))).toBe(false);
  } finally {
    process.umask(umask);
  }
});

test.each([
  ['is empty', ''],
  ['is garbage', 'garbage'],
  ['is cut', '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw'],
])('a file that %s is kept aside, and a new key made and told', (_name, content) => {
  writeFileSync(file(), content);
  const key = loadAgentKey(directory);
  expect(key.problem).toContain('sluice agents accept');
  const [kept = ''] = readdirSync(directory).filter((name) => name.startsWith(`${KEY_FILE_NAME}.damaged-`));
  expect(key.problem).toContain(kept);
  expect(readFileSync(path.join(directory, kept), 'utf8')).toBe(content);
  expect(loadAgentKey(directory)).toMatchObject({ publicKey: key.publicKey, problem: undefined });
});

test('what cannot be read is an error that says what to do', () => {
  mkdirSync(file());
  expect(() => loadAgentKey(directory)).toThrow(
    expect.objectContaining({ code: 'config_invalid', hint: expect.stringContaining('mode 600') }),
  );
});

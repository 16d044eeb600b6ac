import { expect, test } from 'vitest';
import { PROTOCOL_SCHEMA_HASH } from './protocol-version.ts';
import { schemaHash } from './tools/schema-hash.ts';

test('U20: the schema is the one that the version was given to: look at PROTOCOL_MINOR before you change the hash', () => {
  expect(schemaHash()).toBe(PROTOCOL_SCHEMA_HASH);
});

import { createHash } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { file_sluice_v1_uplink } from './gen/sluice/v1/uplink_pb.js';
import { PROTOCOL_SCHEMA_HASH } from './protocol-version.ts';

test('the schema is the one that the version was given to: look at PROTOCOL_MINOR before you change the hash', () => {
  const descriptor = toBinary(FileDescriptorProtoSchema, file_sluice_v1_uplink.proto);
  expect(createHash('sha256').update(descriptor).digest('hex').slice(0, 16)).toBe(PROTOCOL_SCHEMA_HASH);
});

/**
 * The hash of the uplink's schema (protocol-version.ts). Run as a program it fails when the pinned one is another.
 */
import { createHash } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { file_sluice_v1_uplink } from '../gen/sluice/v1/uplink_pb.js';
import { PROTOCOL_SCHEMA_HASH } from '../protocol-version.ts';

/** The first 16 hex digits of SHA-256 over the descriptor, which has no comments. */
export function schemaHash(): string {
  const descriptor = toBinary(FileDescriptorProtoSchema, file_sluice_v1_uplink.proto);
  return createHash('sha256').update(descriptor).digest('hex').slice(0, 16);
}

if (import.meta.main && schemaHash() !== PROTOCOL_SCHEMA_HASH) {
  process.stderr.write(
    `uplink.proto has the hash ${schemaHash()}, protocol-version.ts says ${PROTOCOL_SCHEMA_HASH}. Look at PROTOCOL_MINOR, then change the hash.\n`,
  );
  process.exitCode = 1;
}

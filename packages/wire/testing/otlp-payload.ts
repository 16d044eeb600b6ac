/** Blocks as an agent in another language writes them: with the generated code of OpenTelemetry's own .proto files. */
import { zstdCompressSync } from 'node:zlib';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { formatMark, OTLP_BLOCK_FORMAT } from '@sluice/block/formats';
import { LogsDataSchema } from '../gen/opentelemetry/proto/logs/v1/logs_pb.js';

export type LogsInit = MessageInitShape<typeof LogsDataSchema>;

/** The bytes of a message. */
export function otlpBytes(logs: LogsInit): Buffer {
  return Buffer.from(toBinary(LogsDataSchema, create(LogsDataSchema, logs)));
}

/** The payload with this content. */
export function otlpPayload(content: Uint8Array): Buffer {
  return Buffer.concat([
    formatMark(OTLP_BLOCK_FORMAT),
    zstdCompressSync(content, { pledgedSrcSize: content.length }),
  ]);
}

/**
 * Agents and servers of version 1.0 and of today understand each other (SPEC U20): tried with the bytes, the schema and the
 * validator that 1.0 had. Real sockets: apptest/uplink/versions.test.ts.
 */
import type { DescMessage } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import { BlockBuilder, compressBlockSync } from '@sluice/block/builder';
import {
  FIRST_BLOCK_FORMAT,
  LATEST_BLOCK_FORMAT,
  NATIVE_BLOCK_FORMATS,
  OTLP_BLOCK_FORMAT,
} from '@sluice/block/formats';
import { readRecords } from '@sluice/block/reader';
import { RecordFields } from '@sluice/block/record';
import { openBlock } from '@sluice/block/validator';
import type { AgentId } from '@sluice/protocol/model';
import { describe, expect, test } from 'vitest';
import {
  AGENT_CAPABILITIES,
  MAX_NAMED_CAPABILITIES,
  SERVER_CAPABILITIES,
  sharedCapabilities,
  writeCapabilities,
} from './capabilities.ts';
import { openBlock as openBlockAsOldServer } from './fixtures/1.0/block-decoder.ts';
import { oldBlock, oldMessages, oldSchema } from './fixtures/1.0/version-1.0.ts';
import {
  ControlRequestSchema,
  ControlResponseSchema,
  SendRequestSchema,
  SendResponseSchema,
} from './gen/sluice/v1/uplink_pb.js';
import { otlpBytes, otlpPayload } from './testing/otlp-payload.ts';

const SCHEMAS: ReadonlyMap<string, DescMessage> = new Map(
  [ControlRequestSchema, ControlResponseSchema, SendRequestSchema, SendResponseSchema].map((schema) => [
    schema.typeName,
    schema,
  ]),
);
const old = oldSchema();

function schemaOf(typeName: string, of: 'today' | '1.0'): DescMessage {
  const schema = of === 'today' ? SCHEMAS.get(typeName) : old.getMessage(typeName);
  if (schema === undefined) throw new Error(`no message ${typeName}`);
  return schema;
}

describe('blocks', () => {
  test.each(['urgent', 'bulk'] as const)(
    'U20: a block of 1.0 is opened, with all that is in it: %s',
    (name) => {
      const { header, payload, records } = oldBlock(name);
      const { id, urgency, rawBytes, recordCount } = header;
      const opened = openBlock(payload, { ...id, urgency, rawBytes, recordCount });
      expect(opened.format).toBe(FIRST_BLOCK_FORMAT);
      const read = readRecords(opened);
      expect(read).toHaveLength(recordCount);
      for (const [index, { timestampNanos, observedNanos, body, ...others }] of records.entries()) {
        expect(read[index]).toEqual({
          ...others,
          timestampNanos: BigInt(timestampNanos),
          observedNanos: BigInt(observedNanos),
          body: Buffer.from(body, 'hex'),
          offsetBytes: undefined,
          timestampOrigin: 'unknown',
        });
      }
    },
  );

  test('U20: a server of 1.0 takes what is written for it, and would set the latest format aside', () => {
    const { header } = oldBlock('bulk');
    const builder = new BlockBuilder('bulk');
    const fields = new RecordFields();
    const sealed = [FIRST_BLOCK_FORMAT, LATEST_BLOCK_FORMAT].map((format) => {
      for (let record = 0; record < 300; record += 1) {
        fields.serviceName = `service-${record}`;
        fields.bodyText = `record ${record}`;
        fields.attributes.clear();
        fields.attributes.addText(`key-${record % 7}`, 'value');
        builder.append(fields);
      }
      const block = builder.seal(header.id, format);
      const { rawBytes, recordCount } = block.header;
      const expected = { ...header.id, urgency: 'bulk' as const, rawBytes, recordCount };
      return { payload: compressBlockSync(block), expected };
    });
    const [first, latest] = sealed;
    if (first === undefined || latest === undefined) throw new Error('two blocks were sealed');
    expect(openBlockAsOldServer(first.payload, first.expected).recordCount).toBe(300);
    expect(openBlock(first.payload, first.expected).format).toBe(FIRST_BLOCK_FORMAT);
    expect(openBlock(latest.payload, latest.expected).format).toBe(LATEST_BLOCK_FORMAT);
    expect(() => openBlockAsOldServer(latest.payload, latest.expected)).toThrow('malformed block');
  });
});

describe('messages', () => {
  const messages = [...oldMessages()];

  test('there is one of each kind', () => {
    const kinds = messages.map(([, { json }]) => Object.keys(json)[0]);
    for (const name of ['ControlRequest', 'ControlResponse', 'SendRequest', 'SendResponse']) {
      const kindsOfStream = old.getMessage(`sluice.v1.${name}`)?.fields.map((field) => field.jsonName);
      expect(kinds).toEqual(expect.arrayContaining(kindsOfStream ?? ['none']));
    }
  });

  test.each(messages)('U20: a %s of 1.0 says the same today', (name, { type, bytes, json }) => {
    const read: unknown = toJson(schemaOf(type, 'today'), fromBinary(schemaOf(type, 'today'), bytes));
    const expected = structuredClone(json);
    // The other block's payload stands in a file of its own.
    if (name === 'blockUrgent')
      Object.assign(expected.block ?? {}, { payload: oldBlock('urgent').payload.toString('base64') });
    expect(read).toEqual(expected);
  });

  test('U20: a server of 1.0 reads the Hello of today, an agent the Welcome: what is new is passed over', () => {
    const hello = create(ControlRequestSchema, {
      message: {
        case: 'hello',
        value: {
          protocolMajor: 1,
          protocolMinor: 1,
          agentId: 'agent-1',
          epoch: 7n,
          ...writeCapabilities(AGENT_CAPABILITIES),
        },
      },
    });
    const welcome = create(ControlResponseSchema, {
      message: {
        case: 'welcome',
        value: {
          protocolMajor: 1,
          protocolMinor: 1,
          serverId: 's1',
          ...writeCapabilities(SERVER_CAPABILITIES),
        },
      },
    });
    const asOld = (schema: DescMessage, bytes: Uint8Array): unknown => {
      const oldMessage = schemaOf(schema.typeName, '1.0');
      return toJson(oldMessage, fromBinary(oldMessage, bytes));
    };
    expect(asOld(ControlRequestSchema, toBinary(ControlRequestSchema, hello))).toEqual({
      hello: { protocolMajor: 1, protocolMinor: 1, agentId: 'agent-1', epoch: '7' },
    });
    expect(asOld(ControlResponseSchema, toBinary(ControlResponseSchema, welcome))).toEqual({
      welcome: { protocolMajor: 1, protocolMinor: 1, serverId: 's1' },
    });
  });
});

describe('capabilities', () => {
  test('U20: a peer that names nothing is one of 1.0: the first block format, no digest, no key', () => {
    const nothing = { blockFormats: [], digestKinds: [], keyKinds: [] };
    expect(sharedCapabilities(nothing, SERVER_CAPABILITIES)).toEqual({
      blockFormats: [1],
      digestKinds: [],
      keyKinds: [],
    });
  });

  test('U20: what only one side knows is passed over', () => {
    const today = writeCapabilities(SERVER_CAPABILITIES);
    expect(sharedCapabilities(today, SERVER_CAPABILITIES)).toEqual(SERVER_CAPABILITIES);
    expect(sharedCapabilities(today, AGENT_CAPABILITIES)).toEqual(AGENT_CAPABILITIES);
    const newer = { blockFormats: [2, 900], digestKinds: ['blake9', 'sha256-128'], keyKinds: ['__proto__'] };
    expect(sharedCapabilities(newer, SERVER_CAPABILITIES)).toEqual({
      blockFormats: [2],
      digestKinds: ['sha256-128'],
      keyKinds: [],
    });
    expect(sharedCapabilities({ ...newer, blockFormats: [900] }, SERVER_CAPABILITIES).blockFormats).toEqual(
      [],
    );
  });

  test("U20: a server from before OpenTelemetry's encoding shares no format with an agent that writes nothing else", () => {
    const stranger = { blockFormats: [OTLP_BLOCK_FORMAT.number], digestKinds: ['sha256-128'], keyKinds: [] };
    // The server of then named the formats that the agent of today writes.
    expect(sharedCapabilities(stranger, AGENT_CAPABILITIES).blockFormats).toEqual([]);
    expect(sharedCapabilities(stranger, SERVER_CAPABILITIES).blockFormats).toEqual([4]);
    const content = otlpBytes({
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ observedTimeUnixNano: 1n }] }] }],
    });
    const expected = {
      ...{ agentId: 'stranger' as AgentId, epoch: 1, sequence: 1, urgency: 'bulk' as const },
      ...{ rawBytes: content.length, recordCount: 1 },
    };
    expect(openBlock(otlpPayload(content), expected).format).toBe(OTLP_BLOCK_FORMAT);
    expect(() => openBlock(otlpPayload(content), expected, NATIVE_BLOCK_FORMATS)).toThrow(
      'block format 4 is not known here, only 1, 2, 3',
    );
    expect(() => openBlockAsOldServer(otlpPayload(content), expected)).toThrow('malformed block');
  });

  test('U19: a peer that names without end is told so', () => {
    const many = Array.from({ length: MAX_NAMED_CAPABILITIES + 1 }, (_, index) => `kind-${index}`);
    expect(() => sharedCapabilities({ ...AGENT_CAPABILITIES, keyKinds: many }, SERVER_CAPABILITIES)).toThrow(
      'key_kinds: 65 entries',
    );
  });
});

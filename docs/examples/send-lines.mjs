/**
 * A small agent that uses nothing of Sluice, to show that the documents are enough: proto/PROTOCOL.md for the calls,
 * packages/block/otlp.md for the blocks. It sends the lines of its standard input to one server, and ends when all are durable.
 *
 *   node docs/examples/send-lines.mjs http://127.0.0.1:4620 my-agent < app.log
 *
 * What a real agent has beyond this: a queue that outlives it, several servers with the order of their channels and the notice,
 * classes of urgency, TLS and the token, and patience with servers that fail.
 */
import { createHash, randomInt } from 'node:crypto';
import { connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { constants, zstdCompressSync } from 'node:zlib';

const [, , address = 'http://127.0.0.1:4620', agentId = 'send-lines'] = process.argv;
const OTLP = 4;
const NORMAL = 3;
/** Of the message before compression; a server takes 4 MiB. */
const BLOCK_BYTES = 256 * 1024;

// Protobuf: a field is a number and a varint, 8 bytes, or a length and bytes.

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
function fixed64(field, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return Buffer.concat([varint(field * 8 + 1), bytes]);
}
function bytes(field, ...parts) {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
}

/** The fields of a message: by number, a list of bigints and buffers. */
function read(message) {
  const fields = new Map();
  let at = 0;
  const next = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length) => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(next());
    const kind = tag & 7;
    const value = kind === 0 ? next() : take(kind === 2 ? Number(next()) : kind === 1 ? 8 : 4);
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return (field) => fields.get(field) ?? [];
}

// Connect streams: envelopes of flags, length and message.

const session = connect(address);
session.on('error', fail);

function call(method) {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/sluice.v1.UplinkService/${method}`,
    'content-type': 'application/connect+proto',
    'connect-protocol-version': '1',
  });
  stream.on('error', fail);
  const say = (field, ...fields) => {
    const message = bytes(field, ...fields);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    stream.write(Buffer.concat([head, message]));
  };
  return { say, heard: envelopes(stream), end: () => stream.end() };
}

async function* envelopes(stream) {
  let waiting = Buffer.alloc(0);
  for await (const chunk of stream) {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= 5 && waiting.length >= 5 + waiting.readUInt32BE(1)) {
      const end = 5 + waiting.readUInt32BE(1);
      if (waiting[0] === 2) return fail(`the server ended the call: ${waiting.subarray(5, end)}`);
      yield read(waiting.subarray(5, end));
      waiting = waiting.subarray(end);
    }
  }
}

/** The next message of a kind, which is the number of its field in the union; others are passed over. */
async function hear(heard, kind) {
  for (let next = await heard.next(); next.done !== true; next = await heard.next()) {
    const [message] = next.value(kind);
    if (message !== undefined) return read(message);
  }
  return fail('the call ended');
}

function fail(reason) {
  process.stderr.write(`${reason instanceof Error ? reason.message : reason}\n`);
  process.exit(1);
}

// Blocks.

/** One record: when it was read, and its body. The server takes the time of reading for a line that states none. */
const record = (line, nanos) => bytes(2, fixed64(11, nanos), bytes(5, bytes(1, line)));

function seal(sequence, lines, epoch, observedMs) {
  const attribute = (key, value) => bytes(1, bytes(1, key), bytes(2, bytes(1, value)));
  const records = lines.map((line) => record(line, BigInt(observedMs) * 1_000_000n));
  const content = bytes(1, bytes(1, attribute('service.name', 'send-lines')), bytes(2, ...records));
  const params = { [constants.ZSTD_c_contentSizeFlag]: 1 };
  const frame = zstdCompressSync(content, { params, pledgedSrcSize: content.length });
  const payload = Buffer.concat([Buffer.from('502a4d180400000004000000', 'hex'), frame]);
  const id = Buffer.from(agentId);
  const numbers = [id.length, epoch, sequence, NORMAL - 1, content.length, lines.length, observedMs].map(
    (value) => {
      const uint64 = Buffer.alloc(8);
      uint64.writeBigUInt64LE(BigInt(value));
      return uint64;
    },
  );
  const [idLength, ...others] = numbers;
  const hashed = Buffer.concat([Buffer.from('sluice block\0'), idLength, id, ...others, payload]);
  const digest = createHash('sha256').update(hashed).digest().subarray(0, 16);
  const place = [number(1, epoch), number(2, sequence), number(3, NORMAL)];
  const head = [number(4, content.length), number(5, lines.length), number(6, observedMs), bytes(9, digest)];
  return {
    rawBytes: content.length,
    records: lines.length,
    digest,
    fields: [...place, ...head, bytes(8, payload)],
  };
}

function cut(lines) {
  const blocks = [];
  let size = BLOCK_BYTES;
  for (const line of lines) {
    if (size + line.length + 32 > BLOCK_BYTES) {
      blocks.push([]);
      size = 0;
    }
    blocks.at(-1).push(line);
    size += Buffer.byteLength(line) + 32;
  }
  return blocks;
}

// The life of an agent.

const lines = (await text(process.stdin)).split('\n').filter((line) => line !== '');
const epoch = randomInt(1, 2 ** 47);
const control = call('Control');
control.say(
  1,
  number(1, 1),
  bytes(3, agentId),
  number(4, epoch),
  bytes(9, varint(OTLP)),
  bytes(10, 'sha256-128'),
);
const welcome = await hear(control.heard, 1);
const [sessionId] = welcome(5);
// Repeated numbers are packed: one after the other in one field.
if (!welcome(6).some((formats) => formats.includes(OTLP)))
  fail('the server does not take block format 4: update it');

let requests = 0;

/** Asks until a channel has room for the block: the one of the highest priority. */
async function grantFor({ records, rawBytes }) {
  for (;;) {
    requests += 1;
    const backlog = [number(1, NORMAL), number(2, records), number(3, rawBytes), number(5, rawBytes)];
    control.say(2, number(1, requests), bytes(2, ...backlog));
    const grant = await hear(control.heard, 2);
    const channels = grant(3)
      .map(read)
      .filter((one) => Number(one(3)[0] ?? 0) >= rawBytes)
      .sort((one, other) => Number(one(2)[0]) - Number(other(2)[0]));
    if (channels.length > 0) return { channel: channels[0](1)[0], grantId: grant(1)[0] };
    await new Promise((resolve) => setTimeout(resolve, Math.max(100, Number(grant(6)[0] ?? 0))));
  }
}

for (const [index, some] of cut(lines).entries()) {
  const block = seal(index + 1, some, epoch, Date.now());
  const { channel, grantId } = await grantFor(block);
  const send = call('Send');
  send.say(1, bytes(1, sessionId), bytes(2, agentId), bytes(3, grantId), number(4, channel));
  send.say(2, ...block.fields);
  send.end();
  const answer = await send.heard.next();
  if (answer.done === true) fail('the block got no answer');
  const [refusal] = answer.value(2);
  if (refusal !== undefined) fail(`refused: ${read(refusal)(4)[0]}`);
  const [acknowledged] = read(answer.value(1)[0])(3);
  if (!block.digest.equals(acknowledged)) fail('another block was acknowledged');
}
control.say(5, bytes(1, 'all is sent'));
control.end();
session.close();
process.stdout.write(`${lines.length} lines are durable\n`);

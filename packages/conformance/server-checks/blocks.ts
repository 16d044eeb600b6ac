/** What a server makes of blocks (U4, U12, U19, U20, U25). */
import { formatMark } from '@sluice/block/formats';
import type { Block } from '@sluice/wire/gen/uplink_pb';
import { type Check, must, Skipped } from '../check.ts';
import { CallEnded } from '../client-call.ts';
import {
  type Answer,
  describe,
  isAcknowledged,
  type PlayedAgent,
  type ServerWorld,
} from '../server-world.ts';

/** How long the wait for the end of a grant may be. */
const MAX_LIFETIME_MS = 30_000;
/** The server takes for a while longer what was on its way (U4). */
const GRACE_MS = 5_000;

function mustAcknowledge(answer: Answer, block: Block, rule: string): void {
  must(isAcknowledged(answer), rule, 'an acknowledgement', describe(answer));
  if (answer === undefined || answer instanceof CallEnded || answer.case !== 'acknowledgement') return;
  const { epoch, sequence, digest } = answer.value;
  const seen = `${epoch}/${sequence} ${Buffer.from(digest).toString('hex')}`;
  must(epoch === block.epoch && sequence === block.sequence, rule, 'of the block that was sent', seen);
  must(Buffer.compare(digest, block.digest) === 0, 'U25.2', 'with its digest', seen);
}

function mustRefuse(answer: Answer, retryable: boolean, rule: string, why: string): string {
  const expected = `a refusal as ${retryable ? 'retryable' : 'malformed'}: ${why}`;
  const isRefusal = answer !== undefined && !(answer instanceof CallEnded) && answer.case === 'refusal';
  must(isRefusal && answer.value.retryable === retryable, rule, expected, describe(answer));
  must(answer.value.reason.length > 0, rule, 'a refusal that says why', 'no reason');
  return answer.value.reason;
}

/** Not taken, in whatever words: a refusal as retryable, or the end of the stream. */
function mustNotTake(answer: Answer, rule: string, why: string): string {
  const isRetryable =
    answer !== undefined &&
    !(answer instanceof CallEnded) &&
    answer.case === 'refusal' &&
    answer.value.retryable;
  const isTyped =
    answer instanceof CallEnded &&
    ['failed_precondition', 'invalid_argument', 'resource_exhausted'].includes(answer.code);
  must(isRetryable || isTyped, rule, `that a block is not taken ${why}`, describe(answer));
  return describe(answer);
}

async function begin(
  world: ServerWorld,
): Promise<{ agent: PlayedAgent; call: ReturnType<PlayedAgent['open']> }> {
  const agent = await world.welcomed();
  return { agent, call: agent.open(await agent.granted()) };
}

async function takes(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const sizes: number[] = [];
  for (const urgency of ['urgent', 'elevated', 'normal', 'bulk'] as const) {
    const block = agent.block({ urgency, records: 50 });
    sizes.push(block.rawBytes);
    mustAcknowledge(await agent.offer(call, block), block, 'U12');
  }
  return `a block of each class, ${sizes.join()} raw bytes`;
}

async function severalAtOnce(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const blocks = Array.from({ length: 20 }, () => agent.block());
  for (const value of blocks) call.say({ case: 'block', value });
  const wanted = new Set(blocks.map(({ sequence }) => sequence));
  while (wanted.size > 0) {
    const answer = await call.hear(10_000);
    must(answer?.case === 'acknowledgement', 'U12', `${wanted.size} more acknowledgements`, describe(answer));
    const isNew = wanted.delete(answer.value.sequence);
    must(isNew, 'U12', 'one acknowledgement for each block that was sent', `${answer.value.sequence} again`);
  }
  call.call.end();
  const end = await call.call.ended(10_000);
  must(end === 'ended', 'wire', 'the end of the stream when all is answered', String(end));
  return '20 blocks on one stream, each acknowledged once, and the stream ended';
}

async function repeatedBlock(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const block = agent.block();
  mustAcknowledge(await agent.offer(call, block), block, 'U12');
  mustAcknowledge(await agent.offer(call, block), block, 'U12');
  const later = world.again(agent);
  agent.raw.close();
  await later.greet();
  mustAcknowledge(await later.offer(later.open(await later.granted()), block), block, 'U12');
  return 'acknowledged again, on the same stream and on a later connection';
}

async function repeatedAtOnce(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const value = agent.block();
  for (let copy = 0; copy < 2; copy += 1) call.say({ case: 'block', value });
  for (let copy = 0; copy < 2; copy += 1) mustAcknowledge(await call.hear(10_000), value, 'U14.1');
  return 'two copies on their way at once, two acknowledgements';
}

async function otherContent(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const block = agent.block({ sequence: 1, text: 'one' });
  const other = agent.block({ sequence: 1, text: 'another' });
  mustAcknowledge(await agent.offer(call, block), block, 'U25.3');
  mustAcknowledge(await agent.offer(call, other), other, 'U25.3');
  return 'both are taken, each acknowledged by its digest';
}

async function wrongDigest(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const block = agent.block();
  const digest = block.digest.map((byte) => byte ^ 0xff);
  const reason = mustRefuse(
    await agent.offer(call, { ...block, digest }),
    true,
    'U25.2',
    'it is not what was sealed',
  );
  mustAcknowledge(await agent.offer(call, block), block, 'U25.2');
  return reason;
}

async function noDigest(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const block = agent.block();
  const answer = await agent.offer(call, { ...block, digest: new Uint8Array(0) });
  mustAcknowledge(answer, block, 'U25.1');
  return 'acknowledged with the digest of what came';
}

async function malformedPayload(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const good = agent.block();
  const payload = Buffer.from('no zstd frame at all');
  const answer = await agent.offer(call, { ...good, payload, digest: new Uint8Array(0) });
  const reason = mustRefuse(answer, false, 'U12', 'it is no block');
  const next = agent.block();
  mustAcknowledge(await agent.offer(call, next), next, 'U12');
  return reason;
}

async function lyingHead(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const block = agent.block({ records: 10 });
  const answer = await agent.offer(call, { ...block, recordCount: 9, digest: new Uint8Array(0) });
  return mustRefuse(answer, false, 'U12', 'its head says 9 records, and it has 10');
}

async function futureFormat(world: ServerWorld): Promise<string> {
  const { agent, call } = await begin(world);
  const block = agent.block();
  const payload = Buffer.concat([formatMark({ number: 900, columns: [] }), Buffer.alloc(500, 1)]);
  const answer = await agent.offer(call, { ...block, payload, digest: new Uint8Array(0) });
  return mustRefuse(answer, true, 'U20.2', 'its format is of a version to come');
}

/** Of no version yet. */
const UNKNOWN_CLASS: number = 9;

/** Heads that no agent writes: they end the stream, and no other. */
const BAD_HEADS: readonly (readonly [string, string, Partial<Block>])[] = [
  ['class', 'of an unknown class', { urgency: UNKNOWN_CLASS }],
  ['sequence', 'of sequence 0', { sequence: 0n }],
  ['raw-bytes', 'of 2 GiB', { rawBytes: 2 ** 31 }],
  ['no-records', 'without records', { recordCount: 0 }],
  ['no-payload', 'without payload', { payload: new Uint8Array(0) }],
  ['digest-length', 'with a digest of 15 bytes', { digest: new Uint8Array(15) }],
];

async function badHead(world: ServerWorld, changes: Partial<Block>): Promise<string> {
  const agent = await world.welcomed();
  const grant = await agent.granted();
  const answer = await agent.offer(agent.open(grant), { ...agent.block(), ...changes });
  const isTyped = answer instanceof CallEnded && answer.code === 'invalid_argument';
  must(isTyped, 'U19.4', 'the end invalid_argument', describe(answer));
  const block = agent.block();
  mustAcknowledge(await agent.offer(agent.open(grant), block), block, 'U19.4');
  return `${answer.message}; the next stream goes on`;
}

async function pastQuota(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const grant = await agent.granted({ rawBytes: 0n });
  const [channel] = grant.channels;
  must(channel !== undefined, 'U3', 'a channel', 'none');
  const quotaBytes = Number(channel.quotaBytes);
  const call = agent.open(grant);
  let usedBytes = 0;
  // Blocks of about a quarter of the quota, at most 1 MiB.
  const bodyBytes = Math.max(50, Math.floor(Math.min(quotaBytes / 4, 1024 * 1024) / 20));
  for (let times = 0; times < 1_000; times += 1) {
    const block = agent.block({ records: 20, bodyBytes });
    const answer = await agent.offer(call, block);
    if (usedBytes + block.rawBytes > quotaBytes) {
      const seen = mustNotTake(answer, 'U4', `past ${quotaBytes} bytes`);
      return `${usedBytes} of ${quotaBytes} bytes taken, then ${seen}`;
    }
    mustAcknowledge(answer, block, 'U4');
    usedBytes += block.rawBytes;
  }
  throw new Skipped(`the quota of ${quotaBytes} bytes is too large for this`);
}

async function afterEnd(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const grant = await agent.granted();
  const lifetimeMs = Number(grant.lifetimeMs);
  if (lifetimeMs > MAX_LIFETIME_MS) throw new Skipped(`its grants live ${lifetimeMs} ms`);
  await world.timeline.pass(lifetimeMs + GRACE_MS + 2_000);
  const seen = mustNotTake(await agent.offer(agent.open(grant), agent.block()), 'U4', 'after its grant');
  const { agent: other, call } = await begin(world);
  const block = other.block();
  mustAcknowledge(await other.offer(call, block), block, 'U4');
  return seen;
}

/** What a stream may be opened with that was not given. */
const NOT_GIVEN: readonly (readonly [string, Record<string, unknown>])[] = [
  ['session', { sessionId: 'guessed' }],
  ['agent', { agentId: 'another' }],
  ['grant', { grantId: 'never-given' }],
  ['channel', { channel: 16 }],
];

async function notGiven(world: ServerWorld, changes: Record<string, unknown>): Promise<string> {
  const agent = await world.welcomed();
  const { grantId } = await agent.granted();
  const call = agent.raw.openSend();
  const { sessionId, agentId } = agent;
  call.say({ case: 'openChannel', value: { sessionId, agentId, grantId, channel: 1, ...changes } });
  return mustNotTake(await agent.offer(call, agent.block()), 'U4', 'on a channel that was not given');
}

async function othersGrant(world: ServerWorld): Promise<string> {
  const [one, other] = [await world.welcomed(), await world.welcomed()];
  const grant = await one.granted();
  return mustNotTake(
    await other.offer(other.open(grant), other.block()),
    'U4',
    'on the grant of another agent',
  );
}

async function beforeGrant(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  await agent.listen(500);
  must(!agent.heard.includes('grant'), 'U3', 'no grant without a request', agent.heard.join(' '));
  return 'nothing is granted that nobody asked for';
}

export const BLOCK_CHECKS: readonly Check<ServerWorld>[] = [
  {
    name: 'block-acknowledged',
    rules: ['U12', 'U25.2'],
    title: 'a block of each class is acknowledged',
    run: takes,
  },
  {
    name: 'blocks-at-once',
    rules: ['U12'],
    title: 'each block of many is acknowledged once',
    run: severalAtOnce,
  },
  {
    name: 'block-repeated',
    rules: ['U12'],
    title: 'a known block is acknowledged again',
    run: repeatedBlock,
  },
  {
    name: 'block-twice-at-once',
    rules: ['U14.1'],
    title: 'a block that comes twice at once is acknowledged twice',
    run: repeatedAtOnce,
  },
  {
    name: 'block-other-content',
    rules: ['U25.3'],
    title: 'another content at a known position is another block',
    run: otherContent,
  },
  {
    name: 'block-wrong-digest',
    rules: ['U25.2'],
    title: 'a block that is not what was sealed is sent again',
    run: wrongDigest,
  },
  {
    name: 'block-no-digest',
    rules: ['U25.1'],
    title: 'a block without a digest is one of 1.0',
    run: noDigest,
  },
  {
    name: 'block-malformed',
    rules: ['U12'],
    title: 'a malformed block is refused, and the next one taken',
    run: malformedPayload,
  },
  { name: 'block-lying-head', rules: ['U12'], title: 'a payload must be what its head says', run: lyingHead },
  {
    name: 'block-future-format',
    rules: ['U20.2'],
    title: 'a block of an unknown format is not malformed',
    run: futureFormat,
  },
  ...BAD_HEADS.map(([name, what, changes]) => ({
    ...{ name: `block-${name}`, rules: ['U19.4'], title: `a block ${what} ends its stream and no other` },
    run: (world: ServerWorld) => badHead(world, changes),
  })),
  { name: 'past-quota', rules: ['U4'], title: 'nothing is taken past a quota', run: pastQuota },
  {
    name: 'after-the-end',
    rules: ['U4'],
    title: 'nothing is taken after the end of a grant',
    withinMs: 90_000,
    run: afterEnd,
  },
  ...NOT_GIVEN.map(([name, changes]) => ({
    ...{
      name: `not-given-${name}`,
      rules: ['U4'],
      title: `nothing is taken on a channel of another ${name}`,
    },
    run: (world: ServerWorld) => notGiven(world, changes),
  })),
  { name: 'not-given-other', rules: ['U4'], title: 'a grant is of one agent', run: othersGrant },
  { name: 'no-grant-unasked', rules: ['U3'], title: 'no grant without a request', run: beforeGrant },
];

/** Grants, refusals, priorities and what is held (U3, U8, U11, U17, U24). */
import type { Grant } from '@sluice/wire/gen/uplink_pb';
import { RefusalReason } from '@sluice/wire/gen/uplink_pb';
import { type Check, must, Skipped } from '../check.ts';
import { ANSWER_MS, isAcknowledged, type PlayedAgent, type ServerWorld } from '../server-world.ts';

const MEBIBYTE: number = 1024 * 1024;
/** More than any server of a test may take at once. */
const HUGE_BYTES = 8_000_000_000n;
/** So many agents that ask for that much use up what a server gives out; one that has more to give is not to be checked so. */
const MAX_CROWD = 64;

/** What every grant keeps. */
function mustBeGrant(grant: Grant): void {
  const { grantId, channels, lifetimeMs } = grant;
  const seen = `${grantId}: ${channels.map((one) => `${one.channel}/${one.priority}/${one.quotaBytes}`).join(' ')}`;
  must(grantId.length > 0 && grantId.length <= 128, 'U19.2', 'a grant id of 1 to 128 bytes', seen);
  must(channels.length >= 1 && channels.length <= 16, 'U3', '1 to 16 channels', seen);
  must(
    new Set(channels.map(({ channel }) => channel)).size === channels.length,
    'U3',
    'each channel once',
    seen,
  );
  must(lifetimeMs > 0n && lifetimeMs <= 86_400_000n, 'U4', 'a lifetime of at most a day', `${lifetimeMs} ms`);
  for (const { channel, priority, quotaBytes, reservedForUrgentBytes } of channels) {
    must(channel >= 1 && channel <= 16, 'U3', 'channels numbered 1 to 16', seen);
    must(priority >= 1 && priority <= 1_000_000, 'U6', 'priorities from 1 to 1,000,000', seen);
    must(quotaBytes > 0n, 'U24', 'a quota on each channel', seen);
    must(reservedForUrgentBytes <= quotaBytes, 'U8', 'a reserve within the quota', seen);
  }
}

async function namesRequest(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  agent.raw.say({
    case: 'uploadRequest',
    value: { requestId: 77n, backlog: [{ urgency: 3, recordCount: 10n, rawBytes: 1_000_000n }] },
  });
  const grant = await agent.answer(77n);
  must(grant !== undefined, 'U3', 'an answer that names request 77', agent.heard.join(' '));
  mustBeGrant(grant);
  return `${grant.channels.length} channels of ${grant.channels.map(({ quotaBytes }) => quotaBytes).join()} bytes`;
}

async function twoRequests(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const first = await agent.granted({ rawBytes: 100_000n });
  const second = await agent.granted({ rawBytes: 20_000_000n });
  must(first.grantId !== second.grantId, 'U3', 'a grant id of its own for each grant', first.grantId);
  mustBeGrant(second);
  return `${first.grantId}, ${second.grantId}`;
}

async function nothingWaits(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const answer = await agent.answer(agent.ask({ rawBytes: 0n }));
  must(answer !== undefined, 'U3', 'an answer to a request of nothing', 'none');
  if (answer.channels.length > 0) {
    mustBeGrant(answer);
    return 'it grants for what comes next';
  }
  must(answer.refusalReason !== RefusalReason.UNSPECIFIED, 'U3', 'a refusal with a reason', 'none');
  must(answer.retryAfterMs > 0n, 'U3', 'a refusal with a time', `${answer.retryAfterMs}`);
  return `refused: ${RefusalReason[answer.refusalReason]}, ${answer.retryAfterMs} ms`;
}

/** Agents that ask for much until one is refused. */
async function crowd(world: ServerWorld): Promise<{ agents: PlayedAgent[]; refusal: Grant }> {
  const agents: PlayedAgent[] = [];
  while (agents.length < MAX_CROWD) {
    const agent = await world.welcomed();
    agents.push(agent);
    const answer = await agent.answer(agent.ask({ rawBytes: HUGE_BYTES }));
    must(answer !== undefined, 'U17.2', `an answer within ${ANSWER_MS} ms`, 'none');
    if (answer.channels.length === 0) return { agents, refusal: answer };
  }
  throw new Skipped(`${MAX_CROWD} agents were granted all that they asked for`);
}

async function refuses(world: ServerWorld): Promise<string> {
  const { agents, refusal } = await crowd(world);
  const { refusalReason, retryAfterMs } = refusal;
  must(refusalReason !== RefusalReason.UNSPECIFIED, 'U3', 'a refusal with a reason', 'none');
  must(retryAfterMs > 0n, 'U3', 'a refusal with a time to ask again', `${retryAfterMs}`);
  const seen = `${RefusalReason[refusalReason]} for ${retryAfterMs} ms, to agent ${agents.length}`;
  // What they held is room again as soon as they are gone.
  for (const agent of agents) agent.raw.close();
  const later = await world.welcomed();
  await later.granted();
  return `${seen}; granted again after they left`;
}

async function oneAgentHoldsLittle(world: ServerWorld): Promise<string> {
  const greedy = await world.welcomed();
  let heldBytes = 0n;
  for (let times = 0; times < 40; times += 1) {
    const answer = await greedy.answer(greedy.ask({ rawBytes: HUGE_BYTES }), 1_000);
    if (answer === undefined || answer.channels.length === 0) break;
    for (const { quotaBytes } of answer.channels) heldBytes += quotaBytes;
  }
  const held = `${heldBytes / BigInt(MEBIBYTE)} MiB held by one agent that sends nothing`;
  const others: string[] = [];
  for (let other = 0; other < 3; other += 1) {
    const agent = await world.welcomed();
    const answer = await agent.answer(agent.ask({ rawBytes: 1_000_000n, records: 100n }));
    others.push(answer === undefined ? 'nothing' : answer.channels.length > 0 ? 'granted' : 'refused');
  }
  must(
    others.every((one) => one === 'granted'),
    'U17',
    'grants for three others',
    `${held}; ${others.join()}`,
  );
  return `${held}; three others are granted`;
}

async function lanesCarry(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const seen: string[] = [];
  for (const nextBlockRawBytes of [300_000n, 2_000_000n]) {
    const grant = await agent.granted({ rawBytes: 3_000_000n, nextBlockRawBytes });
    mustBeGrant(grant);
    const quotas = grant.channels.map(({ quotaBytes }) => quotaBytes);
    seen.push(`${quotas.join()} for a block of ${nextBlockRawBytes}`);
    const carries = quotas.every((quotaBytes) => quotaBytes >= nextBlockRawBytes);
    must(carries, 'U24', 'that each channel carries the next block, or is left out', seen.join('; '));
  }
  return seen.join('; ');
}

async function reserves(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const grant = await agent.granted({ rawBytes: 64_000_000n, urgency: 4 });
  const highest = grant.channels.reduce((one, other) => (other.priority < one.priority ? other : one));
  const seen = grant.channels
    .map((one) => `${one.priority}: ${one.reservedForUrgentBytes} of ${one.quotaBytes}`)
    .join(', ');
  if (highest.quotaBytes < 8n * BigInt(MEBIBYTE)) throw new Skipped(`too small to keep any of it: ${seen}`);
  must(highest.reservedForUrgentBytes > 0n, 'U8', 'a part of the highest channel for urgent blocks', seen);
  return seen;
}

async function yields(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const { grantId, channels } = await agent.granted();
  const [used] = channels;
  must(used !== undefined, 'U3', 'a channel', 'none');
  const { channel, priority } = used;
  const held = priority + 500;
  const outrankedBy = [{ serverId: 'another-server', highestPriority: 1, heldPriorities: [held] }];
  agent.raw.say({ case: 'priorityViolationNotice', value: { grantId, channel, priority, outrankedBy } });
  const later = await agent.granted();
  const highest = Math.min(...later.channels.map((one) => one.priority));
  must(highest > held, 'U11', `channels below ${held} (policy yield)`, `${highest}`);
  // With little room a grant has fewer channels (U24).
  const count = Math.min(channels.length, later.channels.length);
  const distances = (of: readonly { priority: number }[]): string =>
    of
      .slice(0, count)
      .map((one) => one.priority - (of[0]?.priority ?? 0))
      .join();
  must(
    distances(later.channels) === distances(channels),
    'U11',
    'that all move together',
    distances(later.channels),
  );
  const stranger = await (await world.welcomed()).granted();
  const [untouched] = stranger.channels;
  must(
    untouched?.priority === priority,
    'U11',
    'that it yields for this agent alone',
    `${untouched?.priority}`,
  );
  return `${priority}, and ${highest} after a notice that named ${held}`;
}

async function falseNotice(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const { channels } = await agent.granted();
  const outrankedBy = [{ serverId: 'another-server', highestPriority: 1, heldPriorities: [7_000] }];
  agent.raw.say({
    case: 'priorityViolationNotice',
    value: { grantId: 'never-given', channel: 1, priority: 1, outrankedBy },
  });
  const later = await agent.granted();
  const count = Math.min(channels.length, later.channels.length);
  const of = (list: readonly { priority: number }[]): string =>
    list
      .slice(0, count)
      .map(({ priority }) => priority)
      .join();
  must(of(later.channels) === of(channels), 'U11', `the priorities ${of(channels)}`, of(later.channels));
  return `${of(later.channels)}, before and after a notice for a grant that is not live`;
}

async function closedIsRoom(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const { grantId, channels } = await agent.granted();
  const closed = channels.map(({ channel }) => ({ grantId, channel, usedBytes: 0n }));
  const answer = await agent.answer(agent.ask({}, closed));
  must(answer !== undefined && answer.channels.length > 0, 'U2.4', 'a grant for what was closed', 'none');
  const [first] = channels;
  must(first !== undefined, 'U3', 'a channel', 'none');
  const late = agent.raw.openSend();
  late.say({
    case: 'openChannel',
    value: { sessionId: agent.sessionId, agentId: agent.agentId, grantId, channel: first.channel },
  });
  const said = await agent.offer(late, agent.block());
  must(!isAcknowledged(said), 'U2.4', 'that nothing more is taken on a closed channel', 'an acknowledgement');
  return `${answer.channels.length} channels instead`;
}

export const GRANTING_CHECKS: readonly Check<ServerWorld>[] = [
  {
    name: 'grant-names-request',
    rules: ['U3', 'U6'],
    title: 'a grant names its request and keeps the limits',
    run: namesRequest,
  },
  { name: 'grant-for-each', rules: ['U3'], title: 'each request has its own answer', run: twoRequests },
  {
    name: 'nothing-waits',
    rules: ['U3', 'U17.4'],
    title: 'a request of nothing is answered',
    run: nothingWaits,
  },
  {
    name: 'refusal',
    rules: ['U3', 'U17.2', 'U17.1'],
    title: 'who is given nothing is told why and when to come again; room comes back with those that leave',
    withinMs: 120_000,
    isAlone: true,
    run: refuses,
  },
  {
    name: 'greedy-agent',
    rules: ['U17'],
    title: 'an agent that asks and never sends leaves room for others',
    isAlone: true,
    run: oneAgentHoldsLittle,
  },
  {
    name: 'lanes-carry',
    rules: ['U24', 'U2.1'],
    title: 'each channel holds at least the next block',
    run: lanesCarry,
  },
  {
    name: 'reserve',
    rules: ['U8'],
    title: 'a part of the highest channel is for urgent blocks',
    run: reserves,
  },
  {
    name: 'yields',
    rules: ['U11'],
    title: 'a server that is told of a violation ranks its next grants lower',
    run: yields,
  },
  {
    name: 'notice-of-no-grant',
    rules: ['U11'],
    title: 'a notice about no live grant changes nothing',
    run: falseNotice,
  },
  {
    name: 'closed-channels',
    rules: ['U2.4'],
    title: 'a closed channel takes nothing more',
    run: closedIsRoom,
  },
];

/**
 * What every agent must keep in every check, whatever the check is about: seen from the servers' side, as it arrives.
 *
 * Invariant: it finds fault only with what is certain from the wire; what may still be on its way counts for the agent.
 */
import { digestProblem } from '@sluice/block/digest';
import { checkBlock } from '@sluice/block/validator';
import type { BlockHeader } from '@sluice/protocol/model';
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';
import { readBlock } from '@sluice/wire/convert/block';
import { readAgentId } from '@sluice/wire/convert/fields';
import type { OpenChannel } from '@sluice/wire/gen/uplink_pb';
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import type { GivenChannel, HeardBlock, HeardHello, HeardNotice } from './heard.ts';
import { channelName, placeOf } from './heard.ts';
import { higherWithRoom, outranking } from './priority-order.ts';
import type { ScriptedServer } from './scripted-server.ts';
import type { SeenServer, Witness } from './witness.ts';

/** What may still come after a channel ended: what was on its way, on a busy machine. */
const ON_ITS_WAY_MS = 1_000;
/** Faults that are kept: the first ones say what is wrong. */
const MAX_FAULTS = 20;

export interface Fault {
  readonly rule: string;
  readonly text: string;
}

export class Judge implements Witness {
  readonly faults: Fault[] = [];
  /** First uses as `S1/2`, notices as `!S1/2`, in the order of arrival. */
  readonly order: string[] = [];
  /** All blocks in the order of arrival. */
  readonly blocks: HeardBlock[] = [];
  /** One block at a time is on its way: the order of channels, and what a notice names, are certain. */
  isStepwise = false;
  /** The agent was killed: it may send again what it had heard an acknowledgement of and not written down yet. */
  forgivesRepeats = false;
  /** Send streams that began. */
  streams = 0;
  readonly #servers: () => readonly ScriptedServer[];
  readonly #first = new Map<string, HeardBlock>();
  readonly #noticed = new Set<string>();
  #agentId: string | undefined;

  constructor(servers: () => readonly ScriptedServer[]) {
    this.#servers = servers;
  }

  /** Records in all blocks that arrived, each block once. */
  get records(): number {
    let records = 0;
    for (const { block } of this.#first.values()) records += block.recordCount;
    return records;
  }

  hello(server: SeenServer, { hello }: HeardHello): void {
    if (hello.protocolMajor !== 1)
      this.#fault('U20', `${server.name} hears of protocol ${hello.protocolMajor}`);
    this.#try('wire', () => void readAgentId(hello.agentId));
    this.#agentId ??= hello.agentId;
    if (hello.agentId !== this.#agentId)
      this.#fault('U25.1', `the agent is ${this.#agentId}, and then ${hello.agentId}`);
  }

  opened(server: SeenServer, open: OpenChannel, channel: GivenChannel | undefined): void {
    this.streams += 1;
    if (open.agentId !== this.#agentId) this.#fault('wire', `OpenChannel names the agent ${open.agentId}`);
    if (server.sessionId !== '' && open.sessionId !== server.sessionId)
      this.#fault('wire', `OpenChannel names the session ${open.sessionId}, not ${server.sessionId}`);
    if (channel === undefined)
      this.#fault('U4', `${server.name}: opens ${open.grantId}/${open.channel}, which was never given`);
  }

  notice(server: SeenServer, { notice }: HeardNotice): void {
    const grant = server.grants.find(({ grantId }) => grantId === notice.grantId);
    const channel = grant?.channels.find((given) => given.channel === notice.channel);
    const key = `${server.name} ${notice.grantId}/${notice.channel}`;
    this.order.push(`!${server.name}/${notice.priority}`);
    if (channel === undefined) this.#fault('U10', `a notice names ${key}, which was never given`);
    else if (channel.priority !== notice.priority)
      this.#fault('U10', `a notice names priority ${notice.priority} for ${channelName(channel)}`);
    if (this.#noticed.has(key)) this.#fault('U10', `a second notice for ${key}`);
    this.#noticed.add(key);
    if (notice.outrankedBy.length === 0) this.#fault('U10', `a notice for ${key} names no server`);
  }

  block(server: SeenServer, heard: HeardBlock): void {
    this.blocks.push(heard);
    this.#content(heard);
    this.#repeated(heard);
    const { channel, block } = heard;
    if (channel !== undefined) {
      if (channel.blocks === 0) this.order.push(channelName(channel));
      if (this.isStepwise) this.#ranks(server, heard, channel);
      channel.blocks += 1;
      channel.usedBytes += block.rawBytes;
      if (block.urgency !== UrgencyClass.URGENT) channel.usedUnreservedBytes += block.rawBytes;
      this.#allowed(heard, channel);
    }
    if (!this.#first.has(placeOf(block))) this.#first.set(placeOf(block), heard);
  }

  broken(server: SeenServer, reason: string): void {
    this.#fault('wire', `${server.name} hears what no agent may say: ${reason}`);
  }

  #fault(rule: string, text: string): void {
    if (this.faults.length < MAX_FAULTS) this.faults.push({ rule, text });
  }

  #try(rule: string, read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#fault(rule, error instanceof Error ? error.message : String(error));
    }
  }

  /** The block is what its head says (block/format.md, U25). */
  #content({ block }: HeardBlock): void {
    const place = placeOf(block);
    if (block.rawBytes < 1 || block.rawBytes > MAX_BLOCK_RAW_BYTES)
      this.#fault('U19', `block ${place} has ${block.rawBytes} raw bytes`);
    this.#try('wire', () => {
      const agentId = readAgentId(this.#agentId ?? '');
      const { header, damage } = readBlock(block, agentId);
      const { id, urgency, rawBytes, recordCount }: BlockHeader = header;
      checkBlock(block.payload, { ...id, urgency, rawBytes, recordCount });
      if (damage !== undefined)
        this.#fault('U25.2', `block ${place}: ${digestProblem(header, block.payload) ?? damage}`);
    });
  }

  /** The same place is the same block, wherever it goes; what was acknowledged does not come again (U12, U14, U25). */
  #repeated(heard: HeardBlock): void {
    const { block } = heard;
    const place = placeOf(block);
    const first = this.#first.get(place);
    if (first === undefined) return;
    if (Buffer.compare(first.block.payload, block.payload) !== 0)
      this.#fault('U25.1', `block ${place} comes with another content`);
    const earlier = this.blocks.filter((other) => other !== heard && placeOf(other.block) === place);
    const taken = earlier.find(
      ({ answer, answeredAtMs }) =>
        (answer === 'acknowledged' || answer === 'malformed') && heard.atMs - answeredAtMs > ON_ITS_WAY_MS,
    );
    if (taken !== undefined && !this.forgivesRepeats)
      this.#fault('U12', `block ${place} comes again after ${taken.server} has answered it: ${taken.answer}`);
    const elsewhere = earlier.filter(
      ({ server, answer }) => server !== heard.server && (answer === undefined || answer === 'acknowledged'),
    );
    if (elsewhere.length === 0 || elsewhere.some(({ server }) => server === block.inDoubtAtServerId)) return;
    const names = elsewhere.map(({ server }) => server).join(' and ');
    this.#fault(
      'U14.2',
      `block ${place} comes to ${heard.server}, may be at ${names}, and is marked '${block.inDoubtAtServerId}'`,
    );
  }

  /** No byte without a grant (U4), none of the reserve for others (U8). */
  #allowed({ atMs, block }: HeardBlock, channel: GivenChannel): void {
    const { grant, quotaBytes, reservedForUrgentBytes, usedBytes, usedUnreservedBytes, endedAtMs } = channel;
    const name = `${channelName(channel)} of ${grant.grantId}`;
    const place = placeOf(block);
    if (usedBytes > quotaBytes)
      this.#fault('U4', `block ${place} brings ${name} to ${usedBytes} of ${quotaBytes} bytes`);
    if (usedUnreservedBytes > quotaBytes - reservedForUrgentBytes && block.urgency !== UrgencyClass.URGENT)
      this.#fault('U8', `block ${place}, not urgent, uses the reserve of ${name}`);
    const expiredForMs = atMs - grant.givenAtMs - grant.lifetimeMs;
    if (expiredForMs > ON_ITS_WAY_MS)
      this.#fault('U4', `block ${place} comes ${Math.round(expiredForMs)} ms after the end of ${name}`);
    if (endedAtMs !== undefined && atMs - endedAtMs > ON_ITS_WAY_MS)
      this.#fault(
        'U4',
        `block ${place} comes ${Math.round(atMs - endedAtMs)} ms after ${name} was taken back`,
      );
  }

  /** The highest channel with room (U7), and the notice before a use that violates (U10); before it is counted. */
  #ranks(server: SeenServer, { block, atMs }: HeardBlock, channel: GivenChannel): void {
    // What was sent before is bound to where it was, or goes as marked.
    if (this.#first.has(placeOf(block))) return;
    const isUrgent = block.urgency === UrgencyClass.URGENT;
    const higher = higherWithRoom(channel, block.rawBytes, isUrgent, this.#servers(), atMs);
    if (higher !== undefined)
      this.#fault(
        'U7',
        `a block goes to ${channelName(channel)} while ${channelName(higher)} has room for it`,
      );
    const above = outranking(channel, block.rawBytes, this.#servers(), atMs);
    const told = server.notices.find(
      ({ notice }) => notice.grantId === channel.grant.grantId && notice.channel === channel.channel,
    );
    const name = channelName(channel);
    if (told === undefined) {
      if (above.length > 0)
        this.#fault('U10', `${name} is used, outranked by ${above[0]?.serverId}, and no notice came before`);
      return;
    }
    // Only the first violating use has to fit: what is held changes later.
    if (channel.blocks > 0) return;
    if (above.length === 0) this.#fault('U9', `a notice came for ${name}, which nobody outranks`);
    for (const { serverId, highestPriority, heldPriorities } of above) {
      const named = told.notice.outrankedBy.find((other) => other.serverId === serverId);
      const isRight =
        named?.highestPriority === highestPriority &&
        heldPriorities.every((priority) => named.heldPriorities.includes(priority));
      const said =
        named === undefined ? 'nothing' : `${named.highestPriority} and ${named.heldPriorities.join()}`;
      if (!isRight)
        this.#fault(
          'U10',
          `the notice for ${name} says of ${serverId}: ${said}; it has ${highestPriority} and holds ${heldPriorities.join()}`,
        );
    }
  }
}

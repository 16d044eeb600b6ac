/**
 * One computer with an agent on it: its log, the agent's data directory and the agent's process, life after life. And what
 * befalls data directories (U25): they are put back to an earlier state, with or without the rest of the computer, they are
 * copied to another computer with all that they name, or somebody takes the name that they have.
 *
 * Invariants: an agent draws an epoch at each start, unless its memory came back as well; a line that was durable in a queue
 * stays in the log, unless the whole computer is put back.
 */
import { contentDigest } from '@sluice/protocol/brand';
import type { AgentId, BlockDigest, BlockHeader } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import { AgentProcess } from './agent-process.ts';
import type { QueueDisk } from './agent-queue.ts';
import type { OpenRoute } from './server-link.ts';
import type { World } from './world.ts';

/** What stands in a log. A block holds one line. */
interface LogLine extends Omit<BlockHeader, 'id'> {
  readonly digest: BlockDigest;
}

/** Numbers that no two things of a world share. */
export class Numbers {
  #epochs = 0;
  #hosts = 0;

  epoch(): number {
    this.#epochs += 1;
    return this.#epochs;
  }

  host(): number {
    this.#hosts += 1;
    return this.#hosts;
  }
}

/** A computer as it was: the directory, and how much was written in the log. */
interface Snapshot {
  readonly disk: QueueDisk;
  readonly log: readonly LogLine[];
}

export interface ComputerShape {
  /** Of its process, for who looks on. */
  readonly name: string;
  /** Its place among all, for the chance of its processes. */
  readonly index: number;
  readonly agentId: AgentId;
  readonly ways: readonly OpenRoute[];
  readonly numbers: Numbers;
  /** It was copied from there. */
  readonly origin?: Snapshot;
  /** It only takes this one's name, and comes with blocks of its own at the places that are next there. */
  readonly victim?: Computer;
  /** It begins with what another one has in memory as well. */
  readonly keepsEpoch?: boolean;
}

export class Computer {
  readonly name: string;
  readonly disk: QueueDisk;
  readonly ways: readonly OpenRoute[];
  process: AgentProcess | undefined;
  readonly #world: World;
  readonly #shape: ComputerShape;
  /** Tells its lines from those of all other computers, and from those that it wrote before it was put back. */
  #host: number;
  #log: LogLine[];
  /** Lines that were durable in the queue once. What else was written when the agent died is not in the log. */
  #safeCount: number;
  /** Lines that the present process has read. */
  #readCount = 0;
  #nextSequence = 1;
  #lives = 0;
  #sealed = 0;
  #snapshot: Snapshot | undefined;
  #keepsEpoch: boolean;
  #isRetired = false;

  constructor(world: World, shape: ComputerShape) {
    const { name, agentId, ways, numbers, origin, victim, keepsEpoch = false } = shape;
    this.#world = world;
    this.#shape = shape;
    this.name = name;
    this.ways = ways;
    const isForged = victim !== undefined;
    this.disk = { agentId, isForged, epoch: 0, nextSequence: 1, readCount: 0, blocks: new Map() };
    this.#host = numbers.host();
    this.#log = [...(origin?.log ?? [])];
    this.#safeCount = this.#log.length;
    this.#keepsEpoch = keepsEpoch;
    if (origin !== undefined) copyInto(this.disk, origin.disk);
  }

  /** Starts the agent, if it does not run. */
  start(): void {
    if (this.process !== undefined || this.#isRetired) return;
    const { disk } = this;
    const { numbers, victim, index, name } = this.#shape;
    this.#lives += 1;
    if (victim !== undefined) this.#follow(victim);
    else if (!this.#keepsEpoch) disk.epoch = numbers.epoch();
    this.#keepsEpoch = false;
    this.#nextSequence = disk.nextSequence;
    this.#safeCount = Math.max(this.#safeCount, disk.readCount);
    this.#log.length = this.#safeCount;
    this.#readCount = disk.readCount;
    const seed = this.#world.options.seed * 1_000 + index * 50 + this.#lives;
    const process = new AgentProcess(this.#world, name, disk, this.ways, seed, () => {
      this.process = undefined;
      if (!this.#isRetired) this.#world.after(this.#restartMs(), () => this.start());
    });
    // It may have died while it started.
    if (process.isDead) return;
    this.process = process;
    this.#read();
  }

  /** Writes lines to the log, now and then, while faults last. */
  produce(): void {
    const { chance, options } = this.#world;
    this.#world.after(chance.production.skewed(1, 2 * options.cutIntervalMs), () => {
      if (!this.#world.isFaulty || this.#sealed >= options.blocksPerAgent) return;
      if (this.process !== undefined) this.write(chance.production.int(1, 4));
      this.produce();
    });
  }

  /** Writes so many lines, which are sealed as blocks. */
  write(count: number): void {
    for (let line = 0; line < count; line += 1) this.#log.push(this.#makeLine());
    this.#sealed += count;
    this.#read();
  }

  /** Takes a copy of the computer, to be put back later. */
  snapshot(): Snapshot {
    this.#snapshot = { disk: copyOf(this.disk), log: [...this.#log] };
    return this.#snapshot;
  }

  /** The directory is as it was; the log has gone on. The agent starts anew. */
  putDirectoryBack(): void {
    if (this.#snapshot === undefined) return;
    this.process?.kill();
    this.#safeCount = Math.max(this.#safeCount, this.disk.readCount);
    copyInto(this.disk, this.#snapshot.disk);
    this.#world.observe({ type: 'directory_put_back', agentId: this.disk.agentId, lost: [] });
  }

  /** All is as it was, memory and log too. What was not sent is gone with the disk. */
  putAllBack(): void {
    const before = this.#snapshot;
    if (before === undefined) return;
    this.process?.kill();
    const gone = new Set(this.#log.slice(before.log.length).map(({ digest }) => digest));
    const inQueue = [...this.disk.blocks.values()].map(({ header }) => header.id.digest);
    // Also what an older directory would have read again.
    const unread = this.#log.slice(this.disk.readCount).map(({ digest }) => digest);
    const lost = [...inQueue, ...unread].filter((digest) => gone.has(digest));
    copyInto(this.disk, before.disk);
    this.#log = [...before.log];
    this.#safeCount = before.log.length;
    this.#host = this.#shape.numbers.host();
    this.#keepsEpoch = true;
    const { agentId, epoch } = this.disk;
    this.#world.observe({ type: 'directory_put_back', agentId, lost });
    this.#world.observe({ type: 'epoch_shared', epoch });
  }

  /** It goes away for good. */
  retire(): void {
    this.#isRetired = true;
    this.process?.kill();
  }

  /** Another run of the victim may be there by now. */
  #follow(victim: Computer): void {
    const { epoch, nextSequence } = victim.disk;
    this.disk.epoch = epoch;
    this.disk.nextSequence = Math.max(
      this.disk.nextSequence,
      nextSequence + this.#world.chance.faults.int(0, 2),
    );
    this.#world.observe({ type: 'epoch_shared', epoch });
  }

  #read(): void {
    const { process, disk } = this;
    const lines = this.#log.slice(this.#readCount);
    if (process === undefined || lines.length === 0) return;
    this.#readCount = this.#log.length;
    const headers = lines.map(({ digest, ...header }): BlockHeader => {
      const sequence = this.#nextSequence;
      this.#nextSequence += 1;
      return { id: { agentId: disk.agentId, epoch: disk.epoch, sequence, digest }, ...header };
    });
    process.seal(headers);
  }

  #makeLine(): LogLine {
    const { production } = this.#world.chance;
    const { classWeights, mostBlockBytes, isContention } = this.#world.options;
    let drawn = production.next() * classWeights.reduce((sum, weight) => sum + weight, 0);
    const rank = classWeights.findIndex((weight) => {
      drawn -= weight;
      return drawn < 0;
    });
    return {
      digest: digestOf(this.#host, this.#log.length),
      urgency: URGENCY_CLASSES[rank] ?? 'bulk',
      rawBytes:
        isContention || production.chance(0.2) ? mostBlockBytes : production.skewed(1, mostBlockBytes),
      recordCount: production.skewed(1, 1_000),
      oldestObservedMs: this.#world.nowMs,
    };
  }

  #restartMs(): number {
    const { isFaulty, chance, options } = this.#world;
    return isFaulty ? chance.faults.skewed(options.leastAwayMs, 60_000) : 100;
  }
}

/** Of the line that a computer wrote at this place of its log. */
function digestOf(host: number, place: number): BlockDigest {
  return contentDigest(host.toString(16).padStart(16, '0') + place.toString(16).padStart(16, '0'));
}

function copyOf(disk: QueueDisk): QueueDisk {
  const copy: QueueDisk = { ...disk, blocks: new Map() };
  copyInto(copy, disk);
  return copy;
}

function copyInto(to: QueueDisk, from: QueueDisk): void {
  to.epoch = from.epoch;
  to.nextSequence = from.nextSequence;
  to.readCount = from.readCount;
  to.blocks.clear();
  for (const [sequence, block] of from.blocks) to.blocks.set(sequence, { ...block });
}

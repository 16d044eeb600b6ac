import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { defined } from '@sluice/base/defined';
import { MAX_SET_ASIDE_BLOCKS } from '@sluice/durable/set-aside-shelf';
import type { AgentId } from '@sluice/protocol/model';
import { describe, expect, it } from 'vitest';
import type { AcceptedBlock } from './accepted-block.ts';
import { MIN_BLOCK_COST_BYTES } from './held-blocks.ts';
import { Journal } from './journal.ts';
import { JOURNAL_FILE_NAME } from './journal-file.ts';
import { acceptedBlock, crashInto, temporaryDirectory } from './journal-fixture.ts';
import type { JournaledBlock } from './journal-records.ts';
import { writeOlderJournal } from './journal-subject-fixture.ts';

const moduleUrl = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);

async function withJournal<T>(directory: string, action: (journal: Journal) => Promise<T>): Promise<T> {
  const journal = await Journal.open({ directory });
  try {
    return await action(journal);
  } finally {
    await journal.close();
  }
}

/** A block that was taken and is in the store. */
async function loaded(journal: Journal, block: AcceptedBlock): Promise<void> {
  await journal.append(block);
  const waiting = [...journal.waitingBlocks(2)];
  await journal.finishBatch(await journal.createBatch(2, 's1', waiting));
}

describe('Journal', () => {
  it('keeps what it took, in lanes, over a reopening', async () => {
    using directory = temporaryDirectory();
    const payload = Buffer.from('payload of the urgent one');
    const instanceId = await withJournal(directory.path, async (journal) => {
      await journal.append(acceptedBlock({ sequence: 1, urgency: 'bulk' }));
      await journal.append(acceptedBlock({ sequence: 2, urgency: 'urgent', payload }));
      return journal.instanceId;
    });
    await withJournal(directory.path, async (journal) => {
      expect(journal.instanceId).toBe(instanceId);
      const [urgent] = journal.waitingBlocks(0);
      const [bulk] = journal.waitingBlocks(3);
      expect(urgent?.header).toEqual(acceptedBlock({ sequence: 2, urgency: 'urgent', payload }).header);
      expect(bulk?.header.id.sequence).toBe(1);
      expect(urgent && journal.readPayload(urgent)).toEqual(payload);
      expect(journal.statistics).toMatchObject({ heldRawBytes: 20_000, knownAgents: 1 });
    });
  });

  it('is durable when append resolves: a crash at that moment keeps the block', async () => {
    using directory = temporaryDirectory();
    using crashed = temporaryDirectory();
    await withJournal(directory.path, async (journal) => {
      for (let sequence = 1; sequence <= 20; sequence += 1) {
        await journal.append(acceptedBlock({ sequence }));
        crashInto(directory.path, crashed.path);
        await withJournal(crashed.path, async (survivor) => {
          expect([...survivor.waitingBlocks(2)].map((block) => block.header.id.sequence)).toContain(sequence);
        });
      }
    });
  });

  it('keeps every acknowledged block when its process is killed', async () => {
    using directory = temporaryDirectory();
    const script = `
      const { Journal } = await import(${moduleUrl('./journal.ts')});
      const { acceptedBlock } = await import(${moduleUrl('./journal-fixture.ts')});
      const journal = await Journal.open({ directory: ${JSON.stringify(directory.path)} });
      let next = 1;
      const worker = async () => {
        for (;;) {
          const sequence = next++;
          await journal.append(acceptedBlock({ sequence, payload: Buffer.alloc(20000, sequence) }));
          process.stdout.write(sequence + '\\n');
        }
      };
      for (let i = 0; i < 8; i += 1) worker();
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const acknowledged: number[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.push(Number(line));
      if (acknowledged.length === 200) child.kill('SIGKILL');
    }
    await exited;
    await withJournal(directory.path, async (journal) => {
      const found = new Map([...journal.waitingBlocks(2)].map((block) => [block.header.id.sequence, block]));
      for (const sequence of acknowledged) {
        const block = found.get(sequence);
        expect(block && journal.readPayload(block).equals(Buffer.alloc(20000, sequence))).toBe(true);
      }
    });
  });

  it('writes a block once that arrives twice at once, and knows it only when it is durable', async () => {
    using directory = temporaryDirectory();
    await withJournal(directory.path, async (journal) => {
      const block = acceptedBlock({ sequence: 1 });
      const first = journal.append(block);
      const second = journal.append(acceptedBlock({ sequence: 1 }));
      expect(second).toBe(first);
      expect(journal.knows(block.header.id)).toBe(false);
      await first;
      expect(journal.knows(block.header.id)).toBe(true);
      await journal.append(block);
      expect([...journal.waitingBlocks(2)]).toHaveLength(1);
    });
  });

  it('knows a block after it was loaded and deleted, also after a reopening, and takes it no second time', async () => {
    using directory = temporaryDirectory();
    const block = acceptedBlock({ sequence: 5000 });
    await withJournal(directory.path, async (journal) => {
      await journal.append(block);
      await journal.finishBatch(await journal.createBatch(2, 's1', [...journal.waitingBlocks(2)]));
      expect(journal.statistics.heldRawBytes).toBe(0);
    });
    await withJournal(directory.path, async (journal) => {
      expect(journal.knows(block.header.id)).toBe(true);
      expect(journal.knows(acceptedBlock({ sequence: 5001 }).header.id)).toBe(false);
      await journal.append(block);
      expect([...journal.waitingBlocks(2)]).toHaveLength(0);
    });
  });

  it('trims what it knows below the settled mark, durably', async () => {
    using directory = temporaryDirectory();
    await withJournal(directory.path, async (journal) => {
      for (const sequence of [1, 9000, 20_000]) await loaded(journal, acceptedBlock({ sequence }));
      expect(journal.statistics.knownChunks).toBe(3);
      journal.settleBelow('agent' as AgentId, 7, 20_000);
    });
    await withJournal(directory.path, async (journal) => {
      expect(journal.statistics.knownChunks).toBe(1);
      expect(journal.knows(acceptedBlock({ sequence: 20_000 }).header.id)).toBe(true);
      expect(journal.knows(acceptedBlock({ sequence: 20_001 }).header.id)).toBe(false);
    });
  });

  it('takes a settled block that comes again, with a mark that the store is to be asked', async () => {
    using directory = temporaryDirectory();
    await withJournal(directory.path, async (journal) => {
      await loaded(journal, acceptedBlock({ sequence: 5 }));
      journal.settleBelow('agent' as AgentId, 7, 1000);
      await journal.append(acceptedBlock({ sequence: 5 }));
      await journal.append(acceptedBlock({ sequence: 1000 }));
    });
    await withJournal(directory.path, async (journal) => {
      const marks = [...journal.waitingBlocks(2)].map((block) => [block.header.id.sequence, block.isUnsure]);
      expect(marks).toEqual([
        [5, true],
        [1000, undefined],
      ]);
    });
  });

  it('takes no settled block a second time while it holds the first', async () => {
    using directory = temporaryDirectory();
    await withJournal(directory.path, async (journal) => {
      await journal.append(acceptedBlock({ sequence: 5 }));
      journal.settleBelow('agent' as AgentId, 7, 1000);
      expect(journal.knows(acceptedBlock({ sequence: 5 }).header.id)).toBe(true);
      await journal.append(acceptedBlock({ sequence: 5 }));
      expect([...journal.waitingBlocks(2)]).toHaveLength(1);
    });
  });

  it('takes another content at a known position, keeps both, and counts it', async () => {
    using directory = temporaryDirectory();
    const forged = acceptedBlock({ sequence: 5, payload: Buffer.from('forged') });
    await withJournal(directory.path, async (journal) => {
      await journal.append(forged);
      expect(journal.knows(acceptedBlock({ sequence: 5 }).header.id)).toBe(false);
      await journal.append(acceptedBlock({ sequence: 5 }));
      await journal.append(forged);
      expect([...journal.waitingBlocks(2)]).toHaveLength(2);
      expect(journal.statistics.conflicts).toMatchObject([
        { agentId: 'agent', conflictingBlocks: 1, conflictingRecords: 10, repeatedBlocks: 0 },
      ]);
    });
    await withJournal(directory.path, async (journal) => {
      const digests = [...journal.waitingBlocks(2)].map((block) => block.header.id.digest);
      expect(digests).toEqual([forged.header.id.digest, acceptedBlock({ sequence: 5 }).header.id.digest]);
    });
  });

  it('does not give out a payload that the disk changed', async () => {
    using directory = temporaryDirectory();
    const payload = Buffer.from('a payload that is long enough to be found in the file again');
    await withJournal(directory.path, (journal) => journal.append(acceptedBlock({ sequence: 1, payload })));
    const file = join(directory.path, JOURNAL_FILE_NAME);
    const bytes = readFileSync(file);
    for (let at = bytes.indexOf(payload); at !== -1; at = bytes.indexOf(payload, at + 1)) bytes[at + 7] = 0;
    writeFileSync(file, bytes);
    await withJournal(directory.path, async (journal) => {
      const [block] = journal.waitingBlocks(2);
      expect(() => block && journal.readPayload(block)).toThrow(/damaged/u);
    });
  });

  const older = (sequence: number, setAsideReason?: string) => ({
    ...{ lane: 2, block: acceptedBlock({ sequence }) },
    ...defined({ setAsideReason }),
  });

  it.each([1, 2] as const)(
    'brings a journal of format %i to the present one, with all that it holds',
    async (format) => {
      using directory = temporaryDirectory();
      const urgent = acceptedBlock({ sequence: 9000, urgency: 'urgent' });
      const blocks = [older(1), older(2), older(3), older(4, 'a reason'), { lane: 0, block: urgent }];
      await writeOlderJournal(directory.path, format, { blocks, batchedCount: 2 });
      for (let start = 0; start < 2; start += 1)
        await withJournal(directory.path, async (journal) => {
          const headers = (held: Iterable<JournaledBlock>) => [...held].map(({ header }) => header);
          const [one, two, three, four] = blocks.map(({ block }) => block.header);
          expect(
            journal.openBatches(2).map(({ token, blocks: members }) => [token, headers(members)]),
          ).toEqual([['s1/2/1/an-older-journal', [one, two]]]);
          expect(headers(journal.waitingBlocks(2))).toEqual([three]);
          expect(headers(journal.waitingBlocks(0))).toEqual([urgent.header]);
          expect(journal.setAsideBlocks()).toMatchObject([{ header: four, reason: 'a reason' }]);
          for (const block of [...journal.waitingBlocks(2), ...journal.setAsideBlocks()])
            expect(journal.readPayload(block)).toEqual(
              acceptedBlock({ sequence: block.header.id.sequence }).payload,
            );
          expect(journal.instanceId).toBe('an-older-journal');
          expect(journal.statistics.losses).toEqual([]);
        });
    },
  );

  it('knows of a journal of format 1 what it holds; what it held becomes a question to the store', async () => {
    using directory = temporaryDirectory();
    await writeOlderJournal(directory.path, 1, {
      blocks: [older(1), older(9000)],
      remembered: [acceptedBlock({ sequence: 2 })],
    });
    await withJournal(directory.path, async (journal) => {
      expect(journal.knows(acceptedBlock({ sequence: 1 }).header.id)).toBe(true);
      await journal.append(acceptedBlock({ sequence: 2 }));
      await journal.append(acceptedBlock({ sequence: 3 * 4096 }));
      const unsure = [...journal.waitingBlocks(2)].map((block) => block.isUnsure);
      expect(unsure).toEqual([undefined, undefined, true, undefined]);
    });
  });

  it('knows of a journal of format 2 all that it took', async () => {
    using directory = temporaryDirectory();
    const remembered = [acceptedBlock({ sequence: 1 })];
    await writeOlderJournal(directory.path, 2, { blocks: [older(2)], remembered });
    await withJournal(directory.path, async (journal) => {
      for (const sequence of [1, 2]) expect(journal.knows(acceptedBlock({ sequence }).header.id)).toBe(true);
      expect(journal.knows(acceptedBlock({ sequence: 3 }).header.id)).toBe(false);
    });
  });

  it('bounds what it knows, in memory and on disk', async () => {
    using directory = temporaryDirectory();
    const options = { directory: directory.path, maxKnownChunks: 3 };
    for (let life = 0; life < 2; life += 1) {
      const journal = await Journal.open(options);
      const appended = Array.from({ length: 10 }, (_, index) =>
        journal.append(acceptedBlock({ agentId: `agent-${life}-${index}`, sequence: 1 })),
      );
      await Promise.all(appended);
      expect(journal.statistics).toMatchObject({ knownAgents: 3, knownChunks: 3 });
      await journal.close();
      const again = await Journal.open(options);
      expect(again.statistics).toMatchObject({ knownAgents: 3, knownChunks: 3 });
      expect(again.knows(acceptedBlock({ agentId: `agent-${life}-9`, sequence: 1 }).header.id)).toBe(true);
      await again.close();
    }
  });

  it('says how much room is left while it writes, holds and lets go', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path, maxRawBytes: 30_000 });
    const rooms: number[] = [];
    journal.listen({ onRoomChanged: (roomBytes) => rooms.push(roomBytes) });
    const writing = journal.append(acceptedBlock({ sequence: 1, rawBytes: 10_000 }));
    expect(journal.roomBytes).toBe(20_000);
    await writing;
    await journal.append(acceptedBlock({ sequence: 2, rawBytes: 10 }));
    expect(journal.roomBytes).toBe(20_000 - MIN_BLOCK_COST_BYTES);
    await journal.append(acceptedBlock({ sequence: 3, rawBytes: 30_000 }));
    expect(journal.roomBytes).toBe(0);
    await expect(journal.append(acceptedBlock({ sequence: 4, rawBytes: 30_000 }))).rejects.toMatchObject({
      code: 'limit_exceeded',
    });
    expect(journal.knows(acceptedBlock({ sequence: 4 }).header.id)).toBe(false);
    await journal.finishBatch(await journal.createBatch(2, 's1', [...journal.waitingBlocks(2)]));
    expect(rooms).toEqual([20_000, 20_000 - MIN_BLOCK_COST_BYTES, 0, 30_000]);
    await journal.close();
  });

  it('keeps batches, their tokens and their members over a reopening, and never gives a token twice', async () => {
    using directory = temporaryDirectory();
    const tokens = new Set<string>();
    const first = await withJournal(directory.path, async (journal) => {
      for (let sequence = 1; sequence <= 4; sequence += 1) await journal.append(acceptedBlock({ sequence }));
      const batch = await journal.createBatch(2, 's1', [...journal.waitingBlocks(2)].slice(0, 3));
      expect([...journal.waitingBlocks(2)]).toHaveLength(1);
      return batch;
    });
    tokens.add(first.token);
    await withJournal(directory.path, async (journal) => {
      expect(journal.openBatches(2)).toEqual([first]);
      expect([...journal.waitingBlocks(2)].map((block) => block.header.id.sequence)).toEqual([4]);
      for (const part of await journal.splitBatch(first)) tokens.add(part.token);
    });
    await withJournal(directory.path, async (journal) => {
      const parts = journal.openBatches(2);
      expect(parts.map((part) => part.blocks.map((block) => block.header.id.sequence))).toEqual([
        [1, 2],
        [3],
      ]);
      for (const part of parts) await journal.finishBatch(part);
      tokens.add((await journal.createBatch(2, 's1', [...journal.waitingBlocks(2)])).token);
    });
    expect(tokens.size).toBe(4);
  });

  it('keeps refused blocks aside, bounded, the newest last', async () => {
    using directory = temporaryDirectory();
    await withJournal(directory.path, async (journal) => {
      const count = MAX_SET_ASIDE_BLOCKS + 5;
      await Promise.all(
        Array.from({ length: count }, (_, index) => journal.append(acceptedBlock({ sequence: index + 1 }))),
      );
      const whole = await journal.createBatch(2, 's1', [...journal.waitingBlocks(2)]);
      const parts = await journal.splitBatch(whole);
      await Promise.all(parts.map((part) => journal.setAside(part, 'bad column')));
      expect(journal.roomBytes).toBe(journal.maxRawBytes);
    });
    await withJournal(directory.path, async (journal) => {
      const kept = journal.setAsideBlocks();
      expect(kept).toHaveLength(MAX_SET_ASIDE_BLOCKS);
      expect(kept.at(-1)).toMatchObject({ reason: 'bad column', header: { id: { sequence: 1005 } } });
      expect(kept[0] && journal.readPayload(kept[0]).toString()).toBe('agent/7/6');
      expect(journal.knows(acceptedBlock({ sequence: 1 }).header.id)).toBe(true);
    });
  });

  it.runIf(process.getuid?.() === 0)(
    'refuses with disk_full and goes on when there is space again',
    async () => {
      using directory = temporaryDirectory();
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory.path]);
      try {
        const journal = await Journal.open({ directory: join(directory.path, 'journal') });
        const block = (sequence: number) =>
          acceptedBlock({ sequence, payload: Buffer.alloc(300_000, sequence), rawBytes: 400_000 });
        const outcomes = await Promise.allSettled(
          Array.from({ length: 60 }, (_, n) => journal.append(block(n))),
        );
        const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
        const taken = outcomes.flatMap((outcome, n) => (outcome.status === 'fulfilled' ? [n] : []));
        expect(refused.length).toBeGreaterThan(0);
        expect(taken.length).toBeGreaterThan(0);
        for (const { reason } of refused) expect(reason).toMatchObject({ code: 'disk_full' });
        for (const n of outcomes.keys()) expect(journal.knows(block(n).header.id)).toBe(taken.includes(n));
        expect([...journal.waitingBlocks(2)].map((each) => each.header.id.sequence)).toEqual(taken);

        // What is loaded makes room; the pages of a deleted block are free from the next but one commit on.
        for (const each of [...journal.waitingBlocks(2)].slice(0, 5)) {
          await journal.finishBatch(await journal.createBatch(2, 's1', [each]));
        }
        await journal.append(block(99));
        await journal.close();
        await withJournal(join(directory.path, 'journal'), async (again) => {
          const held = [...again.waitingBlocks(2)];
          expect(held.map((each) => each.header.id.sequence)).toEqual([...taken.slice(5), 99]);
          for (const each of held) expect(again.readPayload(each)[0]).toBe(each.header.id.sequence);
        });
      } finally {
        execFileSync('umount', [directory.path]);
      }
    },
  );
});

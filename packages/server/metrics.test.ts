import type { AgentId } from '@sluice/protocol/model';
import { describe, expect, it } from 'vitest';
import type { BlockJournal } from './ingest/block-journal.ts';
import type { IngestMetrics } from './ingest/ingest-options.ts';
import { Journal } from './journal/journal.ts';
import { acceptedBlock, temporaryDirectory } from './journal/journal-fixture.ts';
import { ServerMetrics } from './metrics.ts';

describe('ServerMetrics', () => {
  it('shows what the ingest counts and what the journal holds at this moment', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    const metrics = new ServerMetrics({ serverId: 's1', journal, processMetrics: false });
    // The seams of the ingest: these lines do not compile when they part.
    const seenByIngest: IngestMetrics = metrics;
    const takenByIngest: BlockJournal = journal;
    const block = acceptedBlock({ sequence: 1, urgency: 'urgent', rawBytes: 5000 });
    const agentId = 'agent' as AgentId;
    seenByIngest.agentConnected?.(agentId);
    seenByIngest.blockReceived?.(block.header, 700, false);
    seenByIngest.blockReceived?.(block.header, 700, true);
    seenByIngest.blockAcknowledged?.(block.header, 3, 20);
    seenByIngest.blockRefused?.(agentId, { kind: 'malformed', reason: 'x' });
    await journal.append(block);
    expect(takenByIngest.knows(block.header.id)).toBe(true);
    const text = await metrics.registry.metrics();
    for (const line of [
      'sluice_server_connected_agents{server="s1"} 1',
      'sluice_server_blocks_received_total{urgency="urgent",repetition="true",server="s1"} 1',
      'sluice_server_received_records_total{urgency="urgent",server="s1"} 10',
      'sluice_server_received_payload_bytes_total{urgency="urgent",server="s1"} 700',
      'sluice_server_acknowledged_raw_bytes_total{priority="3",server="s1"} 5000',
      'sluice_server_blocks_refused_total{kind="malformed",server="s1"} 1',
      'sluice_server_journal_held_raw_bytes{urgency="urgent",server="s1"} 5000',
      'sluice_server_journal_commits_total{server="s1"} 1',
      `sluice_server_journal_room_bytes{server="s1"} ${journal.roomBytes}`,
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    // Scraped again, totals that others count do not add up.
    expect(await metrics.registry.metrics()).toContain(
      'sluice_server_journal_commits_total{server="s1"} 1\n',
    );
    await journal.close();
  });
});

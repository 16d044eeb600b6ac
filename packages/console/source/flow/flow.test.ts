import { create, fromJson } from '@bufbuild/protobuf';
import { GetStatusResponseSchema } from '@sluice/wire/gen/query_pb';
import { describe, expect, it } from 'vitest';
import { makeStatus } from '../../testing/fake-status.ts';
import { collectNotices, orderOfUse } from './flow-history.ts';
import { layoutFlow, MAX_SHOWN_CHANNELS } from './flow-layout.ts';
import { toFlowModel } from './flow-model.ts';

const NOW_MS = 1_780_000_017_000;
const status = makeStatus(NOW_MS, { storeAvailable: true, totalRecords: 5 });

describe('flow model', () => {
  const model = toFlowModel(status);

  it('puts the channels of all servers in one order, 1 first', () => {
    expect(model.channels.map((channel) => `${channel.serverId}/${channel.priority}`)).toEqual([
      'S1/1',
      'S2/2',
      'S1/3',
      'S2/4',
    ]);
  });

  it('breaks ties by the name of the server', () => {
    const channel = { grantId: 'g', channel: 1, priority: 1, quotaBytes: 4n };
    const tied = toFlowModel(
      create(GetStatusResponseSchema, {
        agents: [
          {
            agentId: 'a',
            report: {
              servers: [
                { serverId: 'S2', connected: true, channels: [channel] },
                { serverId: 'S1', connected: true, channels: [channel] },
              ],
            },
          },
        ],
      }),
    );
    expect(tied.channels.map((each) => each.serverId)).toEqual(['S1', 'S2']);
  });

  it('knows servers that have not said their name by their address, with the reason', () => {
    expect(model.servers.map((server) => [server.id, server.connected, server.error])).toEqual([
      ['S1', true, ''],
      ['S2', true, ''],
      ['http://10.0.0.9:4620', false, 'connection refused'],
    ]);
  });

  it('counts a channel that agent and server both report once, and takes the server for a silent agent', () => {
    expect(model.channels.filter((channel) => channel.serverId === 'S1')).toHaveLength(2);
    const silent = toFlowModel(
      create(GetStatusResponseSchema, {
        agents: [{ agentId: 'new' }],
        servers: [
          {
            serverId: 'S1',
            channels: [{ agentId: 'new', channel: { grantId: 'g', channel: 1, priority: 2 } }],
          },
        ],
      }),
    );
    expect(silent.channels.map((channel) => channel.key)).toEqual(['new/S1/g/1']);
    expect(silent.agents[0]?.reported).toBe(false);
  });

  it('tells of the sources that need a look, and not twice of what is wrong with one', () => {
    const agent = model.agents.find(({ id }) => id === 'db-01');
    expect(agent?.sources.map(({ name, condition }) => [name, condition])).toEqual([
      ['/var/log/postgresql/main.log', 'failing'],
      ['/srv/app/events.jsonl', 'reading'],
    ]);
    expect(agent?.problems).toEqual([]);
    const newer = fromJson(GetStatusResponseSchema, {
      agents: [
        { agentId: 'n', report: { problems: ['disk'], sources: { worst: [{ name: '/x', condition: 77 }] } } },
      ],
    });
    expect(toFlowModel(newer).agents[0]).toMatchObject({
      problems: ['disk'],
      sources: [{ name: '/x', condition: 'unspecified' }],
    });
  });

  it('lists every urgency class, empty ones too', () => {
    expect(model.agents.find((agent) => agent.id === 'db-01')?.backlog.map((entry) => entry.urgency)).toEqual(
      ['urgent', 'elevated', 'normal', 'bulk'],
    );
  });
});

describe('flow history', () => {
  it('tells the order of use, and to whom a notice went at which moment', () => {
    const runs = orderOfUse(status, 'web-01');
    expect(
      runs.map((run) => `${run.serverId}/${run.priority}x${run.blocks}${run.notified ? '!' : ''}`),
    ).toEqual(['S1/1x3', 'S2/2x2!', 'S1/3x1', 'S2/4x2']);
  });

  it('gives one notice a channel only once', () => {
    const use = { serverId: 'S2', grantId: 'g', channel: 1, priority: 2, violating: true };
    const other = { serverId: 'S1', grantId: 'h', channel: 1, priority: 1 };
    const again = create(GetStatusResponseSchema, {
      agents: [
        {
          agentId: 'a',
          report: {
            recentUses: [
              { ...use, atMs: 1n },
              { ...other, atMs: 2n },
              { ...use, atMs: 3n },
            ],
          },
        },
      ],
    });
    expect(orderOfUse(again, 'a').map((run) => run.notified)).toEqual([true, false, false]);
  });

  it('merges what senders and receivers know of notices, newest first', () => {
    const notices = collectNotices(status);
    expect(notices.map((notice) => `${notice.agentId} ${notice.serverId}/${notice.priority}`)).toEqual([
      'web-01 S2/2',
      'db-01 S2/2',
    ]);
    expect(notices[0]?.outrankedBy).toMatchObject([
      { serverId: 'S1', highestPriority: 1, heldPriorities: [3] },
    ]);
  });
});

describe('flow layout', () => {
  const model = toFlowModel(status);

  it.each([340, 700, 1240])('keeps everything inside and apart at %i pixels', (width) => {
    const layout = layoutFlow(model.channels, model.servers, width);
    for (const box of [layout.agent, ...layout.channels, ...layout.servers]) {
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(width);
      expect(box.y).toBeGreaterThanOrEqual(0);
      expect(box.y + box.height).toBeLessThanOrEqual(layout.height);
    }
    const box = layout.channels[0];
    expect(layout.agent.x + layout.agent.width).toBeLessThan(box?.x ?? 0);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThan(layout.servers[0]?.x ?? 0);
    const tops = layout.channels.map((each) => each.y);
    expect(tops).toEqual([...tops].sort((a, b) => a - b));
  });

  it('bounds the number of channels', () => {
    const [first] = model.channels;
    if (first === undefined) throw new Error('the fake status has channels');
    const many = Array.from({ length: 100 }, (_, index) => ({ ...first, key: String(index) }));
    expect(layoutFlow(many, model.servers, 800).channels).toHaveLength(MAX_SHOWN_CHANNELS);
  });
});

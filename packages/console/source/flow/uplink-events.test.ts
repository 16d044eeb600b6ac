import { create, fromJson, type MessageInitShape } from '@bufbuild/protobuf';
import { GetStatusResponseSchema } from '@sluice/wire/gen/query_pb';
import { UplinkEventKind, UplinkEventSchema } from '@sluice/wire/gen/uplink_pb';
import { describe, expect, it } from 'vitest';
import { collectEvents } from './uplink-events.ts';

type Event = MessageInitShape<typeof UplinkEventSchema>;

const { REQUEST, GRANT, YIELD } = UplinkEventKind;

function status(ofAgent: Event[], ofServer: Event[]) {
  return create(GetStatusResponseSchema, {
    agents: [
      { agentId: 'a', report: { history: ofAgent } },
      { agentId: 'b', report: { history: [{ peerId: 's1', kind: REQUEST, reason: 'of b' }] } },
    ],
    servers: [{ serverId: 's1', history: ofServer }],
  });
}

const summary = (events: ReturnType<typeof collectEvents>): string[] =>
  events.map(({ kind, serverId, reason }) => `${kind} ${serverId} ${reason}`);

describe('events of the uplink', () => {
  it('are those of one agent, newest first, and of the server what the agent cannot know', () => {
    const shown = collectEvents(
      status(
        [
          { number: 1n, atMs: 10n, kind: REQUEST, peerId: 's1', reason: 'connected' },
          { number: 2n, atMs: 20n, kind: GRANT, peerId: 's1', reason: 'answers 1' },
        ],
        [
          { number: 1n, atMs: 11n, kind: REQUEST, peerId: 'a', reason: 'the same, heard' },
          { number: 2n, atMs: 30n, kind: YIELD, peerId: 'a', reason: 'told' },
          { number: 3n, atMs: 31n, kind: YIELD, peerId: 'b', reason: 'of another agent' },
        ],
      ),
      'a',
    );
    expect(summary(shown)).toEqual(['yield s1 told', 'grant s1 answers 1', 'request s1 connected']);
  });

  it('are the server’s alone for an agent that tells none, and of kinds that nobody here knows too', () => {
    const shown = collectEvents(
      status(
        [],
        [
          { atMs: 11n, kind: REQUEST, peerId: 'a' },
          fromJson(UplinkEventSchema, { atMs: '12', kind: 99, peerId: 'a' }),
        ],
      ),
      'a',
    );
    expect(summary(shown)).toEqual(['unspecified s1 ', 'request s1 ']);
  });

  it('of one moment stand in the order in which they happened', () => {
    const numbers = [9n, 10n, 11n].map((number) => ({ number, atMs: 5n, reason: `${number}`, peerId: 's1' }));
    expect(summary(collectEvents(status(numbers, []), 'a'))).toEqual([
      'unspecified s1 11',
      'unspecified s1 10',
      'unspecified s1 9',
    ]);
  });
});

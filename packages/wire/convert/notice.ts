/**
 * Priority violation notices: wire <-> protocol.
 *
 * Invariant: what a `read...` function returns is within the protocol's limits; everything else throws SluiceError
 * ('protocol_violation') that names the field.
 */
import { create } from '@bufbuild/protobuf';
import type { OutrankingServer, PriorityViolationNotice } from '@sluice/protocol/model';
import { MAX_PRIORITY } from '@sluice/protocol/model';
import type { PriorityViolationNotice as WireNotice } from '@sluice/wire/gen/uplink_pb';
import { PriorityViolationNoticeSchema } from '@sluice/wire/gen/uplink_pb';
import { readChannelNumber, readCount, readGrantId, readInteger, readServerId } from './fields.ts';

/** Most servers named in one notice: an agent is configured with a handful; more is a peer gone wrong. */
const MAX_OUTRANKING_SERVERS = 64;
/** Most priorities held by one server in a notice: several grants may live at once, each with its channels. */
const MAX_HELD_PRIORITIES = 256;

/** A notice as a message. */
export function writeNotice(notice: PriorityViolationNotice): WireNotice {
  return create(PriorityViolationNoticeSchema, {
    grantId: notice.grantId,
    channel: notice.channel,
    priority: notice.priority,
    outrankedBy: notice.outrankedBy.map((server) => ({
      serverId: server.serverId,
      highestPriority: server.highestPriority,
      heldPriorities: [...server.heldPriorities],
    })),
  });
}

/** A checked notice. Throws protocol_violation. */
export function readNotice(notice: WireNotice): PriorityViolationNotice {
  readCount('notice.outranked_by', notice.outrankedBy.length, MAX_OUTRANKING_SERVERS);
  const outrankedBy: OutrankingServer[] = notice.outrankedBy.map((server) => {
    readCount('notice.held_priorities', server.heldPriorities.length, MAX_HELD_PRIORITIES);
    return {
      serverId: readServerId(server.serverId, 'notice.server_id'),
      highestPriority: readInteger('notice.highest_priority', server.highestPriority, 1, MAX_PRIORITY),
      heldPriorities: server.heldPriorities.map((priority) =>
        readInteger('notice.held_priorities', priority, 1, MAX_PRIORITY),
      ),
    };
  });
  return {
    grantId: readGrantId(notice.grantId, 'notice.grant_id'),
    channel: readChannelNumber(notice.channel, 'notice.channel'),
    priority: readInteger('notice.priority', notice.priority, 1, MAX_PRIORITY),
    outrankedBy,
  };
}

/**
 * Backlogs and upload requests: wire <-> protocol.
 *
 * Invariant: what a `read...` function returns is within the protocol's limits; everything else throws SluiceError
 * ('protocol_violation') that names the field.
 */
import { create } from '@bufbuild/protobuf';
import type {
  ClassBacklog,
  ClosedChannel,
  RequestId,
  UploadRequest,
  UrgencyClass,
} from '@sluice/protocol/model';
import { MAX_CLOSED_CHANNELS, URGENCY_CLASSES } from '@sluice/protocol/model';
import type { ClassBacklog as WireBacklog, UploadRequest as WireRequest } from '@sluice/wire/gen/uplink_pb';
import { ClassBacklogSchema, UploadRequestSchema } from '@sluice/wire/gen/uplink_pb';
import {
  readChannelNumber,
  readCount,
  readGrantId,
  readSafe,
  readUrgency,
  violation,
  writeUrgency,
} from './fields.ts';

/** One class's backlog as a message. */
export function writeBacklog(backlog: ClassBacklog): WireBacklog {
  return create(ClassBacklogSchema, {
    urgency: writeUrgency(backlog.urgency),
    recordCount: BigInt(backlog.recordCount),
    rawBytes: BigInt(backlog.rawBytes),
    oldestAgeMs: BigInt(Math.max(0, Math.trunc(backlog.oldestAgeMs))),
    nextBlockRawBytes: BigInt(backlog.nextBlockRawBytes ?? 0),
  });
}

/** The backlogs of a request or report: at most one per class. Throws protocol_violation. */
function readBacklogs(backlogs: readonly WireBacklog[]): ClassBacklog[] {
  readCount('backlog', backlogs.length, URGENCY_CLASSES.length);
  const seen = new Set<UrgencyClass>();
  return backlogs.map((backlog) => {
    const urgency = readUrgency(backlog.urgency, 'backlog.urgency');
    if (seen.has(urgency)) violation('backlog.urgency', `${urgency} is named twice`);
    seen.add(urgency);
    const nextBlockRawBytes = readSafe('backlog.next_block_raw_bytes', backlog.nextBlockRawBytes, 0);
    return {
      urgency,
      recordCount: readSafe('backlog.record_count', backlog.recordCount, 0),
      rawBytes: readSafe('backlog.raw_bytes', backlog.rawBytes, 0),
      oldestAgeMs: readSafe('backlog.oldest_age_ms', backlog.oldestAgeMs, 0),
      ...(nextBlockRawBytes === 0 ? {} : { nextBlockRawBytes }),
    };
  });
}

/** A request as a message, with the agent's settled mark (a sequence). */
export function writeUploadRequest(request: UploadRequest, settledBelowSequence: number): WireRequest {
  return create(UploadRequestSchema, {
    requestId: BigInt(request.requestId),
    backlog: request.backlog.map(writeBacklog),
    settledBelowSequence: BigInt(settledBelowSequence),
    closedChannels: (request.closedChannels ?? []).map(({ grantId, channel, usedBytes }) => ({
      grantId,
      channel,
      usedBytes: BigInt(usedBytes),
    })),
  });
}

/** A checked request. Throws protocol_violation. */
export function readUploadRequest(request: WireRequest): UploadRequest {
  readCount('closed_channels', request.closedChannels.length, MAX_CLOSED_CHANNELS);
  const closedChannels: ClosedChannel[] = request.closedChannels.map(({ grantId, channel, usedBytes }) => ({
    grantId: readGrantId(grantId, 'closed_channels.grant_id'),
    channel: readChannelNumber(channel, 'closed_channels.channel'),
    usedBytes: readSafe('closed_channels.used_bytes', usedBytes, 0),
  }));
  return {
    requestId: readSafe('request_id', request.requestId, 1) as RequestId,
    backlog: readBacklogs(request.backlog),
    ...(closedChannels.length === 0 ? {} : { closedChannels }),
  };
}

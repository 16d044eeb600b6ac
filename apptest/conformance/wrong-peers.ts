/**
 * Agents and servers that break one rule each: the real programs with a piece of their source replaced, the check of the
 * conformance kit that must find it, and what it must say.
 */
export interface WrongPeer {
  readonly name: string;
  readonly side: 'agent' | 'server';
  /** From the root of the project. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  readonly check: string;
  readonly says: RegExp;
}

export const WRONG_PEERS: readonly WrongPeer[] = [
  {
    name: 'sends past the quota',
    side: 'agent',
    file: 'packages/wire/convert/grant.ts',
    find: "const quotaBytes = readSafe('grant.quota_bytes', granted.quotaBytes, 0);",
    replace: "const quotaBytes = readSafe('grant.quota_bytes', granted.quotaBytes, 0) * 3;",
    check: 'grant-repeated',
    says: /U4: block \S+ brings S1\/1/,
  },
  {
    name: 'sends on the lower channel first',
    side: 'agent',
    file: 'packages/wire/convert/grant.ts',
    find: "priority: readInteger('grant.priority', granted.priority, 1, MAX_PRIORITY),",
    replace: "priority: 10 - readInteger('grant.priority', granted.priority, 1, MAX_PRIORITY),",
    check: 'row-three-channels',
    says: /U7: a block goes to S1\/3 while S1\/[12] has room/,
  },
  {
    name: 'gives no notice',
    side: 'agent',
    file: 'packages/agent/uplink/uplink.ts',
    find: "case 'send_notice':",
    replace: "case 'send_notice': return;",
    check: 'row-interleaved',
    says: /U10: S2\/2 is used, outranked by S1, and no notice came before/,
  },
  {
    name: 'gives the notice after the block',
    side: 'agent',
    file: 'packages/agent/uplink/uplink.ts',
    find: "case 'send_notice':",
    replace:
      "case 'send_notice': setTimeout(() => this.#byServerId.get(effect.serverId)?.sendControl(effect), 400); return;",
    check: 'row-interleaved',
    says: /U10: S2\/2 is used, outranked by S1, and no notice came before/,
  },
  {
    name: 'forgets blocks that were refused',
    side: 'agent',
    file: 'packages/wire/convert/block.ts',
    find: "kind: refusal.retryable ? 'retryable' : 'malformed'",
    replace: "kind: 'malformed'",
    check: 'refused-once',
    says: /U12: expected the refused block again; seen: it did not come/,
  },
  {
    name: 'asks one server only',
    side: 'agent',
    file: 'packages/agent/uplink/uplink.ts',
    find: 'this.#connections = options.servers.map(',
    replace: 'this.#connections = options.servers.slice(0, 1).map(',
    check: 'asks-everyone',
    says: /U2.2: expected a request to S2/,
  },
  {
    name: 'goes on after a revocation',
    side: 'agent',
    file: 'packages/agent/uplink/connection.ts',
    find: 'if (revocation !== undefined) this.#host.dispatch(',
    replace: 'if (revocation === undefined) this.#host.dispatch(',
    check: 'grant-revoked',
    says: /U4: expected no block on a grant that was taken back/,
  },
  {
    name: 'does not wait out a refusal',
    side: 'agent',
    file: 'packages/wire/convert/grant.ts',
    find: "retryAfterMs: readSafe('grant.retry_after_ms', grant.retryAfterMs, 0, MAX_GRANT_LIFETIME_MS),",
    replace: 'retryAfterMs: 0,',
    check: 'refusal-waited-out',
    says: /U3: expected no request within 1500 ms/,
  },
  {
    name: 'uses the reserve for everything',
    side: 'agent',
    file: 'packages/wire/convert/grant.ts',
    find: 'reservedForUrgentBytes: readSafe(',
    replace: 'reservedForUrgentBytes: 0 * readSafe(',
    check: 'reserve-is-kept',
    says: /U8: block \S+, not urgent, uses the reserve/,
  },
  {
    name: 'uses a grant that answers no request',
    side: 'agent',
    file: 'packages/protocol/grant-intake.ts',
    find: '!server.askedIds.includes(grant.requestId)',
    replace: 'false',
    check: 'grant-unsolicited',
    says: /U4: S1: opens \S+, which was never given/,
  },
  {
    name: 'marks no block that moves',
    side: 'agent',
    file: 'packages/wire/convert/block.ts',
    find: "inDoubtAtServerId: inDoubtAt ?? '',",
    replace: "inDoubtAtServerId: '',",
    check: 'row-leader-dies',
    says: /U14.2: block \S+ comes to S2, may be at S1, and is marked ''/,
  },
  {
    name: 'grants without a request',
    side: 'server',
    file: 'packages/server/ingest/ingest-runtime.ts',
    find: 'this.desk.connected(session);',
    replace:
      "this.desk.connected(session); this.#dispatch({ type: 'request_received', agentId: session.machineKey, request: { requestId: 999 as never, backlog: [] } });",
    check: 'no-grant-unasked',
    says: /U3: expected no grant without a request/,
  },
  {
    name: 'acknowledges what it was not sent',
    side: 'server',
    file: 'packages/wire/convert/block.ts',
    find: 'return create(BlockAcknowledgementSchema, {\n    epoch: BigInt(blockId.epoch),\n    sequence: BigInt(blockId.sequence),',
    replace:
      'return create(BlockAcknowledgementSchema, {\n    epoch: BigInt(blockId.epoch),\n    sequence: BigInt(blockId.sequence + 1),',
    check: 'block-acknowledged',
    says: /U12: expected of the block that was sent/,
  },
  {
    name: 'takes blocks past the quota',
    side: 'server',
    file: 'packages/protocol/block-intake.ts',
    find: 'channel.quotaBytes - channel.usedBytes >= block.rawBytes',
    replace: 'channel.quotaBytes > 0',
    check: 'past-quota',
    says: /U4: expected that a block is not taken past \d+ bytes; seen: acknowledgement/,
  },
  {
    name: 'takes blocks on a channel that was closed',
    side: 'server',
    file: 'packages/wire/convert/request.ts',
    find: '...(closedChannels.length === 0 ? {} : { closedChannels }),\n  };\n}\n',
    replace: '};\n}\n',
    check: 'closed-channels',
    says: /U2.4: expected that nothing more is taken on a closed channel/,
  },
  {
    name: 'answers another request than was asked',
    side: 'server',
    file: 'packages/wire/convert/grant.ts',
    find: 'requestId: BigInt(grant.requestId),',
    replace: 'requestId: BigInt(grant.requestId) + 5n,',
    check: 'grant-names-request',
    says: /U3: expected an answer that names request 77/,
  },
  {
    name: 'never says goodbye',
    side: 'server',
    file: 'packages/server/ingest/agent-session.ts',
    find: "this.#push(create(ControlResponseSchema, { message: { case: 'goodbye', value: { reason } } }));",
    replace: '',
    check: 'drains',
    says: /U21: expected Goodbye/,
  },
  {
    name: 'believes any digest',
    side: 'server',
    file: 'packages/wire/convert/block.ts',
    find: 'if (named === header.id.digest) return',
    replace: 'if (named !== undefined) return',
    check: 'block-wrong-digest',
    says: /U25.2: expected a refusal as retryable/,
  },
  {
    name: 'does not yield',
    side: 'server',
    file: 'packages/server/ingest/handlers.ts',
    find: 'host.noticed(session, readNotice(message.value));',
    replace: 'readNotice(message.value);',
    check: 'yields',
    says: /U11: expected channels below 501/,
  },
];

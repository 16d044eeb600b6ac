/**
 * Rules broken on purpose: each a piece of source text of packages/protocol and what it is replaced by. The simulation
 * must notice every one of them, or it proves less than it seems to.
 */

export interface Mutation {
  readonly name: string;
  readonly rule: string;
  /** In packages/protocol. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly from: string;
  readonly to: string;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a quota is passed by one byte',
    rule: 'U4',
    file: 'channel-order.ts',
    from: 'quotaLeftBytes(channel) - reserved >= entry.header.rawBytes',
    to: 'quotaLeftBytes(channel) - reserved >= entry.header.rawBytes - 1',
  },
  {
    name: 'a grant is used after its expiry',
    rule: 'U4',
    file: 'grant-intake.ts',
    from: 'expiresAtMs: nowMs + grant.lifetimeMs,',
    to: 'expiresAtMs: nowMs + 2 * grant.lifetimeMs,',
  },
  {
    name: 'a revocation is not heard',
    rule: 'U4',
    file: 'agent-machine.ts',
    from: 'for (const channel of this.#channelsOf(event.serverId, event.grantId, event.channel))\n          this.#end(channel);',
    to: '',
  },
  {
    name: 'the server counts a block half',
    rule: 'U4',
    file: 'server-machine.ts',
    from: 'channel.usedBytes += rawBytes;',
    to: 'channel.usedBytes += rawBytes >> 1;',
  },
  {
    name: 'ties go to the other server',
    rule: 'U6',
    file: 'channel-order.ts',
    from: 'a.serverId < b.serverId ? -1 : 1',
    to: 'a.serverId < b.serverId ? 1 : -1',
  },
  {
    name: 'the lower channel goes first',
    rule: 'U6',
    file: 'channel-order.ts',
    from: 'return a.priority - b.priority;',
    to: 'return b.priority - a.priority;',
  },
  {
    name: 'the newest block goes first',
    rule: 'U7',
    file: 'block-heap.ts',
    from: 'return order < 0 ||',
    to: 'return order > 0 ||',
  },
  {
    name: 'the classes go in the wrong order',
    rule: 'U7',
    file: 'agent-machine.ts',
    from: 'const found = this.#backlog.waits(rank) ? this.#fit(rank) : undefined;',
    to: 'const found = this.#backlog.waits(3 - rank) ? this.#fit(3 - rank) : undefined;',
  },
  {
    name: 'everyone uses the reserve for the urgent',
    rule: 'U8',
    file: 'channel-order.ts',
    from: 'entry.rank === 0 ? 0 : channel.reservedForUrgentBytes',
    to: 'channel.reservedForUrgentBytes * 0',
  },
  {
    name: 'equal priorities are a violation',
    rule: 'U9',
    file: 'violation.ts',
    from: 'if (highest >= ownHighest) continue;',
    to: 'if (highest > ownHighest) continue;',
  },
  {
    name: 'the notice goes to the server that outranks',
    rule: 'U10',
    file: 'agent-machine.ts',
    from: "this.#effects.push({ type: 'send_notice', serverId, notice });",
    to: "this.#effects.push({ type: 'send_notice', serverId: notice.outrankedBy[0]?.serverId ?? serverId, notice });",
  },
  {
    name: 'a notice comes at every use',
    rule: 'U10',
    file: 'agent-machine.ts',
    from: 'if (channel.usedBytes === 0) this.#notify(channel);',
    to: 'this.#notify(channel);',
  },
  {
    name: 'yielding stops one rank too early',
    rule: 'U11',
    file: 'lanes.ts',
    from: 'lowestNamed + 1 - highest',
    to: 'lowestNamed - highest',
  },
  {
    name: 'an acknowledgement comes before the sync',
    rule: 'U12',
    file: 'server-machine.ts',
    from: "this.#effects.push({ type: 'journal_block', agentId, blockId: block.id, priority });",
    to: "this.#effects.push({ type: 'journal_block', agentId, blockId: block.id, priority }, { type: 'acknowledge_block', blockId: block.id, ...place });",
  },
  {
    name: 'an acknowledgement is dropped when a block came twice',
    rule: 'U12',
    file: 'server-machine.ts',
    from: 'else if (writing !== undefined) writing.places.push(place);',
    to: 'else if (writing !== undefined) writing.places.push();',
  },
  {
    name: 'a known block is journaled again',
    rule: 'U12',
    file: 'server-machine.ts',
    from: 'if (known) this.#effects.push',
    to: 'if (known && !isWithin) this.#effects.push',
  },
  {
    name: 'a block is forgotten twice',
    rule: 'U12',
    file: 'agent-machine.ts',
    from: "this.#effects.push({ type: 'forget_block', blockId });",
    to: "this.#effects.push({ type: 'forget_block', blockId }, { type: 'forget_block', blockId });",
  },
  {
    name: 'a block is forgotten when it is sent',
    rule: 'U12',
    file: 'agent-machine.ts',
    from: 'this.#backlog.toInFlight(entry, channel);',
    to: "this.#backlog.toInFlight(entry, channel);\n    this.#effects.push({ type: 'forget_block', blockId: block.id });",
  },
  {
    name: 'a stall never ends',
    rule: 'U13',
    file: 'agent-machine.ts',
    from: 'if (channel?.serverId === serverId) {\n      channel.progressAtMs = this.#nowMs;\n      channel.stalled = false;',
    to: 'if (channel?.serverId === serverId) {\n      channel.progressAtMs = this.#nowMs;',
  },
  {
    name: 'a stuck channel is waited for',
    rule: 'U13',
    file: 'channel-order.ts',
    from: 'if (channel.stalled || channel.pausedUntilMs',
    to: 'if (channel.pausedUntilMs',
  },
  {
    name: 'a block in doubt goes to any server at once',
    rule: 'U14',
    file: 'agent-machine.ts',
    from: 'this.#backlog.toBound(entry, server.serverId, this.#nowMs + this.#inDoubtTimeoutMs);\n    }\n    this.#servers.set',
    to: 'this.#backlog.toWaiting(entry);\n    }\n    this.#servers.set',
  },
  {
    name: 'a block in flight at a lost server is forgotten',
    rule: 'U14',
    file: 'agent-machine.ts',
    from: 'inFlight.push(...channel.inFlight);\n        channel.ended = true;',
    to: 'channel.ended = true;',
  },
  {
    name: 'a doubt is not told',
    rule: 'U14',
    file: 'agent-machine.ts',
    from: '...(inDoubtAt === undefined ? {} : { inDoubtAt }),',
    to: '',
  },
  {
    name: 'waiting classes earn no share',
    rule: 'U15',
    file: 'class-share.ts',
    from: 'rawBytes * (shares[behind] ?? 0)',
    to: '0 * rawBytes * (shares[behind] ?? 0)',
  },
  {
    name: 'outstanding quota counts half when more is granted',
    rule: 'U17',
    file: 'server-machine.ts',
    from: 'const promisedBytes = this.#writingBytes + this.#outstandingBytes;',
    to: 'const promisedBytes = this.#writingBytes + this.#outstandingBytes / 2;',
  },
  {
    name: 'quota that ended unused is never granted again',
    rule: 'U17',
    file: 'server-machine.ts',
    from: 'agent.outstandingBytes -= unusedBytes;\n      this.#outstandingBytes -= unusedBytes;',
    to: 'agent.outstandingBytes -= unusedBytes;',
  },
  {
    name: 'a request without room gets no answer',
    rule: 'U3',
    file: 'server-machine.ts',
    from: 'else if (this.#nowMs >= this.#deferredUntilMs(agent)) {',
    to: 'else if (this.#nowMs >= 10 * this.#deferredUntilMs(agent)) {',
  },
  {
    name: 'a refused agent asks again at once',
    rule: 'U3',
    file: 'request-policy.ts',
    from: 'Math.max(server.notBeforeMs, server.lastRequestAtMs',
    to: 'Math.max(0, server.lastRequestAtMs',
  },
  {
    name: 'a draining server grants on',
    rule: 'U21',
    file: 'server-machine.ts',
    from: 'while (!this.#draining) {',
    to: 'while (true) {',
  },
  {
    name: 'a stopping agent sends on',
    rule: 'U21',
    file: 'agent-machine.ts',
    from: 'this.#stopping = true;',
    to: 'this.#stopping = false;',
  },
];

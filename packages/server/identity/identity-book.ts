/**
 * Who each agent id belongs to: pinned at first sight, changed by an operator's word alone, the same for all servers of a
 * store. It refuses nobody: it says who is who.
 *
 * Invariants: an identity that was pinned stays so until `accept` or a word of another server that comes before it (an
 * operator's latest word, else the earliest first sight); everything is bounded by limits.ts, and no stranger makes a
 * pinned agent be forgotten.
 */
import { SluiceError } from '@sluice/base/error';
import type { AgentId } from '@sluice/protocol/model';
import type { ShownIdentity } from '@sluice/protocol/principal';
import { hasIdentity, identityText, judge, type Standing } from './agent-identity.ts';
import {
  type AgentRecord,
  newRecord,
  type OtherIdentity,
  type Pin,
  type PinnedBy,
  type QueueMarks,
} from './agent-record.ts';
import {
  AGENT_FORGET_MS,
  MAX_AGENTS_REMEMBERED,
  MAX_OTHERS_PER_AGENT,
  MAX_PIN_CHANGES,
  MAX_UNSHARED,
} from './limits.ts';

/** An agent that connects, after it has proven what it shows. */
export interface Arrival {
  readonly agentId: AgentId;
  readonly shown: ShownIdentity;
  /** Of its Hello; a sequence of 0 says nothing. */
  readonly marks: QueueMarks;
  readonly hostName: string;
  readonly address: string;
}

export interface Verdict {
  readonly standing: Standing;
  /** Its queue is an earlier one than it had when it was seen last. */
  readonly rolledBack: boolean;
}

/** A line of the table that servers share. */
export interface SharedPin {
  readonly agentId: AgentId;
  readonly kind: PinnedBy | 'other';
  readonly key: string | undefined;
  readonly certificate: string | undefined;
  readonly serverId: string;
  readonly hostName: string;
  readonly address: string;
  /** By the store's clock. */
  readonly storedMs: number;
}

export interface IdentityBookOptions {
  readonly serverId: string;
  /** A record changed or is new; `urgent`: it has to be on disk at once. */
  readonly onChanged?: (record: AgentRecord, urgent: boolean) => void;
  readonly onForgotten?: (agentId: AgentId) => void;
  readonly maxAgents?: number;
}

export class IdentityBook {
  readonly #options: IdentityBookOptions;
  /** The longest unseen first. */
  readonly #records = new Map<AgentId, AgentRecord>();
  /** What the store has not been told yet. */
  readonly #unshared = new Map<
    string,
    { readonly agentId: AgentId; readonly row: Omit<SharedPin, 'storedMs'> }
  >();
  #notRemembered = 0;

  constructor(options: IdentityBookOptions) {
    this.#options = options;
  }

  /** Connections of agents for which there was no room. */
  get notRememberedTotal(): number {
    return this.#notRemembered;
  }

  /** All that is remembered, the longest unseen first. */
  records(): Iterable<AgentRecord> {
    return this.#records.values();
  }

  record(agentId: AgentId): AgentRecord | undefined {
    return this.#records.get(agentId);
  }

  /** Puts back what was read from disk, the longest unseen first. */
  restore(record: AgentRecord): void {
    this.#records.set(record.agentId, record);
    const { pin } = record;
    if (pin !== undefined && pin.storedMs === undefined) this.#share(record, pin.by, pin);
  }

  /** How the identity stands today; changes nothing. */
  standingOf(agentId: AgentId, shown: ShownIdentity): Standing {
    return judge(this.#records.get(agentId)?.pin, shown).standing;
  }

  /** @param isAlone no other live session is of the same identity: then its queue must be where it was, or further. */
  arrived(arrival: Arrival, isAlone: boolean, nowMs: number): Verdict {
    const { agentId, shown, marks } = arrival;
    const known = this.#records.get(agentId);
    const { standing, learned } = judge(known?.pin, shown);
    // An agent that proves nothing, of an id that nobody else is known by, leaves no trace but the marks of its queue.
    if (known === undefined && !hasIdentity(shown) && marks.nextSequence === 0)
      return { standing, rolledBack: false };
    const record = known ?? this.#add(agentId, nowMs);
    if (record === undefined) {
      this.#notRemembered += 1;
      return { standing: 'unproven', rolledBack: false };
    }
    this.#touch(record, nowMs);
    if (learned !== undefined) this.#pin(record, learned, record.pin?.by ?? 'first sight', nowMs);
    else if (record.pin !== undefined && record.pin.storedMs === undefined)
      this.#share(record, record.pin.by, record.pin);
    if (standing === 'other_key' || standing === 'no_key') this.#sawOther(record, arrival, nowMs);
    const rolledBack =
      (standing === 'proven' || standing === 'unproven') && this.#follow(record, marks, isAlone, nowMs);
    this.#changed(record, learned !== undefined);
    return { standing, rolledBack };
  }

  /** A connected agent is not any more what is pinned to its id. */
  noteOther(arrival: Arrival, nowMs: number): void {
    const record = this.#records.get(arrival.agentId);
    if (record === undefined) return;
    this.#sawOther(record, arrival, nowMs);
    this.#changed(record, false);
  }

  /** Blocks of the agent came up to this sequence. */
  sawSequence(agentId: AgentId, epoch: number, nextSequence: number): void {
    const record = this.#records.get(agentId);
    if (record?.marks === undefined || record.marks.epoch !== epoch) return;
    if (nextSequence <= record.marks.nextSequence) return;
    record.marks = { ...record.marks, nextSequence };
    this.#changed(record, false);
  }

  /** The store counted what a rollback may repeat. */
  counted(agentId: AgentId, epoch: number, records: number): void {
    const record = this.#records.get(agentId);
    if (record?.rollback?.epoch !== epoch) return;
    record.rollback = { ...record.rollback, records };
    this.#changed(record, false);
  }

  /**
   * Pins another identity that came under the id.
   *
   * @param wanted the identity as it is shown, or the end of it; empty when only one came
   * @returns what is pinned now, and what was
   * @throws SluiceError `config_invalid` when there is none, or when several fit
   */
  accept(
    agentId: AgentId,
    wanted: string,
    nowMs: number,
  ): { readonly pinned: string; readonly replaced: string | undefined } {
    const record = this.#records.get(agentId);
    if (record === undefined) {
      throw new SluiceError('config_invalid', `no agent "${agentId}" is known`, {
        hint: 'See `sluice agents list`; an agent is known once it has connected.',
      });
    }
    const candidates = record.others.filter(
      // What was pinned before is only meant when it is named: else a second word would undo the first one.
      (other) =>
        hasIdentity(other) && (wanted === '' ? other.serverId !== '' : identityText(other).endsWith(wanted)),
    );
    const [chosen] = candidates;
    if (chosen === undefined || candidates.length > 1) throw unclear(agentId, wanted, record, candidates);
    const replaced = record.pin === undefined ? undefined : identityText(record.pin);
    record.others = record.others.filter((other) => other !== chosen);
    if (record.pin !== undefined) this.#keepAsOther(record, record.pin);
    // The queue of the new one has nothing to do with that of the earlier one.
    record.marks = undefined;
    record.rollback = undefined;
    this.#pin(record, { key: chosen.key, certificate: chosen.certificate }, 'accepted', nowMs);
    this.#changed(record, true);
    return { pinned: identityText(chosen), replaced };
  }

  /** What the store has not been told yet, at most `limit` of it; tell {@link shared} when it has. */
  unshared(limit: number): readonly { readonly key: string; readonly row: Omit<SharedPin, 'storedMs'> }[] {
    const some: { key: string; row: Omit<SharedPin, 'storedMs'> }[] = [];
    for (const [key, { row }] of this.#unshared) {
      if (some.length >= limit) break;
      some.push({ key, row });
    }
    return some;
  }

  shared(keys: readonly string[]): void {
    for (const key of keys) this.#unshared.delete(key);
  }

  /**
   * Takes over what the servers of the store have written, in the order of the store's clock.
   * @returns the agents whose pin changed
   */
  merge(rows: readonly SharedPin[], nowMs: number): AgentId[] {
    const changed: AgentId[] = [];
    for (const row of rows) {
      const record = this.#records.get(row.agentId) ?? this.#add(row.agentId, nowMs);
      if (record === undefined) continue;
      if (row.kind === 'other') {
        if (row.serverId !== this.#options.serverId) this.#sawElsewhere(record, row);
        continue;
      }
      if (!precedes(row, record.pin)) continue;
      const before = record.pin;
      // What was learned of the same agent since, a certificate beside its key, stays.
      const isSame = before !== undefined && judge(row, before).standing === 'proven';
      record.pin = {
        ...{ by: row.kind, storedMs: row.storedMs, atMs: isSame ? before.atMs : row.storedMs },
        key: (isSame ? before.key : undefined) ?? row.key,
        certificate: (isSame ? before.certificate : undefined) ?? row.certificate,
      };
      if (!isSame) {
        if (before !== undefined) this.#keepAsOther(record, before);
        record.others = record.others.filter((other) => judge(row, other).standing !== 'proven');
        record.marks = undefined;
        record.rollback = undefined;
        this.#remember(record, record.pin);
        changed.push(row.agentId);
      }
      this.#changed(record, !isSame);
    }
    return changed;
  }

  #add(agentId: AgentId, nowMs: number): AgentRecord | undefined {
    if (this.#records.size >= (this.#options.maxAgents ?? MAX_AGENTS_REMEMBERED)) {
      const [oldest] = this.#records.values();
      if (oldest === undefined || nowMs - oldest.lastSeenMs < AGENT_FORGET_MS) return undefined;
      this.#records.delete(oldest.agentId);
      this.#options.onForgotten?.(oldest.agentId);
    }
    const record = newRecord(agentId, nowMs);
    this.#records.set(agentId, record);
    return record;
  }

  #touch(record: AgentRecord, nowMs: number): void {
    record.lastSeenMs = nowMs;
    this.#records.delete(record.agentId);
    this.#records.set(record.agentId, record);
  }

  #pin(record: AgentRecord, identity: ShownIdentity, by: PinnedBy, nowMs: number): void {
    record.pin = {
      key: identity.key,
      certificate: identity.certificate,
      atMs: nowMs,
      by,
      storedMs: undefined,
    };
    this.#remember(record, record.pin);
    this.#share(record, by, identity);
  }

  #remember(record: AgentRecord, pin: Pin): void {
    record.changes.push({ atMs: pin.atMs, identity: identityText(pin), by: pin.by });
    if (record.changes.length > MAX_PIN_CHANGES) record.changes.shift();
  }

  #share(record: AgentRecord, kind: SharedPin['kind'], identity: ShownIdentity, seen?: OtherIdentity): void {
    const { agentId } = record;
    const { serverId } = this.#options;
    // A first sight that finds no room is shared when the agent comes again.
    if (kind !== 'accepted' && this.#unshared.size >= MAX_UNSHARED) return;
    this.#unshared.set(`${kind}/${identityText(identity)}/${agentId}`, {
      agentId,
      row: {
        ...{ agentId, kind, key: identity.key, certificate: identity.certificate, serverId },
        ...{ hostName: seen?.hostName ?? '', address: seen?.address ?? '' },
      },
    });
  }

  /** The marks of the queue go up; when they come back lower, an earlier copy of it runs. */
  #follow(record: AgentRecord, marks: QueueMarks, isAlone: boolean, nowMs: number): boolean {
    if (marks.nextSequence === 0) return false;
    const before = record.marks;
    if (!isAlone && before !== undefined) return false;
    record.marks = marks;
    if (before === undefined || marks.nextSequence >= before.nextSequence) return false;
    record.rollback = {
      firstMs: record.rollback?.firstMs ?? nowMs,
      lastMs: nowMs,
      times: (record.rollback?.times ?? 0) + 1,
      epoch: marks.epoch,
      fromSequence: before.nextSequence,
      toSequence: marks.nextSequence,
      records: undefined,
    };
    return true;
  }

  #sawOther(record: AgentRecord, { shown, hostName, address }: Arrival, nowMs: number): void {
    const isFull = record.others.length >= MAX_OTHERS_PER_AGENT;
    const other = this.#otherOf(record, shown, nowMs);
    other.lastSeenMs = nowMs;
    other.connections += 1;
    other.hostName = hostName;
    other.address = address;
    other.serverId = this.#options.serverId;
    // Who comes with ever new keys fills neither the list nor the store's table.
    if (other.connections === 1 && !isFull) this.#share(record, 'other', shown, other);
  }

  #sawElsewhere(record: AgentRecord, row: SharedPin): void {
    if (record.pin !== undefined && judge(record.pin, row).standing === 'proven') return;
    const other = this.#otherOf(record, row, row.storedMs);
    if (other.connections > 0) return;
    other.lastSeenMs = Math.max(other.lastSeenMs, row.storedMs);
    other.hostName = row.hostName;
    other.address = row.address;
    other.serverId = row.serverId;
    this.#changed(record, false);
  }

  #keepAsOther(record: AgentRecord, pin: Pin): void {
    this.#otherOf(record, pin, pin.atMs);
  }

  #otherOf(record: AgentRecord, shown: ShownIdentity, nowMs: number): OtherIdentity {
    const found = record.others.find(
      (other) => other.key === shown.key && other.certificate === shown.certificate,
    );
    if (found !== undefined) return found;
    const other: OtherIdentity = {
      ...{ key: shown.key, certificate: shown.certificate, firstSeenMs: nowMs, lastSeenMs: nowMs },
      ...{ connections: 0, hostName: '', address: '', serverId: '' },
    };
    record.others.push(other);
    if (record.others.length > MAX_OTHERS_PER_AGENT) {
      const oldest = record.others
        .filter((candidate) => candidate !== other)
        .reduce((least, candidate) => (candidate.lastSeenMs < least.lastSeenMs ? candidate : least));
      record.others = record.others.filter((candidate) => candidate !== oldest);
    }
    return other;
  }

  #changed(record: AgentRecord, urgent: boolean): void {
    this.#options.onChanged?.(record, urgent);
  }
}

/** An operator's latest word counts, else the earliest first sight. */
function precedes(row: SharedPin, pin: Pin | undefined): boolean {
  if (pin === undefined) return true;
  // What was pinned here and is not in the store yet: only an operator's word can be newer than this one's first sight.
  if (pin.storedMs === undefined) {
    const isOwn = pin.key === row.key && pin.certificate === row.certificate;
    return isOwn || pin.by === 'first sight';
  }
  if (row.kind === 'accepted') return pin.by === 'first sight' || row.storedMs > pin.storedMs;
  return pin.by === 'first sight' && row.storedMs < pin.storedMs;
}

function unclear(
  agentId: AgentId,
  wanted: string,
  record: AgentRecord,
  candidates: readonly OtherIdentity[],
): SluiceError {
  const which = wanted === '' ? '' : ` that ends in "${wanted}"`;
  if (candidates.length === 0) {
    const pinned = record.pin === undefined ? 'nothing is pinned' : `${identityText(record.pin)} is pinned`;
    return new SluiceError(
      'config_invalid',
      `no other key or certificate${which} came under the id "${agentId}"; ${pinned}`,
      { hint: 'See `sluice agents list`. What was accepted once needs no second word.' },
    );
  }
  return new SluiceError(
    'config_invalid',
    `several came under the id "${agentId}"${which}: ${candidates.map(identityText).join('; ')}`,
    { hint: 'Say which: sluice agents accept ID --identity FINGERPRINT.' },
  );
}

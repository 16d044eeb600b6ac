/**
 * U4, U6, U7, U8, U9, U10, U13, U14, U15, U2: every send, notice and request of every agent against the model of
 * agent-model.ts, which decides each of them anew.
 */

import type { AgentEffect } from '@sluice/protocol/agent-events';
import type { ServerId } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import type { Observation } from '../world.ts';
import type { ExpectedSend } from './agent-model.ts';
import { AgentModel } from './agent-model.ts';
import { closedText } from './agent-parts.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

export class SendingChecker implements Checker {
  readonly #models = new Map<string, AgentModel>();
  observe(observation: Observation): void {
    if (observation.type === 'agent_started') {
      this.#models.set(observation.name, new AgentModel(observation.agentId));
    }
    if (observation.type === 'agent_step') this.#step(observation);
  }

  #step({ name, event, effects }: Extract<Observation, { type: 'agent_step' }>): void {
    const model = this.#models.get(name);
    if (model === undefined) return;
    // The agent's own clock, as far as it went forward.
    const nowMs = Math.max(model.nowMs, event.atMs);
    model.take(event, nowMs);
    let notice: Extract<AgentEffect, { type: 'send_notice' }> | undefined;
    for (const effect of effects) {
      if (effect.type === 'send_notice') {
        if (notice !== undefined) fail('notice', `${name} sent a notice without its block`);
        notice = effect;
      } else if (effect.type === 'send_block') {
        this.#send(name, model, effect, notice, nowMs);
        notice = undefined;
      } else if (effect.type === 'send_request') this.#request(name, model, effect, nowMs);
      else if (effect.type === 'wake_at') model.wakeMs = effect.atMs;
    }
    if (notice !== undefined) fail('notice', `${name} sent a notice without its block`);
    const missed = model.expected(nowMs) ?? model.expectedHedge(nowMs);
    const unasked = model.unasked(nowMs);
    if (unasked !== undefined) fail('request', `${name} does not ask ${unasked}`);
    if (missed !== undefined) fail('order', `${name} idles, but could send ${describe(missed)}`);
  }

  #send(
    name: string,
    model: AgentModel,
    effect: Extract<AgentEffect, { type: 'send_block' }>,
    notice: Extract<AgentEffect, { type: 'send_notice' }> | undefined,
    nowMs: number,
  ): void {
    const expected = model.expected(nowMs) ?? model.expectedHedge(nowMs);
    const { serverId, grantId, channel } = effect;
    const sent = `block ${effect.block.id.sequence} on ${serverId}/${grantId}/${channel}`;
    if (expected === undefined || describe(expected) !== sent) {
      fail(
        'order',
        `${name} sent ${sent}, expected was ${expected === undefined ? 'nothing' : describe(expected)}`,
      );
    }
    if (expected.late !== undefined) model.doubt(expected.block, expected.late.channel.serverId);
    const doubt = model.doubtFor(expected.block, serverId);
    if (effect.inDoubtAt !== doubt)
      fail('doubt', `${name} sent ${sent} marked ${effect.inDoubtAt}, not ${doubt}`);
    const outrankedBy = expected.channel.isViolating ? [] : model.outranking(expected, nowMs);
    if (outrankedBy.length > 0) expected.channel.isViolating = true;
    const told = notice === undefined ? [] : notice.notice.outrankedBy;
    if (JSON.stringify(told) !== JSON.stringify(outrankedBy)) {
      fail('notice', `${name} told ${JSON.stringify(told)} at ${sent}, not ${JSON.stringify(outrankedBy)}`);
    }
    if (notice !== undefined) {
      const { notice: content } = notice;
      const isRight =
        notice.serverId === serverId &&
        content.grantId === grantId &&
        content.channel === channel &&
        content.priority === effect.priority;
      if (!isRight)
        fail('notice', `${name} told ${notice.serverId} of ${JSON.stringify(content)} at ${sent}`);
    }
    model.sent(expected);
  }

  #request(
    name: string,
    model: AgentModel,
    { serverId, request }: Extract<AgentEffect, { type: 'send_request' }>,
    nowMs: number,
  ): void {
    const closed = (request.closedChannels ?? []).map(closedText).sort();
    const closing = model.request(serverId, request.requestId, nowMs)?.sort();
    if (closing === undefined)
      fail('request', `${name} asks ${serverId}, which is not connected or owes it an answer`);
    if (closed.join() !== closing.join())
      fail(
        'request',
        `${name} closes ${closed.join() || 'nothing'} at ${serverId}, not ${closing.join() || 'nothing'}`,
      );
    const unsent = model.books.unsentBytes();
    const told = URGENCY_CLASSES.map(
      (wanted) => request.backlog.find(({ urgency }) => urgency === wanted)?.rawBytes ?? 0,
    );
    const next = request.backlog.flatMap(({ nextBlockRawBytes = 0 }) => nextBlockRawBytes);
    const named = next.filter((bytes) => bytes > 0);
    if (named.length !== request.backlog.length || !named.every((bytes) => model.books.hasUnsent(bytes)))
      fail('request', `${name} names to ${serverId} next blocks of ${next.join()} bytes`);
    for (const { urgency, oldestAgeMs } of request.backlog) {
      const oldestMs = model.books.oldestMs(URGENCY_CLASSES.indexOf(urgency), nowMs);
      if (oldestAgeMs !== nowMs - oldestMs)
        fail(
          'request',
          `${name} tells ${serverId} of ${urgency} of ${oldestAgeMs} ms, not ${nowMs - oldestMs}`,
        );
    }
    if (unsent.join() !== told.join()) {
      fail(
        'request',
        `${name} tells ${serverId} of ${told.join()} bytes by class, but ${unsent.join()} wait`,
      );
    }
  }
}

function describe({ block, channel }: ExpectedSend): string {
  return `block ${block.header.id.sequence} on ${serverName(channel.serverId)}/${channel.grantId}/${channel.number}`;
}

function serverName(serverId: ServerId): string {
  return serverId;
}

function fail(checker: string, message: string): never {
  throw new CheckFailure(checker, message);
}

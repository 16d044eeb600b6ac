/** SetAsideService over the journal. Translates calls and errors, decides nothing. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';
import { SluiceError } from '@sluice/base/error';
import type { Principal } from '@sluice/protocol/principal';
import { writeUrgency } from '@sluice/wire/convert/fields';
import { type SetAsideBlockSchema, SetAsideService } from '@sluice/wire/gen/set_aside_pb';
import type { Logger } from 'pino';
import { principalOf } from '../access/context.ts';
import type { Journal } from '../journal/journal.ts';
import type { SetAsideBlock } from '../journal/journal-records.ts';
import { toConnectError } from './errors.ts';

/** The part of the journal that is served. */
export type SetAsideJournal = Pick<
  Journal,
  'setAsideBlocks' | 'readPayload' | 'retrySetAside' | 'dropSetAside' | 'acknowledgeLosses' | 'statistics'
>;

export function setAsideRoutes(journal: SetAsideJournal, logger: Logger): (router: ConnectRouter) => void {
  async function answer<T>(
    context: HandlerContext,
    call: (principal: Principal) => T | Promise<T>,
  ): Promise<T> {
    try {
      return await call(principalOf(context));
    } catch (error) {
      throw toConnectError(error);
    }
  }
  return (router) => {
    router.service(SetAsideService, {
      listSetAside: () => ({
        blocks: journal.setAsideBlocks().map(messageOf),
        losses: journal.statistics.losses.map(({ message }) => message),
      }),
      showSetAside: ({ number }, context) =>
        answer(context, () => {
          const block = journal.setAsideBlocks().find((each) => each.number === Number(number));
          if (block === undefined)
            throw new SluiceError('query_invalid', `no block ${number} lies aside in the journal`);
          return { block: messageOf(block), payload: journal.readPayload(block) };
        }),
      retrySetAside: ({ numbers }, context) =>
        answer(context, async ({ name: by }) => {
          const blocks = await journal.retrySetAside(numbers.map(Number));
          logger.info({ blocks, by }, 'blocks that were set aside are tried again');
          return { blocks };
        }),
      dropSetAside: ({ numbers }, context) =>
        answer(context, async ({ name: by }) => {
          const blocks = await journal.dropSetAside(numbers.map(Number));
          logger.warn({ blocks, by }, 'blocks that were set aside are dropped, as a person said');
          return { blocks };
        }),
      acknowledgeLosses: (_request, context) =>
        answer(context, ({ name: by }) => {
          const { losses } = journal.statistics.lossTotals;
          journal.acknowledgeLosses();
          logger.info({ losses, by }, 'what was lost is known, as a person said');
          return { losses: BigInt(losses) };
        }),
    });
  };
}

function messageOf(block: SetAsideBlock): MessageInitShape<typeof SetAsideBlockSchema> {
  const { number, header, reason } = block;
  const { id, urgency, rawBytes, recordCount } = header;
  return {
    ...{ agentId: id.agentId, recordCount, reason, urgency: writeUrgency(urgency) },
    ...{
      number: BigInt(number),
      epoch: BigInt(id.epoch),
      sequence: BigInt(id.sequence),
      rawBytes: BigInt(rawBytes),
    },
  };
}

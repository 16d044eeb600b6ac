/**
 * The smallest source that cannot wait and knows its fields: what is sent to it while nobody takes it is gone. For the suite of
 * the contract, so that the contract is not one of files.
 */
import { RecordFields } from '@sluice/block/record';
import type { CheckpointChange } from '../checkpoint-change.ts';
import type { FieldsConsumer, Stream } from '../consumer.ts';
import { ContainedConsumer } from '../contained-consumer.ts';
import type { Source, SourceHost } from '../source.ts';
import { mergeStates, type SourceStates } from '../source-states.ts';

const STREAM: Stream = { kind: 'memory', name: 'test' };

class ContainedFields extends ContainedConsumer<FieldsConsumer> implements FieldsConsumer {
  record(fields: RecordFields): void {
    try {
      this.consumer.record(fields);
    } catch (error) {
      this.failed(error);
    }
  }
}

export class MemorySource implements Source {
  readonly kind: string = STREAM.kind;
  readonly canWait: boolean = false;
  readonly unreadBytes: number = 0;
  readonly hasCheckpoints: boolean = false;
  readonly #host: SourceHost;
  readonly #consumer: ContainedFields;
  readonly #fields = new RecordFields();
  #isRunning = false;
  #droppedRecords = 0;

  constructor(host: SourceHost) {
    this.#host = host;
    this.#consumer = new ContainedFields(host.consumers.forFields(STREAM), (error) =>
      host.recordFailed(STREAM, error),
    );
  }

  async start(): Promise<void> {
    this.#isRunning = true;
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
  }

  /** A record arrives, whether or not somebody takes it. */
  send(text: string): void {
    if (!this.#isRunning) return;
    if (!this.#host.mayHandOut()) {
      this.#droppedRecords += 1;
      return;
    }
    this.#fields.bodyText = text;
    this.#consumer.record(this.#fields);
    this.#host.afterRecord(text.length);
    this.#host.afterTurn();
  }

  resume(): void {
    // Nothing waits here.
  }

  takeCheckpoints(): CheckpointChange[] {
    return [];
  }

  problems(): string[] {
    return [];
  }

  states(): SourceStates {
    const { unparsedRecords, failedRecords } = this.#consumer;
    return {
      ...mergeStates([]),
      streams: 1,
      unparsedRecords,
      failedRecords,
      droppedRecords: this.#droppedRecords,
    };
  }
}

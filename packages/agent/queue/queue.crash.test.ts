/** The queue is a durable file whenever its process is killed (packages/durable/testing/durable-contract.ts). */
import { durableCrashContract } from '@sluice/durable/testing/durable-contract';
import { subject } from './queue-fixture.ts';

durableCrashContract(subject);

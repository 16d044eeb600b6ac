/** The queue is a durable file (packages/durable/testing/durable-contract.ts). */
import { durableContract } from '@sluice/durable/testing/durable-contract';
import { subject } from './queue-fixture.ts';

durableContract(subject);

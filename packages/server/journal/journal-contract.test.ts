/** The journal is a durable file (packages/durable/testing/durable-contract.ts). */
import { durableContract } from '@sluice/durable/testing/durable-contract';
import { subject } from './journal-subject-fixture.ts';

durableContract(subject);

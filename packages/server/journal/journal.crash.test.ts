/** The journal is a durable file whenever its process is killed (packages/durable/testing/durable-contract.ts). */
import { durableCrashContract } from '@sluice/durable/testing/durable-contract';
import { subject } from './journal-subject-fixture.ts';

durableCrashContract(subject);

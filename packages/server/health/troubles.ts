/**
 * Every kind of trouble that health tells, worst first: at the same severity the earlier one is told first, so a cause
 * stands above what follows from it.
 *
 * Invariants: a code is stable and never gets another meaning; each has its row in docs/problems.md and its words in
 * both languages of the console (tests hold both).
 */

/** Worst first within a severity. */
export const TROUBLE_CODES = [
  'store_schema_newer',
  'store_table_missing',
  'store_away',
  'store_disk_full',
  'journal_disk_full',
  'journal_damaged',
  'journal_lost',
  'agent_queue_damaged',
  'agent_queue_lost',
  'loading_stalled',
  'journal_full',
  'agent_queue_disk_full',
  'agent_queue_unwritable',
  'set_aside_dropped',
  'source_stuck',
  'identity_twins',
  'identity_book_lost',
  'agent_set_aside_dropped',
  'blocks_set_aside',
  'agent_blocks_set_aside',
  'identity_other_key',
  'identity_no_key',
  'identity_book_unwritable',
  'agent_blocks_in_conflict',
  'agent_rolled_back',
  'agent_blocks_repeated',
  'agent_gone',
  'server_unreachable',
  'searches_refused',
  'loading_slow',
  'agent_lagging',
  'agent_queue_full',
  'source_unreadable',
  'source_vanished',
  'lines_failed',
  'journal_disk_low',
  'agent_queue_disk_low',
  'agent_clock_off',
  'agent_problem',
] as const;
export type TroubleCode = (typeof TROUBLE_CODES)[number];

export type Severity = 'error' | 'warning';

export interface TroubleKind {
  readonly severity: Severity;
  /** When it is told, for the documentation. */
  readonly meaning: string;
  /** What is wrong; `{name}` and `{name:noun}` are filled in (problem.ts). */
  readonly summary: string;
  /** What to do. */
  readonly action: string;
  /** How long it must have lasted before it is told: what passes by itself is no problem. */
  readonly raiseAfterMs: number;
  /** How long it must be over before it ends: what comes and goes is one problem. */
  readonly endAfterMs: number;
}

/** Told at once, over at once: the fact itself does not come and go. */
const STEADY = { raiseAfterMs: 0, endAfterMs: 0 };
/** A start, a restart or a short outage is over before. */
const OUTAGE = { raiseAfterMs: 5_000, endAfterMs: 3_000 };
/** Load comes and goes within this. */
const LOAD = { raiseAfterMs: 30_000, endAfterMs: 15_000 };

export const TROUBLES: Readonly<Record<TroubleCode, TroubleKind>> = {
  store_schema_newer: {
    ...{ severity: 'error', ...STEADY },
    meaning: 'The tables of the store were made by a newer program.',
    summary: 'The store cannot be used: {reason}',
    action: 'Start this server with the newer program, or give it a store of its own.',
  },
  store_table_missing: {
    ...{ severity: 'error', ...STEADY },
    meaning: 'A table that the server made was removed from the store.',
    summary: 'A table was removed from the store: {reason}',
    action:
      'Find out who removed it. The server makes it again by itself; what was in it is lost, what is in the journal is safe. Told until the server is restarted.',
  },
  store_away: {
    ...{ severity: 'error', ...OUTAGE },
    meaning: 'The store does not answer, or not as it should.',
    summary: 'The store is not available: {reason}',
    action: 'Start the store, or mend its address or password. Logs wait in the journal and with the agents.',
  },
  store_disk_full: {
    ...{ severity: 'error', ...STEADY },
    meaning: 'The store refuses logs because its disk is full.',
    summary: 'The disk of the store is full: {reason}',
    action: 'Free space on the disk of the store. Loading goes on by itself.',
  },
  journal_disk_full: {
    ...{ severity: 'error', raiseAfterMs: 0, endAfterMs: 3_000 },
    meaning: 'The disk under the journal has no room for a block.',
    summary: 'The disk under the journal is full ({free} of {size} free): no agent may send.',
    action:
      'Free space on the disk of {directory}. Agents keep their logs meanwhile and go on by themselves.',
  },
  journal_damaged: {
    ...{ severity: 'error', ...STEADY },
    meaning: 'The file of the journal was damaged while the server ran: nothing can be taken or loaded.',
    summary: 'The journal cannot be used: {reason}',
    action:
      'Check the disk and restart the server. It saves what can be read, counts what is lost, and keeps the damaged file.',
  },
  journal_lost: {
    ...{ severity: 'error', ...STEADY },
    meaning:
      'The file of the journal was damaged, emptied or deleted: blocks that were acknowledged are missing.',
    summary: 'Lost from the journal: {blocks:block} that were acknowledged. {reason}',
    action:
      'See why (the disk, a copy put back, somebody who deleted it). Then say that it is known: `sluice set-aside acknowledge`.',
  },
  agent_queue_damaged: {
    ...{ severity: 'error', ...STEADY },
    meaning: "The file of an agent's queue was damaged while the agent ran: it reads and sends nothing.",
    summary: 'Agent {subject} cannot use its queue: {reason}',
    action:
      'Check the disk of that machine and restart the agent. It saves what can be read, counts what is lost, and keeps the damaged file.',
  },
  agent_queue_lost: {
    ...{ severity: 'error', ...STEADY },
    meaning:
      "The file of an agent's queue was damaged, emptied or deleted: blocks that nobody had acknowledged are missing.",
    summary:
      'Lost from the queue of agent {subject}: {blocks:block} that no server had acknowledged. {reason}',
    action:
      'See why (the disk, a copy put back, somebody who deleted it). Then stop the agent, say on its machine that it is known (`sluice set-aside acknowledge --data DIR`), and start it again.',
  },
  loading_stalled: {
    ...{ severity: 'error', raiseAfterMs: 0, endAfterMs: 3_000 },
    meaning: 'Blocks have waited in the journal for 15 s, and the store has confirmed none meanwhile.',
    summary:
      'Loading stands still: {records:record} ({urgencies}) wait in the journal, for this reason: {reason}',
    action:
      'Mend what the reason names. Nothing is lost: {room} more fit into the journal, then agents wait.',
  },
  journal_full: {
    ...{ severity: 'error', ...LOAD },
    meaning: 'The journal holds as much as it may, so the server grants nothing.',
    summary: 'The journal is full with {held}: no agent may send.',
    action: 'See why loading is slow or stands still. If the store only needs time, nothing is to be done.',
  },
  agent_queue_disk_full: {
    ...{ severity: 'error', raiseAfterMs: 0, endAfterMs: 3_000 },
    meaning: 'An agent cannot write its queue because the disk is full.',
    summary: 'The disk under the queue of agent {subject} is full ({free} of {size} free): it reads nothing.',
    action: 'Free space on that machine. Files wait in place: lines are lost when they are deleted before.',
  },
  agent_queue_unwritable: {
    ...{ severity: 'error', ...OUTAGE },
    meaning: 'An agent cannot write its queue, for another reason.',
    summary: 'Agent {subject} cannot write its queue: {reason}',
    action: 'Mend its data directory. Files wait in place: lines are lost when they are deleted before.',
  },
  set_aside_dropped: {
    ...{ severity: 'error', ...STEADY },
    meaning: 'So many blocks were set aside in the journal that the oldest were dropped.',
    summary: 'Dropped from the journal: {blocks:block} that the store had refused. Their lines are lost.',
    action: 'See with `sluice set-aside list` why the store refuses, and mend it before more is dropped.',
  },
  source_stuck: {
    ...{ severity: 'error', raiseAfterMs: 0, endAfterMs: 5_000 },
    meaning: 'Nothing was read from a source of an agent for a while, although there is something to read.',
    summary: 'Source {source} of agent {agent} stands still with {unread} not read: {reason}',
    action: 'See the log of that agent. The lines wait in the file: they are lost when it is deleted before.',
  },
  identity_twins: {
    ...{ severity: 'error', raiseAfterMs: 5_000, endAfterMs: 5_000 },
    meaning: 'Several agents of one identity run at once: a copied data directory, or a cloned machine.',
    summary: '{count:agent} run as {subject} at once. All their logs are taken.',
    action:
      'Find them with `sluice agents list`. Stop the copy, and start it with an empty data directory of its own (`--data DIR`).',
  },
  identity_book_lost: {
    ...{ severity: 'error', ...STEADY },
    meaning:
      'What the server remembered of the keys and certificates of agents could not be read at its start.',
    summary: 'The memory of who agents are was lost: {reason}',
    action:
      'See why (the disk, somebody who changed the file), and with `sluice agents list` whether each agent is who it should be. Told until the server is restarted.',
  },
  agent_set_aside_dropped: {
    ...{ severity: 'error', ...STEADY },
    meaning: 'So many blocks were set aside at an agent that the oldest were dropped.',
    summary:
      'Agent {subject} dropped {blocks:block} that no server took: their lines are lost unless the files are there.',
    action: 'See its log for the reason of the refusals, and mend it before more is dropped.',
  },
  blocks_set_aside: {
    ...{ severity: 'warning', ...STEADY },
    meaning: 'The store refused blocks for good; they lie aside in the journal and are not searchable.',
    summary: 'Set aside in the journal: {blocks:block} that the store refused.',
    action: 'Look at them with `sluice set-aside list`, then retry or drop them.',
  },
  agent_blocks_set_aside: {
    ...{ severity: 'warning', ...STEADY },
    meaning: 'Servers refused blocks of an agent for good; they lie aside there and are not searchable.',
    summary: 'Set aside at agent {subject}: {blocks:block} that no server took.',
    action: 'Look at them on that machine with `sluice set-aside list`, then retry or drop them.',
  },
  identity_other_key: {
    ...{ severity: 'warning', ...STEADY },
    meaning: 'Someone came under the name of an agent with another key or certificate than the pinned one.',
    summary: 'Someone came as agent {subject} with an unknown key ({count:time}). Those logs are taken.',
    action:
      'See `sluice agents list`. If the machine was installed anew: `sluice agents accept {subject}`; else find who uses its name.',
  },
  identity_no_key: {
    ...{ severity: 'warning', ...STEADY },
    meaning: 'Someone came under the name of an agent without the key that is pinned to it.',
    summary: 'Someone came as agent {subject} without its key ({count:time}). Those logs are taken.',
    action: 'See `sluice agents list`: it is an older program on the same machine, or someone else.',
  },
  identity_book_unwritable: {
    ...{ severity: 'warning', ...OUTAGE },
    meaning: 'The server cannot write down what it learns of the keys and certificates of agents.',
    summary: 'The memory of who agents are cannot be written: {reason}',
    action: 'Mend the disk of the data directory. Until then it is kept in memory, and tried again.',
  },
  agent_rolled_back: {
    ...{ severity: 'warning', ...STEADY },
    meaning: 'The data directory of an agent went back to an earlier state, so lines were read again.',
    summary: 'The data directory of agent {subject} went back ({count:time}): lines may be there twice.',
    action: 'Nothing is lost. Do not put copies of the directory back while the logs are there.',
  },
  agent_blocks_in_conflict: {
    ...{ severity: 'warning', ...STEADY },
    meaning:
      'Blocks came under names of an agent that other content had taken within the last day: two machines are one agent, or someone takes its name. All contents are kept.',
    summary:
      'Agent {subject} sent other content under {blocks:block} that had been taken: {records:record} are kept beside the first.',
    action:
      'See `sluice agents list`. Give each machine a data directory of its own; do not restore a running machine.',
  },
  agent_blocks_repeated: {
    ...{ severity: 'warning', ...STEADY },
    meaning:
      'An agent sent blocks again within the last day that the store had and the server had forgotten: its data directory went back. They were not stored again.',
    summary: 'Agent {subject} sent {blocks:block} again that the store had: {records:record} were left out.',
    action: 'Nothing is lost. Do not put copies of the data directory back while the logs are there.',
  },
  agent_gone: {
    ...{ severity: 'warning', raiseAfterMs: 60_000, endAfterMs: 0 },
    meaning: 'An agent that was connected since the server started is not connected any more.',
    summary: 'Agent {subject} is gone. When it was last seen, {records:record} waited there.',
    action: 'See whether the machine and the agent run and reach this server. Its files wait in place.',
  },
  server_unreachable: {
    ...{ severity: 'warning', ...OUTAGE },
    meaning: 'Agents cannot reach one of their servers.',
    summary: 'Server {subject} cannot be reached by {missing} of {connected:agent} ({agents}): {reason}',
    action: 'Start that server or mend the way to it. Meanwhile logs go to the other servers.',
  },
  searches_refused: {
    ...{ severity: 'warning', raiseAfterMs: 0, endAfterMs: 30_000 },
    meaning: 'Searches were told in the last minute to come again later, because too many ran and waited.',
    summary: '{refused} searches were sent away in the last minute: {running} run and {waiting} wait.',
    action: 'See who searches so much; shorten the time ranges, or give the store more resources.',
  },
  loading_slow: {
    ...{ severity: 'warning', ...LOAD },
    meaning: 'Loading goes on, but the oldest record in the journal has waited for more than a minute.',
    summary: 'Loading is behind: the oldest of {records:record} in the journal has waited for {age}.',
    action: 'Give the store more resources, or send it less. Searches show older logs only meanwhile.',
  },
  agent_lagging: {
    ...{ severity: 'warning', ...LOAD },
    meaning: 'The oldest record in the queue of a connected agent has waited for more than a minute.',
    summary: 'Agent {subject} is behind: the oldest of {records:record} in its queue has waited for {age}.',
    action:
      'See whether servers grant it channels: a full journal, a slow network or a missing server holds it up.',
  },
  agent_queue_full: {
    ...{ severity: 'warning', ...LOAD },
    meaning: 'The queue of an agent is full, so it reads no further.',
    summary: 'The queue of agent {subject} is full with {used}: reading pauses.',
    action:
      'See why servers take too little. Files wait in place: lines are lost when they are deleted before.',
  },
  source_unreadable: {
    ...{ severity: 'warning', raiseAfterMs: 30_000, endAfterMs: 5_000 },
    meaning: 'The system refuses to let an agent read a source.',
    summary: 'Source {source} of agent {agent} cannot be read ({unread} wait): {reason}',
    action: 'Give the agent the right to read it, or exclude it from what the agent watches.',
  },
  source_vanished: {
    ...{ severity: 'warning', ...STEADY },
    meaning: 'A source of an agent went away before it was read to its end. It is told for a day.',
    summary: 'Source {source} of agent {agent} is gone, {unread} of it were never read.',
    action:
      'Those lines are lost, unless a copy of the file is there. Let what rotates the files keep them for longer.',
  },
  lines_failed: {
    ...{ severity: 'warning', ...STEADY },
    meaning: 'Lines became no record by an error of the agent, since the agent started.',
    summary: 'At agent {subject} {lines:line} became no record by an error of the program.',
    action: 'See the log of that agent, and report the error. The lines are in their files.',
  },
  journal_disk_low: {
    ...{ severity: 'warning', raiseAfterMs: 0, endAfterMs: 60_000 },
    meaning: 'The disk under the journal has less than 5 % or 512 MiB free, whichever is less.',
    summary: 'The disk under the journal is nearly full: {free} of {size} free.',
    action: 'Free space on the disk of {directory} before it is full.',
  },
  agent_queue_disk_low: {
    ...{ severity: 'warning', raiseAfterMs: 0, endAfterMs: 60_000 },
    meaning: 'The disk under the queue of an agent has less than 5 % or 512 MiB free, whichever is less.',
    summary: 'The disk under the queue of agent {subject} is nearly full: {free} of {size} free.',
    action: 'Free space on that machine before it is full.',
  },
  agent_clock_off: {
    ...{ severity: 'warning', raiseAfterMs: 30_000, endAfterMs: 30_000 },
    meaning: 'The clock of an agent is more than a minute off that of the server.',
    summary: 'The clock of agent {subject} says {agentTime}: that is {offset} off the clock of this server.',
    action: 'Synchronize the clock of that machine: times of records without one of their own are wrong.',
  },
  agent_problem: {
    ...{ severity: 'warning', raiseAfterMs: 5_000, endAfterMs: 5_000 },
    meaning: 'What else an agent says of itself, in its own words.',
    summary: 'Agent {subject}: {reason}',
    action: 'See the log of that agent.',
  },
};

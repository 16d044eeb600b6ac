/** Limits and times of what a server remembers of who agents are, each with its reason. */

/**
 * Agents remembered: five times as many as one server serves, at about 1 KiB each on disk. A stranger with the token can
 * name that many; none that was seen within AGENT_FORGET_MS makes room for it.
 */
export const MAX_AGENTS_REMEMBERED = 50_000;
/** An agent that was away for this long makes room for others: longer than a machine stays in a cupboard. */
export const AGENT_FORGET_MS: number = 180 * 24 * 3600 * 1000;
/** Other keys remembered of one agent: enough to see who tried, too few to fill a disk. The longest unseen goes first. */
export const MAX_OTHERS_PER_AGENT = 8;
/** Changes of a pin that are remembered. */
export const MAX_PIN_CHANGES = 8;
/** A key that was not accepted, and a directory that went back, are shown as problems for this long after they were seen. */
export const PROBLEM_SHOWN_MS: number = 24 * 3600 * 1000;
/** Problems told in one answer: people read the first few, and the count says the rest. */
export const MAX_PROBLEMS_TOLD = 200;
/** What is not a new pin is written this late: a stranger that comes again and again costs one commit in that time. */
export const WRITE_DELAY_MS = 1_000;
/** Sessions of one id at once, of those that are what is pinned, and of the others: each costs what an agent costs. */
export const MAX_SESSIONS_PER_ID = 16;
/** A peer that lives answers a ping well within this, over any network that carries logs. */
export const TWIN_PING_TIMEOUT_MS = 2_000;
/** Longest part of a certificate's subject and issuer that is shown; the whole of both is in the digest behind them. */
export const MAX_NAME_LENGTH = 160;
/** Between two looks at what other servers wrote: people wait no longer for what they accepted. */
export const SYNC_INTERVAL_MS = 10_000;
/** A run that goes on is written again this often. */
export const RUN_REFRESH_MS = 60_000;
/** Runs that were not written for this long are over. Longer than a refresh and the store's slowness. */
export const RUN_WINDOW_MS = 90_000;
/**
 * Two runs overlap when both were alive for longer than this at the same time: between the moments that are written and the
 * store's clock lies the time that a statement takes.
 */
export const RUN_OVERLAP_MS = 1_500;
/** How long rows of runs are kept. */
export const RUN_KEEP_HOURS = 2;
/** Rows of pins in the store, of all servers: beyond, only what operators accept is written. 40 MiB. */
export const MAX_PIN_ROWS = 200_000;
/** What waits to be told to the store while it is away: with the longest names some 20 MiB. */
export const MAX_UNSHARED = 20_000;
/** How long the store may count the records of one agent, and how often it is asked to. */
export const COUNT_TIMEOUT_MS = 20_000;

/**
 * The named limits and defaults of both state machines (U19), each with its reason.
 *
 * Invariants of this module: constants only.
 */
import type { UrgencyClass } from './model.ts';
import { MAX_BLOCK_RAW_BYTES, MAX_CHANNELS_PER_GRANT } from './model.ts';

/**
 * Most that is sent and not acknowledged at one server, in raw bytes: beyond it blocks stay in the machine, where an urgent one
 * can overtake them (U7). A little more than 475 MB/s (measured commit rate) times a round trip with its commit (15 ms).
 */
export const WINDOW_BYTES: number = 2 * MAX_BLOCK_RAW_BYTES;
/**
 * What may be on its way is what the server acknowledges in this time, beyond what an answer takes anyway (U23): the wait of an
 * urgent block behind what has left. Twice the round trip of a far link, so that it is never empty.
 */
export const WINDOW_DELAY_MS = 250;
/**
 * A block should take a link this long: half of the window, so that several are on their way. Blocks of two channels that arrive
 * together would else leave the link idle until their answers are back.
 */
export const BLOCK_DELAY_MS = 125;
/** A single block that takes less than this has another one behind it, however small the window. */
export const SECOND_BLOCK_MS = 1_000;
/** What of an answer's least time counts for the window: further round trips than on earth are queues. */
export const MAX_BASE_DELAY_MS = 250;
/** The window before the first answer: a link of which nothing is known may be slow, or far. */
export const FIRST_WINDOW_BYTES: number = 1024 * 1024;
/** The window at least: some small blocks. */
export const LEAST_WINDOW_BYTES: number = 64 * 1024;
/** Most beyond the window, for urgent blocks alone (U8): as much again, so that they need not wait for the first answer. */
export const URGENT_WINDOW_BYTES: number = MAX_BLOCK_RAW_BYTES;
/** A measured rate is forgotten when nothing was on its way for this long: links change. */
export const PACE_IDLE_MS = 10_000;
/** An urgent block goes to a second server when the first took this many times the usual time (U23). */
export const HEDGE_AFTER_USUAL_TIMES = 2;
/** And not sooner: pauses of disks and collectors are shorter. */
export const HEDGE_LEAST_MS = 250;
/** When the usual time is not known: a server that takes longer is no good first choice. */
export const HEDGE_UNKNOWN_MS = 1_000;
/** Part of the bytes of urgent blocks that may be sent a second time: when all are slow, copies must not add to that. */
export const HEDGE_FRACTION = 0.05;
/** Most of it that is saved up, and what there is at the start: what is on its way to a server that stops. */
export const MAX_HEDGE_CREDIT_BYTES: number = MAX_BLOCK_RAW_BYTES;
/** How long a block in doubt waits for its server's return (U14): longer than a restart takes. */
export const IN_DOUBT_TIMEOUT_MS = 30_000;
/** A server that owes an answer for this long is stalled (U13), however slow it usually is: a slow disk commits sooner. */
export const STALL_TIMEOUT_MS = 10_000;
/** And for so many times its usual time, but not sooner than {@link STALL_LEAST_MS}. */
export const STALL_AFTER_USUAL_TIMES = 4;
/** With its window full it is stalled after this time: nothing else could be sent to it. */
export const STALL_LEAST_MS = 1_000;
/** But not before so many times what the blocks on their way take at its rate: they may be larger than the window. */
export const STALL_AFTER_FLIGHT_TIMES = 2;
/** A step that comes this much later than was wished finds a machine that slept: silence meanwhile says nothing. */
export const SLEPT_MS = 2_000;
/** A request without an answer for this long is asked again; servers answer deferred ones sooner. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Slow refresh of the backlog at every server (U2). */
export const REFRESH_INTERVAL_MS = 10_000;
/** Least time between two requests to one server, whatever it grants: bounds the requests of a busy agent. */
export const MIN_REQUEST_INTERVAL_MS = 20;
/** Ask again when less than this part of the latest grant is left (U2): half leaves a round trip's worth. */
export const REQUEST_AHEAD_FRACTION = 0.5;
/** A grant that ends within this part of its lifetime counts as used up when deciding to ask (U2). */
export const EXPIRY_AHEAD_FRACTION = 0.25;
/** Least wait after a refusal, so that a server that says 0 is not hammered (U3). */
export const MIN_RETRY_AFTER_MS = 100;
/** Longest wait after a refusal that an agent believes: a wrong number must not silence it for ever. */
export const MAX_RETRY_AFTER_MS = 60_000;
/** Up to this part of the wait is added at random, so that refused agents do not come back together. */
export const RETRY_JITTER_FRACTION = 0.5;
/** A channel rests this long after a retryable refusal: the cause seldom ends sooner. */
export const REFUSED_PAUSE_MS = 250;
/** Most channels with quota that an agent keeps of one server; the oldest are given up beyond it. */
export const MAX_LIVE_CHANNELS_PER_SERVER = 64;
/** Grants of one server that the agent knows again: one that comes a second time would be sent on past its quota. */
export const MAX_GRANTS_REMEMBERED = 64;
/** Requests of one server that a grant may still answer. */
export const MAX_REQUESTS_REMEMBERED = 16;
/**
 * Servers that an agent knows by name, and that one block may be in doubt at: twice as many as it may be configured with, for
 * those that came back under another name. Of more, those that are not connected are forgotten.
 */
export const MAX_SERVERS_REMEMBERED = 128;
/** Uses and notices kept for people to look at. */
export const MAX_RECENT_USES = 64;
export const MAX_RECENT_NOTICES = 32;
/** Requests and grants kept for people: a busy agent makes several in a second, and the latest tell how it goes. */
export const MAX_ROUTINE_HAPPENINGS = 24;
/** Refusals, recalls, notices, ... kept for people: what is looked for afterwards. */
export const MAX_OTHER_HAPPENINGS = 40;
/** Longest reason of one, in UTF-16 units: a line or two. */
export const MAX_REASON_LENGTH = 200;
/** Priorities that one names: those of a grant's channels. */
export const MAX_HAPPENING_PRIORITIES: number = MAX_CHANNELS_PER_GRANT;
/** Blocks are sealed no smaller than this for the sake of a slow link: smaller ones compress badly. */
export const LEAST_BLOCK_WANTED_BYTES: number = 64 * 1024;
/** First pause after a grant on which no block that waits fits; it doubles with each in a row. */
export const USELESS_GRANT_PAUSE_MS = 100;
/** And the longest. */
export const MAX_USELESS_GRANT_PAUSE_MS = 10_000;

/** Least part of the bytes for each class while more urgent ones wait (U15). Urgent needs none: it is always first. */
export const MINIMUM_SHARES: Readonly<Record<UrgencyClass, number>> = {
  urgent: 0,
  elevated: 0.1,
  normal: 0.1,
  bulk: 0.05,
};
/** Most credit that a class saves up (U15): two blocks, so that a long storm is not followed by a burst. */
export const MAX_SHARE_CREDIT_BYTES: number = 2 * MAX_BLOCK_RAW_BYTES;

/** How long a grant lives at the agent: short enough that quota of a silent agent comes back soon. */
export const GRANT_LIFETIME_MS = 20_000;
/** How much longer a server takes blocks of a grant: transport delay and what is already on its way (U4). */
export const GRANT_GRACE_MS = 5_000;
/** Quota of a channel by default: several full blocks in the air cover a round trip. */
export const CHANNEL_QUOTA_BYTES: number = 16 * 1024 * 1024;
/** Part of the highest channel that only urgent blocks may use (U8), and its upper bound. */
export const URGENT_RESERVE_FRACTION = 0.25;
export const MAX_URGENT_RESERVE_BYTES: number = MAX_BLOCK_RAW_BYTES;
/** Most quota of an agent that has nothing waiting: enough for the next urgent lines without a round trip. */
export const IDLE_QUOTA_BYTES: number = 256 * 1024;
/** Least of it, when very many agents are connected: a few urgent lines. */
export const LEAST_IDLE_QUOTA_BYTES: number = 4 * 1024;
/** Part of what may be outstanding that all idle agents together may be given at one time; they ask anew before it ends. */
export const IDLE_ROOM_FRACTION: number = 1 / 8;
/** The journal's backlog and all grants together: what the store takes in this time, so that logs are found soon. */
export const BACKLOG_TARGET_MS = 2_000;
/** At least this much, however slow the store: several agents' full grants. */
export const BACKLOG_FLOOR_BYTES: number = 128 * 1024 * 1024;
/** Over at least this time the store's pace is measured: it loads in large parts. */
export const DRAIN_WINDOW_MS = 1_000;
/** A store that takes less than this is away: the journal is there for that, and may fill up. */
export const LEAST_DRAIN_BYTES_PER_SECOND: number = 1024 * 1024;
/** And has at least this much in its journal: with less, a store that takes little may have little to take. */
export const LEAST_AWAY_BACKLOG_BYTES: number = BACKLOG_FLOOR_BYTES / 2;
/** What the operator's limit lets pass at once after a pause: a part of a second. */
export const LIMIT_BURST_MS = 250;
/** At least this much, so that a very small limit does not cut grants to nothing. */
export const LEAST_LIMIT_BURST_BYTES: number = 64 * 1024;
/** How far urgent backlog may go ahead of the operator's limit; the rest waits until it is made up for. */
export const LIMIT_URGENT_LOAN_MS = 5_000;
/** A server whose journal is this full ranks its next grants lower (U17), until it is emptier than the second number. */
export const LOADED_FRACTION = 0.75;
export const UNLOADED_FRACTION = 0.5;
/** Granted beyond what waits, so that the next lines need no round trip. */
export const HEADROOM_BYTES: number = MAX_BLOCK_RAW_BYTES;
/** A request that no room was found for is refused after this time; below the agent's request timeout. */
export const DEFER_TIMEOUT_MS = 5_000;
/** How much of the age of an agent's oldest urgent record counts among equal agents: its clock may be wrong. */
export const MAX_AGE_COUNTED_MS = 60_000;
/** When to ask again after such a refusal. */
export const RETRY_AFTER_MS = 1_000;
/** And at most, when very many wait. */
export const MOST_RETRY_AFTER_MS = 10_000;
/** Quota that nothing came on for this long is asked back when others wait for room: longer than a round trip with a block takes. */
export const RECALL_UNUSED_MS = 2_000;
/** What was asked back and is neither closed nor used after this time is taken back: its agent is silent. A far link and a busy agent answer sooner. */
export const RECALL_ANSWER_MS = 5_000;
/**
 * Quota that an agent may hold before it has sent anything, in raw bytes: a grant for a burst. It may hold as much more as it
 * sends, up to {@link MAX_HELD_BYTES}: quota follows what is really sent.
 */
export const FIRST_HELD_BYTES: number = 3 * MAX_BLOCK_RAW_BYTES;
/** The most: two grants of the default channels, of which one is used up while the other is on its way. */
export const MAX_HELD_BYTES: number = 4 * CHANNEL_QUOTA_BYTES;
/** Grants that are being asked back at one time: each is answered with a request, and thousands of agents must not ask at once. */
export const MAX_GRANTS_RECALLED_AT_ONCE = 64;
/**
 * Grants of one agent that a server keeps: more than the channels that the agent keeps, with those that are on their way. Of
 * more, the oldest that is used up is forgotten, or the oldest.
 */
export const MAX_GRANTS_PER_AGENT = 128;
/**
 * Answers that may wait for one block that is being written: a block comes again only when a stream or a connection broke
 * meanwhile.
 */
export const MAX_ANSWERS_PER_BLOCK = 16;
/** Agents for which a server yields: more than may be connected to it. Of more, the earliest notices are forgotten. */
export const MAX_YIELDING_AGENTS = 16_384;
/** When to ask a draining server again: a restart takes longer. */
export const DRAINING_RETRY_AFTER_MS = 5_000;
/** How long a server yields after a notice (U11); then it may lead again. */
export const YIELD_MEMORY_MS = 60_000;

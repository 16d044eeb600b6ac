/** Limits and times of the agent's side of the uplink, each with its reason. */
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';

/** Most servers one agent is configured with: each costs a connection and a row in every report. */
export const MAX_SERVERS = 64;
/** TCP and TLS connect, and then Hello/Welcome, each have this long: a silent peer must not look like a slow one. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** First pause between attempts: a restarted server is found again at once. */
export const RECONNECT_LEAST_MS = 200;
/** Longest pause between attempts: a server that comes back after a long time is found within seconds. */
export const RECONNECT_MOST_MS = 10_000;
/** Pause after an answer that only people can change: wrong version, wrong token, the same server twice. */
export const RECONNECT_REFUSED_MS = 30_000;
/** First pause after a server broke the protocol; it doubles up to RECONNECT_REFUSED_MS: what it says costs time of others. */
export const RECONNECT_VIOLATION_LEAST_MS = 5000;
/** A server that kept to the protocol for this long is met as one that never broke it. */
export const VIOLATION_MEMORY_MS: number = 10 * 60_000;
/**
 * Messages of one connection that may break the protocol: each is passed over and told. A server that goes on is left, since
 * each costs work and its grants cannot be relied on.
 */
export const MAX_VIOLATIONS_PER_CONNECTION = 8;
/** Kinds of problems with one server that are remembered. */
export const MAX_PEER_PROBLEMS = 8;
/** A problem with what a server says is told for this long after it came last: long enough for a person to look. */
export const PEER_PROBLEM_SHOWN_MS: number = 10 * 60_000;
/** Answered blocks that are remembered per channel stream, to know an answer that comes twice: more than a quota holds. */
export const MAX_ANSWERED_REMEMBERED = 1024;
/** How often it is looked whether a block that a server does not take still waits; until then the server is sent none. */
export const UNTAKEN_RECHECK_MS = 5000;
/** Pause of a channel after its queue could not be read: a person mends that, or a restart, and neither takes less. */
export const QUEUE_FAILED_PAUSE_MS = 1000;
/** A connection that lived this long was good: the next pause starts from the least again. */
export const STABLE_CONNECTION_MS = 10_000;
/** How often it is looked whether a peer lives, and it is pinged. */
export const PING_INTERVAL_MS = 5000;
/** A peer that shows no sign of life for this long is dead: two PING_INTERVAL_MS more bound how late that is noticed. */
export const PING_TIMEOUT_MS = 10_000;
/** Largest message from a server: grants and acknowledgements are small; 1 MiB leaves room for later fields. */
export const MAX_RECEIVED_MESSAGE_BYTES: number = 1024 * 1024;
/** Largest message to a server: one block whose payload did not compress, its zstd overhead and its head. */
export const MAX_SENT_MESSAGE_BYTES: number = MAX_BLOCK_RAW_BYTES + 64 * 1024;
/**
 * Control messages that may wait for a server. Requests, notices and one report go out in milliseconds; a server that
 * lets this many pile up reads nothing, and is left.
 */
export const MAX_CONTROL_MESSAGES_WAITING = 1024;
/**
 * Blocks that may wait on one channel stream, as headers: payloads are read from the queue one by one when the
 * transport asks for the next, so that a slow server costs one payload per channel, not its quota.
 */
export const MAX_BLOCKS_WAITING_PER_CHANNEL = 65_536;
/**
 * Bytes that may wait in one channel's HTTP/2 stream before the next payload is fetched: enough to keep the socket
 * busy, little enough that a class switch is felt at once.
 */
export const WRITE_AHEAD_BYTES: number = 256 * 1024;
/** How often the machine is asked how large blocks should be: as often as a block of the wanted size is acknowledged. */
export const BLOCK_SIZE_LOOK_MS = 250;
/** Least pause between two reports to a server, when something changed. */
export const REPORT_INTERVAL_MS = 1000;
/** A report goes out this often even when nothing changed, so that people see that the agent lives. */
export const REPORT_REFRESH_MS = 10_000;
/** Memory of one HTTP/2 session in MB, for Node: above every channel's one block in the air. */
export const SESSION_MEMORY_MB = 256;
/** How long a closing connection may take to say goodbye before its socket is destroyed. */
export const GOODBYE_TIMEOUT_MS = 1000;
/** Problems with this agent's identity that one server tells: there are four kinds, and a server may know of more. */
export const MAX_IDENTITY_PROBLEMS = 8;
/** Problems in a report: people read the first few. */
export const MAX_PROBLEMS = 32;
/** Longest problem in a report, in UTF-16 units; the rest is cut. */
export const MAX_PROBLEM_LENGTH = 500;
/** Uses of channels, and notices, in a report: some seconds of history, a few KiB. */
export const MAX_REPORTED_USES = 64;
/** Live channels of one server in a report. */
export const MAX_REPORTED_CHANNELS = 64;

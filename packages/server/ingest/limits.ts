/** Limits and times of the server's side of the uplink, each with its reason. */
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';

/**
 * Most connections at once; an agent has one. Each costs a socket, an HTTP/2 session and its windows: about 150 KiB, so
 * that this many take about 1.5 GiB (`npm run bench -- agents`). More agents need more servers.
 */
export const MAX_AGENTS = 10_000;
/** A connection has this long from its first byte to a good Hello; strangers do not hold sockets. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Failed TLS handshakes are told at most this often: agents try again every few seconds, and strangers as they like. */
export const HANDSHAKE_COMPLAINT_INTERVAL_MS = 60_000;
/** A Send stream has this long to name its channel. */
export const OPEN_CHANNEL_TIMEOUT_MS = 10_000;
/** Streams of one connection: its control stream, and the channels of a few grants that overlap. */
export const MAX_STREAMS_PER_CONNECTION = 128;
/** Largest control message. A report of an agent with many servers takes tens of KiB. */
export const MAX_CONTROL_MESSAGE_BYTES: number = 256 * 1024;
/** Largest block message: a payload that did not compress, its zstd overhead and its head. */
export const MAX_BLOCK_MESSAGE_BYTES: number = MAX_BLOCK_RAW_BYTES + 64 * 1024;
/** Bytes that a peer may send ahead on one stream: holds a usual block, so that one round trip carries one. */
export const STREAM_WINDOW_BYTES: number = 1024 * 1024;
/** Bytes that a peer may send ahead on one connection, over all its streams. */
export const CONNECTION_WINDOW_BYTES: number = 4 * 1024 * 1024;
/**
 * Largest HTTP/2 frame that is taken: what one read of a socket brings. Fewer frames than with the default of 16 KiB;
 * larger ones measured no gain.
 */
export const MAX_FRAME_BYTES: number = 64 * 1024;
/** Memory of one HTTP/2 session in MB, for Node: above the connection's window and its answers. */
export const SESSION_MEMORY_MB = 64;
/**
 * How often it is looked whether each peer lives, and it is pinged. To an agent these pings are the server's signs of life while
 * it sends over a slow link: half of the silence after which an agent leaves.
 */
export const PING_INTERVAL_MS = 5_000;
/** Pings on their way to one peer: as many as are sent while what a peer may send ahead comes over a link of 30 kB/s. */
export const MAX_OUTSTANDING_PINGS = 32;
/** A peer that shows no sign of life for this long is dead. */
export const PING_TIMEOUT_MS = 20_000;
/** Messages that may wait for an agent on its control stream; one that lets more pile up reads nothing. */
export const MAX_CONTROL_MESSAGES_WAITING = 1024;
/** Answers that may wait on one Send stream; more than a grant's blocks is a peer that does not read. */
export const MAX_ANSWERS_WAITING = 65_536;
/** Payload bytes of one agent between arrival and durability: no agent takes all of the intake. */
export const MAX_INTAKE_BYTES_PER_AGENT: number = 32 * 1024 * 1024;
/** Payload bytes of all agents between arrival and durability: bounds memory whatever was granted. */
export const MAX_INTAKE_BYTES: number = 256 * 1024 * 1024;
/** Grants remembered per connection to tell a channel that was granted from one that never was. */
export const MAX_GRANTS_REMEMBERED = 256;
/** Notices kept for people to look at. */
export const MAX_NOTICES_KEPT = 256;
/** Servers, uses, notices and problems kept of one report; see also MAX_CONTROL_MESSAGE_BYTES. */
export const MAX_REPORT_ROWS = 256;
/** How long an agent may take to read its goodbye before its socket is destroyed. */
export const GOODBYE_TIMEOUT_MS = 1000;
/** Draining waits this long for what is in flight, unless told otherwise. */
export const DRAIN_TIMEOUT_MS = 10_000;

/**
 * The version of the uplink's protocol, for both sides (SPEC U20).
 *
 * A change of proto/sluice/v1/uplink.proto changes the hash, and a test fails until this file was looked at: additions that
 * an older peer may ignore raise the minor version once for each release; nothing else is done under the same major version
 * (`npm run check` compares the schema with that of 1.0, packages/wire/fixtures).
 */

/** A peer of another major version is refused with a clear error. */
export const PROTOCOL_MAJOR = 1;
/** Counts additions that an older peer may ignore. 1: block formats, digests and keys, proofs of identity, what happened. */
export const PROTOCOL_MINOR = 1;
/** The first 16 hex digits of SHA-256 over the schema's descriptor without comments. */
export const PROTOCOL_SCHEMA_HASH = '1e73ae55b15b062f';

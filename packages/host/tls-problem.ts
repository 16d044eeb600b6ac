/** What a failed connection says about certificates, in words. */

const NOT_TRUSTED = 'its certificate is signed by nobody who is trusted here; name the authority';
const NOT_TAKEN = "it does not take this computer's certificate (--tls-cert)";
const NO_TLS = 'it does not speak TLS; is it http://?';

/** By the codes of Node and OpenSSL (`node:tls`, "X509 certificate error codes", and OpenSSL's alerts). */
const PROBLEMS: ReadonlyMap<string, string> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', NOT_TRUSTED],
  ['SELF_SIGNED_CERT_IN_CHAIN', NOT_TRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT', NOT_TRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', NOT_TRUSTED],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', NOT_TRUSTED],
  ['CERT_SIGNATURE_FAILURE', NOT_TRUSTED],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet; is the clock right?'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name than this address'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'it asks for a certificate (--tls-cert, --tls-key)'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', NOT_TAKEN],
  ['ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR', NOT_TAKEN],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', NOT_TAKEN],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', NOT_TAKEN],
  ['ERR_SSL_WRONG_VERSION_NUMBER', NO_TLS],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', NO_TLS],
]);

/**
 * @param authorityFlag names the authorities that are trusted
 * @returns what is wrong, to stand behind the address; undefined when certificates have nothing to do with it
 */
export function tlsProblem(error: unknown, authorityFlag = '--tls-ca'): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const problem = 'code' in cause ? PROBLEMS.get(String(cause.code)) : undefined;
    const flag = problem === NOT_TRUSTED ? `${authorityFlag}; ` : '';
    if (problem !== undefined) return `${problem} (${flag}${cause.message})`;
  }
  return undefined;
}

/** What is said of a secure connection that did not come about, by what the platform says of it: its code, its words, or an alert of the other end. */
const REASONS: readonly [said: RegExp, reason: string][] = [
  // What TLS was to be read from was none.
  [
    /WRONG.VERSION.NUMBER|PACKET.LENGTH|HTTP.REQUEST|BAD.RECORD.TYPE|UNEXPECTED.(MESSAGE|RECORD)/i,
    'who answers there does not speak TLS: write the scheme without s (grpc://, http://, ws://) and leave tls out, or see whether the port is right',
  ],
  [/ALERT.(CERTIFICATE.REQUIRED|NO.CERTIFICATE)|DID.NOT.RETURN.A.CERTIFICATE/i, 'it wants a certificate of who asks: give tls.key and tls.cert'],
  [/ALERT.HANDSHAKE.FAILURE/i, 'it agreed to no handshake. Maybe it wants a certificate of who asks (tls.key and tls.cert)'],
  [/ALERT.(UNKNOWN.CA|\w*CERTIFICATE|DECRYPT.ERROR|ACCESS.DENIED)/i, 'it does not trust the certificate that it was shown: see tls.cert'],
  [/ALTNAME|HOSTNAME.MISMATCH/i, 'its certificate is for another name: reach it by a name that stands there, or give that one as tls.serverName'],
  [/CERT.HAS.EXPIRED/i, 'its certificate has expired: it needs a new one there'],
  [/CERT.NOT.YET.VALID/i, 'its certificate is not valid yet: see whether the clocks of both machines are right'],
  [/CERT.REVOKED/i, 'its certificate was revoked: it needs a new one there'],
  [/SELF.SIGNED|UNABLE.TO|ISSUER|INVALID.CA|CERT|SIGNATURE/i, 'its certificate is not trusted here: give the authority that it is from as tls.ca'],
]

/** Why a connection is not secure, and what to do: one vocabulary for all wires. */
export function insecure(code: string, said: string): string {
  const [, reason = 'no secure connection'] = REASONS.find(([words]) => words.test(`${code} ${said}`)) ?? []
  // OpenSSL says where in its code it was.
  const short = /SSL routines:\w*:([^:\n]+)/.exec(said)?.[1] ?? said
  return `${reason} (${[code, short].filter((text) => text !== '').join(': ')})`
}

/** What one end of mutual TLS is known by, and whom it believes: three files in PEM. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { SluiceError } from '../errors.js'

/** Paths of files in PEM. */
export interface CredentialFiles {
  readonly key: string
  /** With what leads to its authority behind it. */
  readonly cert: string
  /** The authorities whose certificates the other end may have. */
  readonly ca: string
}

export interface Credentials {
  readonly key: string
  readonly cert: string
  readonly ca: string
  /** When the certificate expires; milliseconds since 1970. */
  readonly notAfter: number
}

/** Options of `node:tls` for either end. */
export function tlsOptions({ key, cert, ca }: Credentials) {
  return { key, cert, ca, minVersion: 'TLSv1.2' as const }
}

/**
 * Reads the files and sees that they go together.
 * @throws {SluiceError} `ERR_SLUICE_ADMIN_CERTIFICATE`
 */
export async function readCredentials(files: CredentialFiles): Promise<Credentials> {
  const [key, cert, ca] = await Promise.all([read(files.key), read(files.cert), read(files.ca)])
  const [own] = certificatesIn(cert, files.cert)
  // Without any, Node.js would believe every authority of the web.
  certificatesIn(ca, files.ca)
  if (!own?.checkPrivateKey(privateKeyIn(key, files.key))) {
    throw unusable(
      `The key in ${files.key} is not that of the certificate in ${files.cert}.`,
      'Name the key with which the certificate was asked for.',
    )
  }
  const credentials = { key, cert, ca, notAfter: Date.parse(own.validTo) }
  try {
    createSecureContext(tlsOptions(credentials))
  } catch (cause) {
    const { message } = cause as Error
    throw unusable(
      `TLS does not take ${files.key}, ${files.cert} and ${files.ca}: ${message}.`,
      'Make them with present-day algorithms: RSA of 2048 bits or more, or P-256.',
      cause,
    )
  }
  return credentials
}

function read(file: string): Promise<string> {
  return readFile(file, 'latin1').catch((cause: NodeJS.ErrnoException) => {
    throw unusable(
      `The file ${file} cannot be read: ${cause.code}.`,
      'Correct the path, or let the user of this process read it.',
      cause,
    )
  })
}

function privateKeyIn(text: string, file: string) {
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw unusable(
      `The file ${file} has no private key that can be read.`,
      'Write it there in PEM, without a passphrase.',
      cause,
    )
  }
}

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** At least one. */
function certificatesIn(text: string, file: string): X509Certificate[] {
  const remedy = 'Write one there in PEM: -----BEGIN CERTIFICATE-----.'
  const found = text.match(certificate) ?? []
  if (found.length === 0) throw unusable(`The file ${file} has no certificate.`, remedy)
  try {
    return found.map((pem) => new X509Certificate(pem))
  } catch (cause) {
    throw unusable(`The file ${file} has a certificate that cannot be read.`, remedy, cause)
  }
}

function unusable(sentence: string, remedy: string, cause?: unknown): SluiceError {
  return new SluiceError('ERR_SLUICE_ADMIN_CERTIFICATE', sentence, remedy, { cause })
}

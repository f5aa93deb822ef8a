/** A TLS server of openssl, and its client, in a laboratory. */
import type { Family, Host, Laboratory, LabProcess, Namespace } from '../../src/laboratory/index.js'

/** `openssl s_server -www` with a certificate of the host's name. */
export async function startTls(lab: Laboratory, host: Host, family: Family): Promise<LabProcess> {
  const [key, cert] = ['key', 'crt'].map((end) => `${lab.folder}/${host.name}.${end}`) as [
    string,
    string,
  ]
  const subject = ['-subj', `/CN=${host.name}`, '-days', '2', '-keyout', key, '-out', cert]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await host.namespace.exec('openssl', ['req', '-x509', ...kind, ...subject])
  const process = await host.namespace.spawn('openssl', [
    ...['s_server', '-www', '-accept', '443', `-${family}`, '-key', key, '-cert', cert],
  ])
  await process.waitForOutput(/ACCEPT/)
  return process
}

export interface TlsConnection {
  /** 'TLSv1.2', say. */
  readonly version: string
  readonly isReused: boolean
}

/** One connection by `openssl s_client` from one of the client's addresses. */
export async function connectTls(
  from: Namespace,
  [source, target]: readonly [string, string],
  args: readonly string[],
): Promise<TlsConnection> {
  const endpoint = (address: string, port: number) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  const ends = ['-connect', endpoint(target, 443), '-bind', endpoint(source, 0)]
  const { stdout } = await from.exec('openssl', ['s_client', ...ends, ...args], { input: 'Q\n' })
  const [, how, version = ''] = /^(New|Reused), (TLSv[\d.]+), Cipher/m.exec(stdout) ?? []
  return { version, isReused: how === 'Reused' }
}

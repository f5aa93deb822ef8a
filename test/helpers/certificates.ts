/** An authority and what it signs, made by openssl as an operator makes them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../src/laboratory/lab-process.js'

export interface CertificateFiles {
  readonly key: string
  readonly cert: string
  readonly ca: string
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export class Authority {
  readonly file: string
  readonly #folder: string
  readonly #name: string

  private constructor(folder: string, name: string) {
    this.#folder = folder
    this.#name = name
    this.file = join(folder, `${name}.pem`)
  }

  /** @param name of the authority; its files begin with it */
  static async create(folder: string, name: string): Promise<Authority> {
    const made = new Authority(folder, name)
    const files = ['-keyout', made.#path('key'), '-out', made.file]
    const line = ['req', '-x509', ...newKey, ...files, '-days', '2', '-subj', `/CN=${name}`]
    await run(['openssl', ...line])
    return made
  }

  /** A key and a certificate for it, of somebody with these addresses. */
  async sign(name: string, ...addresses: string[]): Promise<CertificateFiles> {
    const base = join(this.#folder, `${this.#name}-${name}`)
    const files = { key: `${base}.key`, cert: `${base}.pem`, ca: this.file }
    const names = [`DNS:${name}.test`, ...addresses.map((address) => `IP:${address}`)]
    writeFileSync(`${base}.ext`, `subjectAltName=${names.join(',')}\n`)
    const request = ['req', '-new', ...newKey, '-keyout', files.key, '-out', `${base}.csr`]
    await run(['openssl', ...request, '-subj', `/CN=${name}`])
    const by = ['-CA', this.file, '-CAkey', this.#path('key'), '-CAcreateserial']
    const about = ['-in', `${base}.csr`, '-out', files.cert, '-extfile', `${base}.ext`]
    await run(['openssl', 'x509', '-req', ...about, ...by, '-days', '2'])
    return files
  }

  #path(extension: string): string {
    return join(this.#folder, `${this.#name}.${extension}`)
  }
}

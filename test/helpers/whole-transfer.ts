/** Files that come whole, by whatever way. */
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Family, Laboratory, Namespace } from '../../src/laboratory/index.js'
import { writeContents } from './contents.js'
import { curlSha256, url } from './http-clients.js'
import type { NginxServer } from './servers.js'
import type { Site } from './site.js'
import { upload } from './uploads.js'

/** The first server's file of `size` bytes comes whole to the client, by every family. */
export async function expectWholeTransfer(site: Site, size: number): Promise<void> {
  const [server] = site.servers
  const body = await server?.addFile(size)
  for (const family of site.lab.families) {
    const target = url(site.lab.virtualAddress(family), `/bytes/${size}`)
    expect(await curlSha256(site.client, target)).toMatchObject({ status: 200, bytes: size, body })
  }
}

/** A file of a stated size that a client fetches and uploads by way of the virtual address. */
export class BothWays {
  private constructor(
    private readonly lab: Laboratory,
    private readonly client: Namespace,
    private readonly size: number,
    readonly path: string,
    readonly sha256: string,
  ) {}

  static async prepare(
    { lab, client }: { lab: Laboratory; client: Namespace },
    nginx: NginxServer,
    size: number,
  ): Promise<BothWays> {
    const path = join(lab.folder, `contents-${size}`)
    const sha256 = await writeContents(path, size)
    nginx.linkFile(path)
    return new BothWays(lab, client, size, path, sha256)
  }

  /** From nginx, behind a port of the virtual address. @throws unless it comes whole */
  async download(family: Family, port = 80): Promise<void> {
    const target = url(this.lab.virtualAddress(family), `/bytes/contents-${this.size}`, port)
    const whole = { status: 200, bytes: this.size, body: this.sha256, exitCode: 0 }
    expect(await curlSha256(this.client, target)).toMatchObject(whole)
  }

  /** To the server of uploads behind a port of the virtual address. @throws unless it comes whole */
  async upload(family: Family, port: number): Promise<void> {
    const target = url(this.lab.virtualAddress(family), '/', port)
    expect(await upload(this.client, target, this.path)).toBe(this.sha256)
  }

  /** Both, by each family. */
  async transfer(uploads: number): Promise<void> {
    for (const family of this.lab.families) {
      await this.download(family)
      await this.upload(family, uploads)
    }
  }
}

import { expect } from 'vitest'
import { curlSha256, url } from './http-clients.js'
import type { Site } from './site.js'

/** The first server's file of `size` bytes comes whole to the client, by every family. */
export async function expectWholeTransfer(site: Site, size: number): Promise<void> {
  const [server] = site.servers
  const body = await server?.addFile(size)
  for (const family of site.lab.families) {
    const target = url(site.lab.virtualAddress(family), `/bytes/${size}`)
    expect(await curlSha256(site.client, target)).toMatchObject({ status: 200, bytes: size, body })
  }
}

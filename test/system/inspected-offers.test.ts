/** What a node's handshake has shown is offered to the next client of an inspected virtual server. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Family, type Host, until } from '../../src/laboratory/index.js'
import { url } from '../helpers/http-clients.js'
import { listen, Site } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { offer } from '../helpers/tcp-offers.js'
import { conversations } from '../helpers/tcp-streams.js'
import { startUploads, upload } from '../helpers/uploads.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'curl', 'python3')
requireCaptures()

const SMALL = 1400
const SIZE = 2_000_000
const FAMILIES: [Family][] = [[4], [6]]

/** @param prepare what the node of the inspected virtual server is like */
function start(family: Family, prepare: (node: Host) => Promise<void>): Promise<Site> {
  return Site.start({
    topology: 'two-arm',
    servers: 1,
    families: [family],
    virtualServers: (of, lab) => ({
      site: `listen: '${listen(lab, of, 80)}', inspect: 'http', pool: 'web${of}'`,
    }),
    startServers: async (lab) => {
      const [node] = lab.servers as [Host]
      await prepare(node)
      await startUploads(node)
      return []
    },
  })
}

/** Two uploads, one after the other: what was told to the client of each, and how often one was spliced. */
async function uploadTwice(site: Site, family: Family) {
  const path = join(site.lab.folder, 'upload')
  writeFileSync(path, Buffer.alloc(SIZE, 'b'))
  const capture = await site.capture()
  const spliced: number[] = []
  for (const expected of [1, 2]) {
    await upload(site.client, url(site.lab.virtualAddress(family)), path)
    const { counters } = await until('it has ended', async () => {
      const status = await site.status()
      const { inspectionsJoined, connections } = status.counters
      return inspectionsJoined === expected && connections === 0 && status
    })
    spliced.push(counters.splices)
  }
  const told = conversations(await capture.stop(), 80).map(({ request, reply }) => ({
    mss: reply?.segments[0]?.tcp.options.mss,
    stamped: reply?.segments[0]?.tcp.options.timestamps !== undefined,
    finished: request.bytes.length > SIZE,
  }))
  return { spliced, told }
}

test.each(FAMILIES)(
  'TCPX-06 IPv%s: of a node with MTU 1400 the second client is told the MSS, and its connection is spliced',
  async (family) => {
    await using site = await start(family, ({ namespace }) =>
      namespace.ip([`link set dev eth0 mtu ${SMALL}`]),
    )
    const headers = family === 4 ? 40 : 60
    const { spliced, told } = await uploadTwice(site, family)
    expect(spliced).toEqual([0, 1])
    expect(told).toEqual([
      { mss: 1500 - headers, stamped: true, finished: true },
      { mss: SMALL - headers, stamped: true, finished: true },
    ])
    await site.end()
  },
)

test.each(FAMILIES)(
  'TCPX-06 TCPX-07 IPv%s: of a node without timestamps the second client is offered none, and its connection is spliced',
  async (family) => {
    await using site = await start(family, ({ namespace }) =>
      offer(namespace, { timestamps: 0, sack: 1, scaling: 1 }),
    )
    const { spliced, told } = await uploadTwice(site, family)
    expect(spliced).toEqual([0, 1])
    expect(told.map(({ stamped }) => stamped)).toEqual([true, false])
    await site.end()
  },
)

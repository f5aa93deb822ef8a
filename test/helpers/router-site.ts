/** A router of HTTP requests in front of nginx and of a server that answers in every way that there is. */
import { join } from 'node:path'
import { type HttpRouterOptions, httpRouter } from '../../src/index.js'
import { type Family, type Host, until } from '../../src/laboratory/index.js'
import { EngineSite } from './engine-site.js'
import { url } from './http-clients.js'
import { root } from './repository.js'
import { NginxServer } from './servers.js'

export const HTTP = 80
/** Of the second server, which is Node's. */
export const ORIGIN = 8080

/** nginx has `/bytes/`, and a server of Node's each other path, by its first part. */
export async function startRouterSite(options: HttpRouterOptions = {}, workers = 1) {
  const routed: string[] = []
  const servers: Record<Family, string[]> = { 4: [], 6: [] }
  const router = httpRouter(({ target, inbound }) => {
    routed.push(target)
    const [first, second] = servers[inbound.identity.family] as [string, string]
    if (target.startsWith('/nowhere')) return undefined
    if (target.startsWith('/thrown')) throw new Error('a route fails')
    if (target.startsWith('/refused-port')) return { address: second, port: 9 }
    const isFile = target === '/' || target.startsWith('/bytes/')
    return isFile ? { address: first, port: HTTP } : { address: second, port: ORIGIN }
  }, options)
  const site = await EngineSite.start({
    servers: 2,
    services: { [HTTP]: router },
    more: () => ({ workers }),
    startServers: async (lab) => {
      const [first, second] = lab.servers as [Host, Host]
      for (const family of lab.families) {
        servers[family].push(...lab.serverAddresses(family))
      }
      const nginx = await NginxServer.start(lab, first)
      const script = join(root, 'test/helpers/http_origin.mjs')
      const origin = await second.namespace.spawn(process.execPath, [script, 'node', `${ORIGIN}`])
      await origin.waitForOutput(/^ready$/m)
      return nginx
    },
  })
  const at = (family: Family, path: string) => url(site.lab.virtualAddress(family), path)
  /** The rest of a test: nothing is left but what is parked. */
  const end = async (troubles = 0) => {
    await until('nothing but parked connections is left', () => {
      const { sockets, parked } = site.stack.stats()
      return sockets === parked
    })
    await site.stack.parking.drain()
    await site.end({ troubles })
  }
  return { site, nginx: site.started, routed, at, end }
}

export type RouterSite = Awaited<ReturnType<typeof startRouterSite>>

/** Raw bytes on a connection of their own, and all that came back until it was over. */
export async function say({ site }: RouterSite, text: string, family: Family = 4): Promise<string> {
  const client = await site.connect(family, HTTP)
  client.write(text)
  await until('the router closes', () => client.state === 'closed')
  return client.received.join('')
}

export const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: test\r\n${more}\r\n`
export const last = 'Connection: close\r\n'
